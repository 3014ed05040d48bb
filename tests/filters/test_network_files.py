"""ONNX files given to filters: what exporters write works, and what would harm is one line that names the filter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import vapoursynth as vs
from onnx import helper, numpy_helper

import vsanime
from tests.support.clips import noise_clip, planes_of
from tests.support.exported import as_exported
from tests.support.networks import layers
from vsanime import Backend
from vsanime.models.store import load


@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_an_exported_file_equals_the_plain_one_bit_for_bit(tmp_path: Path, precision: str) -> None:
    """Also where the linear path is taken out of the network, and where its end is written in blocks."""
    plain = load("C4F16_VA").proto
    (tmp_path / "plain.onnx").write_bytes(plain.SerializeToString())
    (tmp_path / "exported.onnx").write_bytes(as_exported(plain).SerializeToString())
    clip = noise_clip("GRAY16", 50, 38)
    backend = Backend.OpenVINO(precision=precision)
    found, expected = (
        planes_of(vsanime.artcnn(clip, model=str(tmp_path / name), backend=backend))[0]
        for name in ("exported.onnx", "plain.onnx")
    )
    np.testing.assert_array_equal(found, expected)


FILTERS: dict[str, Callable[[str], object]] = {
    "artcnn": lambda path: vsanime.artcnn(noise_clip("GRAY8", 32, 24), model=path),
    "artcnn_chroma": lambda path: vsanime.artcnn_chroma(noise_clip("YUV420P8", 32, 24), model=path),
    "waifu2x": lambda path: vsanime.waifu2x(noise_clip("YUV444P8", 32, 24), model=path, scale=1),
    "animegan": lambda path: vsanime.animegan(noise_clip("YUV444P8", 32, 24), style=path),
    "lineart": lambda path: vsanime.lineart(noise_clip("YUV444P8", 32, 24), method=path),
    "colorize": lambda path: vsanime.colorize(
        noise_clip("GRAY8", 32, 24, frames=2), noise_clip("YUV444P8", 32, 24), model=path
    ),
}
CHANNELS = {"artcnn": (1, 1), "artcnn_chroma": (3, 2)}


def hostile(kind: str, into: int, out: int) -> onnx.ModelProto:
    """A network of the channels that a filter takes, with something in it that no runtime must get to see."""
    weight = np.random.default_rng(0).random((out, into, 3, 3)).astype(np.float32)
    last = helper.make_node("Conv", ["t", "w"], ["output"], pads=[1] * 4)
    proto = layers(helper.make_node("Relu", ["input"], ["t"]), last, channels=(into, out), w=weight)
    first = proto.graph.node[0]
    match kind:
        case "huge":
            scales = numpy_helper.from_array(np.array([1, 1, 1e5, 1e5], np.float32), "s")
            proto.graph.initializer.append(scales)
            first.CopyFrom(helper.make_node("Resize", ["input", "", "s"], ["t"]))
        case "NaN":
            proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full_like(weight, np.nan), "w"))
        case "loop":
            body = helper.make_graph([helper.make_node("Relu", ["v"], ["z"])], "b", [onnx.ValueInfoProto(name="v")], [])
            first.CopyFrom(helper.make_node("Scan", ["input"], ["t"], num_scan_inputs=1, body=body))
        case "stride":
            proto.graph.node[1].attribute.append(helper.make_attribute("strides", [0, 0]))
    return proto


@pytest.mark.parametrize("kind", ["huge", "NaN", "loop", "stride"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_hostile_file_is_one_line(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(hostile(kind, *CHANNELS.get(name, (3, 3))).SerializeToString())
    with pytest.raises(vs.Error, match=f"^{name}: ") as error:
        FILTERS[name](str(path))
    assert str(error.value).isprintable()


def test_a_network_of_constant_sizes_is_one_line(tmp_path: Path) -> None:
    """It is understood at the one size that it was exported for, which is none that a filter could know."""
    proto = layers(
        helper.make_node("Reshape", ["input", "shape"], ["a"]),
        helper.make_node("Resize", ["a", "", "scales"], ["output"]),
        channels=(1, 1),
        shape=np.array([1, 1, 64, 80]),
        scales=np.array([1, 1, 2, 2], np.float32),
    )
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(vs.Error, match="gives 1x1x128x160 samples where 1x1x48x64 are needed") as error:
        FILTERS["artcnn"](str(tmp_path / "net.onnx"))
    assert str(error.value).isprintable()


def test_a_network_that_transposes_is_one_line(tmp_path: Path) -> None:
    proto = layers(
        helper.make_node("Transpose", ["input"], ["a"], perm=[0, 1, 3, 2]),
        helper.make_node("Resize", ["a", "", "scales"], ["output"]),
        channels=(1, 1),
        scales=np.array([1, 1, 2, 2], np.float32),
    )
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(vs.Error, match=r"a 80x64 frame gives an output of shape \[1, 1, 160, 128\]"):
        FILTERS["artcnn"](str(tmp_path / "net.onnx"))
