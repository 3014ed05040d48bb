"""Networks of a few bytes that ask for gigabytes, or for what cannot be: one line each, and no memory."""

from __future__ import annotations

import time
import tracemalloc
from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.support.networks import artcnn_like
from vsanime.errors import VsanimeError, quote
from vsanime.graphs import limits
from vsanime.graphs.inspect import inspect
from vsanime.graphs.passes.ensemble import ensemble

MOST_MEMORY = 32 << 20
RNG = np.random.default_rng(0)
node = helper.make_node


def network(*nodes: onnx.NodeProto, opset: int = 17, **weights: object) -> onnx.ModelProto:
    """A doubler whose picture goes through some nodes, `input` to `t`, first; nothing is checked."""
    ends = [node("Conv", ["t", "last"], ["c"], pads=[1] * 4), node("DepthToSpace", ["c"], ["output"], blocksize=2)]
    picture = [helper.make_tensor_value_info(n, 1, ["n", 1, None, None]) for n in ("input", "output")]
    arrays = {"last": kernel(4, 1, 3), **{name: np.asarray(value) for name, value in weights.items()}}
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in arrays.items()]
    graph = helper.make_graph([*nodes, *ends], "net", picture[:1], picture[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def kernel(out: int, into: int, side: int) -> np.ndarray:
    return RNG.random((out, into, side, side)).astype(np.float32)


def conv(**settings: object) -> onnx.ModelProto:
    return network(node("Conv", ["input", "k"], ["t"], **settings), k=kernel(1, 1, 3))


def transposed(**settings: object) -> onnx.ModelProto:
    return network(node("ConvTranspose", ["input", "k"], ["t"], **settings), k=kernel(1, 1, 4))


def pool(**settings: object) -> onnx.ModelProto:
    return network(node("MaxPool", ["input"], ["t"], **settings))


def pad(by: int, mode: str = "constant") -> onnx.ModelProto:
    pads = np.array([0, 0, by, by, 0, 0, by, by])
    return network(node("Pad", ["input", "p"], ["t"], mode=mode), p=pads)


def resize(scale: float, **settings: object) -> onnx.ModelProto:
    scales = np.array([1, 1, scale, scale], np.float32)
    return network(node("Resize", ["input", "", "s"], ["t"], **settings), s=scales)


def sliced(start: int, end: int, axis: int, step: int) -> onnx.ModelProto:
    bounds = {"a": [start], "b": [end], "c0": [axis], "d": [step]}
    arrays = {name: np.array(value) for name, value in bounds.items()}
    return network(node("Slice", ["input", *bounds], ["t"]), **arrays)


def constant(*nodes: onnx.NodeProto, **weights: object) -> onnx.ModelProto:
    """Makes `k` of constants, whose largest value is added to the picture."""
    ends = [node("ReduceMax", ["k"], ["m"], keepdims=0), node("Add", ["input", "m"], ["t"])]
    return network(*nodes, *ends, **weights)


def chain(op: str, count: int) -> onnx.ModelProto:
    names = ["input", *(f"a{i}" for i in range(1, count)), "t"]
    return network(*(node(op, [a], [b]) for a, b in pairwise(names)))


def whole(**ends: object) -> onnx.ModelProto:
    """The plain network with another input."""
    proto = network(node("Relu", ["input"], ["t"]))
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("input", 1, **ends))
    return proto


REFUSED = {
    "Resize by 1e5": (resize(1e5), "Resize 't' has an output of .* samples"),
    "Resize by 500": (resize(500, mode="cubic"), "Resize 't' gives 1x1x.* MiB"),
    "Resize by NaN": (resize(np.nan), "a scale of nan; a positive one is needed"),
    "Resize by -1": (resize(-1), "a scale of -1"),
    "Resize to nothing": (resize(1e-9), "takes no frame size"),
    "Resize in a way of its own": (resize(2, mode="quintic"), "mode 'quintic'; 'nearest', 'linear' or 'cubic'"),
    "Resize to a size": (
        network(node("Resize", ["input", "", "", "s"], ["t"]), s=np.array([1, 1, 10**9, 10**9])), "MiB"
    ),
    "transposed stride": (transposed(strides=[10**6] * 2), "ConvTranspose 't' has strides of 1000000.*from 1 to 4096"),
    "transposed steps": (transposed(strides=[4096] * 2), "an output of .* samples"),
    "transposed strides of zero": (transposed(strides=[0, 0]), "strides of 0, 0"),
    "output padding": (transposed(output_padding=[10**9] * 2), "output_padding of 1000000000"),
    "strides of zero": (conv(strides=[0, 0]), "Conv 't' has strides of 0, 0; whole numbers from 1 to 4096"),
    "strides of one number": (conv(strides=[1]), r"strides \[1\]; two numbers"),
    "strides of text": (conv(strides="ab"), "strides of no whole numbers"),
    "dilation": (conv(dilations=[2**62] * 2), "dilations of 4611686018427387904"),
    "no dilation": (conv(dilations=[0, 0]), "dilations of 0"),
    "negative pads": (conv(pads=[-1] * 4), "pads of -1.*from 0 to 4096"),
    "pads of a billion": (conv(pads=[10**9] * 4), "pads of 1000000000"),
    "two pads": (conv(pads=[1, 1]), "four numbers"),
    "no group": (conv(group=0), "group of 0"),
    "another kernel": (conv(kernel_shape=[7, 7]), r"kernel_shape \[7, 7\]; \[3, 3\], its weights', is needed"),
    "weights of two axes": (
        network(node("Conv", ["input", "k"], ["t"]), k=np.ones((4, 4), np.float32)), r"weights of shape \[4, 4\]"
    ),
    "weights of nothing": (
        network(node("Conv", ["input", "k"], ["t"]), k=np.ones((1, 1, 0, 0), np.float32)), r"weights of shape"
    ),
    "pool": (pool(kernel_shape=[100001] * 2, pads=[50000] * 4), "kernel_shape of 100001, 100001; .* 1 to 512"),
    "pool without a kernel": (pool(), "no kernel_shape"),
    "Pad by a billion": (pad(10**9), "Pad 't' has an output of"),
    "Pad by 2^62": (pad(2**62, "edge"), "Pad 't' has an output of"),
    "Pad to nothing": (pad(-(10**9)), "takes no frame size"),
    "reflection of more than there is": (pad(10**5, "reflect"), "takes no frame size"),
    "no blocks": (network(node("SpaceToDepth", ["input"], ["t"], blocksize=0)), "blocksize of 0"),
    "negative blocks": (network(node("DepthToSpace", ["input"], ["t"], blocksize=-2)), "blocksize of -2"),
    "Slice by nothing": (sliced(0, 99, 2, 0), r"steps \[0\]"),
    "Slice of a ninth axis": (sliced(0, 99, 9, 1), r"axes \[9\]"),
    "terabytes of constants": (
        constant(node("ConstantOfShape", ["n"], ["k"]), n=np.array([10**12])), "ConstantOfShape 'k' gives 1000000000000"
    ),
    "constants in pieces": (
        constant(
            *(node("ConstantOfShape", ["n"], [f"k{i}"]) for i in range(9)),
            node("Sum", [f"k{i}" for i in range(9)], ["k"]),
            n=np.array([2_000_000]),
        ),
        "MiB from constants alone",
    ),
    "Range": (
        constant(node("Range", ["a", "n", "d"], ["k"]), a=np.array(0.0), n=np.array(1e10), d=np.array(1.0)), "Range 'k'"
    ),
    "Expand": (
        network(
            node("Expand", ["input", "s"], ["e"]), node("ReduceMax", ["e"], ["t"], axes=[0], keepdims=1),
            s=np.array([10**9, 1, 1, 1]),
        ),
        "Expand 'e' gives 1000000000x1x64x80 values",
    ),
    "size that is computed in floats": (
        network(
            node("Shape", ["input"], ["s0"]), node("Cast", ["s0"], ["s1"], to=1), node("Mul", ["s1", "big"], ["s2"]),
            node("Cast", ["s2"], ["s3"], to=7), node("Tile", ["input", "s3"], ["e"]),
            node("ReduceMax", ["e"], ["t"], axes=[0, 1], keepdims=1), big=np.float32(1000),
        ),
        "the size of what the network's Tile 'e' gives is not known|MiB",
    ),
    "channels doubled 60 times": (
        network(
            *(node("Concat", [a, a], [b], axis=1) for a, b in zip(
                ["input", *(f"a{i}" for i in range(1, 60))], [*(f"a{i}" for i in range(1, 60)), "e"], strict=True
            )),
            node("ReduceMax", ["e"], ["t"], axes=[1], keepdims=1),
        ),
        "MiB",
    ),
    "a run of ReLU": (chain("Relu", 300), "more than 256 element-wise operations in a row"),
    "operator of others": (
        network(node("Magic", ["input"], ["t"], domain="com.magic")), "Magic 't' is an operator of 'com.magic'"
    ),
    "slope of NaN": (network(node("LeakyRelu", ["input"], ["t"], alpha=float("nan"))), "'alpha' of nan"),
    "a mode that is no text": (
        network(node("Pad", ["input", "p"], ["t"], mode=b"\xff"), p=np.array([0, 0, 1, 1, 0, 0, 1, 1])),
        r"Pad 't' has 'mode' of '.*xff'; a word is needed",
    ),
    "empty constant": (
        network(node("Constant", [], ["k"]), node("Mul", ["input", "k"], ["t"])), "a Constant without a value"
    ),
    "no output": (network(node("Relu", ["input"], []), node("Relu", ["input"], ["t"])), "."),
    "output without the picture": (
        network(node("Relu", ["k"], ["t"]), k=kernel(1, 1, 64)), "does not depend on its picture"
    ),
    "version 999": (network(node("Relu", ["input"], ["t"]), opset=999), "version 999 of ONNX's operators"),
    "version 0": (network(node("Relu", ["input"], ["t"]), opset=0), "version 0 of ONNX's operators"),
    "a billion channels": (whole(shape=[1, 10**9, None, None]), "MiB"),
    "negative channels": (whole(shape=[1, -5, None, None]), "how many channels"),
    "a scalar": (whole(shape=[]), "float with 0 axes"),
    "thousand inputs": (network(node("Sum", ["input"] * 300, ["t"])), "more than 256 inputs"),
    "escapes": (network(node("Relu", ["input"], ["t"], name="\x1b[2J")), r"'\\x1b\[2J' holds control characters"),
    "a long name": (network(node("Relu", ["input"], ["t"], name="n" * 10**6)), r"nnn\.\.\.n+' has 1000000 letters"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_network_is_refused_in_one_line(name: str) -> None:
    proto, message = REFUSED[name]
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(VsanimeError, match=message) as error:
            inspect(proto)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 4
    text = str(error.value)
    assert text.isprintable()
    assert len(text) < 500


ACCEPTED = {
    "pool as large as they come": (pool(kernel_shape=[511] * 2, pads=[255] * 4), 256),
    "dilated": (conv(dilations=[40] * 2, pads=[40] * 4), 41),
    "transposed, dilated": (transposed(dilations=[3] * 2, pads=[4, 4, 5, 5]), 6),
    "cut and padded again": (
        network(
            node("Pad", ["input", "p"], ["a"]), node("Pad", ["a", "q"], ["t"], mode="edge"),
            p=np.array([0, 0, -2, -2, 0, 0, -1, -1]), q=np.array([0, 0, 2, 2, 0, 0, 1, 1]),
        ),
        1,
    ),
    "written before version 10": (
        network(node("Upsample", ["input"], ["a"], scales=[1.0, 1.0, 2.0, 2.0]),
                node("MaxPool", ["a"], ["t"], kernel_shape=[2, 2], strides=[2, 2]), opset=8), 1
    ),
    "infinite bound": (network(node("Clip", ["input", "low"], ["t"]), low=np.float32(-np.inf)), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_unusual_network_is_understood(name: str) -> None:
    proto, radius = ACCEPTED[name]
    facts = inspect(proto)
    assert (facts.scale, facts.radius) == (2, radius)


@pytest.mark.parametrize(
    ("side", "stride", "dilation"), [(1, 1, 1), (2, 2, 1), (3, 1, 5), (5, 2, 3), (7, 4, 2), (8, 1, 4)]
)
def test_windows_see_what_their_taps_see(side: int, stride: int, dilation: int) -> None:
    margin = (side - 1) * dilation
    settings = {"kernel_shape": [side] * 2, "strides": [stride] * 2, "dilations": [dilation] * 2}
    proto = network(
        node("MaxPool", ["input"], ["p"], pads=[0, 0, margin, margin], **settings),
        node("Resize", ["p", "", "s"], ["t"]),
        s=np.array([1, 1, stride, stride], np.float32),
    )
    # The last convolution sees one pixel more each way: to the right the farthest tap of the next window, to the left
    # the window before, which begins a stride earlier.
    assert inspect(proto).radius == max(margin + 1, stride)


def test_a_small_machine_refuses_what_a_large_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    proto = resize(8, mode="nearest")
    assert inspect(proto).scale == 16
    monkeypatch.setattr(limits, "machine_memory", lambda: 64 << 20)
    with pytest.raises(VsanimeError, match="what this machine's memory allows"):
        inspect(proto)


def test_a_long_chain_is_refused_in_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    proto = chain("Softmax", 12_000)
    started = time.process_time()
    with pytest.raises(VsanimeError, match="12002 operations; 10000 at most"):
        inspect(proto)
    assert time.process_time() - started < 4
    monkeypatch.setattr(limits, "MAX_NODES", 11_000)
    with pytest.raises(VsanimeError, match="more than 11000 nodes"):
        inspect(proto)


def test_a_long_network_is_not_run_eight_times() -> None:
    with pytest.raises(VsanimeError, match="leave tta out"):
        ensemble(artcnn_like(features=1, inner=1500))


def test_names_are_shown_short_and_printable() -> None:
    assert quote("conv1") == "'conv1'"
    assert quote("\x1b\n") == r"'\x1b\n'"
    assert len(quote("n" * 1000)) < 70
