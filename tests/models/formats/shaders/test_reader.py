"""Shaders come back as the networks they were written from, and damaged ones as one clear error."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import publicshaders
from tests.support.chains import assert_same_weights, random_layers, random_net
from tests.support.weightfiles import bundled, path_of, third_party
from vsanime.architectures.artcnn.chain import read_artcnn_c
from vsanime.architectures.artcnn.onnx import artcnn_c
from vsanime.architectures.layers import Layer
from vsanime.errors import VsanimeError
from vsanime.models.formats import Imported
from vsanime.models.formats.shaders import reader
from vsanime.models.formats.shaders.glsl import write
from vsanime.models.formats.shaders.mpv import MOST_BYTES

FORMS = [pytest.param(False, id="fragment"), pytest.param(True, id="compute")]
LAYOUTS: dict[str, Callable[[list[Layer]], str]] = {
    "macros": publicshaders.with_macros,
    "offsets": publicshaders.with_offsets,
    "packed": publicshaders.packed,
    "packed in a row": lambda layers: publicshaders.packed(layers, aliases=False, square=False),
}


def shader(net: onnx.ModelProto, compute: bool = False) -> str:
    return write(read_artcnn_c(net), "net", ["Licence: MIT"], compute=compute)


def read(text: str, folder: Path) -> Imported:
    path = folder / "nät med skuggor.glsl"
    path.write_text(text, encoding="utf-8")
    return reader.read(path)


@pytest.mark.parametrize("compute", FORMS)
@pytest.mark.parametrize("name", [*bundled(arch="artcnn_c"), *third_party("C4F16", "C4F32_Chroma")])
def test_trained_network_comes_back_bit_for_bit(name: str, compute: bool, tmp_path: Path) -> None:
    net = onnx.load(path_of(name))
    found = read(shader(net, compute), tmp_path)
    assert_same_weights(found.proto, net)
    assert found.architecture == "artcnn_c"
    assert found.licence == "MIT"


@pytest.mark.parametrize("compute", FORMS)
@pytest.mark.parametrize("luma", [True, False])
@pytest.mark.parametrize(("features", "inner"), [(4, 1), (8, 2), (20, 5)])
def test_random_network_comes_back_bit_for_bit(
    features: int, inner: int, luma: bool, compute: bool, tmp_path: Path
) -> None:
    net = random_net(features, inner, luma=luma, seed=features)
    assert_same_weights(read(shader(net, compute), tmp_path).proto, net)


@pytest.mark.parametrize("compute", FORMS)
def test_every_kind_of_f32_comes_back_bit_for_bit(compute: bool, tmp_path: Path) -> None:
    """Subnormal, largest, negative zero, and bit patterns from all over."""
    layers = random_layers(8, 1)
    bits = np.random.default_rng(0).integers(0, 1 << 32, layers[1].weight.size, np.uint32)
    values = bits.view(np.float32)
    values[:4] = [-0.0, 1e-45, np.finfo(np.float32).max, -1.17549435e-38]
    layers[1].weight.ravel()[:] = np.where(np.isfinite(values), values, 0.1)
    net = artcnn_c(layers)
    assert_same_weights(read(shader(net, compute), tmp_path).proto, net)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("features", [4, 16, 24])
def test_public_layouts_are_read(layout: str, features: int, tmp_path: Path) -> None:
    layers = random_layers(features, 2)
    found = read(LAYOUTS[layout](layers), tmp_path)
    assert_same_weights(found.proto, artcnn_c(layers))
    assert found.licence == "MIT License; Copyright (c) 2024 Somebody"
    assert f"C2F{features}, luma 2x" in found.summary


@pytest.mark.parametrize("layout", ["macros", "offsets"])
def test_public_chroma_shaders_are_read(layout: str, tmp_path: Path) -> None:
    layers = random_layers(8, 2, luma=False)
    found = read(LAYOUTS[layout](layers), tmp_path)
    assert_same_weights(found.proto, artcnn_c(layers))
    assert "chroma" in found.summary


def test_order_of_groups_follows_where_they_are_written(tmp_path: Path) -> None:
    """A layer may read the groups of the one before in any order."""
    net = random_net(8, 1)
    text = shader(net, compute=True)
    for old, new in (("inp_0_", "inp_X_"), ("inp_1_", "inp_0_"), ("inp_X_", "inp_1_"), ("inp[0]", "inp[X]")):
        text = text.replace(old, new)
    head, *passes = text.replace("inp[1]", "inp[0]").replace("inp[X]", "inp[1]").split("//!DESC")
    first = shader(net, compute=True).split("//!DESC")[1]  # has one group only
    found = read("//!DESC".join([head, first, *passes[1:]]), tmp_path)
    assert_same_weights(found.proto, net)


def test_a_shader_is_recognised_by_its_directives() -> None:
    assert reader.recognizes(shader(random_net(4, 1)).encode()[:200])
    assert reader.recognizes(publicshaders.with_macros(random_layers(4, 1)).encode()[:300])
    assert not reader.recognizes(random_net(4, 1).SerializeToString()[:4096])
    assert not reader.recognizes(b'{"note": "//!HOOK LUMA"}')


FRAGMENT = shader(random_net(8, 1))
COMPUTE = shader(random_net(8, 1), compute=True)
PASSES = FRAGMENT.split("//!DESC")


def _swap(text: str, old: str, new: str, count: int = 1) -> str:
    assert old in text
    return text.replace(old, new, count)


def _without_line(text: str, part: str) -> str:
    lines = text.splitlines()
    number = next(i for i, line in enumerate(lines) if part in line)
    return "\n".join(lines[:number] + lines[number + 1 :])


def _number(text: str, new: str) -> str:
    """The first number of the first bias replaced."""
    return re.sub(r"(vec4 result = vec4\()[^,]+", rf"\g<1>{new}", text, count=1)


DAMAGED = {
    "empty": ("", "has no pass"),
    "no tap": (_without_line(FRAGMENT, "go_0(1, -1)"), r"pass 1 .*: the tap \(1, -1\) of LUMA is missing in result 0"),
    "no tap in one result": (_without_line(COMPUTE, "result1 += "), r"pass 1 .*: the tap \(-1, -1\) .* in result 1"),
    "a tap twice": (_swap(FRAGMENT, "go_0(1, -1)", "go_0(0, -1)"), r"pass 1 .*: the tap go_0\(0, -1\) stands twice"),
    "no pass": (
        "//!DESC".join(PASSES[:3] + PASSES[4:]),
        "pass 4 .* reads 2 groups of 4 channels; 1 are there|come from",
    ),
    "no first pass": ("//!DESC".join(PASSES[:1] + PASSES[2:]), "reads"),
    "no last pass": ("//!DESC".join(PASSES[:-1]), "no pass after .* puts its result into the picture"),
    "only two layers": ("//!DESC".join(PASSES[:5]), "2 convolutions are found"),
    "cut short in a number": (FRAGMENT[: len(FRAGMENT) // 2], "cut short|no number|lacks|nothing that"),
    "no bias": (_without_line(FRAGMENT, "vec4 result = "), "adds to nothing"),
    "two biases": (
        _swap(FRAGMENT, "    return result;", "    result += vec4(1, 2, 3, 4);\n    return result;"),
        "second bias",
    ),
    "starts again": (_swap(FRAGMENT, "result += vec4", "result = vec4"), "starts again"),
    "three numbers": (_swap(FRAGMENT, "vec4 result = vec4(", "vec4 result = vec4(1.0, "), "4 numbers are needed, 5"),
    "a word for a number": (_number(FRAGMENT, "exec"), "'exec' is no number"),
    "infinite": (_number(FRAGMENT, "9e99"), "beyond what f32 holds"),
    "no ReLU": (FRAGMENT.replace("max(result, vec4(0.0))", "result"), "no ReLU follows"),
    "a place that is no number": (
        _swap(COMPUTE, "input_base + ivec2(1, 0)", "input_base + ivec2(1, y)"),
        "nothing that",
    ),
    "another place that is none": (
        _swap(COMPUTE, "input_base + ivec2(1, 0)", "input_base + ivec2(x, 0)"),
        "nothing that",
    ),
    "a result stored twice": (re.sub(r"(.*imageStore.*\n)", r"\1\1", COMPUTE, count=1), "result 0 is written twice"),
    "a result that is none": (_swap(COMPUTE, "max(result0", "max(result7"), "result 7 is missing"),
    "no ReLU in one result": (_swap(FRAGMENT, "max(result, vec4(0.0))", "result"), "no ReLU follows"),
    "other activation": (
        FRAGMENT.replace("max(result, vec4(0.0))", "tanh(result)"),
        "nothing that an ArtCNN C network",
    ),
    "leaky": (FRAGMENT.replace("max(result, vec4(0.0))", "max(result, vec4(0.1))"), "nothing that an ArtCNN C network"),
    "rectified reads": (_swap(FRAGMENT, "? LUMA_mul", "? -LUMA_mul"), "nothing that an ArtCNN C network reads"),
    "no skip": (re.sub(r"return result \+ .*;", "return result;", FRAGMENT), "is not the sum with the first"),
    "no skip where it is read": (
        COMPUTE.replace(" + conv0_mul * texelFetch(conv0_raw", " ;").replace(" ;, input_base + ivec2(0, 0), 0)", ""),
        "nothing that an ArtCNN C|is not the sum with the first",
    ),
    "skip of another group": (
        FRAGMENT.replace(
            "result + conv0_0_mul * texelFetch(conv0_0_raw", "result + conv0_1_mul * texelFetch(conv0_1_raw"
        ),
        "is not the sum with the first convolution, group by group",
    ),
    "two skips": (
        _swap(FRAGMENT, "return result;", "return result + LUMA_mul * texelFetch(LUMA_raw, here, 0);"),
        "is added",
    ),
    "input never read": (_without_line(COMPUTE, "inp[1][y][x] = "), "input 1 is used, but nothing is read into it"),
    "result not stored": (_without_line(COMPUTE, "imageStore(out_image"), "result 0 lacks a place to go"),
    "results at one place": (
        COMPUTE.replace("output_base + ivec2(1, 0)", "output_base + ivec2(0, 0)"),
        "two results go to",
    ),
    "block by columns": (FRAGMENT.replace("part.y * 2 + part.x", "part.x * 2 + part.y"), "no depth-to-space"),
    "hooks RGB": (FRAGMENT.replace("//!HOOK LUMA", "//!HOOK MAIN"), "hooks MAIN"),
    "hooks nothing": (FRAGMENT.replace("//!HOOK LUMA\n", "", 1), "pass 1 .* hooks nothing"),
    "foreign directive": (_swap(FRAGMENT, "//!BIND LUMA", "//!TEXTURE LUT"), "directive //!TEXTURE"),
    "a long line": (_swap(FRAGMENT, "vec4 hook() {", "x" * 5000), "a line has 5000 characters"),
    "5x5": (_swap(publicshaders.packed(random_layers(4, 1)), "ivec2(3, 3)", "ivec2(5, 5)"), "ksize = ivec2"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_shader_is_one_error_that_says_where(damage: str, tmp_path: Path) -> None:
    text, message = DAMAGED[damage]
    with pytest.raises(VsanimeError, match=message) as caught:
        read(text, tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "nät med skuggor.glsl"))
    assert "\n" not in str(caught.value)


def test_binary_missing_and_huge_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.glsl"
    with pytest.raises(VsanimeError, match="is no file"):
        reader.read(path)
    path.write_bytes(FRAGMENT.encode() + b"\0")
    with pytest.raises(VsanimeError, match="not text"):
        reader.read(path)
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(VsanimeError, match="64 MiB"):
        reader.read(path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    """A whole shader ends in a brace; what comes after it is white."""
    text = FRAGMENT.rstrip()
    for end in range(0, len(text), 101):
        with pytest.raises(VsanimeError):
            read(text[:end], tmp_path)


SEEDS = [FRAGMENT, COMPUTE, *(layout(random_layers(4, 1)) for layout in LAYOUTS.values())]
PIECES = [
    "0",
    "-",
    "1e9999",
    "nan",
    "//!BIND LUMA\n",
    "//!SAVE conv0_0\n",
    "}",
    "\n",
    "result",
    " * go_9(0, 0)",
    "inp[0]",
    "٣",
]


@given(
    text=st.sampled_from(SEEDS),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 300), st.one_of(st.sampled_from(PIECES), st.text(max_size=8))),
        min_size=1,
        max_size=6,
    ),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_shader_imports_or_is_one_error(text: str, edits: list[tuple[float, int, str]], tmp_path: Path) -> None:
    for place, length, piece in edits:
        start = int(place * len(text))
        text = text[:start] + piece + text[start + length :]
    path = tmp_path / "mutated.glsl"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = reader.read(path)
    except VsanimeError:
        return
    onnx.checker.check_model(found.proto)


@given(data=st.binary(max_size=400))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_one_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.glsl"
    path.write_bytes(b"//!HOOK LUMA\n" + data)
    with pytest.raises(VsanimeError):
        reader.read(path)
