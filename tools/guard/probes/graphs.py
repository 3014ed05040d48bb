"""Records the graph that every model becomes for every backend, byte for byte.

Caches of engines are keyed by these bytes: a node that is called otherwise has every engine of every user built anew.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import onnx

import vsanime
from vsanime.backends.base import HostLane

from .clips import draw_clip, draw_lines
from .facts import Facts, digest
from .networks import import_networks

_OPEN = ((16, 16), (48, 32), (128, 96))

# Under a name of its own each way in which a backend wants its graphs, with the precision that it is asked for.
BACKENDS: dict[str, tuple[Any, str]] = {
    "OpenVINO f32": (vsanime.Backend.OpenVINO(precision="f32"), "f32"),
    "OpenVINO bf16": (vsanime.Backend.OpenVINO(precision="bf16"), "bf16"),
    "OpenVINO bf16, nothing exact": (vsanime.Backend.OpenVINO(precision="bf16", exact_linear=False), "bf16"),
    "ONNX Runtime": (vsanime.Backend.ONNXRuntime(), "f32"),
    "ONNX Runtime fp16": (vsanime.Backend.ONNXRuntime(provider="CUDA", precision="fp16"), "fp16"),
    "TensorRT f32": (vsanime.Backend.TensorRT(precision="f32"), "f32"),
    "TensorRT fp16": (vsanime.Backend.TensorRT(precision="fp16"), "fp16"),
    "TensorRT bf16": (vsanime.Backend.TensorRT(precision="bf16"), "bf16"),
    "TensorRT fp16, open sizes": (vsanime.Backend.TensorRT(precision="fp16", sizes=_OPEN), "fp16"),
}

# Of models whose cards differ in weights alone, one goes through every format.
_THOROUGH = ("C4F16_VA", "C4F32_Chroma_VA", "ESPCN_7_SLIM_VA", "upconv_7_art", "Pepper_VA", "Line_VA")
_YUV = ("YUV420P8", "YUV420P10", "YUV422P8", "YUV444P16", "YUV420PH", "YUV444PS", "GRAY8", "GRAY16")
_RGB = ("RGB24", "RGB30", "RGBH", "RGBS")


@dataclass
class Recorder:
    """A backend that keeps the graphs which it is to compile, and runs none.

    Attributes:
        backend: decides what graphs look like.
        precision: that it is asked for.
        graphs: what was to be compiled.
    """

    backend: Any
    precision: str
    graphs: list[Any] = field(default_factory=list)

    def precision_for(self, work: object) -> str:  # noqa: ARG002 - what this machine computes has no say
        """See `Backend`."""
        return self.precision

    def traits(self, precision: str) -> Any:
        """See `Backend`."""
        return self.backend.traits(precision)

    def tile_for(self, work: Any, precision: str, *, fit: bool = False) -> tuple[int, int]:  # noqa: ARG002 - asks cards
        """See `Backend`."""
        size: tuple[int, int] = self.backend.tile_for(work, precision)
        return size

    def lanes_for(self, threads: int) -> int:  # noqa: ARG002 - none of them runs
        """See `Backend`."""
        return 1

    def compile(self, graph: Any, precision: str, lanes: int, threads: int) -> _Engine:  # noqa: ARG002 - nothing runs
        """See `Backend`."""
        self.graphs.append(graph)
        return _Engine()


class _Engine:
    def lanes(self) -> int:
        return 1

    def new_lane(self) -> _Lane:
        return _Lane()

    def close(self) -> None:
        pass


class _Lane(HostLane):
    def run(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:  # noqa: ARG002 - see above
        raise RuntimeError("graphs are recorded here, not run")


@dataclass(frozen=True)
class _Use:
    """A call of a public filter.

    Attributes:
        filter: name of the filter.
        form: format of the clip.
        clip: what is drawn on it.
        arguments: of the filter.
    """

    filter: str
    form: str
    clip: dict[str, Any]
    arguments: dict[str, Any]

    def describe(self) -> str:
        given = [f"{key}={value!r}" for key, value in {**self.clip, **self.arguments}.items()]
        return ", ".join([f"{self.filter} {self.form}", *given])

    def run(self, backend: Recorder) -> None:
        if self.filter == "colorize":
            lines, painted = draw_lines(frames=3)
            vsanime.colorize(lines, painted, keys=[0, 2], backend=backend, **self.arguments)
            return
        getattr(vsanime, self.filter)(draw_clip(self.form, **self.clip), backend=backend, **self.arguments)


def collect(facts: Facts) -> None:
    """Record the graphs of every use of every model for every backend."""
    logging.disable(logging.WARNING)  # models that are not on this machine are counted
    networks = import_networks(facts)
    for use in [*_uses_of_cards(facts.tree), *_uses_of_files(networks), *_uses_without_networks()]:
        for name, (backend, precision) in BACKENDS.items():
            recorder = Recorder(backend, precision)
            facts.attempt(f"{use.describe()}, {name}", partial(_record, facts, use, recorder))


def _record(facts: Facts, use: _Use, recorder: Recorder, name: str) -> None:
    use.run(recorder)
    for number, graph in enumerate(recorder.graphs):
        proto = onnx.load_from_string(graph.onnx)
        nodes = " ".join(f"{node.name}({node.op_type})" for node in proto.graph.node)
        facts.add_bytes(f"{name}: graph {number}", graph.onnx)
        facts.add(f"{name}: graph {number} nodes", digest(nodes.encode()))
        ends = [(tensor.name, tensor.dtype, tensor.shape) for tensor in (*graph.inputs, *graph.outputs)]
        facts.add(f"{name}: graph {number} tensors", ends)
        facts.add(f"{name}: graph {number} facts", (graph.title, graph.linear_split, graph.any_size))
    facts.add(f"{name}: graphs", len(recorder.graphs))


def read_cards(tree: Path) -> Iterator[tuple[str, str, int]]:
    """Yield name, task and scale of every model that has a card."""
    for path in sorted((tree / "engines").glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        for row in table["variant"]:
            card = {**table["family"].get("defaults", {}), **row}
            yield card["name"], card["task"], card["scale"]


def _uses_of_cards(tree: Path) -> Iterator[_Use]:
    for name, task, scale in read_cards(tree):
        yield from _uses(name, name, task, scale)


def _uses_of_files(networks: dict[str, Path]) -> Iterator[_Use]:
    tasks = {"colour": "colorize", "document": "colorize", "colour_temporal": "temporal", "sketchkeras": "sketch"}
    tasks |= {"animegan2": "style", "artcnn_chroma": "chroma"}
    for name, path in networks.items():
        task = tasks.get(name, "double_luma" if name.startswith("artcnn") else "rgb")
        yield from _uses(name, str(path), task, 1 if name.startswith("vgg") else 2)


def _uses(name: str, model: str, task: str, scale: int) -> Iterator[_Use]:
    thorough = name in _THOROUGH
    options: dict[str, Any]
    if task == "double_luma":
        for form in _YUV if thorough else ("YUV420P8", "YUV420P10"):
            yield _Use("artcnn", form, {}, {"model": model})
        if thorough:
            for options in ({"tta": True}, {"depth": 16}, {"depth": "single"}, {"width": 192}, {"tilesize": 32}):
                yield _Use("artcnn", "YUV420P8", {}, {"model": model, **options})
    elif task == "chroma":
        for form in ("YUV420P8", "YUV420P10", "YUV422P16", "YUV420PH", "YUV420PS") if thorough else ("YUV420P8",):
            yield _Use("artcnn_chroma", form, {}, {"model": model})
            yield _Use("artcnn", form, {}, {"chroma": model, "planes": [1, 2]})
        for location in range(6) if thorough else ():
            yield _Use("artcnn_chroma", "YUV420P8", {"_ChromaLocation": location, "_Range": 1}, {"model": model})
    elif task == "rgb":
        base = re.sub(r"_noise[0-3]$", "", model) if Path(model).suffix == "" else model
        noise = int(model[-1]) if base != model else -1
        arguments = {"model": base, "noise": noise, "scale": scale}
        for form in (*_YUV, *_RGB) if thorough else ("YUV420P8", "RGB30"):
            yield _Use("waifu2x", form, {}, arguments)
        if thorough:
            for options in ({"tint": "correct"}, {"tta": True}, {"depth": 16}, {"tilesize": 32}):
                yield _Use("waifu2x", "YUV420P8", {}, {**arguments, **options})
            yield _Use("waifu2x", "RGB24", {"alpha": True}, arguments)
            yield _Use("waifu2x", "YUV420P8", {"_Matrix": 9, "_Range": 1, "_ChromaLocation": 2}, arguments)
    elif task == "style":
        for form in (*_YUV, *_RGB) if thorough else ("YUV420P8",):
            yield _Use("animegan", form, {}, {"style": model})
        for options in ({"strength": 0.5}, {"work_size": (24, 16), "detail": 0.5}) if thorough else ():
            yield _Use("animegan", "YUV420P8", {}, {"style": model, **options})
        if thorough:
            yield _Use("animegan", "RGB24", {"size": (46, 30)}, {"style": model})
    elif task == "sketch":
        # Once: its graphs are of 75 MB each.
        yield _Use("lineart", "YUV420P8", {}, {"method": model, "gain": "frame", "long_side": 32})
    elif task == "colorize":
        for work in ("auto", 40):
            yield _Use("colorize", "GRAY8", {}, {"model": model, "work_size": work})
    elif task in ("temporal", "colorize_temporal"):
        yield _Use("colorize", "GRAY8", {}, {"model": "flow", "temporal": model})


def _uses_without_networks() -> Iterator[_Use]:
    for form in (*_YUV, *_RGB):
        yield _Use("lineart", form, {}, {})
    for options in ({"sigma": 2.0}, {"threshold": 0.1, "gain": 4}, {"depth": "half"}, {"tilesize": 32}):
        yield _Use("lineart", "YUV420P8", {}, options)
