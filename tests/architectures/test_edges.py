"""Every condition by which networks are told apart, at its edge: what just fits, and what just does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.support.chains import random_layers, random_net
from tests.support.refusals import check
from vsanime.architectures import ARCHITECTURES, artcnn, deduce, drrn, espcn, register, waifu2x
from vsanime.architectures.animegan import reading
from vsanime.architectures.animegan.onnx import SHAPES, TF_EPSILON, TORCH_EPSILON, UNITS
from vsanime.architectures.artcnn.chain import read_artcnn_c
from vsanime.architectures.artcnn.onnx import artcnn_c, artcnn_r
from vsanime.architectures.base import Architecture, Layout, PairRules, Wishes
from vsanime.architectures.drrn.onnx import DrrnLayers, catmull_rom_taps, drrn_b1
from vsanime.architectures.drrn.onnx import drrn as write_drrn
from vsanime.architectures.espcn.onnx import espcn as write_espcn
from vsanime.architectures.espcn.onnx import espcn_n
from vsanime.architectures.layers import Layer, check_chain, find_ends
from vsanime.architectures.shapes import complaints
from vsanime.architectures.sketchkeras import reading as sketches
from vsanime.architectures.sketchkeras.onnx import SHAPES as SKETCH_SHAPES
from vsanime.architectures.sketchkeras.onnx import UNITS as SKETCH_UNITS
from vsanime.architectures.waifu2x.onnx import Step, upconv, vgg
from vsanime.architectures.writer import NetWriter
from vsanime.graphs.builders.colorize import Kind, Picture

node = helper.make_node
NAN, INF = np.nan, np.inf


def layer(out: int, into: int, side: int = 3, bias: int | None = None) -> Layer:
    biases = None if bias is None else np.zeros(bias, np.float32)
    return Layer(np.ones((out, into, side, side), np.float32), biases)


def chain(*channels: int, side: int = 3) -> list[Layer]:
    return [layer(out, into, side) for into, out in pairwise(channels)]


def put(found: Layer, weight: float | None = None, bias: float | None = None) -> Layer:
    """The layer with its last values replaced."""
    values = found.weight.copy()
    values.flat[-1] = 1 if weight is None else weight
    biases = found.bias if bias is None else np.array([0] * (len(values) - 1) + [bias], np.float32)
    return Layer(values, biases)


# Layers


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (chain(1, 4, 4), ""),
        ([layer(4, 1, bias=4)], ""),
        ([layer(4, 1, bias=3)], r"layer 0 has biases of shape \(3,\); \(4,\)"),
        ([layer(4, 1), layer(4, 3)], "layer 1 takes 3 channels where 4 come"),
        ([Layer(np.ones((4, 1, 3)))], "layer 0 has weights of shape"),
        ([Layer(np.ones((4, 0, 3, 3)))], "layer 0 has weights of shape"),
        ([put(layer(4, 1), weight=NAN)], "layer 0 has weights that are not finite"),
        ([put(layer(4, 1), bias=INF)], "layer 0 has weights that are not finite"),
        ([put(layer(4, 1), bias=1)], ""),
    ],
)
def test_chains_of_layers(layers: list[Layer], message: str) -> None:
    check(lambda: check_chain(layers), message)


@pytest.mark.parametrize(
    ("channels", "least", "ends"),
    [
        ((1, 4), 1, ((1, 1), 2)),
        ((1, 8, 4), 2, ((1, 1), 2)),
        ((1, 9), 1, ((1, 1), 3)),
        ((3, 12), 1, ((3, 3), 2)),
        ((3, 2), 1, ((3, 2), 1)),
        ((1, 1), 1, ((1, 1), 1)),
        ((1, 5), 1, ((1, 5), 1)),
        ((3, 3), 1, ((3, 3), 1)),
    ],
)
def test_ends_say_the_scale(channels: tuple[int, ...], least: int, ends: tuple[tuple[int, int], int]) -> None:
    assert find_ends(chain(*channels), least) == ends
    check(lambda: find_ends(chain(*channels), least + 1), f"{least} convolutions; {least + 1} or more are needed")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "it has 0 layers; 1 to 300 are read"),
        ([layer(1, 1)] * 300, ""),
        ([layer(1, 1)] * 301, "it has 301 layers; 1 to 300 are read"),
        ([layer(1, 1), layer(1, 1, 1)], r"layer 1 has kernels of \(1, 1\)"),
        ([layer(4, 1)], ""),
        ([layer(5, 1)], "5 channels at the end for 1 at the beginning"),
        ([layer(2, 1)], "2 channels at the end for 1 at the beginning"),
        ([layer(2, 3)], ""),
        ([layer(3, 3)], ""),
        ([layer(12, 3)], ""),
    ],
)
def test_layers_of_one_size(layers: list[Layer], message: str) -> None:
    check(lambda: deduce.check_same(layers), message)


@pytest.mark.parametrize(
    ("one", "transposed", "message"),
    [
        (layer(2, 3, bias=2), False, ""),
        (layer(2, 3, bias=3), True, ""),
        (layer(2, 3, bias=3), False, r"layer 7 has biases of shape \(3,\); \(2,\)"),
        (layer(2, 3, bias=2), True, r"layer 7 has biases of shape \(2,\); \(3,\)"),
        (Layer(np.ones((1, 1, 1, 0))), False, "four sizes above 0"),
        (Layer(np.ones((1, 1, 1))), False, "four sizes above 0"),
        (put(layer(2, 3), weight=INF), False, "not finite"),
        (put(layer(2, 3), bias=NAN), False, "not finite"),
    ],
)
def test_one_layer(one: Layer, transposed: bool, message: str) -> None:
    check(lambda: deduce.check_layer(7, one, transposed), message)


def test_words_for_layers() -> None:
    layers = [layer(8, 3, bias=8), layer(12, 8)]
    assert deduce.describe_widths(layers) == "widths 8-12"
    assert deduce.describe_ends(layers) == "planes 3 to 3, scale 2"
    assert deduce.describe_ends([layer(2, 3)]) == "planes 3 to 2, scale 1"
    assert deduce.describe_ends([layer(9, 1)]) == "planes 1 to 1, scale 3"
    said = deduce.describe(onnx.ModelProto(), "kind", "form", layers, "said")
    assert (said.summary, said.architecture, said.licence) == (
        f"form, {8 * 3 * 9 + 8 + 12 * 8 * 9:,} weights, said",
        "kind",
        "",
    )


def test_convolutions_of_a_graph() -> None:
    arrays = {"w": np.ones((2, 1, 3, 3)), "b": np.ones(2), "v": np.ones((2, 2, 1, 1))}
    held = numpy_helper.from_array(np.ones((1, 2, 1, 1)))
    nodes = [
        node("Constant", [], ["u"], value=held), node("Constant", [], ["n"], value_float=1.0),
        node("Conv", ["x", "w", "b"], ["a"]), node("Conv", ["a", "v"], ["c"]), node("Conv", ["c", "v"], ["d"]),
        node("Conv", ["d", "computed"], ["e"]), node("Conv", ["e", "v", "computed"], ["f"]),
        node("ConvTranspose", ["f", "u"], ["y"]), node("MatMul", ["y", "q"], ["z"]),
    ]  # fmt: skip
    stored = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    found = deduce.read_convolutions(helper.make_model(helper.make_graph(nodes, "net", [], [], stored)))
    assert {name: (one.weight.shape, one.bias is not None) for name, one in found.items()} == {
        "w": ((2, 1, 3, 3), True), "v": ((2, 2, 1, 1), False), "u": ((1, 2, 1, 1), False)
    }  # fmt: skip
    assert list(found) == ["w", "v", "u"]


def test_complaints_are_complete() -> None:
    shapes: dict[str, tuple[int, ...]] = {"a": (2,), "b": (2,), "c": (2,)}
    good = {name: np.ones(2) for name in shapes}
    assert list(complaints(good, shapes)) == []
    assert list(complaints(good | {"a": np.array([1, INF])}, shapes)) == [
        "a has values that are not finite; the file is damaged"
    ]
    assert list(complaints(good | {"c": np.ones(3)}, shapes)) == ["c has the shape (3,); (2,) is needed"]
    assert list(complaints(good | {"d": np.ones(3)}, shapes)) == ["d is none of its weights"]
    assert next(complaints({}, shapes)) == "a is missing"


# The registry


def test_rows_say_little_of_themselves() -> None:
    @dataclass(frozen=True)
    class Settings:
        width: int = 3

    rules = PairRules(Settings)
    assert (rules.scale(None), rules.margin, rules.planes, rules.int8, rules.keys) == (2, 0, None, False, ("width",))
    row = Architecture("a", "b")
    assert (row.multiple, row.task, row.inputs, row.title) == (1, "", (), "")


PAIRS = {"artcnn": (0, True), "espcn_7": (0, False), "upconv_7": (7, False), "vgg_7": (7, False), "drrn": (0, False)}


def test_networks_of_pairs_have_their_rules() -> None:
    found = {name: (row.pairs.margin, row.pairs.int8) for name, row in ARCHITECTURES.items() if row.pairs is not None}
    assert found == PAIRS
    assert {name for name, row in ARCHITECTURES.items() if row.task == "pairs"} == PAIRS.keys()
    for name, scale in {"espcn_7": 2, "upconv_7": 2, "vgg_7": 1, "drrn": 2}.items():
        rules = ARCHITECTURES[name].pairs
        assert rules is not None
        assert rules.scale(rules.settings()) == scale


@pytest.mark.parametrize(
    ("variant", "scale", "fitting"), [("C4F32", 2, "luma"), ("C4F32_Chroma", 1, "chroma"), ("", 2, "luma")]
)
def test_variants_say_their_planes(variant: str, scale: int, fitting: str) -> None:
    rules = artcnn.ARTCNN.pairs
    assert rules is not None
    assert rules.planes is not None
    settings = artcnn.Settings(variant=variant)
    assert (rules.scale(settings), settings.activation) == (scale, "relu")
    for planes in ("luma", "chroma", "rgb"):
        check(lambda planes=planes: rules.planes(settings, planes), "" if planes == fitting else f"needs '{fitting}'")  # type: ignore[misc]


def test_settings_unless_said() -> None:
    made = drrn.Settings()
    assert (made.units, made.filters, made.low) == (9, 128, False)
    fields = drrn.Settings.__dataclass_fields__
    assert dict(fields["units"].metadata) == {"least": 1, "most": 100}
    assert dict(fields["filters"].metadata) == {"least": 1, "most": 1024}
    assert (espcn.Settings().widths, espcn.Settings().selection_units) == ((), False)
    assert waifu2x.Settings().widths == ()


def test_names_and_inputs_are_one_rows_alone() -> None:
    one, other = (Architecture(name, "f", inputs=("a", "b")) for name in "xy")
    with pytest.raises(ValueError, match="two architectures are called 'x'"):
        register([one, one])
    with pytest.raises(ValueError, match="'x' and 'y' have the same inputs"):
        register([one, other])
    assert list(register([Architecture(name, "f") for name in "xy"])) == ["x", "y"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (set(), ["head", "tail.0"]),
        ({"a.0", "b.0"}, ["head", "a.0", "b.0", "tail.1"]),
        ({"a.0", "a.2", "b.1"}, ["head", "a.0", "b.0", "a.2", "b.1", "tail.2"]),
        ({"a.0", "a.4"}, ["head", "a.0", "b.0", "tail.1"]),
    ],
)
def test_layouts_count_what_repeats(names: set[str], expected: list[str]) -> None:
    layout = Layout("", lambda *_: None, ("head",), ("a.{even}", "b.{i}"), ("tail.{n}",))  # type: ignore[arg-type,return-value]
    assert layout.layers(names) == expected


@pytest.mark.parametrize(
    ("kinds", "side", "known"),
    [
        (["Conv"], 3, ""),
        (["Conv"], 5, "drrn"),
        (["Conv", "Selu"], 3, "espcn_7"),
        (["Conv", "Selu"], 5, "espcn_7"),
        (["Conv", "LeakyRelu"], 5, "vgg_7"),
        (["Conv", "LeakyRelu", "Selu"], 5, "vgg_7"),
        (["Conv", "LeakyRelu", "ConvTranspose"], 5, "upconv_7"),
        (["Conv", "Selu", "ConvTranspose"], 3, "upconv_7"),
        (["Conv", "ConvTranspose"], 5, "upconv_7"),
        (["Relu"], 3, ""),
    ],
)
def test_graphs_are_told_apart_by_their_nodes(kinds: list[str], side: int, known: str) -> None:
    nodes = [node(kind, ["x", "w"] if kind.startswith("Conv") else ["x"], ["y"]) for kind in kinds]
    weight = numpy_helper.from_array(np.ones((1, 1, side, side), np.float32), "w")
    proto = helper.make_model(helper.make_graph(nodes, "net", [], [], [weight]))
    rows = ("espcn_7", "upconv_7", "vgg_7", "drrn")
    found = [name for name in rows if (matches := ARCHITECTURES[name].matches) is not None and matches(proto)]
    assert found == ([known] if known else [])


# waifu2x


def step(out: int = 1, into: int = 1, side: int = 3, slope: float | None = 0.1, **more: Any) -> Step:
    return Step(layer(out, into, side), slope=slope, **more)


TURNED = {"transposed": True, "stride": 2, "pad": 3}
ENDS = [
    (step(slope=None), "vgg_7"),
    (step(side=4, slope=None, **TURNED), "upconv_7"),
    (step(), ""),
    (step(slope=0.0), ""),
    (step(slope=None, stride=2), ""),
    (step(slope=None, pad=1), ""),
    (step(slope=None, side=1), ""),
    (step(slope=None, transposed=True), ""),
    (step(side=4, slope=None), ""),
    (step(side=4, **TURNED), ""),
    (step(side=3, slope=None, **TURNED), ""),
    (step(side=4, slope=None, transposed=True, stride=1, pad=3), ""),
    (step(side=4, slope=None, transposed=True, stride=2, pad=2), ""),
    (step(side=4, slope=None, transposed=False, stride=2, pad=3), ""),
]


@pytest.mark.parametrize(("last", "known"), ENDS, ids=range(len(ENDS)))
def test_waifu2x_is_told_by_its_end(last: Step, known: str) -> None:
    steps = [*[step()] * 6, last]
    if known:
        assert waifu2x.waifu2x(steps).architecture == known
    else:
        check(lambda: waifu2x.waifu2x(steps), "the last layer is a ")
    for wrong in (steps[1:], [step(), *steps]):
        check(lambda wrong=wrong: waifu2x.waifu2x(wrong), r"[68] convolutions one after another")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changed", "fine"),
    [
        (step(slope=0.10009), True),
        (step(slope=0.09991), True),
        (step(slope=0.1002), False),
        (step(slope=0.0998), False),
        (step(slope=None), False),
        (step(stride=2), False),
        (step(pad=1), False),
        (step(side=1), False),
        (step(transposed=True), False),
    ],
)
def test_waifu2x_has_equal_layers(changed: Step, fine: bool) -> None:
    steps = [*[step()] * 3, changed, *[step()] * 2, step(slope=None)]
    check(lambda: waifu2x.waifu2x(steps), "" if fine else "layer 3 is a .*; UpConv_7 and VGG_7 have 3x3")


def test_waifu2x_keeps_biases_that_are_not_all_zero() -> None:
    def inputs(*biases: float) -> int:
        last = Layer(np.ones((1, 2, 4, 4), np.float32), np.array(biases, np.float32))
        steps = [*[step()] * 6, Step(last, **TURNED)]  # type: ignore[arg-type]
        return next(len(n.input) for n in waifu2x.waifu2x(steps).proto.graph.node if n.op_type == "ConvTranspose")

    assert (inputs(0, 0), inputs(0, 1), inputs(1, 0), inputs(1, 1)) == (2, 3, 3, 3)


def test_waifu2x_says_what_a_layer_is() -> None:
    assert str(Step(layer(2, 3))) == "a 3x3 convolution 3 to 2, stride 1, padding 0, no activation"
    assert (
        str(Step(layer(2, 3), True, 2, 3, 0.1)) == "a 3x3 transposed convolution 2 to 3, stride 2, padding 3, slope 0.1"
    )


@pytest.mark.parametrize(
    ("write", "layers", "message"),
    [
        (vgg, chain(*[1] * 8), ""),
        (vgg, chain(*[1] * 7), "6 convolutions; VGG_7 has 7 of 3x3"),
        (vgg, [*chain(*[1] * 7), layer(1, 1, 1)], "7 convolutions; VGG_7 has 7 of 3x3"),
        (upconv, [*chain(*[1] * 7), layer(1, 1, 4)], ""),
        (upconv, [*chain(*[1] * 6), layer(1, 1, 4)], "UpConv_7 has 6 and one of 4x4"),
        (upconv, [*chain(*[1] * 7), layer(1, 1, 3)], "UpConv_7 has 6 and one of 4x4"),
    ],
)
def test_waifu2x_is_written_from_its_layers(
    write: Callable[[list[Layer]], onnx.ModelProto], layers: list[Layer], message: str
) -> None:
    check(lambda: write(layers), message)


# DRRN, ESPCN, ArtCNN


def of_drrn(filters: int = 2, planes: int = 1, last: int = 1, units: int = 1, side: int = 3) -> DrrnLayers:
    unit = (layer(filters, filters), layer(filters, filters, side))
    return DrrnLayers(layer(filters, planes), unit, layer(last, filters), units)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (of_drrn(), ""),
        (of_drrn(last=4), ""),
        (of_drrn(planes=3, last=12), ""),
        (of_drrn(last=2), "1 units of layers shaped"),
        (of_drrn(planes=3, last=4), "1 units of layers shaped"),
        (of_drrn(units=0), "0 units of layers shaped"),
        (of_drrn(side=1), "1 units of layers shaped"),
        (DrrnLayers(layer(2, 1, 1), (layer(2, 2), layer(2, 2)), layer(1, 2), 1), "1 units of layers shaped"),
        (DrrnLayers(layer(2, 1), (layer(2, 2), layer(2, 2)), layer(1, 2, 1), 1), "1 units of layers shaped"),
        (DrrnLayers(layer(2, 1), (layer(3, 2), layer(2, 3)), layer(1, 2), 1), "1 units of layers shaped"),
    ],
)
def test_drrn_is_written_from_its_layers(layers: DrrnLayers, message: str) -> None:
    check(lambda: write_drrn(layers), message)


@pytest.mark.parametrize(
    ("units", "said"),
    [("", "9 recursions (assumed"), ("1", "1 recursions"), ("100", "100 recursions"), ("007", "7 recursions")],
)
def test_drrn_has_as_many_units_as_its_file_says(units: str, said: str) -> None:
    found = drrn_b1([layer(1, 1)] * 4, units)
    assert found.summary.partition("weights, ")[2].startswith(said)
    assert f"B1U{int(units or 9)}," in found.summary
    for wrong in ("0", "101", "0001", "x", "-1", "1.0"):
        check(lambda wrong=wrong: drrn_b1([layer(1, 1)] * 4, wrong), f"says '{wrong}' units; 1 to 100")  # type: ignore[misc]
    for count in (3, 5):
        check(lambda count=count: drrn_b1([layer(1, 1)] * count, units), f"it has {count} layers")  # type: ignore[misc]


def test_bicubic_taps_are_those_of_a_quarter_pixel() -> None:
    taps = catmull_rom_taps(2)
    assert taps.shape == (8, 2, 5, 5)
    np.testing.assert_allclose(taps.sum((2, 3)), np.repeat(np.eye(2), 4, 0))
    before = np.array([-3, 29, 111, -9, 0]) / 128
    np.testing.assert_allclose(taps[1, 0], np.outer(before, before[::-1]))
    np.testing.assert_allclose(taps[6, 1], np.outer(before[::-1], before))


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ([], ""),
        ([layer(8, 8, 1)] * 2, ""),
        ([layer(8, 8, 1)], "1 selection units; 2 are needed"),
        ([layer(8, 8, 1)] * 3, "3 selection units; 2 are needed"),
    ],
)
def test_espcn_has_a_gate_after_every_inner_layer(gates: list[Layer], message: str) -> None:
    check(lambda: write_espcn(chain(1, 8, 8, 4), gates), message)
    check(lambda: write_espcn(chain(1, 4)), "1 convolutions; 2 or more are needed")


def test_espcn_gates_are_of_one_pixel() -> None:
    for wrong in (layer(8, 8, 3), layer(7, 8, 1), layer(8, 7, 1)):
        gates = [layer(8, 8, 1), wrong]
        check(lambda gates=gates: espcn_n(chain(1, 8, 8, 4), gates), "selection unit 1 has weights of shape")  # type: ignore[misc]
    assert espcn_n(chain(1, 8, 4)).architecture == "espcn_2"


@pytest.mark.parametrize(
    ("write", "channels", "message"),
    [
        (artcnn_c, (1, 2, 2, 2, 4), ""),
        (artcnn_c, (1, 2, 2, 4), "3 convolutions; 4 or more are needed"),
        (artcnn_r, (1, 2, 2, 2, 2, 2, 4), ""),
        (artcnn_r, (1, 2, 2, 2, 2, 4), "5 convolutions; 6 or more are needed"),
        (artcnn_r, (1, 2, 2, 2, 2, 2, 2, 4), "7 cannot be"),
        (artcnn_r, (1, *[2] * 7, 4), "8 cannot be"),
        (artcnn_r, (1, *[2] * 8, 4), ""),
    ],
)
def test_artcnn_is_written_from_its_layers(
    write: Callable[[list[Layer]], onnx.ModelProto], channels: tuple[int, ...], message: str
) -> None:
    check(lambda: write(chain(*channels)), message)


def changed(change: Callable[[onnx.ModelProto], object], *, luma: bool = True) -> onnx.ModelProto:
    net = random_net(4, 1, luma=luma)
    change(net)
    return net


def conv(net: onnx.ModelProto, number: int) -> onnx.NodeProto:
    return [one for one in net.graph.node if one.op_type == "Conv"][number]


def set_on(number: int, **given: object) -> Callable[[onnx.ModelProto], None]:
    def change(net: onnx.ModelProto) -> None:
        one = conv(net, number)
        kept = [a for a in one.attribute if a.name not in given]
        del one.attribute[:]
        one.attribute.extend([*kept, *(helper.make_attribute(k, v) for k, v in given.items() if v is not None)])

    return change


def stored(net: onnx.ModelProto, name: str, array: Any) -> None:
    for tensor in list(net.graph.initializer):
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(array, np.float32), name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_on(1, group=1, strides=[1, 1], dilations=[1, 1]), ""),
        (set_on(1, pads=None, auto_pad="SAME_LOWER"), ""),
        (set_on(1, pads=None, auto_pad="VALID"), "no plain 3x3 convolution"),
        (set_on(1, pads=None), "no plain 3x3 convolution"),
        (set_on(1, pads=[1, 1, 1, 0]), "no plain 3x3 convolution"),
        (set_on(1, pads=[2] * 4), "no plain 3x3 convolution"),
        (set_on(1, dilations=[1, 2]), "no plain 3x3 convolution"),
        (set_on(1, group=2), "no plain 3x3 convolution"),
        (lambda net: stored(net, "conv1.bias", np.zeros(3)), "has 3 biases for 4 channels"),
        (lambda net: stored(net, "conv1.bias", [0, 0, 0, np.inf]), "hold infinities or NaN"),
        (lambda net: stored(net, "conv1.weight", np.zeros((4, 4, 1, 3))), "no plain 3x3 convolution"),
        (lambda net: stored(net, "clip.low", 1), r"clips to \(1.0, 1.0\)"),
        (lambda net: stored(net, "clip.high", [1, 1]), r"clips to \(0.0, None\)"),
        (lambda net: conv(net, 1).input.__setitem__(2, "computed"), "the weights of .* are not in the file"),
        (lambda net: conv(net, 1).input.__setitem__(1, "computed"), "the weights of .* are not in the file"),
        (lambda net: conv(net, 1).input.__setitem__(2, ""), ""),
        (lambda net: net.graph.output.add(name="more"), "1 inputs and 2 outputs"),
        (lambda net: net.graph.input.add(name="more"), "2 inputs and 1 outputs"),
        (lambda net: net.graph.input.add(name="conv1.bias"), ""),  # as in old files
    ],
    ids=range(19),
)
def test_artcnn_is_read_from_its_graph(change: Callable[[onnx.ModelProto], object], message: str) -> None:
    check(lambda: read_artcnn_c(changed(change)), message and f"no ArtCNN C network.*{message}|{message}")


def test_artcnn_shuffles_by_a_block() -> None:
    def change(net: onnx.ModelProto) -> None:
        (shuffle,) = (one for one in net.graph.node if one.op_type == "DepthToSpace")
        del shuffle.attribute[:]

    check(lambda: read_artcnn_c(changed(change)), "1 planes come in, 4 leave the last convolution, at scale 0")


def test_artcnn_of_other_ends_is_refused() -> None:
    for ends, message in (((1, 1), "1 planes come in, 1 leave the last convolution, at scale 1"), ((3, 2), "")):
        layers = [*random_layers(4, 1)]
        layers[0], layers[-1] = layer(4, ends[0], bias=4), layer(ends[1], 4, bias=ends[1])
        check(lambda layers=layers: read_artcnn_c(artcnn_c(layers)), message)  # type: ignore[misc]


# AnimeGANv2


def test_generators_are_told_by_most_of_their_names() -> None:
    names = list(SHAPES)
    half = len(names) // 2
    assert not reading.recognizes(dict.fromkeys(names[:half]))
    assert reading.recognizes(dict.fromkeys(names[: half + 1]))


@pytest.mark.parametrize(
    ("metadata", "wish", "ours", "said"),
    [
        ({}, None, False, "up-sampling 'align' (assumed), epsilon 1e-05"),
        ({}, None, True, "up-sampling 'tf' (as trained here), epsilon 1e-12"),
        ({"upsample": "half"}, None, False, "up-sampling 'half' (as the file says), epsilon 1e-05"),
        ({"upsample": "half"}, "tf", False, "up-sampling 'tf' (as asked for), epsilon 1e-05"),
        ({"epsilon": "0.5"}, None, True, "up-sampling 'tf' (as trained here), epsilon 0.5"),
    ],
)
def test_state_dicts_of_generators_say_some_things(
    metadata: dict[str, str], wish: str | None, ours: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "animegan", lambda *_: onnx.ModelProto())
    found = reading.read({"a": np.ones(3, np.float32)}, metadata, Wishes(upsample=wish), ours)
    assert found.summary.endswith(f"3 weights, {said}")
    assert found.licence == ("" if ours else reading.PUBLISHED)


def read_part(number: int, *nodes: onnx.NodeProto, **arrays: Any) -> Any:
    """What is read of some nodes after a number of convolutions."""
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    proto = helper.make_model(helper.make_graph(list(nodes), "net", [], [], tensors))
    found = reading._Reading(reading._Constants(proto))
    found.parts = [reading._Part(unit, np.ones(1, np.float32), None) for unit in UNITS[:number]]
    for one in nodes:
        found.take(one)
    return found


def number_of(stride: int = 1, side: int = 3, norm: bool = True) -> int:
    return next(
        i for i, unit in enumerate(UNITS) if (unit.stride, unit.shape[2], bool(unit.norm)) == (stride, side, norm)
    )


@pytest.mark.parametrize(("alpha", "fine"), [(0.2, True), (0.200009, True), (0.20002, False), (None, False)])
def test_generators_leak_by_a_fifth(alpha: float | None, fine: bool) -> None:
    one = node("LeakyRelu", ["x"], ["y"], **({} if alpha is None else {"alpha": alpha}))
    check(lambda: read_part(0, one), "" if fine else "a leaky ReLU of slope .*; 0.2 is right")


@pytest.mark.parametrize(
    ("stride", "side", "pads", "fine"),
    [
        (1, 3, [0, 0, 1, 1, 0, 0, 1, 1], True),
        (1, 7, [0, 0, 3, 3, 0, 0, 3, 3], True),
        (2, 3, [0, 0, 0, 0, 0, 0, 1, 1], True),
        (1, 3, [0, 0, 0, 0, 0, 0, 1, 1], False),
        (2, 3, [0, 0, 1, 1, 0, 0, 1, 1], False),
        (1, 3, [0, 0, 1, 1, 0, 0, 1, 0], False),
        (1, 3, [0, 0, 2, 2, 0, 0, 2, 2], False),
    ],
)
def test_generators_pad_by_half_a_kernel(stride: int, side: int, pads: list[int], fine: bool) -> None:
    number = number_of(stride, side)
    as_input = node("Pad", ["x", "p"], ["y"], mode="reflect")
    message = "" if fine else "before .* it pads by .*; that is another network's"
    check(lambda: read_part(number, as_input, p=np.array(pads)), message)
    check(lambda: read_part(number, node("Pad", ["x"], ["y"], mode="reflect", pads=pads)), message)
    check(lambda: read_part(len(UNITS), as_input, p=np.array(pads)), "")
    check(lambda: read_part(number, node("Pad", ["x", "p"], ["y"]), p=np.array(pads)), "pads by 'constant'; 'reflect'")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, ""),
        ({"auto_pad": "VALID", "dilations": [1, 1]}, ""),
        ({"pads": [0] * 4}, ""),
        ({"pads": [0, 0, 1, 0]}, "padding of its own"),
        ({"auto_pad": "SAME_UPPER"}, "padding of its own"),
        ({"dilations": [1, 2]}, "padding of its own"),
        ({"strides": [1, 2]}, "padding of its own"),
        ({"group": 2}, "padding of its own"),
    ],
)
def test_generators_convolve_plainly(given: dict[str, Any], message: str) -> None:
    unit = UNITS[0]
    one = node("Conv", ["x", "w"], ["y"], **given)
    check(lambda: read_part(0, one, w=np.ones(unit.shape, np.float32)), message and f"convolution 0 has .*{message}")
    check(lambda: read_part(0, one, w=np.ones((32, 3, 3, 3), np.float32)), "of convolution 0 are of the shape")
    check(lambda: read_part(0, one), "the weights of convolution 0 are computed")
    check(lambda: read_part(len(UNITS), one), "more convolutions than the")


@pytest.mark.parametrize(
    ("op", "given", "found"),
    [
        ("Resize", {"mode": "linear"}, "half_pixel"),
        ("Upsample", {"mode": "linear"}, "asymmetric"),
        ("Resize", {"mode": "linear", "coordinate_transformation_mode": "align_corners"}, "align_corners"),
        ("Resize", {}, "nearest"),
        ("Resize", {"mode": "cubic", "coordinate_transformation_mode": "align_corners"}, "cubic"),
    ],
)
def test_generators_grow(op: str, given: dict[str, Any], found: str) -> None:
    scales = np.array([1, 1, 2, 2], np.float32)
    for inputs in (["x", "", "s"], ["x", "s"]):
        one = node(op, inputs, ["y"], **given)
        assert read_part(0, one, s=scales).samplings == [found]
        assert read_part(0, one, s=np.array([1, 1, 3, 3])).samplings == [found]  # a size
        check(lambda one=one: read_part(0, one, s=scales * 2), "grow by factors of")  # type: ignore[misc]


def test_norms_and_biases_of_generators() -> None:
    normed = next(i for i, unit in enumerate(UNITS) if unit.norm and unit.shape[0] != unit.shape[1])
    channels = UNITS[normed].shape[0]
    vector = np.arange(channels, dtype=np.float32)

    def part(*nodes: onnx.NodeProto, **arrays: Any) -> Any:
        return read_part(normed + 1, *nodes, **arrays).parts[-1]

    for op, name in (("Mul", "gain"), ("Div", "gain"), ("Add", "bias"), ("Sub", "bias")):
        found = part(node(op, ["x", "v"], ["y"]), v=vector)
        assert {key: getattr(found, key) is not None for key in ("gain", "bias", "offset")} == {
            "gain": name == "gain", "bias": name == "bias", "offset": False
        }  # fmt: skip
    found = part(node("ReduceMean", ["x"], ["m"]), node("Add", ["m", "v"], ["y"]), v=vector[:, None, None])
    assert found.normed
    assert found.offset.tolist() == vector.tolist()
    assert part(node("Add", ["x", "v"], ["y"]), v=vector[:-1]).bias is None
    assert part(node("Mul", ["x", "v"], ["y"]), v=np.arange(channels)).gain is None
    one = node("InstanceNormalization", ["x", "g", "o"], ["y"])
    found = part(one, g=vector, o=vector + 1)
    assert (found.gain.tolist(), found.offset.tolist()) == (vector.tolist(), (vector + 1).tolist())
    assert part(one, g=vector, o=vector[:-1]).gain is None
    assert part(one, g=vector[:-1], o=vector[:-1]).gain is None
    assert part(one, g=vector).gain is None


@pytest.mark.parametrize(
    ("values", "epsilon"),
    [
        ([1e-12], TF_EPSILON),
        ([1.000009e-5, 1e-5], TORCH_EPSILON),
        ([0.5, 0.5], 0.5),
        ([1.00002e-5, 1e-5], None),
        ([], None),
    ],
)
def test_epsilons_of_generators(values: list[float], epsilon: float | None) -> None:
    number = number_of() + 1
    sums = [node("Add", ["x", f"e{i}"], ["y"]) for i in range(len(values))]
    arrays = {f"e{i}": np.array(value) for i, value in enumerate(values)}
    found = read_part(number, *sums, **arrays)
    assert found.epsilons == values
    if epsilon is None:
        check(found.epsilon, f"its norms have {len(set(values))} different epsilons")
    else:
        assert found.epsilon() == epsilon
    # Elsewhere a number is none.
    assert read_part(number, node("Mul", ["x", "e"], ["y"]), e=np.array(0.5)).epsilons == []
    last = next(i for i, unit in enumerate(UNITS) if not unit.norm) + 1
    assert read_part(last, node("Add", ["x", "e"], ["y"]), e=np.array(0.5)).epsilons == []


@pytest.mark.parametrize("length", [1000, 1001, 1002])
def test_constants_are_followed_through_a_thousand_nodes(length: int) -> None:
    names = ["w", *(f"a{i}" for i in range(length))]
    nodes = [node("Identity", [a], [b]) for a, b in pairwise(names)]
    proto = helper.make_model(helper.make_graph(nodes, "net", [], [], [numpy_helper.from_array(np.ones(2), "w")]))
    constants = reading._Constants(proto)
    if length <= 1001:
        found = constants.find(names[-1])
        assert found is not None
        assert found.tolist() == [1, 1]
    else:
        check(lambda: constants.find(names[-1]), "more than 1000 nodes do nothing but move a constant")


def test_moved_constants() -> None:
    array = np.arange(6).reshape(1, 6, 1)
    assert reading._move(node("Squeeze", ["x"], ["y"]), array).tolist() == list(range(6))  # type: ignore[union-attr]
    assert reading._move(node("Reshape", ["x"], ["y"]), np.ones((2, 3))) is None
    assert reading._move(node("Reshape", ["x"], ["y"]), np.float32(3)).tolist() == [3]  # type: ignore[arg-type,union-attr]
    turned = reading._move(node("Transpose", ["x"], ["y"], perm=[1, 0, 2]), array)
    assert turned is not None
    assert turned.shape == (6, 1, 1)


PLAIN = ([("Mul", 2.0), ("Add", -1.0)], [("Mul", 0.5), ("Add", 0.5), ("Clip", None)])


def ended(before: list[tuple[str, Any]], after: list[tuple[str, Any]]) -> bool:
    """Whether a graph with such ends is plain."""
    nodes, tensors = [], []

    def add(op: str, value: Any) -> None:
        name = f"k{len(nodes)}"
        if value is not None:
            tensors.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        nodes.append(node(op, ["x", name] if value is not None else ["x"], [f"n{len(nodes)}"]))

    for op, value in (*before, ("Conv", None), ("LeakyRelu", None), ("Tanh", None), *after):
        add(op, value)
    proto = helper.make_model(helper.make_graph(nodes, "net", [], [], tensors))
    return reading._is_plain(proto, reading._Constants(proto))


def test_ends_of_generators() -> None:
    assert ended([], []) is False
    assert ended([("Transpose", None), ("Pad", None), ("Shape", None)], [("Cast", None)]) is False
    assert ended(*PLAIN) is True
    for before, after in (
        ([], PLAIN[1]), (PLAIN[0], []), ([("Mul", 2.0), ("Add", 1.0)], PLAIN[1]),
        ([("Mul", 3.0), PLAIN[0][1]], PLAIN[1]),
        (PLAIN[0], PLAIN[1][:2]), ([("Relu", None)], []), ([("Mul", [2.0, 2.0]), PLAIN[0][1]], PLAIN[1]),
    ):  # fmt: skip
        check(lambda before=before, after=after: ended(before, after), "RGB in \\[-1, 1\\] at both ends is read")  # type: ignore[misc]


# SketchKeras


def test_sketches_are_told_by_most_of_their_blocks() -> None:
    blocks = [f"{name}.0.weight" for name in sketches._BLOCKS]
    most = len(blocks) // 2 + 1
    assert sketches.recognizes(dict.fromkeys(blocks[:most]))
    assert not sketches.recognizes(dict.fromkeys(blocks[: most - 1]))
    missing = sorted(sketches._BLOCKS)[:4]
    one = {"x1.0.weight": np.ones(1, np.float32), "x2.weight": np.ones(1, np.float32)}
    message = ", ".join([*(f"lacks {name}" for name in missing), "has 'x1' as well, has 'x2' as well"])
    check(lambda: sketches.to_imported(one), message)
    five = {f"x{i}.weight": np.ones(1, np.float32) for i in range(5)}
    check(lambda: sketches.to_imported(five), "has 'x3' as well$")


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("block.999999999.weight", True),
        ("block.1000000000.weight", False),
        ("block.a.weight", False),
        ("block.-1.weight", False),
        ("block.weight", True),
        ("block", False),
        ("block.1.num_batches_tracked", True),
    ],
)
def test_modules_of_sketches_are_numbered(name: str, fine: bool) -> None:
    call = lambda: sketches._modules({name: np.ones(1, np.float32)})  # noqa: E731
    check(call, "" if fine else "which is none of its weights")
    if fine:
        assert call() == ({} if "num" in name else {"block": [{"weight": np.ones(1)}]})


def test_modules_of_sketches_are_in_order() -> None:
    one = np.ones(1, np.float32)
    found = sketches._modules({"b.10.weight": one, "b.9.bias": one, "b.9.weight": one, "a.weight": one})
    assert {block: [sorted(part) for part in parts] for block, parts in found.items()} == {
        "b": [["bias", "weight"], ["weight"]], "a": [["weight"]]
    }  # fmt: skip


def test_sizes_of_published_networks() -> None:
    """As many weights as their authors' files have, norms of SketchKeras folded in."""
    assert sum(int(np.prod(shape)) for shape in SHAPES.values()) == 2_143_552
    assert sum(int(np.prod(shape)) for shape in SKETCH_SHAPES.values()) == 18_630_817
    assert [(unit.shape[2:], unit.stride, unit.margin) for unit in SKETCH_UNITS] == [
        ((3, 3), 1, (1, 1)),
        *[((4, 4), 2, (1, 1)), ((3, 3), 1, (1, 1))] * 3,
        ((4, 4), 2, (1, 1)), ((3, 3), 1, (1, 1)),
        *[((4, 4), 1, (1, 2)), ((3, 3), 1, (1, 1))] * 4,
        ((3, 3), 1, (1, 1)),
    ]  # fmt: skip
    halving = [i for i, unit in enumerate(UNITS) if unit.stride == 2]
    apart = [i for i, unit in enumerate(UNITS) if unit.groups > 1]
    linear = [i for i, unit in enumerate(UNITS) if not unit.leaks]
    assert (len(UNITS), halving, apart, linear) == (25, [1, 3], [7, 10, 13, 16], [8, 11, 14, 17, 24])
    assert apart == [i for i, unit in enumerate(UNITS) if unit.bias]


def test_networks_of_colorization_are_cut_where_they_were() -> None:
    kinds = {name: row.kind for name, row in ARCHITECTURES.items() if row.kind is not None}
    assert {name: row.multiple for name, row in ARCHITECTURES.items() if row.multiple > 1} == {
        "animegan2": 4, "colour": 16, "document": 4, "colour_temporal": 4, "sketchkeras": 16
    }  # fmt: skip
    lines, distances, colors = (
        Picture("key_lines", 1, 1), Picture("key_distances", 1, 1, "float32"), Picture("key_colours", 1, 3)
    )  # fmt: skip
    frame = Picture("line", 1, 1)
    moved = (Picture("warped", 2, 3), Picture("errors", 2, 1, "float32"), Picture("prior", 2, 1, "float32"))
    assert kinds == {
        "colour": Kind(
            (lines, colors), (frame, *moved), ("key_features", "key_values"), 8, ("weights", "copied", "residual")
        ),
        "document": Kind(
            (lines, distances, colors),
            (frame, Picture("distance", 1, 1, "float32")),
            ("key_features", "key_values", "key_style"),
            4,
            ("colour",),
        ),
    }


# How networks are written


def test_layers_are_written_with_what_they_need() -> None:
    weights = {"a.weight": np.ones((2, 2, 5, 5)), "a.bias": np.ones(2), "b.weight": np.ones((2, 2, 1, 1))}
    weights |= {f"c.{i}.weight": np.ones((2, 2, 3, 3)) for i in range(2)}
    writer = NetWriter(weights, leak=0.25)
    writer.layer("a", "x")
    writer.layer("a", "x", stride=2, dilation=3)
    writer.layer("b", "x")
    writer.chain("c", "x", 2, stride=2)
    writer.conv("x", "d", layer(2, 2, 5))
    writer.conv("x", "e", layer(2, 1, 3), pad=0, stride=2, groups=2)
    given = [
        {a.name: helper.get_attribute_value(a) for a in one.attribute} | {"inputs": list(one.input)}
        for one in writer._nodes
    ]
    assert given == [
        {"kernel_shape": [5, 5], "pads": [2] * 4, "strides": [1, 1], "inputs": ["x", "a.weight", "a.bias"]},
        {
            "kernel_shape": [5, 5], "pads": [6] * 4, "strides": [2, 2], "dilations": [3, 3],
            "inputs": ["x", "a.weight", "a.bias"],
        },
        {"kernel_shape": [1, 1], "pads": [0] * 4, "strides": [1, 1], "inputs": ["x", "b.weight"]},
        {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [2, 2], "inputs": ["x", "c.0.weight"]},
        {"alpha": 0.25, "inputs": ["conv3"]},
        {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [1, 1], "inputs": ["leakyrelu4", "c.1.weight"]},
        {"alpha": 0.25, "inputs": ["conv5"]},
        {"kernel_shape": [5, 5], "pads": [2] * 4, "inputs": ["x", "d.weight"]},
        {"kernel_shape": [3, 3], "pads": [0] * 4, "strides": [2, 2], "group": 2, "inputs": ["x", "e.weight"]},
    ]  # fmt: skip
    assert NetWriter()._leak == 0.0
