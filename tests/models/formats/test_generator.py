"""AnimeGANv2's weights from elsewhere: TensorFlow's ONNX, PyTorch's, and state-dicts; and what is none of these."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.support import writers
from tests.support.generators import (
    Foreign,
    PyTorchs,
    TensorFlows,
    as_pytorch,
    as_tensorflow,
    changed,
    random_generator,
    random_weights,
)
from tests.support.networks import artcnn_like
from tests.support.reference import run_plain
from vsanime.errors import VsanimeError
from vsanime.graphs.network import attributes
from vsanime.models.animegan import LEAK, SHAPES, TF_EPSILON, TORCH_EPSILON, UNITS, Unit, animegan
from vsanime.models.formats import read
from vsanime.models.formats.generator import looks_like
from vsanime.models.licences import read_note

# The same f32 sums in other orders, through 24 norms.
SAME_SUMS = 2e-5


def written(tmp_path: Path, proto: onnx.ModelProto, name: str = "Hayao 64.onnx") -> Path:
    path = tmp_path / name
    path.write_bytes(proto.SerializeToString())
    return path


def picture() -> np.ndarray:
    return np.random.default_rng(0).random((1, 3, 36, 44), np.float32)


def test_tensorflows_onnx_is_turned_round(tmp_path: Path) -> None:
    foreign = as_tensorflow(random_weights())
    imported = read(written(tmp_path, foreign))
    assert imported.architecture == "animegan2"
    assert imported.proto.graph == random_generator("tf", TF_EPSILON).graph
    last = run_plain(foreign.SerializeToString(), picture().transpose(0, 2, 3, 1) * 2 - 1)
    found = run_plain(imported.proto.SerializeToString(), picture())
    np.testing.assert_allclose(found, last.transpose(0, 3, 1, 2) / 2 + 0.5, atol=SAME_SUMS)
    assert "2,143,552 weights, up-sampling 'tf' (as its graph says), epsilon 1e-12" in imported.summary


def test_pytorchs_onnx(tmp_path: Path) -> None:
    foreign = as_pytorch(random_weights())
    imported = read(written(tmp_path, foreign))
    assert imported.proto.graph == random_generator("align", TORCH_EPSILON).graph
    last = run_plain(foreign.SerializeToString(), picture() * 2 - 1)
    found = run_plain(imported.proto.SerializeToString(), picture())
    np.testing.assert_allclose(found, last / 2 + 0.5, atol=SAME_SUMS)


def test_half_precision_weights_are_widened(tmp_path: Path) -> None:
    foreign = as_tensorflow(random_weights())
    for tensor in foreign.graph.initializer:
        if len(tensor.dims) == 4 and tensor.dims[0] > 1:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    found = {i.name: numpy_helper.to_array(i) for i in read(written(tmp_path, foreign)).proto.graph.initializer}
    for name in ("block_a.0.1.weight", "out_layer.0.weight"):
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], random_weights()[name].astype(np.float16))


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_a_state_dict_is_taken_for_a_published_one(tmp_path: Path, kind: str) -> None:
    write = {"zip": writers.state_dict_zip, "legacy": writers.state_dict_legacy, "safetensors": writers.safetensors}
    path = tmp_path / "face_paint_512_v2.pt"
    path.write_bytes(write[kind](random_weights()))
    imported = read(path)
    assert imported.proto.graph == random_generator("align", TORCH_EPSILON).graph
    assert "'align' (assumed), epsilon 1e-05" in imported.summary
    assert "non-commercial use only" in imported.licence
    assert read_note(imported.proto) == imported.licence


@pytest.mark.parametrize("upsample", ["tf", "align", "half"])
def test_up_sampling_is_asked_for(tmp_path: Path, upsample: str) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(writers.safetensors(random_weights(), {"upsample": "half", "epsilon": "1e-12"}))
    assert read(path, upsample=upsample).proto.graph == random_generator(upsample, TF_EPSILON).graph
    assert read(path).proto.graph == random_generator("half", TF_EPSILON).graph
    assert "'half' (as the file says)" in read(path).summary


def test_a_licence_in_the_file_goes_before_ours(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(writers.safetensors(random_weights(), {"license": "MIT"}))
    assert read(path).licence == "MIT"


def test_wishes_that_cannot_be_had(tmp_path: Path) -> None:
    path = written(tmp_path, as_tensorflow(random_weights()))
    with pytest.raises(VsanimeError, match="upsample 'half' was asked for; this kind of file says itself"):
        read(path, upsample="half")
    state = tmp_path / "net.pt"
    state.write_bytes(writers.state_dict_zip(random_weights()))
    with pytest.raises(VsanimeError, match="activation 'relu' was asked for; only ArtCNN's"):
        read(state, "relu")
    with pytest.raises(VsanimeError, match="upsample is one of tf, align, half, not 'cubic'"):
        read(state, upsample="cubic")
    other = tmp_path / "other.pt"
    other.write_bytes(writers.state_dict_zip({"first.weight": np.ones((4, 1, 3, 3), np.float32)}))
    with pytest.raises(VsanimeError, match="upsample 'tf' was asked for; only AnimeGANv2's"):
        read(other, upsample="tf")


def damaged(change: str) -> dict[str, Any]:
    weights = dict(random_weights())
    if change == "lacks":
        del weights["block_d.0.1.weight"]
    elif change == "more":
        weights["block_f.0.1.weight"] = np.ones((3, 3, 3, 3), np.float32)
    elif change == "shape":
        weights["block_e.0.2.bias"] = np.ones(65, np.float32)
    elif change == "finite":
        weights["block_a.0.1.weight"] = weights["block_a.0.1.weight"] * np.float32("inf")
    else:
        weights["block_a.0.1.weight"] = weights["block_a.0.1.weight"].astype(np.int64)
    return weights


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("lacks", r"block_d\.0\.1\.weight is missing"),
        ("more", r"block_f\.0\.1\.weight is none of its weights"),
        ("shape", r"block_e\.0\.2\.bias has the shape \(65,\); \(64,\) is needed"),
        ("finite", r"block_a\.0\.1\.weight has values that are not finite; the file is damaged"),
        ("integers", r"'block_a\.0\.1\.weight' is stored as int64; weights are floating point"),
    ],
)
def test_damaged_state_dicts(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(writers.state_dict_zip(damaged(change)))
    with pytest.raises(VsanimeError, match=message):
        read(path)


def test_an_epsilon_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    for text, message in (
        ("tiny", "says epsilon 'tiny'; a number"),
        ("2", "above 0 and below 1"),
        ("nan", "above 0"),
        ("1", "below 1"),
        ("0", "above 0"),
    ):
        path.write_bytes(writers.safetensors(random_weights(), {"epsilon": text}))
        with pytest.raises(VsanimeError, match=message):
            read(path)


@pytest.mark.parametrize(
    ("op", "attributes", "message"),
    [
        ("LeakyRelu", {"alpha": 0.1}, "leaky ReLU of slope 0.1; 0.2 is right"),
        ("Pad", {"mode": "edge"}, "pads by 'edge'; 'reflect' is right"),
        ("Conv", {"strides": [2, 2]}, "convolution 0 has strides, groups, dilations or padding of its own"),
        ("Conv", {"pads": [1, 1, 1, 1]}, "convolution 0 has strides"),
        ("Resize", {"mode": "nearest"}, "its pictures grow by"),
        ("Resize", {"coordinate_transformation_mode": "half_pixel"}, "its pictures grow by"),
        ("Resize", {"coordinate_transformation_mode": "tf_crop_and_resize"}, "its pictures grow by"),
    ],
)
def test_graphs_that_do_something_else_are_refused(
    tmp_path: Path, op: str, attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(VsanimeError, match=message):
        read(written(tmp_path, changed(as_tensorflow(random_weights()), op, **attributes)))


def test_padding_of_another_network_is_refused(tmp_path: Path) -> None:
    proto = as_tensorflow(random_weights())
    pads = next(node for node in proto.graph.node if node.op_type == "Pad").input[1]
    stored = next(tensor for tensor in proto.graph.initializer if tensor.name == pads)
    stored.CopyFrom(numpy_helper.from_array(np.array([0, 2, 2, 0, 0, 2, 2, 0]), pads))
    with pytest.raises(VsanimeError, match=r"before block_a\.0\.1 it pads by \[2, 2\] and \[2, 2\]"):
        read(written(tmp_path, proto))


def test_impossible_sizes_are_refused(tmp_path: Path) -> None:
    proto = as_tensorflow(random_weights())
    pads = next(node for node in proto.graph.node if node.op_type == "Pad").input[1]
    stored = next(tensor for tensor in proto.graph.initializer if tensor.name == pads)
    stored.CopyFrom(numpy_helper.from_array(np.arange(7), pads))
    with pytest.raises(VsanimeError, match="its graph is damaged"):
        read(written(tmp_path, proto))


def test_a_long_chain_before_a_constant_is_refused(tmp_path: Path) -> None:
    proto = as_tensorflow(random_weights())
    first = next(node for node in proto.graph.node if node.op_type == "Pad")
    names = [first.input[1], *(f"again{i}" for i in range(5000))]
    chain = [helper.make_node("Identity", [a], [b]) for a, b in itertools.pairwise(names)]
    first.input[1] = names[-1]
    nodes = [*chain, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    with pytest.raises(VsanimeError, match="its graph is damaged"):
        read(written(tmp_path, proto))


def test_a_picture_prepared_otherwise_is_refused(tmp_path: Path) -> None:
    """Exports exist that take bytes; a wrong range would give a wrong picture without a word."""
    proto = as_pytorch(random_weights())
    first = next(node for node in proto.graph.node if "picture" in node.input)
    first.input[list(first.input).index("picture")] = "prepared"
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(127.5), "half"))
    proto.graph.node.insert(0, helper.make_node("Div", ["picture", "half"], ["prepared"]))
    with pytest.raises(VsanimeError, match=r"prepares its picture or its result.*RGB in \[-1, 1\]"):
        read(written(tmp_path, proto))


def test_norms_of_several_epsilons_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match="norms have 2 different epsilons"):
        read(written(tmp_path, changed(as_pytorch(random_weights()), "InstanceNormalization", epsilon=1e-3)))


def test_epsilons_that_differ_by_rounding_are_one(tmp_path: Path) -> None:
    """A converter may have written one of them in another way."""
    proto = changed(as_pytorch(random_weights()), "InstanceNormalization", epsilon=TORCH_EPSILON * 1.000005)
    assert read(written(tmp_path, proto)).proto.graph == random_generator("align", TORCH_EPSILON).graph


def test_one_layer_less_is_refused(tmp_path: Path) -> None:
    proto = as_pytorch(random_weights())
    convolutions = [node for node in proto.graph.node if node.op_type == "Conv"]
    proto.graph.node.remove(convolutions[8])
    with pytest.raises(VsanimeError, match="convolution 8"):
        read(written(tmp_path, without_dangling(proto, convolutions[8])))


def without_dangling(proto: onnx.ModelProto, gone: onnx.NodeProto) -> onnx.ModelProto:
    for node in proto.graph.node:
        for i, name in enumerate(node.input):
            if name == gone.output[0]:
                node.input[i] = gone.input[0]
    return proto


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (random_generator(), "ONNX files need no import"),
        (artcnn_like(seed=1), "ONNX files need no import"),
    ],
    ids=["ours", "another network"],
)
def test_plain_networks_need_no_import(tmp_path: Path, proto: onnx.ModelProto, message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        read(written(tmp_path, proto))


class OfEachChannel(PyTorchs):
    """Instance norms."""

    def norm(self, unit: Unit, x: str) -> str:
        ones, zeros = (self.constant(np.full(unit.shape[0], value)) for value in (1.0, 0.0))
        normed = self.node("InstanceNormalization", x, ones, zeros, epsilon=1e-5)
        gain, offset = (self.constant(self.weights[f"{unit.norm}.{k}"][:, None, None]) for k in ("weight", "bias"))
        return self.node("Add", self.node("Mul", normed, gain), offset)


class ActivationFirst(TensorFlows):
    def norm(self, unit: Unit, x: str) -> str:
        return super().norm(unit, self.node("LeakyRelu", x, alpha=LEAK) if unit.leaks else x)

    def leak(self, x: str) -> str:
        return x


class NoActivation(TensorFlows):
    def leak(self, x: str) -> str:
        return x


class Relus(TensorFlows):
    def leak(self, x: str) -> str:
        return self.node("Relu", x)


class NoSums(TensorFlows):
    def added(self, skip: str, x: str) -> str:  # noqa: ARG002
        return x


class GrownAtOnce(TensorFlows):
    """Both at the first place."""

    def double(self, x: str) -> str:
        if any(node.op_type == "Resize" for node in self.nodes):
            return x
        return super().double(super().double(x))


class LastPadMissing(TensorFlows):
    def pad(self, unit: Unit, x: str) -> str:
        return x if unit.conv == "block_e.2.1" else super().pad(unit, x)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (OfEachChannel, "makes another picture"),
        (ActivationFirst, "makes another picture"),
        (NoActivation, "makes another picture"),
        (Relus, "makes another picture"),
        (NoSums, "makes another picture"),
        (GrownAtOnce, "makes another picture"),
        (LastPadMissing, "it makes 1x3x14x18 of a picture of 1x3x20x24, so it is another network"),
    ],
)
def test_other_networks_of_the_same_layers_are_refused(tmp_path: Path, kind: type[Foreign], message: str) -> None:
    write = as_pytorch if issubclass(kind, PyTorchs) else as_tensorflow
    with pytest.raises(VsanimeError, match=message):
        read(written(tmp_path, write(random_weights(), kind)))


def test_what_the_generator_has_not_is_not_run(tmp_path: Path) -> None:
    """A loop without an end would be."""
    proto = as_tensorflow(random_weights())
    proto.graph.node.insert(len(proto.graph.node) - 2, helper.make_node("NonZero", ["picture"], ["others"]))
    with pytest.raises(VsanimeError, match="its graph has NonZero, which AnimeGANv2's generator has not"):
        read(written(tmp_path, proto))


class OfOneSize(PyTorchs):
    """Exported for 64x96: sizes are constants, as folding leaves them."""

    height, width = 64, 96

    def norm(self, unit: Unit, x: str) -> str:
        made = super().norm(unit, x)
        back = next(node for node in reversed(self.nodes) if node.op_type == "Reshape")
        back.input[1] = self.constant([1, unit.shape[0], *self.size()], np.int64)
        moved = self.nodes.pop()  # the constant goes before what takes it, its tensor without a name
        self.nodes.insert(self.nodes.index(back), moved)
        return made

    def double(self, x: str) -> str:
        doubled = [2 * side for side in self.size()]
        size = self.constant([1, 128, *doubled], np.int64)
        return self.node("Resize", x, "", "", size, mode="linear", coordinate_transformation_mode="align_corners")

    def size(self) -> list[int]:
        """Height and width after the nodes so far."""
        halved = sum(n.op_type == "Conv" and attributes(n)["strides"] == [2, 2] for n in self.nodes)
        level = halved - sum(node.op_type == "Resize" for node in self.nodes)
        return [self.height >> level, self.width >> level]


def test_a_graph_of_one_size_is_read(tmp_path: Path) -> None:
    foreign = as_pytorch(random_weights(), OfOneSize)
    for value in (foreign.graph.input[0], foreign.graph.output[0]):
        axes = value.type.tensor_type.shape.dim
        axes[2].dim_value, axes[3].dim_value = OfOneSize.height, OfOneSize.width
    x = np.random.default_rng(0).random((1, 3, OfOneSize.height, OfOneSize.width), np.float32)
    made = read(written(tmp_path, foreign))
    last = run_plain(foreign.SerializeToString(), x * 2 - 1)
    np.testing.assert_allclose(run_plain(made.proto.SerializeToString(), x), last / 2 + 0.5, atol=SAME_SUMS)


def test_pictures_that_grow_otherwise_are_refused(tmp_path: Path) -> None:
    proto = as_pytorch(random_weights())
    scales = next(node for node in proto.graph.node if node.op_type == "Resize").input[2]
    stored = next(tensor for tensor in proto.graph.initializer if tensor.name == scales)
    stored.CopyFrom(numpy_helper.from_array(np.float32([1, 1, 900, 2]), scales))
    with pytest.raises(VsanimeError, match=r"grow by factors of \[1\.0, 1\.0, 900\.0, 2\.0\]"):
        read(written(tmp_path, proto))


def test_sizes_that_no_generator_has_are_not_tried(tmp_path: Path) -> None:
    """Hours of Resize, or more memory than there is."""
    with pytest.raises(VsanimeError, match=r"makes a size of \[1, \d+, \d+, \d+\] of pictures of \[0, 0\]"):
        read(written(tmp_path, as_pytorch(random_weights(), OfOneSize)))


class Growing(TensorFlows):
    """Computes while it runs that its pictures grow 20,000 times."""

    def double(self, x: str) -> str:
        doubled = super().double(x)
        factor = next(node for node in reversed(self.nodes) if node.op_type == "Mul").input[1]
        self.constants[factor] = numpy_helper.from_array(np.array([20_000, 20_000]), factor)
        return doubled


class Filling(TensorFlows):
    """Adds the largest of a billion zeros."""

    def leak(self, x: str) -> str:
        if not any(node.op_type == "ConstantOfShape" for node in self.nodes):
            zeros = self.node("ConstantOfShape", self.constant([10**9], np.int64))
            x = self.node("Add", x, self.node("ReduceMean", zeros, axes=[0], keepdims=0))
        return super().leak(x)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Growing, "Resize '.*' makes a size of .* of a picture of 24x20|Resize '.*' gives .* MiB"),
        (Filling, "ConstantOfShape '.*' gives 1000000000 values"),
    ],
)
def test_a_graph_is_not_run_where_memory_would_not_hold_it(
    tmp_path: Path, kind: type[TensorFlows], message: str
) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(VsanimeError, match=message):
            read(written(tmp_path, as_tensorflow(random_weights(), kind)))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


class Old(TensorFlows):
    """As converters of 2019 wrote it."""

    growth = "Upsample"

    def pad(self, unit: Unit, x: str) -> str:
        padded = super().pad(unit, x)
        node = next(node for node in reversed(self.nodes) if node.op_type == "Pad")
        pads = numpy_helper.to_array(self.constants[node.input.pop()])
        node.attribute.append(helper.make_attribute("pads", pads.tolist()))
        return padded

    def double(self, x: str) -> str:
        return self.node(self.growth, x, self.constant([1.0, 1.0, 2.0, 2.0]), mode="linear")


class Later(Old):
    growth = "Resize"


@pytest.mark.parametrize(("kind", "version"), [(Old, 9), (Later, 10)])
def test_graphs_of_old_versions_are_read(tmp_path: Path, kind: type[Foreign], version: int) -> None:
    foreign = as_tensorflow(random_weights(), kind, version)
    imported = read(written(tmp_path, foreign))
    assert imported.proto.graph == random_generator("tf", TF_EPSILON).graph
    last = run_plain(foreign.SerializeToString(), picture().transpose(0, 2, 3, 1) * 2 - 1)
    found = run_plain(imported.proto.SerializeToString(), picture())
    np.testing.assert_allclose(found, last.transpose(0, 3, 1, 2) / 2 + 0.5, atol=SAME_SUMS)


def test_a_damaged_file_is_told_so(tmp_path: Path) -> None:
    path = written(tmp_path, as_tensorflow(random_weights()))
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(VsanimeError, match=r"is damaged or cut short \(100000 bytes\); get it again"):
        read(path)


def test_other_networks_with_channels_last_are_told_apart(tmp_path: Path) -> None:
    """AnimeGANv3's files look alike from outside."""
    turn = helper.make_node("Transpose", ["x"], ["y"], perm=[0, 1, 2, 3])
    ends = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, "h", "w", 3]) for n in "xy"]
    proto = helper.make_model(helper.make_graph([turn], "g", ends[:1], ends[1:]), ir_version=7)
    with pytest.raises(VsanimeError, match=r"channels come last.*AnimeGANv3 are other networks"):
        read(written(tmp_path, proto))


def test_weights_are_checked_when_they_are_written() -> None:
    with pytest.raises(VsanimeError, match="upsample is one of tf, align, half"):
        animegan(random_weights(), "up", TF_EPSILON)
    assert sum(np.prod(shape) for shape in SHAPES.values()) == 2_143_552


class Elsewhere(PyTorchs):
    """Weights stored in other orders and shapes and brought into theirs; biases added afterwards."""

    def conv(self, unit: Unit, x: str) -> str:
        turned = self.constant(self.weights[f"{unit.conv}.weight"].transpose(2, 3, 1, 0))
        weight = self.node("Identity", self.node("Transpose", turned, perm=[3, 2, 0, 1]))
        kernel, stride = list(unit.shape[2:]), [unit.stride] * 2
        found = self.node("Conv", x, weight, kernel_shape=kernel, strides=stride, group=unit.groups, auto_pad="VALID")
        if not unit.bias:
            return found
        bias = self.constant(self.weights[f"{unit.conv}.bias"])
        return self.node("Add", self.node("Unsqueeze", bias, self.constant([0, 2, 3], np.int64)), found)

    def norm(self, unit: Unit, x: str) -> str:
        flat = self.node("Reshape", x, self.constant([0, 1, -1], np.int64))
        normed = self.node("InstanceNormalization", flat, self.constant([1.0]), self.constant([0.0]), epsilon=1e-5)
        back = self.node("Reshape", normed, self.node("Shape", x))
        gain, offset = (
            self.node("Reshape", self.constant(self.weights[f"{unit.norm}.{k}"]), self.constant([-1, 1, 1], np.int64))
            for k in ("weight", "bias")
        )
        return self.node("Add", offset, self.node("Mul", gain, back))

    def double(self, x: str) -> str:
        scales = self.node("Constant", value_floats=[1.0, 1.0, 2.0, 2.0])
        return self.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="align_corners")


def test_weights_are_found_behind_nodes_that_move_them(tmp_path: Path) -> None:
    imported = read(written(tmp_path, as_pytorch(random_weights(), Elsewhere)))
    assert imported.proto.graph == random_generator("align", TORCH_EPSILON).graph


@pytest.mark.parametrize(
    ("nodes", "shape", "looks"),
    [
        (["Conv", "Tanh"], (32, 3, 7, 7), True),
        (["Tanh", "Conv"], (32, 3, 7, 7), True),
        (["Conv"], (32, 3, 7, 7), False),
        (["Tanh"], (32, 3, 7, 7), False),
        (["Relu"], (32, 3, 7, 7), False),
        (["Conv", "Tanh"], (32, 3, 3, 3), False),
    ],
)
def test_generators_are_told_by_their_first_layer_and_their_tanh(
    nodes: list[str], shape: tuple[int, ...], looks: bool
) -> None:
    names = ["x", *(f"x{i}" for i in range(len(nodes)))]
    made = [
        helper.make_node(op, [a, "w"] if op == "Conv" else [a], [b])
        for op, (a, b) in zip(nodes, itertools.pairwise(names), strict=True)
    ]
    ends = [helper.make_tensor_value_info(name, 1, None) for name in (names[0], names[-1])]
    stored = [numpy_helper.from_array(np.ones(shape, np.float32), "w")]
    proto = helper.make_model(helper.make_graph(made, "net", ends[:1], ends[1:], stored))
    assert looks_like(proto) is looks
    proto.graph.initializer[0].name = "elsewhere"
    assert not looks_like(proto)


def test_biases_where_the_generator_has_none_are_refused(tmp_path: Path) -> None:
    proto = as_pytorch(random_weights())
    unit = next(n for n, unit in enumerate(UNITS) if not unit.bias)
    node = [node for node in proto.graph.node if node.op_type == "Conv"][unit]
    proto.graph.initializer.append(numpy_helper.from_array(np.ones(UNITS[unit].shape[0], np.float32), "more"))
    node.input.append("more")
    with pytest.raises(VsanimeError, match=f"{UNITS[unit].conv} has biases, which AnimeGANv2's generator has not"):
        read(written(tmp_path, proto))


def test_growth_by_other_factors_is_refused(tmp_path: Path) -> None:
    proto = as_pytorch(random_weights())
    scales = next(node for node in proto.graph.node if node.op_type == "Resize").input[2]
    stored = next(tensor for tensor in proto.graph.initializer if tensor.name == scales)
    stored.CopyFrom(numpy_helper.from_array(np.float32([1, 1, 2, 3]), scales))
    with pytest.raises(VsanimeError, match=r"grow by factors of \[1.0, 1.0, 2.0, 3.0\]"):
        read(written(tmp_path, proto))
