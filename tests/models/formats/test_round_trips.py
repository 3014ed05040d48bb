"""Random networks, written as each kind of file, come back as ONNX that computes what they compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support import nets, writers
from tests.support.nets import Array, Net, assert_computes
from vsanime.models.formats import read

WAIFU2X: dict[str, Callable[[], Net]] = {
    "upconv_7": nets.upconv_7,
    "upconv_7 with biases at its end": lambda: nets.upconv_7(bias="some"),
    # As many channels in as out of the transposed convolution: only its numbers tell how it is laid out.
    "upconv_7 square at its end": lambda: nets.upconv_7((3, 4, 4, 4, 4, 4, 3)),
    "upconv_7 with widths of waifu2x-chainer": lambda: nets.upconv_7((3, 16, 32, 64, 128, 256, 256)),
    "upconv_7 of one plane": lambda: nets.upconv_7((1, 4, 4, 4, 4, 4, 4), planes=1),
    "vgg_7": nets.vgg_7,
    "vgg_7 of one plane": lambda: nets.vgg_7((1, 4, 4, 6, 6, 8, 8, 1)),
    # 27 weights in the first layer: fp16 needs filling up to four bytes.
    "vgg_7 of odd sizes": lambda: nets.vgg_7((3, 1, 3, 5, 3, 1, 3, 3), seed=8),
}
OTHERS: dict[str, Callable[[], Net]] = {
    "upconv_7 without biases at its end": lambda: nets.upconv_7(prefix="Sequential.", bias="none"),
    "upconv_7 as a bare Sequential": lambda: nets.upconv_7(prefix=""),
    "vgg_7 of yu45020": lambda: nets.vgg_7(prefix="Sequential."),
    "espcn_7": nets.espcn_7,
    "espcn_7 with selection units": lambda: nets.espcn_7(gates=True),
    "espcn_7 three times the size": lambda: nets.espcn_7(scale=3),
    "artcnn_c": nets.artcnn_c,
    "artcnn_c of its author": lambda: nets.artcnn_c("author", inner=1),
    "artcnn_c for chroma": lambda: nets.artcnn_c(ends=(3, 2)),
    "artcnn_r": nets.artcnn_r,
    "artcnn_r of its author": lambda: nets.artcnn_r("author", blocks=1),
    "artcnn_r of traiNNer-redux": lambda: nets.artcnn_r("trainner", ends=(3, 12)),
    "artcnn_r for chroma": lambda: nets.artcnn_r(ends=(3, 2)),
    "drrn": nets.drrn,
    "drrn at low resolution": lambda: nets.drrn(low=True),
    "drrn of one plane": lambda: nets.drrn(planes=1),
}


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
@pytest.mark.parametrize("folded", [True, False], ids=["folded", "ReLU layers"])
@pytest.mark.parametrize("kind", WAIFU2X)
def test_ncnn(tmp_path: Path, kind: str, folded: bool, half: bool) -> None:
    net = WAIFU2X[kind]().stored_as(np.float16 if half else np.float32)
    param = writers.ncnn(tmp_path, net, half, folded)
    assert_computes(read(param), net)
    assert read(param.with_suffix(".bin")).proto == read(param).proto


@pytest.mark.parametrize("kind", WAIFU2X)
def test_waifu2x_json(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model"  # no suffix: contents decide
    net = WAIFU2X[kind]()
    path.write_text(writers.waifu2x_json(net), encoding="utf-8")
    assert_computes(read(path), net)


def test_waifu2x_json_of_before_class_names(tmp_path: Path) -> None:
    path = tmp_path / "noise1_model.json"
    net = nets.vgg_7()
    path.write_text("\n " + writers.waifu2x_json(net, class_names=False), encoding="utf-8")
    assert_computes(read(path), net)


@pytest.mark.parametrize("write", [writers.safetensors, writers.state_dict_zip, writers.state_dict_legacy])
@pytest.mark.parametrize("kind", [*WAIFU2X, *OTHERS])
def test_state_dicts(tmp_path: Path, kind: str, write: Callable[[dict[str, Array]], bytes]) -> None:
    net = (WAIFU2X | OTHERS)[kind]()
    path = tmp_path / "weights ö.bin"  # contents decide
    path.write_bytes(write(net.arrays()))
    assert_computes(read(path), net)


@pytest.mark.parametrize("write", [writers.safetensors, writers.state_dict_zip, writers.state_dict_legacy])
@pytest.mark.parametrize("form", [np.float16, np.float64])
def test_state_dicts_of_other_precisions(
    tmp_path: Path, form: type[np.float64], write: Callable[[dict[str, Array]], bytes]
) -> None:
    net = nets.artcnn_c()
    net.layers = [(w.astype(form), None if b is None else b.astype(form)) for w, b in net.layers]
    (tmp_path / "net").write_bytes(write(net.arrays()))
    assert_computes(read(tmp_path / "net"), net)


def bfloat16_bits(array: Array) -> Array:
    """The upper halves, cut off."""
    return (array.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def bfloat16_net() -> tuple[Net, dict[str, Array]]:
    """A network whose weights bfloat16 holds, and their bits."""
    net = nets.artcnn_c()
    bits = {name: bfloat16_bits(array) for name, array in net.arrays().items()}
    net.layers = [
        tuple((bits[f"{name}.{part}"].astype(np.uint32) << 16).view(np.float32) for part in ("weight", "bias"))  # type: ignore[misc]
        for name in net.names
    ]
    return net, bits


@pytest.mark.parametrize("write", [writers.state_dict_zip, writers.state_dict_legacy])
def test_bfloat16_of_torch(tmp_path: Path, write: Callable[[dict[str, Array]], bytes]) -> None:
    net, bits = bfloat16_net()
    (tmp_path / "net.pth").write_bytes(write(bits))
    assert_computes(read(tmp_path / "net.pth"), net)


def test_bfloat16_of_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, bits = bfloat16_net()
    monkeypatch.setitem(writers.TYPES, "uint16", "BF16")
    (tmp_path / "net.safetensors").write_bytes(writers.safetensors(bits))
    assert_computes(read(tmp_path / "net.safetensors"), net)


def test_tensors_that_are_views_of_one_storage(tmp_path: Path) -> None:
    """Each weight column-major at an offset of one common storage, as checkpoints of flattened parameters have them."""
    net = nets.artcnn_c()
    arrays = net.arrays()
    flat = np.concatenate([a.T.ravel() for a in arrays.values()])
    offsets = np.cumsum([0, *(a.size for a in arrays.values())])
    saved = {}
    for at, (name, array) in zip(offsets, arrays.items(), strict=False):
        strides = tuple(int(np.prod(array.shape[:i])) for i in range(array.ndim))
        saved[name] = writers.tensor(array, "0", offset=int(at), strides=strides, count=flat.size)
    (tmp_path / "net.pt").write_bytes(writers.torch_zip(saved, {"0": flat.tobytes()}))
    assert_computes(read(tmp_path / "net.pt"), net)


@pytest.mark.parametrize("kind", ["artcnn_c", "artcnn_r"])
def test_silu(tmp_path: Path, kind: str) -> None:
    net = getattr(nets, kind)()
    net.activation = "silu"
    path = tmp_path / "net.safetensors"
    path.write_bytes(writers.safetensors(net.arrays()))
    assert_computes(read(path, activation="silu"), net)
    path.write_bytes(writers.safetensors(net.arrays(), {"activation": "SiLU"}))
    assert_computes(read(path), net)
    path.write_bytes(writers.state_dict_zip(net.arrays(), wrap="state_dict", kwargs={"activation": "silu"}))
    assert_computes(read(path), net)
    # Whoever asks for one gets it, whatever the file says.
    net.activation = "relu"
    assert_computes(read(path, activation="relu"), net)


def test_recursions_of_a_drrn(tmp_path: Path) -> None:
    """How many there are, no weight says; the metadata may."""
    net = nets.drrn(units=3)
    path = tmp_path / "net.safetensors"
    path.write_bytes(writers.safetensors(net.arrays(), {"units": "3"}))
    assert_computes(read(path), net)


@pytest.mark.parametrize("make", [nets.drrn, nets.artcnn_c, nets.artcnn_r])
def test_checkpoint_of_a_training_run_is_its_average(tmp_path: Path, make: Callable[..., Net]) -> None:
    net, other = make(), make(seed=77)
    saved = {f"mean.{name}": array for name, array in net.arrays().items()}
    saved |= {f"{part}.{name}": array for part in ("net", "exp_avg") for name, array in other.arrays().items()}
    path = tmp_path / "state-001.safetensors"
    path.write_bytes(writers.safetensors(saved))
    assert_computes(read(path), net)
