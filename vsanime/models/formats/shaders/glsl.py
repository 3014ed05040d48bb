"""Writes ArtCNN C networks as mpv user shaders, which mpv, libplacebo and vs-placebo run.

Every pass is a convolution on textures of four channels. In fragment form a pass writes one texture, so that a layer of
16 features takes four passes; in compute form a pass writes a whole layer, whose groups of four channels lie side by
side in one larger texture.

A shader sees a plane's code values divided by the largest one: limited range is not expanded before the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

from vsanime.architectures.artcnn.chain import Chain
from vsanime.architectures.layers import Layer
from vsanime.arrays import Array
from vsanime.errors import VsanimeError

# Textures bound to one pass: players allow 16, but mpv gives each a vertex attribute, of which OpenGL has only 16.
_MOST_BINDS = 15
# Shared memory of a workgroup in bytes: Vulkan guarantees 16 KiB, every desktop driver has 32 KiB.
_SHARED_PREFERRED, _SHARED_MOST = 16 << 10, 32 << 10
_VEC4_BYTES = 16
# Threads of a workgroup, width and height; the first size that fits into the preferred shared memory is used.
_WORKGROUPS = ((16, 16), (16, 8), (8, 8))

# Double only if the output is more than 1.2 times as large along both axes.
_WHEN_ENLARGING = "OUTPUT.w LUMA.w / 1.2 > OUTPUT.h LUMA.h / 1.2 > *"
# 4:2:0, odd sizes included. After a luma doubler the ratio is 4, and the network was not trained on such luma.
_WHEN_420 = "LUMA.w CHROMA.w / 1.5 > LUMA.w CHROMA.w / 2.5 < * LUMA.h CHROMA.h / 1.5 > * LUMA.h CHROMA.h / 2.5 < *"

_TAPS = [(x, y) for y in range(3) for x in range(3)]


def write(chain: Chain, name: str, notes: Sequence[str], *, compute: bool = False) -> str:
    """Return the text of the shader: ASCII except for its header, which players ignore.

    Args:
        chain: network.
        name: name that players show for each pass.
        notes: lines for the header: the origin of the weights and their license.
        compute: whether to write compute passes instead of fragment passes.

    Raises:
        VsanimeError: if the features are not a multiple of 4, or too many for this form.
    """
    _check(chain, compute)
    form = _Form(_ascii(name), luma=chain.scale == 2)
    head = [_comment(line) for line in notes]
    passes = [] if form.luma else _gather_planes(form)
    for i, layer in enumerate(chain.layers):
        relu = 0 < i <= chain.inner
        # The first result is added where it costs fewest textures: fragment passes add it to the result of the last
        # but one layer, compute passes to the input of the last layer.
        skip = i == len(chain.layers) - (1 if compute else 2)
        source = _Source(form.source if i == 0 else f"conv{i - 1}", 0 if i == 0 else chain.features // 4, skip)
        passes += [_compute_pass(form, i, layer, source, relu)] if compute else _fragments(form, i, layer, source, relu)
    last = f"conv{len(chain.layers) - 1}" + ("" if compute else "_0")
    passes.append(_depth_to_space(form, last) if form.luma else _merge(form, last))
    return "\n\n".join(["\n".join(head), *passes]) + "\n"


@dataclass(frozen=True)
class _Form:
    """Properties that all passes of a shader share.

    Attributes:
        name: name for the pass descriptions.
        luma: True for a luma doubler, False for chroma reconstruction.
    """

    name: str
    luma: bool

    @property
    def source(self) -> str:
        """The texture that the first convolution reads: luma alone, or luma and chroma together."""
        return "LUMA" if self.luma else "planes"

    def header(
        self, what: str, binds: Iterable[str], save: str, size: tuple[int, int] = (1, 1), extra: Sequence[str] = ()
    ) -> list[str]:
        """Return a pass's directives; `size` is in luma planes, and an empty `save` overwrites the hooked plane."""
        return [
            f"//!DESC {self.name}: {what}",
            f"//!HOOK {'LUMA' if self.luma else 'CHROMA'}",
            *(f"//!BIND {texture}" for texture in binds),
            *([f"//!SAVE {save}"] if save else []),
            "//!WIDTH LUMA.w" + (f" {size[0]} *" if size[0] > 1 else ""),
            "//!HEIGHT LUMA.h" + (f" {size[1]} *" if size[1] > 1 else ""),
            f"//!COMPONENTS {4 if save else 1 if self.luma else 2}",
            *([f"//!WHEN {_WHEN_ENLARGING}"] if self.luma else []),
            *extra,
        ]


@dataclass(frozen=True)
class _Source:
    """The input of a convolution.

    Attributes:
        name: texture in compute form; prefix of the texture of each group in fragment form.
        groups: groups of four channels; 0 for the picture itself.
        skip: whether the first layer's result is added: before a compute pass, after a fragment pass.
    """

    name: str
    groups: int
    skip: bool


def _fragments(form: _Form, number: int, layer: Layer, source: _Source, relu: bool) -> list[str]:
    """Return a layer as one pass per four output channels."""
    textures = [f"{source.name}_{k}" for k in range(source.groups)] or [source.name]
    scalar = textures == ["LUMA"]
    passes = []
    for r, (weight, bias) in enumerate(_groups(layer)):
        skips = [f"conv0_{r}"] if source.skip else []
        lines = form.header(_title(number, relu), [*textures, *skips], f"conv{number}_{r}")
        lines += ["ivec2 here;", _inside(f"{textures[0]}_size")]
        for k, texture in enumerate(textures):
            value = _fetch(texture, "here + ivec2(dx, dy)")
            value, zero = (f"{value}.x", "0.0") if scalar else (value, "vec4(0.0)")
            lines.append(f"#define go_{k}(dx, dy) (inside(here + ivec2(dx, dy)) ? {value} : {zero})")
        lines += ["vec4 hook() {", f"    here = ivec2({textures[0]}_pos * {textures[0]}_size);"]
        lines.append(f"    vec4 result = vec4({_numbers(bias)});")
        for k in range(len(textures)):
            for x, y in _TAPS:
                lines.append(f"    result += {_factor(weight, k, x, y, scalar)} * go_{k}({x - 1}, {y - 1});")
        result = " + ".join(["result", *(_fetch(texture, "here") for texture in skips)])
        lines += [f"    return {'max(result, vec4(0.0))' if relu else result};", "}"]
        passes.append("\n".join(lines))
    return passes


def _compute_pass(form: _Form, number: int, layer: Layer, source: _Source, relu: bool) -> str:
    """Return a layer as one pass: a workgroup loads its pixels and their neighbors, each thread computes one pixel."""
    groups = max(source.groups, 1)
    scalar = source.name == "LUMA"
    width, height = _workgroup(groups)
    columns, rows = _arrangement(source.groups)
    results = _groups(layer)
    across, down = _arrangement(len(results))
    block = f"//!COMPUTE {width * across} {height * down} {width} {height}"
    binds = [source.name, *(["conv0"] if source.skip else [])]
    lines = form.header(_title(number, relu), binds, f"conv{number}", (across, down), [block])
    lines += [
        f"shared {'float' if scalar else 'vec4'} inp[{groups}][{height + 2}][{width + 2}];",
        _inside(f"{source.name}_size / vec2({columns}, {rows})"),
        "void hook() {",
        "    const uvec2 local_xy = gl_LocalInvocationID.xy;",
        f"    const ivec2 base = ivec2(gl_WorkGroupID.xy) * ivec2({width}, {height}) - 1;",
        f"    for (uint y = local_xy.y; y < {height + 2}; y += {height}) {{",
        f"        for (uint x = local_xy.x; x < {width + 2}; x += {width}) {{",
        "            const bool known = inside(base + ivec2(x, y));",
        f"            const ivec2 input_base = (base + ivec2(x, y)) * ivec2({columns}, {rows});",
    ]
    for k in range(groups):
        place = f"input_base + ivec2({k % columns}, {k // columns})"
        value = " + ".join(_fetch(texture, place) for texture in binds)
        value, zero = (f"{value}.x", "0.0") if scalar else (value, "vec4(0.0)")
        lines.append(f"            inp[{k}][y][x] = known ? {value} : {zero};")
    lines += ["        }", "    }", "    barrier();"]
    lines += [f"    vec4 result{r} = vec4({_numbers(bias)});" for r, (_, bias) in enumerate(results)]
    for k in range(groups):
        kind = "float" if scalar else "vec4"
        lines += [f"    const {kind} inp_{k}_{x}_{y} = inp[{k}][local_xy.y + {y}][local_xy.x + {x}];" for x, y in _TAPS]
        for r, (weight, _) in enumerate(results):
            lines += [f"    result{r} += {_factor(weight, k, x, y, scalar)} * inp_{k}_{x}_{y};" for x, y in _TAPS]
    lines.append(f"    const ivec2 output_base = ivec2(gl_GlobalInvocationID.xy) * ivec2({across}, {down});")
    for r in range(len(results)):
        value = f"max(result{r}, vec4(0.0))" if relu else f"result{r}"
        lines.append(f"    imageStore(out_image, output_base + ivec2({r % across}, {r // across}), {value});")
    return "\n".join([*lines, "}"])


def _depth_to_space(form: _Form, texture: str) -> str:
    """Return the last pass of a doubler: the four channels become the four pixels of a block, row by row."""
    return "\n".join(
        [
            *form.header("depth to space", [texture], "", (2, 2)),
            "vec4 hook() {",
            f"    const vec2 place = {texture}_pos * {texture}_size;",
            "    const ivec2 part = ivec2(fract(place) * 2.0);",
            f"    const vec4 block = {_fetch(texture, 'ivec2(place)')};",
            "    return vec4(clamp(block[part.y * 2 + part.x], 0.0, 1.0), 0.0, 0.0, 1.0);",
            "}",
        ]
    )


def _gather_planes(form: _Form) -> list[str]:
    """Return the first passes of a chroma network, which join luma and bilinearly upsampled chroma in one texture.

    `ALIGN` shifts the sampling so that the result lies on luma pixels, whatever the siting. mpv (`vo=gpu`) applies it
    only if the plane is bound as HOOKED and overwritten. After that the plane's size no longer distinguishes 4:2:0 from
    4:4:4, so the first pass saves a texture for 4:2:0 only: players skip passes that bind a missing texture, and then
    everything that depends on them. It must be bound first: mpv leaves textures bound before it to the next pass, which
    breaks that pass.
    """
    marker = [
        f"//!DESC {form.name}: whether chroma has half the size",
        "//!HOOK CHROMA",
        "//!BIND CHROMA",
        "//!SAVE half_size",
        "//!WIDTH 1",
        "//!HEIGHT 1",
        f"//!WHEN {_WHEN_420}",
        "vec4 hook() {",
        "    return vec4(1.0);",
        "}",
    ]
    upsampling = [
        *form.header("bilinear chroma", ["half_size", "HOOKED"], "", extra=["//!OFFSET ALIGN"]),
        "vec4 hook() {",
        "    return HOOKED_texOff(vec2(0.0));",
        "}",
    ]
    gathering = [
        *form.header("luma and chroma", ["half_size", "LUMA", "CHROMA"], form.source),
        "vec4 hook() {",
        "    return vec4(LUMA_texOff(vec2(0.0)).x, CHROMA_texOff(vec2(0.0)).xy, 0.0);",
        "}",
    ]
    return ["\n".join(lines) for lines in (marker, upsampling, gathering)]


def _merge(form: _Form, texture: str) -> str:
    """Return the last pass of a chroma network; `ALIGN` again tells libplacebo that no chroma shift is left to undo."""
    return "\n".join(
        [
            *form.header("chroma at luma size", [texture], "", extra=["//!OFFSET ALIGN"]),
            "vec4 hook() {",
            f"    return vec4(clamp({texture}_texOff(vec2(0.0)).xy, 0.0, 1.0), 0.0, 1.0);",
            "}",
        ]
    )


def _inside(size: str) -> str:
    """Return a macro that tests for pixels of the picture: players repeat edge pixels, the network pads with zeros."""
    limits = f"all(greaterThanEqual(p, ivec2(0))) && all(lessThan(p, ivec2({size})))"
    return f"#define inside(p) ({limits})"


def _fetch(texture: str, place: str) -> str:
    return f"{texture}_mul * texelFetch({texture}_raw, {place}, 0)"


def _factor(weight: Array, group: int, x: int, y: int, scalar: bool) -> str:
    """Return the factor of a tap in GLSL; matrices are written by columns, which are the input channels."""
    if scalar:
        return f"vec4({_numbers(weight[:, 0, y, x])})"
    matrix = np.zeros((4, 4), np.float32)
    columns = weight[:, 4 * group : 4 * group + 4, y, x]
    matrix[:, : columns.shape[1]] = columns
    return f"mat4({_numbers(matrix.T.ravel())})"


def _groups(layer: Layer) -> list[tuple[Array, Array]]:
    """Return weight and bias of each four output channels, padded with zeros to a multiple of four."""
    missing = -layer.weight.shape[0] % 4
    weight = np.pad(layer.weight, ((0, missing), (0, 0), (0, 0), (0, 0)))
    bias = np.pad(layer.bias if layer.bias is not None else np.zeros(0, np.float32), (0, missing))
    return [(weight[i : i + 4], bias[i : i + 4]) for i in range(0, len(weight), 4)]


def _arrangement(groups: int) -> tuple[int, int]:
    """Return columns and rows of the groups in a packed texture, as square as their number allows."""
    rows = next(n for n in range(isqrt(max(groups, 1)), 0, -1) if max(groups, 1) % n == 0)
    return max(groups, 1) // rows, rows


def _workgroup(groups: int) -> tuple[int, int]:
    fitting = (size for size in _WORKGROUPS if _shared_bytes(groups, size) <= _SHARED_PREFERRED)
    return next(fitting, _WORKGROUPS[-1])


def _shared_bytes(groups: int, size: tuple[int, int]) -> int:
    return groups * (size[0] + 2) * (size[1] + 2) * _VEC4_BYTES


def _check(chain: Chain, compute: bool) -> None:
    if chain.features % 4:
        raise VsanimeError(f"a shader's textures have 4 channels; {chain.features} features are no multiple of that")
    groups = chain.features // 4
    if not compute and groups + 1 > _MOST_BINDS:
        raise VsanimeError(
            f"{chain.features} features take {groups + 1} textures in one pass, players bind {_MOST_BINDS}; "
            "compute shaders (--compute) can hold them"
        )
    if compute and _shared_bytes(groups, _WORKGROUPS[-1]) > _SHARED_MOST:
        raise VsanimeError(f"{chain.features} features do not fit the {_SHARED_MOST} bytes that workgroups share")


def _title(number: int, relu: bool) -> str:
    return f"convolution {number}" + (", ReLU" if relu else "")


def _numbers(values: Array) -> str:
    """Format values with nine digits, which distinguish every f32 from its neighbors."""
    return ", ".join(text if set(text) & {".", "e"} else f"{text}.0" for text in (f"{v:.9g}" for v in values.tolist()))


def _ascii(text: str) -> str:
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode()


def _comment(line: str) -> str:
    """Return a header line as a comment in UTF-8; `//!` is broken up, since it would begin a directive."""
    return f"// {' '.join(line.split())}".rstrip().replace("//!", "// !")
