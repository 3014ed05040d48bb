"""`make mutants` counts rightly: what it changes, which tests it chooses, and that an interrupted run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.mutants import trial
from tools.mutants.__main__ import ROOMS, main
from tools.mutants.changes import Change, find_changes
from tools.mutants.linemap import LineMap, MappedTest, _carry_lines
from tools.mutants.project import Project
from tools.mutants.sample import EQUIVALENT, draw_sample, find_all, read_equivalent

PYPROJECT = """
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
addopts = "--import-mode=importlib"
"""
SUMS = '''"""Adds 1 and 2."""

START = 1


def add(value: int) -> int:
    """Return START + value."""
    result = START
    result += value
    print(result)


def halve(value: int) -> float:
    result = value / START
    print(result)
'''
TESTS = """from tiny.maths.sums import add, halve


def test_sum_starts_with_one(capsys):
    add(7)
    assert capsys.readouterr().out.split() == ["8"]


def test_halve_runs():
    halve(4)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A package of one module whose tests notice changes of one of its functions."""
    monkeypatch.setattr(trial, "PRELOADED", ["pytest"])
    for name, text in {
        "pyproject.toml": PYPROJECT,
        "tiny/__init__.py": "",
        "tiny/maths/__init__.py": "",
        "tiny/maths/sums.py": SUMS,
        "tests/maths/test_sums.py": TESTS,
        "equivalent.toml": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Project(tmp_path, package="tiny")


def replacements(source: str) -> set[tuple[str, str]]:
    """Every change of a source text, as the changed line before and after."""
    return {(change.before, change.after) for change in find_changes("a.py", source.encode())}


def run(project: Project, *options: str) -> int:
    return main(["--jobs", "1", "--rooms", "maths", *options], project, project.root / "equivalent.toml")


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("x = a < b", {"x = a <= b", "x = a >= b"}),
        ("x = a == b", {"x = a != b"}),
        ("x = a not in b", {"x = a in b"}),
        ("x = a is not b", {"x = a is b"}),
        ("x = (a) + (b)", {"x = (a) - (b)"}),
        ("x = a // b", {"x = a * b"}),
        ("x -= a", {"x += a"}),
        ("x = -a", {"x = a"}),
        ("x = not a", {"x = a"}),
        ("x = a and b", {"x = a or b"}),
        ("x = a[0]", {"x = a[1]"}),
        ("x = a[1]", {"x = a[0]", "x = a[2]"}),
        ("x = 2.0", {"x = 1.0", "x = 3.0"}),
        ("x = 64", {"x = 65"}),
        ("x = True", {"x = False"}),
        ("x = min(a, b)", {"x = max(a, b)"}),
        ("x = np.maximum(a, b)", {"x = np.minimum(a, b)"}),
        ("return a", {"return None"}),
        ("x = f'{a + b:02d}'", {"x = f'{a - b:02d}'"}),
        ("x = 'é' + a", {"x = 'é' - a"}),
    ],
)
def test_changes_of_a_line(line: str, after: set[str]) -> None:
    assert replacements(f"def f(a, b):\n    {line}\n") == {(line, text) for text in after}


@pytest.mark.parametrize(
    "source",
    [
        '"""1 < 2"""',
        "x: Literal[1] | None",
        "def f(a: Literal[1]) -> A | B: ...",
        "type T = A | B",
        "assert a < 1",
        "raise ValueError(f'{a + 1}')",
        "fail(VsanimeError(a + 1))",
        "@cache(1)\ndef f(): ...",
        "@dataclass(frozen=True)\nclass A: ...",
        "zip(a, b, strict=True)",
        "if TYPE_CHECKING:\n    x = 1",
        "def f():\n    return None",
        "from a import b",
    ],
)
def test_what_stays_as_it_is(source: str) -> None:
    assert replacements(source) == set()


def test_change_names_function_and_statement() -> None:
    source = "class A:\n    def f(self, x=0):\n        return g(\n            x + 2,\n        )\n"
    found = {change.after: change for change in find_changes("p/a.py", source.encode())}
    assert found["x - 2,"].function == "A.f"
    assert (found["x - 2,"].line, found["x - 2,"].lines) == (4, (3, 5))
    assert not found["x - 2,"].at_import
    assert found["def f(self, x=1):"].at_import
    assert found["x - 2,"].apply(source.encode()).decode() == source.replace("x + 2", "x - 2")


def test_same_seed_gives_same_sample_after_edits_elsewhere(project: Project) -> None:
    before = draw_sample(project, find_all(project, ["maths"]), 7, 1, ())
    path = project.root / "tiny/maths/sums.py"
    path.write_text(SUMS.replace("START = 1", "# A comment.\n\nSTART = 1"), encoding="utf-8")
    after = draw_sample(project, find_all(project, ["maths"]), 7, 1, ())
    other = draw_sample(project, find_all(project, ["maths"]), 9, 1, ())
    assert [change.identity for change in after.changes] == [change.identity for change in before.changes]
    assert {change.identity for change in other.changes} != {change.identity for change in before.changes}


def test_equivalent_changes_are_replaced_by_others(project: Project) -> None:
    changes = find_all(project, ["maths"])
    first = draw_sample(project, changes, 1, 2, ()).changes[0]
    sample = draw_sample(project, changes, 1, 2, [first.identity[:4]])
    assert sample.equivalent == [first]
    assert len(sample.changes) == 2
    assert first not in sample.changes


@pytest.mark.long
def test_noticed_and_unnoticed_changes_are_told_apart_and_kept(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(project) == 1
    printed = capsys.readouterr()
    assert "    - result = value / START\n    + result = value * START\n2 of 3 changes noticed, 66.7 %" in printed.out
    assert "failed by tests/maths/test_sums.py::test_sum_starts_with_one" in printed.err
    assert (project.root / "tiny/maths/sums.py").read_text(encoding="utf-8") == SUMS

    journal = project.store / "journal.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines()
    journal.write_text("\n".join([*lines[1:], '{"change": ["half a li']) + "\n", encoding="utf-8")
    assert run(project) == 1
    again = capsys.readouterr()
    assert again.out.splitlines()[:3] == printed.out.splitlines()[:3]
    assert "mapping" in printed.err
    assert "mapping" not in again.err
    assert len(journal.read_text(encoding="utf-8").splitlines()) == len(lines) + 1  # one was tried again


def test_tests_nearest_to_a_change_come_first() -> None:
    names = [
        "tests/e2e/test_all.py::test_it",
        "tests/maths/test_sums.py::test_a[1]",
        "tests/maths/test_sums.py::test_a[2]",
    ]
    names += ["tests/maths/test_sums.py::test_b", "tests/other/test_x.py::test_c"]
    lines = {"tiny/maths/sums.py": frozenset({4})}
    line_map = LineMap({}, {name: MappedTest(name, 0.1, lines) for name in names}, [], {})
    change = Change("tiny/maths/sums.py", "f", "a", "b", 0, 4, (4, 4), 0, 1, "b", False, ())
    ranked = [test.name for test in line_map.rank_tests(change)]
    assert set(ranked[:2]) == {names[1], names[3]}
    assert ranked[2:] == [names[2], names[4], names[0]]


def test_one_test_of_every_function_elsewhere_comes_before_the_second_of_any() -> None:
    names = [f"tests/other/test_x.py::test_{function}[{n}]" for function in "ab" for n in range(3)]
    lines = {"tiny/maths/sums.py": frozenset({4})}
    line_map = LineMap({}, {name: MappedTest(name, 0.1, lines) for name in names}, [], {})
    change = Change("tiny/maths/sums.py", "f", "a", "b", 0, 4, (4, 4), 0, 1, "b", False, ())
    assert [test.name[-7:] for test in line_map.rank_tests(change)][:2] == ["st_a[0]", "st_b[0]"]


def test_defaults_of_classes_are_tried_with_tests_that_mention_the_class() -> None:
    source = "class Pen:\n    width: int = 2\n"
    tests = {name: MappedTest(name, 0.1, {}) for name in ("tests/test_a.py::test_pen", "tests/test_b.py::test_other")}
    texts = {"tests/test_a.py": "from tiny.a import Pen", "tests/test_b.py": "Pencil"}
    line_map = LineMap({}, tests, [], {}, {"tiny/a.py": source.splitlines()}, texts)
    change = find_changes("tiny/a.py", source.encode())[0]
    assert [test.name for test in line_map.rank_tests(change)] == ["tests/test_a.py::test_pen"]


def test_lines_that_run_at_import_are_tried_with_what_uses_their_names() -> None:
    tests = {
        "tests/test_a.py::uses": MappedTest("tests/test_a.py::uses", 0.1, {"tiny/a.py": frozenset({4})}),
        "tests/test_b.py::other": MappedTest("tests/test_b.py::other", 0.1, {"tiny/b.py": frozenset({1})}),
    }
    sources = {"tiny/a.py": ["LIMIT = 2", "", "def f(x):", "    return x < LIMIT"], "tiny/b.py": ["def g(): ..."]}
    line_map = LineMap({}, tests, [], {}, sources)
    change = next(one for one in find_changes("tiny/a.py", b"LIMIT = 2\n") if one.replacement == "3")
    assert [test.name for test in line_map.rank_tests(change)] == ["tests/test_a.py::uses"]


def test_listed_equivalent_changes_are_in_the_code_and_have_reasons() -> None:
    listed = read_equivalent(EQUIVALENT)
    there = {change.identity[:4] for change in find_all(Project(Path(__file__).parents[2]), ROOMS)}
    assert listed.keys() - there == set()
    assert all(reason.strip() for reason in listed.values())


def test_lines_of_a_changed_file_are_carried_over() -> None:
    before = ["a", "b", "c", "d"]
    assert _carry_lines(before, before) == {n: {n} for n in (1, 2, 3, 4)}
    assert _carry_lines(before, ["new", *before])[3] == {4}
    assert _carry_lines(before, ["a", "B1", "B2", "c", "d"]) == {1: {1}, 2: {2, 3}, 3: {4}, 4: {5}}
    assert _carry_lines(before, ["a", "b", "new", "c", "d"])[2] == {2, 3}
    assert 2 not in _carry_lines(before, ["a", "c", "d"])
