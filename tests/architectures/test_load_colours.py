"""Networks of colorization come back from their ONNX with every weight, and others in their clothes do not."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from onnx import numpy_helper  # noqa: E402

from vsanime.architectures.color_transform.module import ColorTransform  # noqa: E402
from vsanime.architectures.colornet.module import ColorNet  # noqa: E402
from vsanime.architectures.export import to_onnx  # noqa: E402
from vsanime.architectures.load import from_onnx  # noqa: E402
from vsanime.architectures.temporal.module import Temporal  # noqa: E402
from vsanime.architectures.weights import arrays  # noqa: E402
from vsanime.errors import VsanimeError  # noqa: E402

pytestmark = pytest.mark.torch

NETS = {
    "colour": lambda: ColorNet(8),
    "document": lambda: ColorTransform(8),
    "temporal": lambda: Temporal(8),
    "temporal residual": lambda: Temporal(8, residual=True),
}


@pytest.mark.parametrize("name", NETS)
def test_every_weight_comes_back(name: str) -> None:
    net = NETS[name]()
    loaded = from_onnx(to_onnx(net))
    assert type(loaded) is type(net)
    assert (loaded.width, getattr(loaded, "residual", None)) == (net.width, getattr(net, "residual", None))
    expected, found = arrays(net), arrays(loaded)
    assert expected.keys() == found.keys()
    assert all((expected[key] == found[key]).all() for key in expected)


@pytest.mark.parametrize("name", NETS)
def test_a_weight_of_another_shape_is_refused(name: str) -> None:
    proto = to_onnx(NETS[name]())
    weight = max((t for t in proto.graph.initializer if t.name.endswith(".weight")), key=lambda t: len(t.raw_data))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[:-1], weight.name))
    with pytest.raises(VsanimeError, match="its weights are not those of"):
        from_onnx(proto)


def test_other_nodes_are_refused() -> None:
    proto = to_onnx(ColorNet(8))
    next(node for node in proto.graph.node if node.op_type == "LeakyRelu").op_type = "Relu"
    with pytest.raises(VsanimeError, match="its nodes are not those of ColorNet"):
        from_onnx(proto)
