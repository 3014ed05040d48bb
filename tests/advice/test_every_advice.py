"""Every piece of code, argument and command that an error message advises has a test that follows it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import vsanime

PACKAGE = Path(vsanime.__file__).parent
TESTS = Path(__file__).parents[1]
# Not training and bench, whose users sit at a terminal beside the documentation.
OTHERS = ("training", "bench")

SCRIPTS = "advice/test_scripts.py::test_"
CODE = f"{SCRIPTS}code_and_arguments_that_are_advised_make_the_call_succeed"
COMMANDS = "advice/test_commands.py::test_"
BACKENDS = "advice/test_backends.py::test_"
# What stands between backticks in the rooms' messages, code in braces being filled in; and the test that follows it.
# `pip install` is not here: all of it is tried by tests/advice/test_backends.py.
FOLLOWED = {
    "clip.std.RemoveFrameProps('{ALPHA}')": CODE,
    # It is not run: clips in GPU memory need a card and a plugin, which no machine of CI has.
    "clip.std.GPUDownload()": f"{SCRIPTS}clips_in_gpu_memory_are_brought_back_by_a_function_that_is_there",
    "clip.std.SetFrameProps({name}={int(default)})": CODE,
    "clip.std.SetFrameProps({name}={first})": CODE,
    "clip.std.SetFrameProps({name}=1)": CODE,
    "clip.std.SetFrameProps(_Matrix=1)": CODE,
    "clip.std.SetFieldBased(0)": CODE,
    "clip.resize.Point(range={first})": CODE,
    "clip.resize.Spline36(chromaloc={first})": CODE,
    "clip.resize.Spline36(matrix={first}, matrix_in={guess})": CODE,
    "clip.resize.Spline36({_CONVERSIONS[matrix]})": CODE,
    "clip.resize.Spline36({', '.join(arguments)})": CODE,
    "clip.resize.Spline36({across}, {down})": f"{SCRIPTS}a_size_that_is_no_larger_is_made_by_what_is_advised",
    "clip.resize.Spline36(format=vs.YUV444P16, matrix_s='709')": CODE,
    "clip.resize.Spline36(format=vs.YUV444P10, matrix_s='709')": CODE,
    "clip.resize.Spline36(format={format_code(video_format(_as_420(spec.format)))})": CODE,
    "clip.resize.Point(format={form})": CODE,
    "clip.resize.Point(format=vs.GRAY8{', matrix_s=' + repr('709') if family is Family.RGB else ''})": CODE,
    "clip.resize.Bicubic({', '.join(arguments)})": f"{SCRIPTS}references_of_two_formats_become_one",
    "clip[0]": f"{SCRIPTS}of_several_frames_one_is_a_reference",
    "vsanime.lineart(clip)": CODE,
    "vsanime.mark_scenes(clip)": CODE,
    "vsanime.Backend.OpenVINO()": CODE,
    "vs.core.num_threads={lanes + 1}": "e2e/test_pipe.py::test_crowded_lanes_are_told_and_threads_left_alone",
    "num_streams={threads - 1}": "e2e/test_pipe.py::test_crowded_lanes_are_told_and_threads_left_alone",
    "num_streams=1": f"{BACKENDS}a_tile_or_fewer_streams_fit_into_the_memory_that_there_is",
    "tilesize={tile}": f"{BACKENDS}a_tile_or_fewer_streams_fit_into_the_memory_that_there_is",
    "tiles='auto'": f"{BACKENDS}a_tile_or_fewer_streams_fit_into_the_memory_that_there_is",
    "work_size={_half(spec)}": CODE,
    "chroma={_RESAMPLE!r}": CODE,
    "scenes='detect'": CODE,
    "no_reference='nearest'": CODE,
    "no_reference='passthrough'": CODE,
    "keys={_example(clip.num_frames, length)}": CODE,
    "method='{_FILE}'": f"{SCRIPTS}sketchkeras_is_imported_by_the_command",
    "method='dog'": f"{SCRIPTS}sketchkeras_is_imported_by_the_command",
    "precision='f32'": f"{BACKENDS}a_device_without_bf16_computes_in_what_is_named",
    "precision='bf16'": f"{BACKENDS}weights_beyond_half_precision_are_written_in_those_that_are_named",
    "precision='fp16'": f"{BACKENDS}a_card_without_bf16_computes_in_what_is_named",
    "flavour='tensorrt_rtx'": f"{BACKENDS}a_newer_card_is_served_by_the_flavour_that_is_named",
    "vsanime import WEIGHTS.pth -o {_FILE}": f"{SCRIPTS}sketchkeras_is_imported_by_the_command",
    "vsanime import {quote_for_shell(path)}{output}": f"{SCRIPTS}a_style_on_another_range_is_imported_by_the_command",
    "vsanime import FILE -o {variant.file}": (
        f"{COMMANDS}weights_that_nobody_publishes_are_imported_by_the_command_and_put_where_it_says"
    ),
    "vsanime models fetch {variant.name}": f"{COMMANDS}a_model_is_fetched_by_the_command_once_downloads_are_allowed",
    "vsanime models fetch NAME": f"{COMMANDS}a_model_is_fetched_by_the_command_once_downloads_are_allowed",
    "vsanime models fetch {variant.name}{option}": (
        f"{COMMANDS}a_model_is_fetched_by_the_command_once_downloads_are_allowed"
    ),
    "vsanime models fetch {variant.name} --unverified": (
        f"{COMMANDS}a_model_that_was_published_anew_is_fetched_by_the_command"
    ),
    "vsanime import": f"{COMMANDS}a_zip_that_torch_wrote_is_imported_by_the_command",
    "vsanime process --help": f"{COMMANDS}filters_that_are_named_are_there",
    "vsanime models list": f"{SCRIPTS}models_of_another_task_name_a_command_that_lists_them",
    "vsanime models show {variant.name}": f"{COMMANDS}a_file_with_another_digest_is_taken_by_its_path",
    "vsanime train --list": f"{COMMANDS}recipes_are_listed_by_the_command",
}
# What stands between backticks and is no advice.
NAMED = {"import", "vsanime train", "process", "upscale", "default", "resample", "artcnn", "vsanime COMMAND --help"}
# What is advised and not run: it needs git's extensions and a repository whose server has the file.
NOT_RUN = {"git lfs pull", "git annex get"}
# Code that is advised without backticks would be tried by nobody.
BARE = re.compile(
    r"\b(?:std|resize)\.[A-Z]\w+|\bvsanime\.\w+\(|\bpip install|\bvsanime (?:import|models|train|build) "
    r"|\b(?:use|try|take|give|set) \w+=['\d(\[{]"
)


def is_help(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".add_argument", ".add_parser"))


def literals(tree: ast.AST) -> Iterator[str]:
    """The texts of a module but docstrings, the help of commands and what has several lines; code in braces."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            skipped |= {id(one) for one in ast.walk(node.body[0])}
        if is_help(node):
            skipped |= {id(one) for one in ast.walk(node)}
    inside = {id(one) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for one in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else filled(p) for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def filled(part: ast.expr) -> str:
    assert isinstance(part, ast.FormattedValue)
    conversion = "" if part.conversion < 0 else f"!{chr(part.conversion)}"
    return f"{{{ast.unparse(part.value)}{conversion}}}"


def texts() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in OTHERS:
            continue
        for text in literals(ast.parse(path.read_text(encoding="utf-8"))):
            if "\n" not in text:
                yield str(path.relative_to(PACKAGE)), text


def advised() -> dict[str, str]:
    """Where each snippet is from."""
    found = {}
    for file, text in texts():
        for snippet in re.findall(r"`([^`\n]+)`", text):
            if snippet not in NAMED and not snippet.startswith("pip "):
                found[snippet] = file
    return found


def test_all_advice_is_followed_by_a_test_and_no_other() -> None:
    found = advised()
    assert {snippet: file for snippet, file in found.items() if snippet not in FOLLOWED.keys() | NOT_RUN} == {}
    assert found.keys() >= NOT_RUN
    assert FOLLOWED.keys() - found.keys() == set()


@pytest.mark.parametrize("test", sorted(set(FOLLOWED.values())))
def test_the_tests_are_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8")


def test_advice_stands_between_backticks() -> None:
    bare = {}
    for file, text in texts():
        outside = re.sub(r"`[^`]*`", "", text)
        if found := BARE.search(outside):
            bare[f"{file}: {text}"] = found[0]
    assert bare == {}
