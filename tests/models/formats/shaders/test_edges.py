"""Shaders to the letter: what is written, and what just is and just is not read."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from tests.support.refusals import check
from vsanime.architectures.artcnn.chain import Chain
from vsanime.architectures.layers import Layer
from vsanime.models.formats.shaders import glsl, mpv, reader


def network(features: int, inner: int, *, luma: bool) -> Chain:
    """A network whose weights are small whole numbers and quarters."""
    ends = (1, 4) if luma else (3, 2)
    channels = [ends[0], *[features] * (inner + 2), ends[1]]
    layers = []
    for number, (into, out) in enumerate(pairwise(channels)):
        count = out * into * 9
        values = (np.arange(count) * 5 + number) % 11 - 5
        weight = (values / 4).astype(np.float32).reshape(out, into, 3, 3)
        layers.append(Layer(weight, (np.arange(out) % 7 - number / 2).astype(np.float32)))
    return Chain(tuple(layers), 2 if luma else 1)


# The first digits of their SHA-256. Players have shaders of ours, and notes go by their text: whoever changes what is
# written says so here.
WRITTEN = {
    (4, 1, True, False): "918ed0e773aa708f",
    (8, 2, True, False): "541cbe6f6e7429a7",
    (8, 1, False, False): "937ef6be93fe7e03",
    (4, 1, True, True): "a11f18b05c9bc0ec",
    (12, 2, True, True): "38c4f759eb2a7097",
    (20, 1, True, True): "cdedf13fb178ea9c",
    (8, 1, False, True): "68231931e5c73b72",
    (48, 1, True, True): "635e2cc741bbfbfb",
}


@pytest.mark.parametrize("form", WRITTEN, ids=str)
def test_shaders_are_written_as_they_were(form: tuple[int, int, bool, bool]) -> None:
    features, inner, luma, compute = form
    text = glsl.write(network(features, inner, luma=luma), "net \u00e4", ["//! Note", "of  two"], compute=compute)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == WRITTEN[form]


@pytest.mark.parametrize(
    ("groups", "arrangement", "workgroup"),
    [
        (0, (1, 1), (16, 16)),
        (1, (1, 1), (16, 16)),
        (2, (2, 1), (16, 16)),
        (3, (3, 1), (16, 16)),
        (4, (2, 2), (16, 8)),
        (5, (5, 1), (16, 8)),
        (6, (3, 2), (8, 8)),
        (8, (4, 2), (8, 8)),
        (9, (3, 3), (8, 8)),
        (12, (4, 3), (8, 8)),
        (16, (4, 4), (8, 8)),
    ],
)
def test_groups_are_arranged(groups: int, arrangement: tuple[int, int], workgroup: tuple[int, int]) -> None:
    assert glsl._arrangement(groups) == arrangement
    assert glsl._workgroup(groups) == workgroup
    assert glsl._shared_bytes(groups, (8, 6)) == groups * 10 * 8 * 16


@pytest.mark.parametrize(
    ("features", "compute", "message"),
    [
        (4, False, ""),
        (56, False, ""),
        (60, False, "60 features take 16 textures in one pass, players bind 15"),
        (60, True, ""),
        (80, True, ""),
        (84, True, "84 features do not fit the 32768 bytes"),
        (6, False, "6 features are no multiple"),
        (7, True, "7 features are no multiple"),
    ],
)
def test_features_that_a_shader_holds(features: int, compute: bool, message: str) -> None:
    layers = [Layer(np.ones((features, 1, 3, 3), np.float32))]
    check(lambda: glsl._check(Chain(tuple(layers), 2), compute), message)


def test_numbers_are_written_as_floats() -> None:
    values = np.array([0, 1, -2, 0.5, 1e10, 1e-9, 1 / 3, -0.0], np.float32)
    assert glsl._numbers(values) == "0.0, 1.0, -2.0, 0.5, 1e+10, 9.99999972e-10, 0.333333343, -0.0"


def test_groups_of_four_are_filled_up() -> None:
    layer = Layer(np.ones((6, 2, 3, 3), np.float32), np.ones(6, np.float32))
    parts = glsl._groups(layer)
    assert [(weight.shape, bias.tolist()) for weight, bias in parts] == [
        ((4, 2, 3, 3), [1, 1, 1, 1]), ((4, 2, 3, 3), [1, 1, 0, 0])
    ]  # fmt: skip
    assert parts[1][0].sum((1, 2, 3)).tolist() == [18, 18, 0, 0]
    assert glsl._factor(parts[0][0], 0, 1, 1, False) == f"mat4({', '.join(['1.0'] * 8 + ['0.0'] * 8)})"


# Passes

PASS = ["//!HOOK LUMA", "//!BIND LUMA", "//!SAVE a", "x", "}"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (PASS, ""),
        ([*PASS, *PASS], ""),
        (["x" * 4096, *PASS], ""),
        (["x" * 4097, *PASS], "a line has 4097 characters; 4096"),
        ([*PASS[:2], "//!SAVE " + "a" * 64, *PASS[3:]], ""),
        ([*PASS[:2], "//!SAVE " + "a" * 65, *PASS[3:]], "pass 1 has a name of 65 characters as //!SAVE; up to 64"),
        (["//!DESC " + "a" * 65, *PASS], ""),
        (PASS[1:], "pass 1 hooks nothing"),
        (PASS[:3], "pass 1 has no code"),
        ([*PASS, *PASS[1:]], "pass 2 hooks nothing"),
        ([*PASS[1:], *PASS], "pass 1 hooks nothing"),
        (PASS[:-1], "pass 1 does not end in a closing brace"),
        ([*PASS, *PASS[:-1]], "pass 2 does not end in a closing brace"),
        (["//!" + "A" * 50, *PASS], f"the directive //!{'A' * 40}, which"),
        (["// comment"], "no pass"),
    ],
)
def test_passes_of_a_shader(lines: list[str], message: str) -> None:
    check(lambda: mpv.parse("\n".join(lines)), message)


def test_what_a_pass_says() -> None:
    head = ["// Licence: MIT", "/* two */", "", "   "]
    lines = [*head, "//!DESC " + "d" * 61, *PASS[:-1], "code // comment", "// comment", "", "}", "//!HOOK CHROMA", "}"]
    shader = mpv.parse("\n".join(lines))
    first, second = shader.passes
    assert shader.header == ("Licence: MIT", "two")
    assert first.lines == ["x", "code", "}"]
    assert (first.number, second.number) == (1, 2)
    assert (str(first), str(second)) == (f"pass 1 ({'d' * 60})", "pass 2")
    assert (first.saves, second.saves) == ("a", "CHROMA")
    assert (first.only("BIND"), first.only("WHEN")) == ("LUMA", "")


# Lines of passes


def read_lines(*lines: str) -> reader._PassReader:
    found = reader._PassReader(mpv.Pass(3, {"SAVE": ["s"]}))
    for line in lines:
        found.read(line)
    return found


LOADED = "{0}_mul * texelFetch({0}_raw, input_base + ivec2({1}, 0), 0)"
BIAS = "vec4 result = vec4(1, 2, 3, 4);"
MACRO = "#define go_0(x, y) (inside(here + ivec2(x, y)) ? a_mul * texelFetch(a_raw, here + ivec2(x, y), 0) : vec4(0.0))"
TAP = "result += mat4(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16) * go_0(-1, 1);"


def test_lines_of_a_pass() -> None:
    (group,) = read_lines(BIAS, MACRO, TAP, "return result;").finish()
    assert (group.key, group.relu, group.added) == (("s", 0, 0), False, None)
    assert group.bias is not None
    assert group.bias.tolist() == [1, 2, 3, 4]
    assert {key: values.tolist() for key, values in group.taps.items()} == {
        ((("a", 0, 0),), 2, 0): list(range(1, 17))
    }  # fmt: skip
    (group,) = read_lines(BIAS, MACRO, TAP, "return max(result, vec4(0.0));").finish()
    assert group.relu


def test_lines_of_a_packed_pass() -> None:
    lines = [
        "inp[2][y][x] = known ? a_mul * texelFetch(a_raw, input_base + ivec2(1, 3), 0) : vec4(0.0);",
        "const vec4 b = inp[2][local_xy.y + 2][local_xy.x + 1];",
    ]
    for r in range(2):
        lines += [f"vec4 result{r} = vec4(1, 2, 3, 4);", f"result{r} += vec4(5, 6, 7, 8) * b;"]
    lines += [
        "ivec2 store_pos1 = ivec2(gl_GlobalInvocationID) * ivec2(2, 1) + ivec2(4, 5);",
        "imageStore(out_image, store_pos1, max(result1, vec4(0.0)));",
        "imageStore(out_image, output_base + ivec2(6, 7), result0);",
    ]
    first, second = read_lines(*lines).finish()
    assert (first.key, first.relu, second.key, second.relu) == (("s", 6, 7), False, ("s", 4, 5), True)
    assert list(first.taps) == [((("a", 1, 3),), 2, 1)]
    direct = read_lines(lines[0], "vec4 result = vec4(1, 2, 3, 4);",
                        "result += vec4(5, 6, 7, 8) * inp[2][local_xy.y + 0][local_xy.x + 2];")  # fmt: skip
    assert list(direct._groups[0].taps) == [((("a", 1, 3),), 0, 2)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([BIAS, "result += vec4(1, 2, 3, 4) * a_texOff(vec2(-1, 1)).x;"], ""),
        ([BIAS, "result += vec4(1, 2, 3, 4) * (a_texOff(vec2(1, 1)) + b_texOff(vec2(1, 1)));"], ""),
        ([BIAS, "result += vec4(1, 2, 3, 4) * (a_texOff(vec2(1, 1)) + b_texOff(vec2(1, 0)));"], "no tap"),
        ([BIAS, "result += vec4(1, 2, 3, 4) * (a_texOff(vec2(1, 1)) - b_texOff(vec2(1, 1)));"], "no tap"),
        ([BIAS, "result += vec4(1, 2, 3, 4) * 2;"], "no tap"),
        ([BIAS, "result += vec4(1, 2, 3, 4);"], "a second bias"),
        (["result = mat4(" + ",".join("1" * 16) + ");"], "a second bias"),
        ([TAP], "adds to nothing"),
        ([BIAS, BIAS], "starts again"),
        ([BIAS, TAP], "go_0 is used, but nothing is read into it"),
        ([BIAS, MACRO, TAP, TAP], "stands twice in one result"),
        ([MACRO, MACRO], "or read twice"),
        (["#define go_0(x, y) 7"], "is nothing that an ArtCNN C network reads"),
        (["return result;"], "result 0 is missing"),
        ([BIAS, "return result;", "return result;"], "result 0 is written twice"),
        ([BIAS, "imageStore(out_image, store_pos3, result0);"], ""),
        ([f"inp[0][y][x] = {LOADED.format('a', 1)} + {LOADED.format('b', 2)};"], ""),
        ([f"inp[0][y][x] = {LOADED.format('a', 1)} + {LOADED.format('b', 'x')};"], "an ArtCNN C network reads"),
        ([f"inp[0][y][x] = {LOADED.format('a', 'x')} + {LOADED.format('b', 1)};"], "an ArtCNN C network reads"),
        (["a result"], "is nothing that an ArtCNN C network does"),
        (["ksize = ivec2(5, 5)"], "is nothing that an ArtCNN C network does"),
        (["ksize = ivec2(3, 3)", "anything else"], ""),
    ],
)
def test_lines_that_are_understood(lines: list[str], message: str) -> None:
    check(lambda: read_lines(*lines), message)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([BIAS, MACRO, TAP, "return result;"], ""),
        ([BIAS, MACRO, TAP], "result 0 lacks a place to go"),
        ([BIAS, "return result;"], "result 0 lacks taps"),
        ([MACRO, TAP.replace("+=", "=")], "result 0 lacks a bias"),
        ([BIAS.replace("result", "result1")], r"results \[1\] are not counted from 0"),
        ([BIAS, MACRO, TAP, "imageStore(out_image, store_pos3, result0);"], "result 0 lacks a place to go"),
    ],
)
def test_passes_are_complete(lines: list[str], message: str) -> None:
    check(lambda: read_lines(*lines).finish(), message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1, -2.5, .5e3f, 4.", ""),
        ("1, 2, 3", "4 numbers are needed, 3 are there"),
        ("1, 2, 3, 4, 5", "4 numbers are needed, 5 are there"),
        ("1, 2, 3, " + "4" * 30 + "." + "4" * 9, ""),
        ("1, 2, 3, " + "4" * 30 + "." + "4" * 10, "is no number"),
        ("1, 2, 3, x", "'x' is no number"),
        ("x, 2, 3, 4", "'x' is no number"),
        ("1, 2, 3, 1e39", "beyond what f32 holds"),
    ],
)
def test_numbers_of_a_constructor(text: str, message: str) -> None:
    check(lambda: reader._numbers(text, 4, "here"), message and f"here: .*{message}")
    if text.startswith("1, -2.5"):
        assert reader._numbers(text, 4, "").tolist() == [1, -2.5, 500, 4]


@pytest.mark.parametrize(
    ("header", "licence"),
    [
        (["a", "Licence: X", "Copyright (c) 2024 B"], "X; Copyright (c) 2024 B"),
        (["MIT License", "Copyright (c) 2024 B", "License: Y"], "Y; Copyright (c) 2024 B"),
        (["MIT License"], "MIT License"),
        ([("x" * 72 + "license")], "x" * 72 + "license"),
        ([("x" * 73 + "license")], ""),
        (["a text"], ""),
        (["Copyright 2024 B"], "Copyright 2024 B"),
    ],
)
def test_licences_at_a_shaders_head(header: list[str], licence: str) -> None:
    assert reader._licence(header) == licence


@pytest.mark.parametrize(("channels", "planes", "fine"), [(4, 3, True), (3, 3, True), (2, 3, False), (1, 1, True)])
def test_unused_channels_are_left_out(channels: int, planes: int, fine: bool) -> None:
    weight = np.ones((4, channels, 3, 3), np.float32)
    weight[:, planes:] = 0
    bias = np.ones(4, np.float32)
    message = "" if fine else f"reads {channels} channels, {planes} are there"
    check(lambda: reader._used_inputs(Layer(weight, bias), planes), message)
    if fine:
        found = reader._used_inputs(Layer(weight, bias), planes)
        assert found.weight.shape == (4, planes, 3, 3)
        assert found.bias is bias
    if channels > planes:
        weight[0, -1, 0, 0] = 1
        check(lambda: reader._used_inputs(Layer(weight, bias), planes), "channels, 3 are there")


def convolution(name: str, sources: list[str], groups: int = 1, *, packed: bool = False) -> reader._Convolution:
    taps = {(((source, 0, 0),), 0, 0): np.ones(16) for source in sources}
    made = [reader._Group((f"{name}{i}", 0, 0), taps=dict(taps)) for i in range(groups)]
    return reader._Convolution(name, "LUMA", packed, made)


def test_passes_of_one_layer_are_joined() -> None:
    passes = [convolution("a", ["x"]), convolution("b", ["x"]), convolution("c", ["a0", "b0"])]
    passes += [convolution("d", ["c0"], packed=True), convolution("e", ["c0"], packed=True)]
    layers = reader._layers(passes)
    assert [(one.where, len(one.groups)) for one in layers] == [("a", 2), ("c", 1), ("d", 1), ("e", 1)]
    check(lambda: reader._layers(layers[:3]), "3 convolutions are found")
    twice = [convolution("a", ["x"]), convolution("a", ["x"]), *(convolution(n, [n]) for n in "bcd")]
    check(lambda: reader._layers(twice), "a: the same texture is written twice")
    for count, message in ((128, ""), (129, "reads 1 and gives 129 groups of 4 channels; up to 128")):
        many = [convolution("a", ["x"], count), *(convolution(n, [n]) for n in "bcd")]
        check(lambda many=many: reader._layers(many), message)  # type: ignore[misc]
    for count, message in ((128, ""), (129, "reads 129 and gives 1 groups of 4 channels; up to 128")):
        many = [convolution("a", [f"x{i}" for i in range(count)]), *(convolution(n, [n]) for n in "bcd")]
        check(lambda many=many: reader._layers(many), message)  # type: ignore[misc]


def test_sources_are_groups_of_the_layer_before() -> None:
    before = convolution("a", ["x"], 7)
    assert reader._place("w", (("a3", 0, 0),), before) == 3
    assert reader._place("w", (("z", 0, 0), ("a3", 0, 0)), before) == 3
    names = ", ".join(f"a{i}" for i in range(6))
    check(lambda: reader._place("w", (("z", 0, 0),), before), f"w reads z; {names}, ... come from a$")
    check(lambda: reader._place("w", (("a1", 0, 0), ("a3", 0, 0)), before), "w reads a1 \\+ a3; ")
    check(lambda: reader._place("w", (("z", 0, 0),), convolution("a", ["x"], 6)), f"{names} come from a$")


def chain(*joined: int, **changed: str) -> list[reader._Convolution]:
    """Five layers of two groups; the groups of the last in `joined` read the first layer's results as well."""
    layers = [convolution("a", ["x"], 2, packed=True)]
    for before, name in zip("abcd", "bcde", strict=True):
        layers.append(convolution(name, [f"{before}0", f"{before}1"], 2, packed=True))
    for layer in layers[1:3]:
        for group in layer.groups:
            group.relu = True
    last = layers[-1].groups[0]
    keys = [((f"d{i}", 0, 0), (f"a{i}", 0, 0)) if i in joined else ((f"d{i}", 0, 0),) for i in range(2)]
    last.taps = {(key, 0, 0): np.ones(16) for key in keys}
    if "source" in changed:
        middle = layers[2].groups[0]
        sources = [(("b0", 0, 0), ("a0", 0, 0)), (("b1", 0, 0),)]
        middle.taps = {(source, 0, 0): np.ones(16) for source in sources}
    return layers


def test_the_first_result_is_added_before_the_last() -> None:
    check(lambda: reader._check_chain(chain(0, 1)), "")
    check(lambda: reader._check_chain(chain(0)), "e: what it reads is not the sum with the first")
    check(lambda: reader._check_chain(chain()), "e: what it reads is not the sum with the first")
    check(lambda: reader._check_chain(chain(0, 1, source="")), "c: something is added, unlike in ArtCNN C")
    for number, message in (
        (0, "a: ReLU follows"),
        (1, "b: no ReLU"),
        (2, "c: no ReLU"),
        (3, "d: ReLU"),
        (4, "e: ReLU"),
    ):
        layers = chain(0, 1)
        layers[number].groups[1].relu = not layers[number].groups[1].relu
        check(lambda layers=layers: reader._check_chain(layers), message)  # type: ignore[misc]
    layers = chain()
    for i, group in enumerate(layers[3].groups):
        group.added = (f"a{i}", 0, 0)
    reader._check_chain(layers)
    layers[2].groups[1].added = ("a1", 0, 0)
    check(lambda: reader._check_chain(layers), "c: something is added, unlike in ArtCNN C")


@pytest.mark.parametrize(
    ("binds", "lines", "message"),
    [
        (["e0"], ["x", "block[part.y * 2 + part.x]"], ""),
        (["e1"], ["block[part.y * 2 + part.x]"], "no pass after e puts its result into the picture"),
        (["e0"], ["block[part.x * 2 + part.y]"], "no depth-to-space by rows"),
        (["e0"], [BIAS, "result += vec4(1, 2, 3, 4) * a;", "block[part.y * 2 + part.x]"], "no pass after e puts"),
    ],
)
def test_a_pass_puts_the_result_into_the_picture(binds: list[str], lines: list[str], message: str) -> None:
    layers = chain()
    layers[1].hook = "CHROMA"  # the first decides
    last = mpv.Pass(9, {"BIND": binds}, lines)
    check(lambda: reader._check_end(last, layers), message)
    layers[0].hook = "CHROMA"
    check(lambda: reader._check_end(last, layers), "" if "depth" in message else message)


@pytest.mark.parametrize(("luma", "compute"), [(True, False), (True, True), (False, False), (False, True)])
def test_summaries_of_shaders(luma: bool, compute: bool) -> None:
    net = network(8, 2, luma=luma)
    found = reader._import(mpv.parse(glsl.write(net, "net", [], compute=compute)))
    count = sum(layer.weight.size + (0 if layer.bias is None else layer.bias.size) for layer in net.layers)
    kind, form = "luma 2x" if luma else "chroma", "compute" if compute else "fragment"
    assert found.summary == (
        f"ArtCNN C2F8, {kind}: 2 inner convolutions of 8 filters, ReLU, {count:,} weights, from {form} passes"
    )
