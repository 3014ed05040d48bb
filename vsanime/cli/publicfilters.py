"""Finds the package's public filters by name, and reads their arguments from the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

from vsanime.cli import values
from vsanime.errors import VsanimeError, list_words, nearest, shorten

if TYPE_CHECKING:
    import vapoursynth as vs

# Arguments of filters that have their own options on the command line.
OWN_OPTIONS = {"backend": "--backend, --device and --precision", "depth": "--depth", "tiles": "--tiles"}
# Filters whose networks take luma or chroma, so that RGB is converted for them.
_FOR_YUV = ("artcnn", "artcnn_chroma")
# Filters that only scripts can call, and why.
FOR_SCRIPTS = {
    "colorize": "takes references beside the clip",
    "mark_scenes": "leaves marks for other filters, which no file holds",
}


@dataclass(frozen=True)
class Parameter:
    """An argument of a filter.

    Attributes:
        name: name of the argument.
        annotation: type of the argument.
        default: default value; `inspect.Parameter.empty` if the argument is required.
    """

    name: str
    annotation: Any
    default: Any

    @property
    def needed(self) -> bool:
        """Whether the argument is required."""
        return self.default is inspect.Parameter.empty

    def __str__(self) -> str:
        preset = "" if self.needed else f"={_format(self.default)}"
        return f"{self.name}{preset} ({values.in_words(self.annotation)})"


@dataclass(frozen=True)
class Filter:
    """A filter that a command line can name.

    Attributes:
        name: name of the filter in the package.
        function: filter function, whose first argument is the clip.
        parameters: other arguments by name.
    """

    name: str
    function: Callable[..., vs.VideoNode]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first line of the filter's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def settable(self) -> list[Parameter]:
        """The arguments that `--set` takes."""
        return [one for one in self.parameters.values() if one.name not in OWN_OPTIONS]

    def takes(self) -> str:
        """Return a text that names the filter and the arguments that `--set` takes."""
        return f"{self.name} takes {', '.join(map(str, self.settable)) or 'nothing'}"


@dataclass(frozen=True)
class Call:
    """A filter with all its arguments except the clip and the depth.

    Attributes:
        filter: filter to call.
        arguments: values by the arguments' names.
    """

    filter: Filter
    arguments: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the filter."""
        return self.filter.name

    @property
    def for_yuv(self) -> bool:
        """Whether an RGB clip has to be converted to YUV before."""
        from vsanime.cli.doubling import DEFAULT_MODEL
        from vsanime.filters.waifu2x import is_rgb

        if self.name == "upscale":
            return not is_rgb(self.arguments.get("model", DEFAULT_MODEL))
        return self.name in _FOR_YUV

    @property
    def by_scenes(self) -> bool:
        """Whether the filter needs marks where scenes begin."""
        return self.arguments.get("brightness") == "scene"

    def on(self, clip: vs.VideoNode, *, depth: int) -> vs.VideoNode:
        """Return the filtered clip, with that many bits if the filter has an argument for the depth.

        Raises:
            VsanimeError: the filter rejects the clip or an argument.
            vs.Error: the same.
        """
        deep = {"depth": depth} if "depth" in self.filter.parameters else {}
        return self.filter.function(clip, **self.arguments, **deep)


def public_filters() -> dict[str, Filter]:
    """Return the filters by name: the package's public functions from a clip to a clip, and `upscale`."""
    import vsanime
    from vsanime.cli.doubling import upscale

    functions = {name: getattr(vsanime, name) for name in vsanime.__all__ if name not in FOR_SCRIPTS} | {
        "upscale": upscale
    }
    return {name: made for name in sorted(functions) if (made := _as_filter(name, functions[name])) is not None}


def _as_filter(name: str, function: Any) -> Filter | None:
    import vapoursynth as vs

    if not inspect.isfunction(function):
        return None
    types = get_type_hints(function)
    first, *others = inspect.signature(function).parameters.values()
    if types.get(first.name) is not vs.VideoNode or types.get("return") is not vs.VideoNode:
        return None
    return Filter(name, function, {one.name: Parameter(one.name, types[one.name], one.default) for one in others})


def find_filter(name: str) -> Filter:
    """Return the filter of that name.

    Raises:
        VsanimeError: there is none, or it is for scripts only.
    """
    filters = public_filters()
    if name in FOR_SCRIPTS:
        raise VsanimeError(f"--filter {name}: vsanime.{name} {FOR_SCRIPTS[name]}: call it in a script, for vspipe")
    if name not in filters:
        raise VsanimeError(
            f"--filter {shorten(name)}: there is no such filter; did you mean {list_words(nearest(name, filters))}? "
            "`vsanime process --help` shows all"
        )
    return filters[name]


def read_arguments(chosen: Filter, settings: Sequence[str], style: str | None) -> dict[str, Any]:
    """Return the arguments given by `--set KEY=VALUE` and `--style`.

    Raises:
        VsanimeError: a setting is no assignment, an argument is unknown, has its own option, is given twice or is
            missing, or a value has the wrong type; the message lists what the filter takes.
    """
    arguments: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        given = f"--set {shorten(setting)}"
        if not equals or not key:
            raise VsanimeError(f"{given}: KEY=VALUE is needed; {chosen.takes()}")
        if key in OWN_OPTIONS and key in chosen.parameters:
            raise VsanimeError(f"{given}: {key} is chosen by {OWN_OPTIONS[key]}")
        if key in arguments:
            raise VsanimeError(f"{given}: {shorten(key)} is given twice")
        arguments[key] = _value(chosen, given, key, text)
    if style is not None:
        if "style" in arguments:
            raise VsanimeError(f"--style {shorten(style)}: --set gives the style as well; give one of them")
        arguments["style"] = _value(chosen, f"--style {shorten(style)}", "style", style)
    missing = [one.name for one in chosen.settable if one.needed and one.name not in arguments]
    if missing:
        option = "--style NAME" if missing[0] == "style" else f"--set {missing[0]}=..."
        raise VsanimeError(f"--filter {chosen.name} needs {option}; {chosen.takes()}")
    return arguments


def _value(chosen: Filter, given: str, key: str, text: str) -> Any:
    if key not in chosen.parameters:
        close = list_words(nearest(key, [one.name for one in chosen.settable]))
        advice = f"did you mean {close}? `vsanime process --help` shows all" if close else chosen.takes()
        if given.startswith("--style"):
            advice = "leave --style out"
        raise VsanimeError(f"{given}: {chosen.name} has no argument {shorten(key)}; {advice}")
    try:
        return values.read(text, chosen.parameters[key].annotation)
    except VsanimeError as error:
        raise VsanimeError(f"{given}: {key} is {error}; {chosen.takes()}") from None


def _format(value: Any) -> str:
    """Return a value in the form that `--set` takes."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return str(value)
