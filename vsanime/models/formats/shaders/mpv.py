"""Splits an mpv user shader into its header comments and its passes with their directives and lines.

Nothing is compiled or evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vsanime.errors import VsanimeError

# The largest public ArtCNN shader has under 4 MB; its ONNX would be four times smaller.
MOST_BYTES = 64 << 20
# A matrix of 16 numbers takes some 250 characters.
_LONGEST_LINE = 4096
# Characters of a texture's name. mpv's own are shorter than 20.
LONGEST_NAME = 64
_DIRECTIVE = "//!"
# Directives of a pass. Tables, parameters and buffers (TEXTURE, PARAM, BUFFER) occur in other shaders only.
_KNOWN = {"DESC", "HOOK", "BIND", "SAVE", "WIDTH", "HEIGHT", "COMPONENTS", "COMPUTE", "WHEN", "OFFSET"}

# Directives whose value is a texture's name.
_NAMES = {"HOOK", "BIND", "SAVE"}


@dataclass
class Pass:
    """One pass of a shader.

    Attributes:
        number: position in the file, from 1.
        directives: values of each directive, such as `{"BIND": ["LUMA", "conv0"]}`.
        lines: GLSL without comments, indentation and empty lines.
    """

    number: int
    directives: dict[str, list[str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        described = self.only("DESC")[:60]
        return f"pass {self.number}" + (f" ({described})" if described else "")

    def only(self, directive: str) -> str:
        """Return the last value of a directive; empty without one."""
        return self.directives.get(directive, [""])[-1]

    @property
    def saves(self) -> str:
        """The texture that the pass writes: the value of SAVE, or else the hooked texture."""
        return self.only("SAVE") or self.only("HOOK")


@dataclass(frozen=True)
class Shader:
    """A parsed shader.

    Attributes:
        header: comments before the first pass, without slashes and empty lines.
        passes: passes in the order in which they run.
    """

    header: tuple[str, ...]
    passes: tuple[Pass, ...]


def read_shader(path: Path) -> Shader:
    """Read a shader file.

    Raises:
        VsanimeError: if the file is not readable, too large, not text, or not a shader that `parse` accepts.
    """
    return parse(_text(path))


def parse(text: str) -> Shader:
    """Split the text of a shader into passes; each begins with the first directive after other lines.

    Raises:
        VsanimeError: if there is no pass, a pass hooks nothing or has no code, or a directive is unknown.
    """
    header: list[str] = []
    passes: list[Pass] = []
    in_directives = False
    for line in (raw.strip() for raw in text.splitlines()):
        if len(line) > _LONGEST_LINE:
            raise VsanimeError(f"a line has {len(line)} characters; {_LONGEST_LINE} is more than any shader needs")
        if line.startswith(_DIRECTIVE):
            if not in_directives:
                passes.append(Pass(len(passes) + 1))
            in_directives = True
            _add_directive(passes[-1], line.removeprefix(_DIRECTIVE))
        elif not passes:
            header.append(line.strip("/* \t"))
        elif line:
            in_directives = False
            code = line.partition("//")[0].strip()
            if code:
                passes[-1].lines.append(code)
    if not passes:
        raise VsanimeError("the shader has no pass: no line begins with //!HOOK")
    for one in passes:
        if not one.only("HOOK") or not one.lines:
            lacks = "has no code" if one.only("HOOK") else "hooks nothing"
            raise VsanimeError(f"{one} {lacks}; is the file cut short?")
    if passes[-1].lines[-1] != "}":
        raise VsanimeError(f"{passes[-1]} does not end in a closing brace; the file is cut short")
    return Shader(tuple(line for line in header if line), tuple(passes))


def _add_directive(one: Pass, text: str) -> None:
    name, _, value = text.partition(" ")
    if name not in _KNOWN:
        raise VsanimeError(f"pass {one.number} has the directive //!{name[:40]}, which no ArtCNN shader has")
    value = value.strip()
    if name in _NAMES and len(value) > LONGEST_NAME:
        raise VsanimeError(
            f"pass {one.number} has a name of {len(value)} characters as //!{name}; up to {LONGEST_NAME} are read"
        )
    one.directives.setdefault(name, []).append(value)


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise VsanimeError(f"{path} is no file; give the path of a shader")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise VsanimeError(f"{path} has {size >> 20} MiB; shaders of up to {MOST_BYTES >> 20} MiB are read")
        data = path.read_bytes()
    except OSError as error:
        raise VsanimeError(f"{path} cannot be read: {error.strerror or error}") from None
    if b"\0" in data:
        raise VsanimeError(f"{path} is not a shader: it is not text")
    # Only names in comments contain other characters than ASCII.
    return data.decode("utf-8", "replace")
