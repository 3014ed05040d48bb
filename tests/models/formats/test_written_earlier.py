"""State-dicts that an earlier commit wrote are imported by this one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from tests.writtenearlier import unpack
from vsanime.cli import main
from vsanime.errors import VsanimeError
from vsanime.models.formats import read

# Channels of the picture that goes in, and output pixels per input pixel.
IMPORTED = {
    "artcnn_c": (1, 2),
    "artcnn_chroma": (3, 1),
    "artcnn_r": (1, 2),
    "espcn_7": (3, 2),
    "espcn_7_gated": (3, 2),
    "upconv_7": (3, 2),
    "vgg_7": (3, 1),
    "drrn": (3, 2),
    "drrn_low": (3, 2),
    "animegan2": (3, 1),
}
ONNX_ONLY = ("colour", "document", "colour_temporal", "colour_temporal_residual")


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("networks", tmp_path_factory.mktemp("networks"))


def shapes_of(path: Path) -> list[list[int]]:
    """Return the shapes of a safetensors file's tensors, whoever reads it."""
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return sorted(entry["shape"] for name, entry in header.items() if name != "__metadata__")


@pytest.mark.parametrize("name", IMPORTED)
def test_state_dict_becomes_a_network_that_runs(name: str, networks: Path, tmp_path: Path) -> None:
    output = tmp_path / "net.onnx"
    assert main(["import", str(networks / f"{name}.safetensors"), "-o", str(output)]) == 0
    proto = onnx.load(output)
    onnx.checker.check_model(proto, full_check=True)
    kept = sorted(list(numpy_helper.to_array(tensor).shape) for tensor in proto.graph.initializer)
    weights = [shape for shape in shapes_of(networks / f"{name}.safetensors") if len(shape) == 4]
    assert [shape for shape in weights if shape not in kept] == []
    channels, scale = IMPORTED[name]
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(0).random((1, channels, 32, 48), np.float32)
    (made,) = session.run(None, {session.get_inputs()[0].name: picture})
    assert made.shape[2] >= 32 * scale - 28  # some cut what they cannot see whole
    assert np.isfinite(made).all()


def test_state_dict_of_sketchkeras_becomes_its_network(networks: Path) -> None:
    proto = read(networks / "sketchkeras.safetensors").proto
    assert proto.graph.node[0].op_type == "Pad"
    assert sum(np.prod(tensor.dims) for tensor in proto.graph.initializer) > 18_000_000


@pytest.mark.parametrize("name", ONNX_ONLY)
def test_networks_of_colorization_are_taken_as_onnx_only(name: str, networks: Path) -> None:
    with pytest.raises(VsanimeError):
        read(networks / f"{name}.safetensors")
    onnx.checker.check_model(onnx.load(networks / f"{name}.onnx"), full_check=True)
