"""Reads ArtCNN networks from their mpv shaders: fragment passes of four channels each, or packed compute passes.

A pass is a sum of taps. Each tap multiplies one group of four channels at one offset by a `vec4` (for a single input
channel) or a `mat4` (written by columns: columns are input channels, rows output channels). Groups are identified by
their texture and, if several are packed into one, by their position in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vsanime.architectures.artcnn.onnx import artcnn_c
from vsanime.architectures.base import Imported
from vsanime.architectures.layers import Layer
from vsanime.arrays import Array
from vsanime.errors import VsanimeError
from vsanime.models.formats.shaders.mpv import Pass, Shader, read_shader
from vsanime.models.licences import is_holder

# A texture, and column and row of a group in it.
type Key = tuple[str, int, int]
# The groups that a tap reads: one, or two that are summed.
type Source = tuple[Key, ...]

_KERNEL = 3
# Limit of groups of four channels in a layer; the widest of ArtCNN C has 32.
_MOST_GROUPS = 128
_MOST_NAMED = 6  # textures in a message
_LONGEST_NUMBER = 40
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,4})?f?", re.ASCII)
_VECTOR = r"(?P<kind>V4|vec4|f16vec4|M4|mat4|f16mat4)\((?P<numbers>[^()]*)\)"
# A texture's name. The word boundary keeps the search from trying a long word again from each of its letters.
_NAME = r"\b(\w{1,64})"
_SUM = re.compile(rf"(?:(?:V4|vec4|f16vec4) )?result(?P<r>\d{{0,3}}) (?P<sign>\+?=) {_VECTOR}(?: \* (?P<tap>.+))?;")
_LOCAL = r"(?:gl_LocalInvocationID|local_xy)"
_SHARED = rf"inp\[(\d{{1,3}})\]\[{_LOCAL}\.y \+ ([012])\]\[{_LOCAL}\.x \+ ([012])\]"
_ALIAS = re.compile(rf"const (?:F|V4|float|vec4) (\w{{1,64}}) = {_SHARED};")
_ZERO = r"(?:V4|vec4)\(0\.0\)"
_RETURN = re.compile(
    rf"return (?:(?P<relu>max\(result, {_ZERO}\))|"
    r"result(?: \+ (?P<added>\w{1,64})_mul \* texelFetch\((?P=added)_raw, here, 0\))?);"
)
_PLACE = re.compile(
    r"ivec2 store_pos(\d{1,3}) = ivec2\(gl_GlobalInvocationID\) \* ivec2\(\d+, \d+\) \+ ivec2\((\d{1,3}), (\d{1,3})\);"
)
_STORE = re.compile(
    r"imageStore\(out_image, (?:output_base \+ ivec2\((?P<x>\d{1,3}), (?P<y>\d{1,3})\)|store_pos(?P<pos>\d{1,3})), "
    rf"(?:(?P<relu>max\(result(?P<r>\d{{1,3}}), {_ZERO}\))|result(?P<plain>\d{{1,3}}))\);"
)
_MACRO = re.compile(r"#define (go_\d{1,3})\(\w{1,64}, \w{1,64}\) (.+)")
_LOAD = re.compile(r"inp\[(\d{1,3})\]\[y\]\[x\] = (.+);")
_FETCH = re.compile(rf"{_NAME}_mul \* texelFetch\(\1_raw, [^;]{{0,100}}?ivec2\((\w{{1,64}}), (\w{{1,64}})\), 0\)")
_MACRO_READ = re.compile(rf"{_NAME}_texOff\(vec2\(\w{{1,64}}, \w{{1,64}}\)\)")
# Accepted expressions of a read: one value or a sum of two, and zero outside the picture.
_PLAIN = re.compile(
    r"(?:\({0,4}(?:inside\(here \+ ivec2\(\w{1,64}, \w{1,64}\)\)|known) \? )?(?:V4|F)?\({0,4}T\){0,4}"
    r"(?: ?\+ ?\({0,4}T\){0,4})?(?:\.x)?(?: : (?:vec4\(0\.0\)|0\.0))?\){0,4}"
)
_CALL = re.compile(r"(go_\d{1,3})\((-?[01])(?:\.0)?, (-?[01])(?:\.0)?\)")
_TEX_OFF = re.compile(rf"{_NAME}_texOff\(vec2\((-?[01])(?:\.0)?, (-?[01])(?:\.0)?\)\)")
_SHARED_TAP = re.compile(_SHARED)
_BLOCK_ORDER = re.compile(r"\[\w{1,64}\.y \* 2 \+ \w{1,64}\.x\]")

_KINDS = {"LUMA": "luma 2x", "CHROMA": "chroma", "NATIVE": "chroma"}


def recognizes(head: bytes) -> bool:
    """Return whether a file that begins so is an mpv shader: a line begins with one of its directives."""
    return b"\0" not in head and re.search(rb"^//!(HOOK|DESC|BIND|COMPUTE)\b", head, re.MULTILINE) is not None


def read(path: Path) -> Imported:
    """Read an ArtCNN C shader.

    Args:
        path: shader in the public layouts, or one that this package wrote.

    Raises:
        VsanimeError: if the file is another shader or damaged; the message names the pass and what is missing.
    """
    try:
        shader = read_shader(path)
        return _import(shader)
    except VsanimeError as error:
        message = str(error)
        raise VsanimeError(message if message.startswith(str(path)) else f"{path}: {message}") from None


def _import(shader: Shader) -> Imported:
    layers = _layers([_Convolution.read(one) for one in shader.passes if _is_convolution(one)])
    hook = layers[0].hook
    kind = _KINDS.get(hook)
    if kind is None:
        raise VsanimeError(f"it hooks {hook}; ArtCNN shaders hook {', '.join(_KINDS)}")
    into, out = (1, 4) if hook == "LUMA" else (3, 2)
    weights = [layer.assemble(layers[max(i - 1, 0)]) for i, layer in enumerate(layers)]
    weights[0] = _used_inputs(weights[0], into)
    last = weights[-1]
    if len(last.weight) != 4:
        raise VsanimeError(f"the last convolution gives {len(last.weight)} channels; 4 are known, 2 of them for chroma")
    weights[-1] = Layer(last.weight[:out], None if last.bias is None else last.bias[:out])
    _check_chain(layers)
    _check_end(shader.passes[-1], layers)
    proto = artcnn_c(weights)
    count = sum(layer.weight.size + (0 if layer.bias is None else layer.bias.size) for layer in weights)
    inner, features = len(weights) - 3, weights[0].weight.shape[0]
    form = "compute" if layers[0].packed else "fragment"
    summary = (
        f"ArtCNN C{inner}F{features}, {kind}: {inner} inner convolutions of {features} filters, ReLU, "
        f"{count:,} weights, from {form} passes"
    )
    return Imported(proto, "artcnn_c", summary, _licence(shader.header))


@dataclass
class _Group:
    """Four channels that a pass computes.

    Attributes:
        key: where they are written.
        relu: whether negative values become zero.
        added: group whose values are added to the result; None for none.
        bias: bias of the four channels; None until it is read.
        taps: factors by source, row and column: a vector of 4 or a matrix of 16 values.
    """

    key: Key = ("", -1, -1)
    relu: bool = False
    added: Key | None = None
    bias: Array | None = None
    taps: dict[tuple[Source, int, int], Array] = field(default_factory=dict)


@dataclass
class _Convolution:
    """The part of a layer that one or several passes compute.

    Attributes:
        where: name of its first pass, for messages.
        hook: hooked plane.
        packed: whether compute passes pack its groups into one texture.
        groups: output groups.
    """

    where: str
    hook: str
    packed: bool
    groups: list[_Group]

    @property
    def sources(self) -> list[Source]:
        """The inputs, in the order in which the first group reads them."""
        return list(dict.fromkeys(source for source, _, _ in self.groups[0].taps))

    @property
    def keys(self) -> list[Key]:
        """The keys of the output groups."""
        return [group.key for group in self.groups]

    @classmethod
    def read(cls, one: Pass) -> _Convolution:
        """Read the sums of a pass.

        Raises:
            VsanimeError: if a line about sums is not understood, or a sum is incomplete.
        """
        reader = _PassReader(one)
        for line in one.lines:
            reader.read(line)
        return cls(str(one), one.only("HOOK"), bool(one.only("COMPUTE")), reader.finish())

    def assemble(self, before: _Convolution) -> Layer:
        """Return the layer's weights; `before` is the layer that it reads, or itself for the first layer.

        Raises:
            VsanimeError: if a tap is missing, or the layer reads something that the layer before does not write.
        """
        first = before is self
        sources = self.sources
        order = [0] if first else [_place(self.where, source, before) for source in sources]
        there = 1 if first else len(before.groups)
        if sorted(order) != list(range(there)):
            raise VsanimeError(f"{self.where} reads {len(sources)} groups of 4 channels; {there} are there")
        for r, group in enumerate(self.groups):
            if len({source for source, _, _ in group.taps} - set(sources)):
                raise VsanimeError(f"{self.where}: result {r} reads other groups of channels than result 0")
            if len(group.taps) != len(sources) * _KERNEL**2:
                raise VsanimeError(f"{self.where}: {_missing(group, r, sources)}")
        scalar = next(iter(self.groups[0].taps.values())).size == 4
        channels = 1 if scalar else 4
        weight = np.empty((4 * len(self.groups), channels * len(sources), _KERNEL, _KERNEL), np.float32)
        for r, group in enumerate(self.groups):
            for k, source in zip(order, sources, strict=True):
                for y, x in np.ndindex(_KERNEL, _KERNEL):
                    values = group.taps[source, y, x]
                    if values.size != 4 * channels:
                        raise VsanimeError(f"{self.where}: result {r} mixes vec4 and mat4 taps")
                    columns = values.reshape(channels, 4)
                    weight[4 * r : 4 * r + 4, channels * k : channels * (k + 1), y, x] = columns.T
        bias = np.concatenate([group.bias for group in self.groups if group.bias is not None])
        return Layer(weight, bias)


def _missing(group: _Group, r: int, sources: list[Source]) -> str:
    """Return a message that names the first missing tap of a result."""
    for source in sources:
        for y, x in np.ndindex(_KERNEL, _KERNEL):
            if (source, y, x) not in group.taps:
                return f"the tap ({x - 1}, {y - 1}) of {' + '.join(key[0] for key in source)} is missing in result {r}"
    return f"result {r} has taps outside 3x3"


class _PassReader:
    """A parser of the lines of a convolution's pass."""

    def __init__(self, one: Pass) -> None:
        self._where = str(one)
        self._saves = one.saves
        self._groups: dict[int, _Group] = {}
        self._inputs: dict[str, Source] = {}  # `inp` of compute passes and `go_` macros, by name
        self._aliases: dict[str, tuple[str, int, int]] = {}  # input's name, column and row
        self._places: dict[str, tuple[int, int]] = {}

    def read(self, line: str) -> None:
        """Parse one line; lines that concern neither sums nor their inputs are skipped."""
        if match := _SUM.fullmatch(line):
            self._add(match)
        elif match := _ALIAS.fullmatch(line):
            self._aliases[match[1]] = (f"inp{match[2]}", int(match[4]), int(match[3]))
        elif match := _MACRO.fullmatch(line):
            self._define(match[1], match[2], packed=False)
        elif match := _LOAD.fullmatch(line):
            self._define(f"inp{match[1]}", match[2], packed=True)
        elif match := _PLACE.fullmatch(line):
            self._places[match[1]] = (int(match[2]), int(match[3]))
        elif match := _STORE.fullmatch(line):
            place = self._places.get(match["pos"], (-1, -1)) if match["pos"] else (int(match["x"]), int(match["y"]))
            self._store(int(match["r"] or match["plain"]), (self._saves, *place), bool(match["relu"]))
        elif match := _RETURN.fullmatch(line):
            added = (match["added"], 0, 0) if match["added"] else None
            self._store(0, (self._saves, 0, 0), bool(match["relu"]), added)
        elif "result" in line or ("ksize = " in line and "ivec2(3, 3)" not in line):
            raise VsanimeError(f"{self._where}: {line[:60]!r} is nothing that an ArtCNN C network does")

    def finish(self) -> list[_Group]:
        """Return the groups in the order of their numbers.

        Raises:
            VsanimeError: if a group lacks its bias or its taps, or is not written anywhere.
        """
        groups = [self._groups[r] for r in sorted(self._groups)]
        if sorted(self._groups) != list(range(len(groups))):
            raise VsanimeError(f"{self._where}: results {sorted(self._groups)[:9]} are not counted from 0 without gaps")
        for r, group in enumerate(groups):
            missing = "a bias" if group.bias is None else "taps" if not group.taps else ""
            missing = missing or ("a place to go" if group.key[1] < 0 else "")
            if missing:
                raise VsanimeError(f"{self._where}: result {r} lacks {missing}")
        if len({group.key for group in groups}) < len(groups):
            raise VsanimeError(f"{self._where}: two results go to one place")
        return groups

    def _add(self, match: re.Match[str]) -> None:
        group = self._groups.setdefault(int(match["r"] or 0), _Group())
        started = group.bias is not None or bool(group.taps)
        if started != (match["sign"] == "+="):
            raise VsanimeError(f"{self._where}: {match[0][:60]!r} {'starts again' if started else 'adds to nothing'}")
        size = 16 if match["kind"].lower().endswith(("m4", "mat4")) else 4
        values = _numbers(match["numbers"], size, self._where)
        if match["tap"] is None:
            if group.bias is not None or size != 4:
                raise VsanimeError(f"{self._where}: a second bias: {match[0][:60]!r}")
            group.bias = values
            return
        key = self._tap(match["tap"])
        if key in group.taps:
            raise VsanimeError(f"{self._where}: the tap {match['tap'][:60]} stands twice in one result")
        group.taps[key] = values

    def _tap(self, text: str) -> tuple[Source, int, int]:
        """Return source, row and column of a factor in a sum."""
        if text in self._aliases:
            name, x, y = self._aliases[text]
            return self._input(name), y, x
        if match := _SHARED_TAP.fullmatch(text):
            return self._input(f"inp{match[1]}"), int(match[2]), int(match[3])
        if match := _CALL.fullmatch(text):
            return self._input(match[1]), int(match[3]) + 1, int(match[2]) + 1
        reads = _TEX_OFF.findall(text)
        plain = re.sub(r"\.x$", "", _TEX_OFF.sub("T", text)) in ("T", "(T + T)")
        if not plain or len({read[1:] for read in reads}) != 1:
            raise VsanimeError(f"{self._where}: {text[:60]!r} is no tap that is understood")
        return tuple((name, 0, 0) for name, _, _ in reads), int(reads[0][2]) + 1, int(reads[0][1]) + 1

    def _input(self, name: str) -> Source:
        if name not in self._inputs:
            raise VsanimeError(f"{self._where}: {name.replace('inp', 'input ')} is used, but nothing is read into it")
        return self._inputs[name]

    def _define(self, name: str, text: str, *, packed: bool) -> None:
        """Record what an input is read from: one texture, or the sum of two."""
        fetched = _FETCH.findall(text)
        if packed and not all(x.isdecimal() and y.isdecimal() for _, x, y in fetched):
            fetched = []
        keys = [(texture, int(x), int(y)) if packed else (texture, 0, 0) for texture, x, y in fetched]
        if not packed:
            keys += [(texture, 0, 0) for texture in _MACRO_READ.findall(text)]
        plain = _PLAIN.fullmatch(_MACRO_READ.sub("T", _FETCH.sub("T", text)))
        if not plain or len(keys) not in (1, 2) or name in self._inputs:
            raise VsanimeError(f"{self._where}: {text[:60]!r} is nothing that an ArtCNN C network reads, or read twice")
        self._inputs[name] = tuple(keys)

    def _store(self, r: int, key: Key, relu: bool, added: Key | None = None) -> None:
        group = self._groups.get(r)
        if group is None or group.key[1] >= 0:
            raise VsanimeError(f"{self._where}: result {r} is {'missing' if group is None else 'written twice'}")
        group.key, group.relu, group.added = key, relu, added


def _is_convolution(one: Pass) -> bool:
    return any(_SUM.fullmatch(line) and " * " in line for line in one.lines)


def _layers(passes: list[_Convolution]) -> list[_Convolution]:
    """Group consecutive passes with the same sources into layers."""
    layers: list[_Convolution] = []
    for one in passes:
        if layers and not one.packed and one.sources == layers[-1].sources:
            layers[-1].groups += one.groups
        else:
            layers.append(one)
    if len(layers) < 4:
        raise VsanimeError(f"{len(layers)} convolutions are found; an ArtCNN C network has 4 or more")
    for layer in layers:
        if max(len(layer.groups), len(layer.sources)) > _MOST_GROUPS:
            raise VsanimeError(
                f"{layer.where} reads {len(layer.sources)} and gives {len(layer.groups)} groups of 4 channels; up to "
                f"{_MOST_GROUPS} are read"
            )
        if len(set(layer.keys)) < len(layer.keys):
            raise VsanimeError(f"{layer.where}: the same texture is written twice")
    return layers


def _place(where: str, source: Source, before: _Convolution) -> int:
    """Return the index of the group in the layer before that a source reads; a skip connection is ignored."""
    places = [before.keys.index(key) for key in source if key in before.keys]
    if len(places) != 1:
        names = " + ".join(key[0] for key in source)
        given = ", ".join(key[0] for key in before.keys[:_MOST_NAMED]) + ", ..." * (len(before.keys) > _MOST_NAMED)
        raise VsanimeError(f"{where} reads {names}; {given} come from {before.where}")
    return places[0]


def _check_chain(layers: list[_Convolution]) -> None:
    """Check that only inner layers have a ReLU, and that the first result is added before the last layer only."""
    *_, joining, last = layers
    for i, layer in enumerate(layers):
        inner = 0 < i < len(layers) - 2
        if any(group.relu != inner for group in layer.groups):
            raise VsanimeError(f"{layer.where}: {'no ReLU follows' if inner else 'ReLU follows'}, unlike in ArtCNN C")
        reads = layer is not last and any(len(source) > 1 for source in layer.sources)
        if reads or (layer is not joining and any(group.added for group in layer.groups)):
            raise VsanimeError(f"{layer.where}: something is added, unlike in ArtCNN C")
    # Added by the last but one layer, or by the layer that reads it.
    first = layers[0].keys
    joined = [group.added for group in joining.groups]
    read: list[Key | None] = [None] * len(joined)
    for source in last.sources:
        others = [key for key in source if key not in joining.keys]
        read[_place(last.where, source, joining)] = others[0] if others else None
    if (joined, read) not in ((first, [None] * len(first)), ([None] * len(first), first)):
        raise VsanimeError(f"{last.where}: what it reads is not the sum with the first convolution, group by group")


def _check_end(last: Pass, layers: list[_Convolution]) -> None:
    """Check that a pass after the last convolution writes the picture, in a doubler as 2x2 blocks of channels."""
    texture = layers[-1].keys[0][0]
    if _is_convolution(last) or texture not in last.directives.get("BIND", []):
        raise VsanimeError(f"no pass after {layers[-1].where} puts its result into the picture; is the file cut short?")
    if layers[0].hook == "LUMA" and not any(_BLOCK_ORDER.search(line) for line in last.lines):
        raise VsanimeError(f"{last}: no depth-to-space by rows of 2 (channel y * 2 + x) is found")


def _used_inputs(layer: Layer, planes: int) -> Layer:
    """Return the layer without the input channels that only the texture has, whose weights must be zero."""
    if layer.weight.shape[1] < planes or layer.weight[:, planes:].any():
        raise VsanimeError(f"the first convolution reads {layer.weight.shape[1]} channels, {planes} are there")
    return Layer(layer.weight[:, :planes], layer.bias)


def _numbers(text: str, count: int, where: str) -> Array:
    """Parse the arguments of a constructor as f32."""
    words = [word.strip() for word in text.split(",")]
    if len(words) != count:
        raise VsanimeError(f"{where}: {count} numbers are needed, {len(words)} are there: {text[:60]!r}")
    for word in words:
        if len(word) > _LONGEST_NUMBER or not _NUMBER.fullmatch(word):
            raise VsanimeError(f"{where}: {word[:_LONGEST_NUMBER]!r} is no number")
    with np.errstate(over="ignore"):
        values = np.array([float(word.rstrip("f")) for word in words]).astype(np.float32)
    if not np.isfinite(values).all():
        raise VsanimeError(f"{where}: a number is beyond what f32 holds: {text[:60]!r}")
    return values


def _licence(header: Iterable[str]) -> str:
    """Return the license note from a shader's header comments; empty if there is none."""
    lines = list(header)
    named = (match[1] for line in lines if (match := re.match(r"licen[cs]e: *(.+)", line, re.IGNORECASE)))
    titles = (line for line in lines if re.search("licen[cs]e", line, re.IGNORECASE) and len(line) < 80)
    title = next(named, "") or next(titles, "")
    return "; ".join(text for text in (title, *filter(is_holder, lines)) if text)
