"""Writes the three layouts in which ArtCNN shaders were published, around any weights.

Only what carries or places numbers is as in those files; what else they hold differs from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt

import numpy as np

from vsanime.architectures.layers import Layer
from vsanime.arrays import Array

LICENCE = "// MIT License\n\n// Copyright (c) 2024 Somebody\n\n// Permission is hereby granted, free of charge\n\n"


def _list(values: Array) -> str:
    return ", ".join(repr(float(str(v))) for v in np.asarray(values, np.float32).ravel())


def _head(hook: str, binds: Sequence[str], save: str, size: int = 1, compute: bool = False) -> str:
    lines = ["//!DESC ArtCNN (Conv2D)", f"//!HOOK {hook}", *(f"//!BIND {bind}" for bind in binds)]
    lines += ["//!COMPUTE 16 16 8 8"] if compute else []
    lines += [f"//!SAVE {save}"] if save else []
    return "\n".join([*lines, f"//!WIDTH {hook}.w {size}.0 *", f"//!HEIGHT {hook}.h {size}.0 *", "//!COMPONENTS 4"])


def _padded(layers: Sequence[Layer]) -> list[Layer]:
    """Channels in and out filled up to fours with zeros, but for the one of luma."""
    result = []
    for layer in layers:
        out, into = layer.weight.shape[:2]
        more = ((0, -out % 4), (0, 0 if into == 1 else -into % 4), (0, 0), (0, 0))
        assert layer.bias is not None
        result.append(Layer(np.pad(layer.weight, more), np.pad(layer.bias, (0, -out % 4))))
    return result


def _last_pass(hook: str, texture: str) -> str:
    if hook == "NATIVE":
        body = f"vec4 hook() {{\n    vec4 prediction = {texture}_texOff(0.0);\n    return prediction;\n}}\n"
        return f"{_head(hook, [hook, texture], '')}\n{body}"
    body = (
        f"    vec2 f0 = fract({texture}_pos * {texture}_size);\n    ivec2 i0 = ivec2(f0 * vec2(2.0));\n"
        f"    output_pix.x = {texture}_tex((vec2(0.5) - f0) * {texture}_pt + {texture}_pos)[i0.y * 2 + i0.x];\n"
    )
    return f"{_head(hook, [hook, texture], '', 2)}\nvec4 hook() {{\n{body}    return output_pix;\n}}\n"


def with_macros(layers: Sequence[Layer]) -> str:
    """The oldest: reads through macros, taps column by column, `mat4` even for luma, biases last."""
    return _fragments(layers, _macro_pass)


def with_offsets(layers: Sequence[Layer]) -> str:
    """Reads by `texOff`, biases first."""
    return _fragments(layers, _offset_pass)


type _Body = Callable[[Array, Array, list[str], list[str], bool], str]


def _fragments(layers: Sequence[Layer], write: _Body) -> str:
    hook = "LUMA" if layers[0].weight.shape[1] == 1 else "NATIVE"
    text, textures = LICENCE, [hook]
    for i, layer in enumerate(_padded(layers)):
        saves = [f"conv2d_{i}_{r}" for r in range(len(layer.weight) // 4)]
        skips = [f"conv2d_0_{k}" for k in range(len(textures))] if i == len(layers) - 1 else []
        for r, save in enumerate(saves):
            part = layer.weight[4 * r : 4 * r + 4]
            assert layer.bias is not None
            body = write(part, layer.bias[4 * r : 4 * r + 4], textures, skips, 0 < i < len(layers) - 2)
            text += f"{_head(hook, [*textures, *skips], save)}\n{body}\n"
        textures = saves
    return text + _last_pass(hook, textures[0])


def _closing(relu: bool) -> str:
    return f"    return {'max(result, vec4(0.0))' if relu else 'result'};\n}}\n"


def _macro_pass(weight: Array, bias: Array, textures: list[str], skips: list[str], relu: bool) -> str:
    lines = []
    for k, texture in enumerate(textures):
        read = f"{texture}_texOff(vec2(x_off, y_off))"
        value = f"(({read})+({skips[k]}_texOff(vec2(x_off, y_off))))" if skips else f"({read})"
        lines.append(f"#define go_{k}(x_off, y_off) {value}")
    lines.append("vec4 hook() {")
    sign = "vec4 result ="
    for k in range(len(textures)):
        for x, y in ((x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)):
            matrix = np.zeros((4, 4), np.float32)
            columns = weight[:, 4 * k : 4 * k + 4, y + 1, x + 1]
            matrix[:, : columns.shape[1]] = columns
            lines.append(f"    {sign} mat4({_list(matrix.T)}) * go_{k}({float(x)}, {float(y)});")
            sign = "result +="
    return "\n".join([*lines, f"    result += vec4({_list(bias)});", _closing(relu)])


def _offset_pass(weight: Array, bias: Array, textures: list[str], skips: list[str], relu: bool) -> str:
    lines = ["", "vec4 hook() {", f"    vec4 result = vec4({_list(bias)});"]
    scalar = weight.shape[1] == 1
    for k, texture in enumerate(textures):
        for x, y in ((x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)):
            place = f"texOff(vec2({x}, {y}))"
            read = f"({texture}_{place} + {skips[k]}_{place})" if skips else f"{texture}_{place}"
            values = _list(weight[:, 4 * k : 4 * k + 4, y + 1, x + 1].T)
            lines.append(
                f"    result += vec4({values}) * {read}.x;" if scalar else f"    result += mat4({values}) * {read};"
            )
    return "\n".join([*lines, _closing(relu)])


def packed(layers: Sequence[Layer], *, aliases: bool = True, square: bool = True) -> str:
    """Compute passes, a layer each: with names for what is read or without, groups in a square or in a row."""
    text, texture, columns, rows = LICENCE, "LUMA", 1, 1
    for i, layer in enumerate(_padded(layers)):
        save = "conv2d" + (f"_{i}" if i else "")
        skip = "conv2d" if i == len(layers) - 1 else ""
        binds = [texture, *([skip] if skip else [])]
        out = len(layer.weight) // 4
        wide = isqrt(out) if square and isqrt(out) ** 2 == out else out
        body = _loads(binds, columns, rows, not i) + _sums(layer, columns * rows, aliases)
        body += _stores(out, wide, 0 < i < len(layers) - 2, aliases)
        text += f"{_head('LUMA', binds, save, compute=True)}\n#define V4 f16vec4\n\n{body}}}\n\n"
        texture, columns, rows = save, wide, out // wide
    return text + _last_pass("LUMA", texture)


def _loads(binds: list[str], columns: int, rows: int, scalar: bool) -> str:
    text = "const ivec2 ksize = ivec2(3, 3);\nvoid hook() {\n    const uvec2 local_xy = gl_LocalInvocationID.xy;\n"
    for k in range(columns * rows):
        place = f"(base + ivec2(x,y) - offset) * ivec2({columns}, {rows}) + ivec2({k % columns}, {k // columns})"
        value = " + ".join(f"{bind}_mul * texelFetch({bind}_raw, {place}, 0)" for bind in binds)
        text += f"            inp[{k}][y][x] = {f'F({value}.x)' if scalar else f'V4({value})'};\n"
    return text + "    barrier();\n"


def _sums(layer: Layer, groups: int, aliases: bool) -> str:
    assert layer.bias is not None
    results = range(len(layer.weight) // 4)
    text = "".join(f"    V4 result{r} = V4({_list(layer.bias[4 * r : 4 * r + 4])});\n" for r in results)
    for k, (y, x) in ((k, place) for k in range(groups) for place in np.ndindex(3, 3)):
        local = "local_xy" if aliases else "gl_LocalInvocationID"
        tap = f"inp[{k}][{local}.y + {y}][{local}.x + {x}]"
        if aliases:
            text += f"    const V4 inp_{k}_{x}_{y} = {tap};\n"
            tap = f"inp_{k}_{x}_{y}"
        for r in results:
            values = layer.weight[4 * r : 4 * r + 4, 4 * k : 4 * k + 4, y, x]
            text += f"    result{r} += {'V4' if values.shape[1] == 1 else 'M4'}({_list(values.T)}) * {tap};\n"
    return text


def _stores(out: int, wide: int, relu: bool, aliases: bool) -> str:
    text = ""
    for r in range(out):
        place = f"ivec2({r % wide}, {r // wide})"
        target = f"output_base + {place}"
        if not aliases:
            text += f"    ivec2 store_pos{r} = ivec2(gl_GlobalInvocationID) * ivec2({wide}, {out // wide}) + {place};\n"
            target = f"store_pos{r}"
        text += f"    imageStore(out_image, {target}, {f'max(result{r}, V4(0.0))' if relu else f'result{r}'});\n"
    return text
