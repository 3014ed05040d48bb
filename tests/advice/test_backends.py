"""What errors of backends advise makes the call succeed, and what is to be installed brings what is missing."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

import vsanime
from tests.support.advice import followed, message_of, needed, run, snippets
from tests.support.clips import noise_clip
from tests.support.cudasim import MIB
from tests.support.networks import artcnn_like
from tests.support.planesgraphs import planes_graph
from vsanime import Backend
from vsanime.backends import openvino
from vsanime.errors import VsanimeError
from vsanime.spec import GraphTraits

# Each call costs a newcomer's time, and says nothing about the machine.
pytestmark = pytest.mark.long

MODEL = "C4F16_VA"
PACKAGE = Path(vsanime.__file__).parent


def doubled(**arguments: Any) -> Any:
    return vsanime.artcnn(noise_clip("GRAY8", 96, 64, frames=2), MODEL, **arguments)


def test_a_tile_or_fewer_streams_fit_into_the_memory_that_there_is(cards: Callable[..., Any]) -> None:
    sim = cards(memory=(256 + 40) * MIB)  # 256 MiB are left to others
    sim.context_bytes = 16384
    message = message_of(lambda: doubled(backend=Backend.TensorRT(precision="f32")))
    tile, auto, streams = snippets(message)
    one_stream = eval(f"Backend.TensorRT(precision='f32', {streams})", {"Backend": Backend})
    alone = message_of(lambda: doubled(backend=one_stream))
    needs = [int(text.partition("needs ")[2].split()[0]) for text in (message, alone)]
    assert needs[1] < needs[0]
    for snippet in (tile, auto):
        run(lambda snippet=snippet: doubled(**followed(snippet, {"backend": one_stream}, "clip")))


@pytest.mark.parametrize(
    ("make", "argument", "elsewhere"),
    [
        (Backend.OpenVINO, "precision", ["bf16"]),  # of CPUs that have it
        (Backend.ONNXRuntime, "precision", []),
        (Backend.ONNXRuntime, "provider", ["CUDA"]),
    ],
)
def test_words_that_are_named_will_do(make: Any, argument: str, elsewhere: list[str]) -> None:
    message = message_of(lambda: doubled(backend=make(**{argument: "int4"})))
    words = [*needed(message), *re.findall(r"'(\w+)'", message)]
    good = {word for word in words if isinstance(word, str)} - {"int4", *elsewhere}
    assert good, message
    for word in good:
        run(lambda word=word: doubled(backend=make(**{argument: word})))


@pytest.mark.parametrize("argument", ["precision", "flavour", "num_streams", "optimization_level", "cuda_graph"])
def test_words_for_tensorrt_that_are_named_will_do(cards: Callable[..., Any], argument: str) -> None:
    cards()
    wrong: Any = {"num_streams": 0, "optimization_level": 9, "cuda_graph": "no"}.get(argument, "trt")
    message = message_of(lambda: doubled(backend=Backend.TensorRT(**{argument: wrong})))
    good = [value for value in needed(message) if value != "tensorrt"]  # which no wheel brings here
    assert good, message
    for value in good:
        if value != 256:  # at most: lanes take memory
            run(lambda value=value: doubled(backend=Backend.TensorRT(**{argument: value})))


def test_a_card_without_bf16_computes_in_what_is_named(cards: Callable[..., Any]) -> None:
    cards().sim.cards[0].capability = (7, 5)
    (snippet,) = snippets(message_of(lambda: doubled(backend=Backend.TensorRT(precision="bf16"))))
    run(lambda: doubled(backend=Backend.TensorRT(**followed(snippet, {}, "clip"))))


def test_a_device_without_bf16_computes_in_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "_capabilities", lambda _: ("FP32",))
    message = message_of(lambda: doubled(backend=Backend.OpenVINO(precision="bf16")))
    (snippet,) = snippets(message)
    for given in (followed(snippet, {}, "clip"), {"precision": needed(message)[-1]}):
        run(lambda given=given: doubled(backend=Backend.OpenVINO(**given)))


def test_an_old_card_is_left_to_the_backend_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from vsanime.backends.tensorrt import flavours

    monkeypatch.setattr(flavours, "is_installed", lambda name: name == "tensorrt")
    with pytest.raises(VsanimeError) as caught:
        flavours.flavour_for(None, (6, 1))
    (snippet,) = snippets(str(caught.value))
    run(lambda: doubled(**followed(snippet, {}, "clip")))


def test_a_newer_card_is_served_by_the_flavour_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from vsanime.backends.tensorrt import flavours
    from vsanime.backends.tensorrt.flavours import RTX, flavour_for

    if not flavours.is_installed(RTX):
        pytest.skip("TensorRT-RTX is not installed")
    monkeypatch.setattr(flavours, "is_installed", lambda name: name == RTX)
    with pytest.raises(VsanimeError) as caught:
        flavour_for(None, (99, 0))
    _, snippet = snippets(str(caught.value))
    assert flavour_for(followed(snippet, {}, "clip")["flavour"], (99, 0)).name == RTX


def test_weights_beyond_half_precision_are_written_in_those_that_are_named() -> None:
    proto = artcnn_like()
    weight = next(one for one in proto.graph.initializer if one.name == "inner0_w")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1e6), weight.name))
    with pytest.raises(VsanimeError) as caught:
        planes_graph(proto, 8, (32, 24), GraphTraits(body="float16"))
    for snippet in snippets(str(caught.value)):
        body = {"bf16": "bfloat16", "f32": "float32"}[followed(snippet, {}, "clip")["precision"]]
        assert planes_graph(proto, 8, (32, 24), GraphTraits(body=body)).onnx


# What is to be installed

# What messages call what is missing, and the package that brings it.
BRINGS = {
    "OpenCV": "opencv-python-headless", "SciPy": "scipy", "Pillow": "pillow", "BestSource": "vapoursynth-bestsource",
    "ffmpeg": "imageio-ffmpeg", "scikit-image": "scikit-image", "h5py": "h5py", "NNEDI3": "vapoursynth-znedi3",
    "CUDA's Python bindings": "cuda-python", "CUDA provider": "onnxruntime-gpu",
}  # fmt: skip
type Advice = tuple[str, str, str]


def advised_packages() -> Iterator[Advice]:
    """File, message and command of every `pip install` that is advised, code for what is filled in."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.JoinedStr, ast.Constant)) and not isinstance(getattr(node, "value", ""), bytes):
                parts = node.values if isinstance(node, ast.JoinedStr) else [node]
                text = "".join(str(p.value) if isinstance(p, ast.Constant) else f"<{ast.unparse(p)}>" for p in parts)
                for command in re.findall(r"`(pip [^`]+)`", text):
                    yield str(path.relative_to(PACKAGE)), text, command


def requirements(extra: str) -> set[str]:
    """Names of what an extra installs."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert extra in project["optional-dependencies"], extra
    found = set()
    for line in project["optional-dependencies"][extra]:
        name = re.match(r"[\w.-]+", line)
        assert name
        if name[0] == "vsanime":
            for other in re.search(r"\[([^]]+)\]", line)[1].split(","):
                found |= requirements(other)
        else:
            found.add(name[0].lower())
    return found


ADVICE = list(dict.fromkeys(advised_packages()))


def test_packages_are_advised_as_every_shell_takes_it() -> None:
    """cmd.exe knows no single quotation marks, and zsh reads brackets."""
    assert len(ADVICE) > 20
    for _, _, command in ADVICE:
        assert "'" not in command.replace("{", ""), command
        assert all(f'"{word}"' in command for word in shlex.split(command) if "[" in word), command
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip install '", text), path


@pytest.mark.parametrize("advice", ADVICE, ids=lambda advice: f"{advice[0]}: {advice[2]}")
def test_an_extra_that_is_advised_brings_what_is_missing(advice: Advice) -> None:
    file, text, command = advice
    words = shlex.split(command)
    assert words[1] in ("install", "uninstall")
    extras = re.findall(r"vsanime\[([^]]+)\]", command)
    for extra in extras:
        names = {"<{extra}>": ["onnxruntime", "onnxruntime-cuda"]}.get(extra, [extra])
        for name in names:
            brought = requirements(name)
            for what, package in BRINGS.items():
                if what in text:
                    assert package in brought, (what, name)
            for module in modules_that_are_checked(PACKAGE / file, text):
                assert {one.lower() for one in packages_distributions().get(module, [module])} & brought, module


def calls_of_require() -> Iterator[tuple[str, str, str]]:
    """File, extra and module of everything that `vsanime.optional.require` is asked for."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require":
                # Literals, and comprehensions over literals.
                _, extra, packages = (eval(ast.unparse(argument)) for argument in node.args)
                yield from ((path.name, extra, module) for module in packages)


REQUIRED = list(dict.fromkeys(calls_of_require()))


def test_commands_require_packages() -> None:
    assert {file for file, _, _ in REQUIRED} > {"train.py", "prepare.py"}


@pytest.mark.parametrize(("file", "extra", "module"), REQUIRED)
def test_an_extra_that_is_required_brings_the_package(file: str, extra: str, module: str) -> None:
    assert {one.lower() for one in packages_distributions().get(module, [module])} & requirements(extra), file


def modules_that_are_checked(path: Path, text: str) -> list[str]:
    """The modules of a loop whose name a message holds: `for module in ("cv2", ...)`."""
    if "<{module}>" not in text and "<{name}>" not in text:
        return []
    source = path.read_text(encoding="utf-8")
    loops = re.findall(r"for (?:module|name) in (\([^)]*\)|_?[A-Z_]+):", source)
    found: list[str] = []
    for loop in loops:
        if not loop.startswith("("):
            loop = re.search(rf"^{loop} = (\([^)]*\))", source, re.M)[1]
        found += ast.literal_eval(loop)
    return found
