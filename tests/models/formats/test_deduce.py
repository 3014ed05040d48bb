"""What a file is, is read from its layers; what does not fit is told with what would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support import nets, writers
from tests.support.nets import Array, assert_computes
from vsanime.errors import VsanimeError
from vsanime.models.formats import Imported, read


def imported(folder: Path, arrays: dict[str, Array], activation: str | None = None) -> Imported:
    (folder / "net").write_bytes(writers.safetensors(arrays))
    return read(folder / "net", activation)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (nets.upconv_7(), ["UpConv_7", "widths 4-5-6-7-8-9", "scale 2", "leaky ReLU of slope 0.1"]),
        (nets.vgg_7(), ["VGG_7", "widths 4-4-6-6-8-8", "scale 1"]),
        (nets.espcn_7(), ["ESPCN_7", "widths 8-8-12-12-16-16", "planes 3 to 3, scale 2", "SELU"]),
        (nets.espcn_7(gates=True), ["selection units that multiply", "replace the feature"]),
        (nets.artcnn_c(), ["ArtCNN C", "3 inner layers, 6 filters", "planes 1 to 1, scale 2", "ReLU"]),
        (nets.artcnn_c(ends=(3, 2)), ["planes 3 to 2, scale 1"]),
        (nets.artcnn_r(), ["ArtCNN R", "2 residual blocks, 5 filters", "ReLU (assumed", "SiLU"]),
        (nets.drrn(), ["DRRN B1U9, on a doubled picture, 6 filters", "9 recursions (assumed"]),
        (nets.drrn(low=True), ["DRRN B1U9, at low resolution, 6 filters, planes 3 to 3, scale 2"]),
    ],
)
def test_summary_says_what_it_is(tmp_path: Path, net: nets.Net, words: list[str]) -> None:
    summary = imported(tmp_path, net.arrays()).summary
    assert all(word in summary for word in words), summary


def test_summary_counts_weights_as_published(tmp_path: Path) -> None:
    """UpConv_7 has 552,480 weights, VGG_7 290,467, R8F64 926,148; DRRN what its card says."""
    full = {
        "552,480": nets.upconv_7((3, 16, 32, 64, 128, 128, 256)),
        "994,976": nets.upconv_7((3, 16, 32, 64, 128, 256, 256)),
        "290,467": nets.vgg_7((3, 32, 32, 64, 64, 128, 128, 3)),
        "12,340": nets.artcnn_c(inner=4, filters=16),
        "926,148": nets.artcnn_r(blocks=8, filters=64),
        "302,211": nets.drrn(filters=128),
        "82,572": nets.drrn(low=True, filters=64),
    }
    for count, net in full.items():
        assert f"{count} weights" in imported(tmp_path, net.arrays()).summary


def test_asked_for_activation_is_not_called_assumed(tmp_path: Path) -> None:
    assert imported(tmp_path, nets.artcnn_r().arrays(), "silu").summary.endswith("weights, SiLU")


@pytest.mark.parametrize(
    "net",
    [
        nets.upconv_7(),
        nets.vgg_7(),
        nets.espcn_7(),
        nets.espcn_7(gates=True),
        nets.drrn(),
    ],
)
def test_activation_where_there_is_no_choice(tmp_path: Path, net: nets.Net) -> None:
    with pytest.raises(VsanimeError, match="only ArtCNN's state-dicts leave a choice"):
        imported(tmp_path, net.arrays(), "silu")


def test_unknown_activation(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match="activation 'gelu'; relu or silu is known"):
        imported(tmp_path, nets.artcnn_r().arrays(), "gelu")


def prefixed(prefix: str, net: nets.Net) -> dict[str, Array]:
    return {prefix + name: array for name, array in net.arrays().items()}


PREFIXES = [
    *("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."),
    *("model.", "netG.", "net_g.", "generator.", "params_ema.", "params.", "state_dict.", "student."),
    *("model._orig_mod.", "state_dict.model.netG.module.", "my_upscaler.", "lightning.my_upscaler.module."),
]


@pytest.mark.parametrize("write", [writers.safetensors, writers.state_dict_zip, writers.state_dict_legacy])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_of_wrapped_modules(tmp_path: Path, prefix: str, write: Callable[[dict[str, Array]], bytes]) -> None:
    net = nets.artcnn_r()
    (tmp_path / "net").write_bytes(write(prefixed(prefix, net)))
    assert_computes(read(tmp_path / "net"), net)


@pytest.mark.parametrize(
    "net",
    [
        nets.vgg_7(),
        nets.vgg_7(prefix=""),
        nets.vgg_7(prefix="Sequential."),
        nets.espcn_7(True),
        nets.artcnn_c("author"),
    ],
    ids=["nunif", "numbers", "Sequential", "ESPCN", "ArtCNN"],
)
def test_prefixes_before_names_of_every_class(tmp_path: Path, net: nets.Net) -> None:
    """Some classes begin all names with a word of their own, which is no wrapper's."""
    for prefix in ("", "net.", "model.net.", "netG.module."):
        assert_computes(imported(tmp_path, prefixed(prefix, net)), net)


@pytest.mark.parametrize(
    ("best", "other"),
    [
        ("params_ema.", "params."),
        ("model_ema.", "model."),
        ("ema_model.module.", "online_model.module."),
        ("netG.", "netD."),
        ("model.generator.", "model.discriminator."),
        ("model.", "loss.vgg.features."),
        ("Generator.", "Discriminator."),
    ],
)
def test_of_several_networks_side_by_side_the_best_is_taken(tmp_path: Path, best: str, other: str) -> None:
    net = nets.artcnn_c()
    arrays = prefixed(other, nets.artcnn_c(seed=77)) | prefixed(best, net) | {"n_averaged": np.zeros(1, np.float32)}
    assert_computes(imported(tmp_path, arrays), net)
    assert_computes(imported(tmp_path, dict(reversed(arrays.items()))), net)


def test_networks_side_by_side_of_unknown_names_are_not_guessed(tmp_path: Path) -> None:
    arrays = prefixed("one.", nets.artcnn_c()) | prefixed("other.", nets.artcnn_c(seed=77))
    with pytest.raises(VsanimeError, match=r"layers named 'one\.first', 'one\.inner_convs\.0'"):
        imported(tmp_path, arrays)


def test_a_missing_layer_below_prefixes_is_named_without_them(tmp_path: Path) -> None:
    arrays = prefixed("state_dict.model.netG.module.", nets.artcnn_c())
    del arrays["state_dict.model.netG.module.inner_last.weight"]
    del arrays["state_dict.model.netG.module.inner_last.bias"]
    with pytest.raises(VsanimeError, match="looks like ArtCNN C of this project, but lacks 'inner_last'"):
        imported(tmp_path, arrays)


def test_checkpoint_of_networks_against_each_other_is_the_average(tmp_path: Path) -> None:
    """As `vsanime train` leaves it: the discriminator's tensors are beside those of the generator."""
    net = nets.artcnn_c()
    arrays = {f"mean.{name}": array for name, array in net.arrays().items()}
    arrays |= {f"{kind}.{name}": array * 2 for kind in ("net", "exp_avg") for name, array in net.arrays().items()}
    arrays |= {f"momentum_buffer.{name}": array * 3 for name, array in net.arrays().items()}
    arrays |= {f"critic.net.{name}": array for name, array in nets.artcnn_c(seed=9).arrays().items()}
    assert_computes(imported(tmp_path, arrays), net)


@pytest.mark.parametrize(
    "wrap", ["state_dict", "model", "params", "params_ema", "net", "generator", "netG", "G_ema", "my_upscaler"]
)
def test_checkpoints_around_state_dicts(tmp_path: Path, wrap: str) -> None:
    net = nets.artcnn_c()
    (tmp_path / "net.pth").write_bytes(writers.state_dict_zip(net.arrays(), wrap, epoch=3, name="waifu2x"))
    assert_computes(read(tmp_path / "net.pth"), net)


def test_averaged_weights_are_preferred(tmp_path: Path) -> None:
    plain, averaged = nets.artcnn_c(seed=1), nets.artcnn_c(seed=2)
    arrays = {f"a{name}": array for name, array in plain.arrays().items()} | averaged.arrays()
    tensors = {name: writers.tensor(array, str(i)) for i, (name, array) in enumerate(arrays.items())}
    saved = {
        "params": {name: tensors[f"a{name}"] for name in plain.arrays()},
        "params_ema": {name: tensors[name] for name in averaged.arrays()},
    }
    data = writers.torch_zip(saved, {str(i): a.tobytes() for i, a in enumerate(arrays.values())})
    (tmp_path / "net.pth").write_bytes(data)
    assert_computes(read(tmp_path / "net.pth"), averaged)


def test_licence_of_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(writers.safetensors(nets.vgg_7().arrays(), {"license": "MIT, by somebody"}))
    assert read(path).licence == "MIT, by somebody"
    path.write_bytes(writers.safetensors(nets.vgg_7().arrays()))
    assert read(path).licence == ""


def test_zero_biases_of_the_transposed_convolution_are_dropped(tmp_path: Path) -> None:
    proto = imported(tmp_path, nets.upconv_7(bias="zero").arrays()).proto
    assert [len(node.input) for node in proto.graph.node if node.op_type == "ConvTranspose"] == [2]
    proto = imported(tmp_path, nets.upconv_7(bias="some").arrays()).proto
    assert [len(node.input) for node in proto.graph.node if node.op_type == "ConvTranspose"] == [3]


def _change(name: str, value: Callable[[Array], Array | None]) -> Callable[[dict[str, Array]], None]:
    def change(arrays: dict[str, Array]) -> None:
        new = value(arrays.pop(name))
        if new is not None:
            arrays[name] = new

    return change


def _add(name: str) -> Callable[[dict[str, Array]], None]:
    return lambda arrays: arrays.update({name: np.ones((1,), np.float32)})


def _put(value: float) -> Callable[[Array], Array]:
    def put(array: Array) -> Array:
        array = array.copy()
        array.flat[0] = value
        return array

    return put


@pytest.mark.parametrize(
    ("net", "change", "message"),
    [
        (
            nets.upconv_7(bias="none"),
            _change("net.12.weight", lambda w: w[:, :, :3, :2]),
            "last layer is a 3x2 conv",
        ),
        (
            nets.upconv_7(),
            _change("net.4.weight", lambda w: w[:, :, :1, :1]),
            "layer 2 is a 1x1 convolution 5 to 6",
        ),
        (
            nets.upconv_7(),
            _change("net.4.weight", lambda w: w[:, :-1]),
            "layer 2 takes 4 channels where 5 come",
        ),
        (nets.upconv_7(), _change("net.12.weight", lambda w: w[:-1]), "takes 8 channels where 9 come"),
        (
            nets.upconv_7(),
            _change("net.12.bias", lambda b: b[:-1]),
            r"layer 6 has biases of shape \(2,\); \(3,\)",
        ),
        (
            nets.upconv_7(),
            _change("net.4.bias", lambda b: b[:-1]),
            r"layer 2 has biases of shape \(5,\); \(6,\)",
        ),
        (nets.upconv_7(), _change("net.4.weight", lambda w: w[0]), "layer 2 has weights of shape"),
        (nets.upconv_7(), _change("net.12.bias", _put(np.nan)), "layer 6 has weights that are not finite"),
        (nets.upconv_7(), _change("net.0.weight", _put(np.inf)), "layer 0 has weights that are not finite"),
        (nets.artcnn_c(), _change("last.weight", lambda w: w.astype(np.float64) * 1e300), "not finite"),
        (
            nets.artcnn_c(),
            _change("first.weight", lambda w: w.astype(np.int64)),
            "'first.weight' is stored as int64",
        ),
        (nets.artcnn_c(), _change("last.weight", lambda w: w[:3]), "biases of shape"),
        (nets.artcnn_c(ends=(1, 5)), _add("x"), "has 'x' as well"),
        (nets.artcnn_c(ends=(1, 5)), lambda _: None, "5 channels at the end for 1 at the beginning"),
        (nets.artcnn_c(), _change("inner_convs.1.weight", lambda w: w[:, :, 1:, 1:]), "layer 2 has kernels of"),
        (nets.artcnn_c(), _add("inner_convs.1.scale"), "layer 'inner_convs.1' holds 'bias', 'scale', 'weight'"),
        (
            nets.artcnn_c(),
            _change("inner_convs.1.weight", lambda _: None),
            "layer 'inner_convs.1' holds 'bias'",
        ),
        (
            nets.artcnn_r(),
            _add("attention.weight"),
            "looks like ArtCNN R of this project, but has 'attention' as well",
        ),
        (
            nets.espcn_7(gates=True),
            _change("conv.2.2.0.weight", lambda w: w[:, :-1]),
            "selection unit 2 has weights",
        ),
        (nets.espcn_7(gates=True), _change("conv.2.2.0.bias", lambda b: b[1:]), "layer 2 has biases of shape"),
        (nets.drrn(), _change("unit.conv0.weight", lambda w: w[:, :, 1:, 1:]), "a DRRN has 3x3 convolutions"),
        (nets.drrn(), _change("last.weight", lambda w: np.repeat(w, 2, 0)), "layer 3 has biases of shape"),
        (nets.drrn(), _add("unit.conv2.weight"), r"layer 3 has weights of shape \(1,\)"),
    ],
)
def test_what_does_not_fit_is_told(
    tmp_path: Path, net: nets.Net, change: Callable[[dict[str, Array]], None], message: str
) -> None:
    arrays = net.arrays()
    change(arrays)
    with pytest.raises(VsanimeError, match=message) as error:
        imported(tmp_path, arrays)
    assert str(error.value).startswith(str(tmp_path / "net"))
    assert "\n" not in str(error.value)


def test_missing_layer_is_named(tmp_path: Path) -> None:
    arrays = {k: v for k, v in nets.artcnn_r().arrays().items() if not k.startswith("inner_last")}
    with pytest.raises(VsanimeError, match="looks like ArtCNN R of this project, but lacks 'inner_last'"):
        imported(tmp_path, arrays)


def test_narrower_inner_layers_are_no_artcnn(tmp_path: Path) -> None:
    """Its sums need equal widths; ONNX would spread a single channel over all."""
    net = nets.artcnn_c()
    net.layers = list(nets.chain(0, [1, 6, 1, 6, 6, 1, 4]))
    net.names = ["first", "inner_convs.0", "inner_convs.1", "inner_convs.2", "inner_last", "last"]
    with pytest.raises(VsanimeError, match="every inner layer of an ArtCNN has the 6 of the first"):
        imported(tmp_path, net.arrays())


def test_deeper_than_any_network(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match="it has 301 layers; 1 to 300 are read"):
        imported(tmp_path, nets.artcnn_c(inner=298, filters=1).arrays())


def test_other_networks_are_told_what_is_known(tmp_path: Path) -> None:
    arrays = {f"body.{i}.rdb1.conv1.weight": np.ones((4, 4, 3, 3), np.float32) for i in range(3)}
    known = "known are AnimeGANv2's generator, ArtCNN C and R, DRRN, ESPCN_7, SketchKeras, UpConv_7 and VGG_7"
    with pytest.raises(VsanimeError, match=known):
        imported(tmp_path, arrays)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("9=2 -23310=1,0.100000", "9=2 -23310=1,0.200000", "slope 0.2; UpConv_7 and VGG_7 have .* slope 0.1"),
        ("9=2 -23310=1,0.100000", "9=1", "activation 1; 2, a leaky ReLU"),
        ("9=2 -23310=1,0.100000", "", "layer 0 is a 3x3 convolution 3 to 4, .* no activation"),
        ("1=3", "1=3 3=2", "stride 2"),
        ("1=3", "1=3 4=1", "padding 1"),
        ("1=3", "1=3 4=1 14=0", "not the same each way"),
        ("1=3", "1=3 2=2", "dilated"),
        ("1=3", "1=3 8=1", "quantised"),
        ("3=2 4=3", "3=1 4=3", "the last layer is a 4x4 transposed convolution"),
        ("3=2 4=3", "3=2 4=3 18=1", "of a fixed size"),
        ("Deconvolution", "Convolution", "the last layer is a 4x4 convolution"),
        ("Convolution ", "Crop ", "cunet and other U-Nets are not supported"),
        (" blob1 blob2 ", " blob0 blob2 ", "does not follow the one before"),
    ],
)
def test_ncnn_networks_that_are_another(tmp_path: Path, old: str, new: str, message: str) -> None:
    param = writers.ncnn(tmp_path, nets.upconv_7())
    text = param.read_text(encoding="utf-8")
    assert old in text
    param.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(VsanimeError, match=message):
        read(param)


def test_split_passes_its_input_on(tmp_path: Path) -> None:
    net = nets.vgg_7()
    param = writers.ncnn(tmp_path, net)
    text = param.read_text(encoding="utf-8").replace("8 8\n", "9 10\n").replace("1 1 blob3 ", "1 1 twin1 ")
    at = text.index("Convolution              conv3")
    param.write_text(text[:at] + "Split split0 1 2 blob3 twin0 twin1\n" + text[at:], encoding="utf-8")
    assert_computes(read(param), net)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("class_name", "nn.SpatialMaxPooling", "layer 0 is no convolution"),
        ("class_name", 3, "layer 0 is no convolution"),
        ("dW", 2, "dH and dW that differ"),
        ("padW", True, "no whole number as padW"),
        ("kW", -3, "no whole number as kW"),
        ("nInputPlane", 2, r"of shape \(4, 3, 3, 3\), and announces \(4, 2, 3, 3\)"),
        ("nInputPlane", None, "no whole number as nInputPlane"),
        ("weight", "abc", "not numbers in even lists"),
        ("weight", [[1, 2], [3]], "not numbers in even lists"),
        ("weight", {"a": 1}, "not numbers in even lists"),
        ("weight", None, "shape|numbers"),
        ("bias", [0.0] * 3, r"of shape \(3,\), and announces \(4,\)"),
        ("bias", [10**400] * 4, "not numbers in even lists"),
        ("bias", [1e300] * 4, "not finite"),
    ],
)
def test_json_layers_that_are_another(tmp_path: Path, key: str, value: object, message: str) -> None:
    layers = json.loads(writers.waifu2x_json(nets.vgg_7()))
    layers[0][key] = value
    (tmp_path / "net.json").write_text(json.dumps(layers), encoding="utf-8")
    with pytest.raises(VsanimeError, match=message):
        read(tmp_path / "net.json")


def test_drrn_of_other_numbers_of_layers_and_recursions(tmp_path: Path) -> None:
    arrays = nets.drrn().arrays()
    arrays |= {f"unit.conv2.{part}": arrays[f"unit.conv1.{part}"] for part in ("weight", "bias")}
    with pytest.raises(VsanimeError, match="it has 5 layers; a DRRN of this project has 4"):
        imported(tmp_path, arrays)
    for units in ("0", "many", "101"):
        (tmp_path / "net").write_bytes(writers.safetensors(nets.drrn().arrays(), {"units": units}))
        with pytest.raises(VsanimeError, match=f"its metadata says '{units}' units; 1 to 100 are read"):
            read(tmp_path / "net")
