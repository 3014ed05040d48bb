"""Colours line art from reference pictures of some of its frames."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsanime.backends import BackendProtocol
from vsanime.colorization.frames import Colouring, Work, is_flow, run
from vsanime.colorization.keys import POLICIES, Choice, Window, choose, longest, runs, windows
from vsanime.colorization.linescenes import Scenes, scene_starts
from vsanime.colorization.neighbors import REACH
from vsanime.colorization.output import converted, rgb_of, told, wanted_output
from vsanime.colorization.references import Picture, References, read_references
from vsanime.colorization.smoothing import DOUBTS, agreeing
from vsanime.errors import VsanimeError, quote
from vsanime.motion.flow import SMALLEST
from vsanime.pipeline.arguments import check_backend
from vsanime.spec import Family, FrameSpec, PlaneFormat, Range, SampleType
from vsanime.values import MOST_SIDE, parse_flag, parse_text, parse_whole, read_choice, read_flag, read_name_or_path
from vsanime.video.advice import gray_code
from vsanime.video.alpha import alpha_of, clip_on_white
from vsanime.video.clips import first_frame, video_format
from vsanime.video.errors import raises_vs_error

# Height (or width, whichever is less) of the pictures that motion is looked for in, where nobody says another.
_AUTO = 288
# Frames on either side of a key that steps are taken over. Their line art is held until they are coloured, with what is
# looked at around each, up to so many bytes.
_REACH = 48
_LOOKED_AT = 2 * (2 * REACH + 1)
_HELD_BYTES = 1 << 28
_FILLS = ("none", "segments")
# What a frame is that is no key: made, or bare lines.
_MADE, _BARE = -1, -2


@raises_vs_error
def colorize(
    lineart: vs.VideoNode,
    references: vs.VideoNode | Mapping[int, Picture],
    *,
    keys: Sequence[int] | None = None,
    model: str | os.PathLike[str] = "Line_VA",
    temporal: bool | str | os.PathLike[str] = False,
    scenes: Scenes = None,
    no_reference: str = "error",
    work_size: int | str = "auto",
    fill: str = "none",
    steps: bool = True,
    steady: bool = True,
    format: int | vs.VideoFormat | None = None,
    depth: int | str | None = None,
    backend: BackendProtocol | None = None,
) -> vs.VideoNode:
    """Colours line art from pictures of some of its frames, the keys.

    A frame between two keys gets the colours of both: each is moved onto it by the motion between the two line
    pictures, and they are mixed by how far things moved and how well the lines fit, or as a network says. Before the
    first key of a scene, and after its last, there is one. Keys come out as they went in. A drawing that is held comes
    out equal in all of its frames, and is computed once.

    Args:
        lineart: GRAY, white (1, or 255 of 8 bits) for paper and black for ink, progressive. Untagged, its range is
            taken for full.
        references: a colour clip, RGB or YUV of any depth, of the line art's size: one frame a key, or as many as the
            line art has, of which those of `keys` are used. Or a mapping of frame numbers to picture files (extra
            `vsanime[encode]`) or one-frame clips.
        keys: the frames of line art that a clip's references are of.
        model: a network's name (`vsanime models list` shows them), or the path of its ONNX file; "flow" for motion
            alone.
        temporal: whether a second network refines the result, looking at both keys: True, or its name or path.
        scenes: numbers of the frames that scenes begin with; "marked" to read `_SceneChangePrev` and
            `_SceneChangeNext` (see `vsanime.mark_scenes`); "detect" to find cuts in the line art; None for one scene.
            Both read the whole clip when the script is evaluated. No reference is used beyond a cut.
        no_reference: what becomes of a scene that has no key: "error"; "nearest" for the nearest of another scene;
            "passthrough" to leave the lines as they are.
        work_size: length of the short side of the picture that a network sees and in which motion is looked for;
            "full" for the frame's. "auto" has networks see one of 288, or the frame's where that is less, and looks for
            motion in the frame itself, which is worth more than it costs. Steps are looked for at 288 at most.
        fill: "segments" to give regions that are closed by lines one colour where motion fails, before anything is
            averaged; "none".
        steps: look for motion from drawing to drawing as far as each key as well, where that is no further than
            48 frames: what opens, turns or is hidden for a while is found so. A frame asked for alone then has all line
            art between its keys looked at.
        steady: where both keys are to be doubted, average a frame with those of the drawings before and after it,
            moved onto it: less flicker. A drawing that is held for more than four frames stays as it is.
        format: the output's, such as vs.YUV420P10; RGB if None.
        depth: of RGB output, 8 to 16 bits, "half" or "single"; the references' if None.
        backend: where the network runs, such as `vsanime.Backend.OpenVINO()`.

    Returns:
        A clip of the line art's length and properties, those of color apart, which are the references'. Line art and
        references that have `_Alpha` lie on white, and the output has none.

    Raises:
        vs.Error: an argument that cannot be used, or a scene without a reference, with what would be right.

    Example:
        ```python
        lines = vsanime.lineart(clip)
        coloured = vsanime.colorize(lines, clip, keys=[0, 24, 47], format=vs.YUV420P8)
        ```
    """
    spec, props = _line_spec(lineart)
    size = (spec.width, spec.height)
    network, refiner = read_name_or_path("model", model, "Line_VA"), _read_temporal(temporal)
    # As it is written in a script: a network sees smaller pictures, motion alone is looked for in the frame itself.
    automatic = parse_text(work_size) == "auto"
    work = _wanted_work("full" if automatic and is_flow(network) and refiner is False else work_size, size)
    no_reference, fill = read_choice("no_reference", no_reference, POLICIES), read_choice("fill", fill, _FILLS)
    steps, steady = read_flag("steps", steps), read_flag("steady", steady)
    check_backend(backend)
    found = read_references(references, keys, size, lineart.num_frames)
    output = wanted_output(format, depth, found.spec)
    lineart = clip_on_white(lineart, alpha_of("colorize", lineart, props), spec)
    lineart = lineart.std.RemoveFrameProps([DOUBTS])  # which are ours to tell
    lines = _as_lines(lineart, spec)
    starts = scene_starts(lines, scenes)
    choices = choose(lineart.num_frames, found.keys, starts, no_reference)
    between = windows(choices, found.keys, starts, _REACH if steps else 0)
    _hold(lineart, between)
    colouring = Colouring(work, automatic, network, refiner, fill == "segments", steady, backend)
    rgb = rgb_of(found.spec)
    painted = converted(found.clip, found.spec, rgb)
    pictures = _pictures(lineart, lines, found.keys, painted, work, choices, between)
    made = run("colorize", pictures, spec, colouring)
    if steady:
        keyed = _spliced(made, painted.std.RemoveFrameProps([DOUBTS]), made, choices)
        made = agreeing("colorize", keyed, lines, starts)
    # Its frames have the line art's properties, among them what its own codes meant.
    made = converted(told(made, rgb, found.props), rgb, output)
    return told(_assembled(made, lineart, spec, found, output, choices), output, found.props)


def _line_spec(lineart: vs.VideoNode) -> tuple[FrameSpec, Mapping[str, Any]]:
    """Return what line art is, and its first frame's properties."""
    spec, props = first_frame(lineart, "lineart")
    if spec.format.family is not Family.GRAY:
        raise VsanimeError(
            f"the line art is {lineart.format.name}; GRAY is needed: `vsanime.lineart(clip)` makes it of pictures, "
            f"{gray_code(spec.format.family)} takes the luma of a drawing"
        )
    if min(spec.width, spec.height) < SMALLEST:
        raise VsanimeError(
            f"frames of {spec.width}x{spec.height} are too small to look for motion in; {SMALLEST}x{SMALLEST} or more "
            "are needed"
        )
    # White is paper: a drawing that nobody tagged is no video of limited range.
    return spec if "_Range" in props else replace(spec, range=Range.FULL), props


def _as_lines(lineart: vs.VideoNode, spec: FrameSpec) -> vs.VideoNode:
    """Line art as the rooms below want it: 8 bits, 255 for paper."""
    return lineart.resize.Point(format=vs.GRAY8, range_in=int(spec.range), range=vs.RANGE_FULL)


def _wanted_work(work_size: int | str, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the smaller picture."""
    short, text = min(size), parse_text(work_size)
    side = {"auto": _AUTO, "full": short}.get(text or "", parse_whole(work_size))
    if side is None or not SMALLEST <= side <= MOST_SIDE:
        raise VsanimeError(
            f"work_size={quote(work_size)}; the length of the short side, {SMALLEST} to {MOST_SIDE}, 'auto' or 'full' "
            "is needed"
        )
    wanted = min(side, short)
    width, height = (round(side * wanted / short) for side in size)
    return width, height


def _read_temporal(temporal: bool | str | os.PathLike[str]) -> bool | str | Path:
    """Return whether a second network is to refine the result, or which.

    Raises:
        VsanimeError: it is neither a flag nor a name or path.
    """
    flag = parse_flag(temporal)
    if flag is not None:
        return flag
    try:
        return read_name_or_path("temporal", temporal, "")
    except VsanimeError:
        raise VsanimeError(f"temporal={quote(temporal)}; True, False, or a network's name or path is needed") from None


def _pictures(
    lineart: vs.VideoNode,
    lines: vs.VideoNode,
    keys: Sequence[int],
    painted: vs.VideoNode,
    work: tuple[int, int],
    choices: Sequence[Choice],
    between: Sequence[tuple[Window | None, Window | None]],
) -> Work:
    """The clips that a frame is coloured from, as many frames in each as in the line art.

    Args:
        lineart: as it came.
        lines: the same as GRAY8.
        keys: numbers of the keys' frames.
        painted: the keys, RGB.
        work: width and height of the smaller pictures.
        choices: the keys of every frame.
        between: what lies between it and them.
    """
    drawn = _joined([lines[key] for key in keys])
    small = lines.resize.Bilinear(*work)
    key_clips = [
        drawn,
        painted,
        drawn.resize.Bilinear(*work),
        painted.resize.Bilinear(*work, format=vs.RGB24),
    ]
    befores, afters = _places([choice.before for choice in choices]), _places([choice.after for choice in choices])
    for clip in key_clips:
        # The two that frames are being made of, and the next, in every lane.
        clip.std.SetVideoCache(mode=1, fixedsize=1, maxsize=4, maxhistory=0)
    sides = [[_spread(clip, places) for clip in key_clips] for places in (befores, afters)]
    clips = [lineart, lines, small, *sides[0], *sides[1], *_stacks(lines, work, between)]
    return Work(clips, befores, afters, between, painted.format)


def _stacks(
    lines: vs.VideoNode, work: tuple[int, int], between: Sequence[tuple[Window | None, Window | None]]
) -> list[vs.VideoNode]:
    """For every frame the lines of either window, one above the other, at the size that steps are searched at."""
    size = min(work, _wanted_work("auto", (lines.width, lines.height)))  # both of the frame's aspect
    small = lines.resize.Bilinear(*size)
    spans = [[None if window is None else (window.start, window.end) for window in pair] for pair in between]
    places: dict[tuple[int, int] | None, int] = {None: 0}
    stacks = [small.std.BlankClip(length=1, keep=True)]  # where there is no window, nobody looks
    for span in (span for pair in spans for span in pair):
        if span is not None and span not in places:
            places[span] = len(stacks)
            stacks.append(vs.core.std.StackVertical([small[n] for n in range(*span)]))
            stacks[-1].std.SetVideoCache(mode=0)
    joined = stacks[0] if len(stacks) == 1 else vs.core.std.Splice(stacks, mismatch=True)
    joined.std.SetVideoCache(mode=1, fixedsize=1, maxsize=4, maxhistory=0)
    return [_spread(joined, [places[pair[side]] for pair in spans]) for side in (0, 1)]


def _hold(lineart: vs.VideoNode, between: Sequence[tuple[Window | None, Window | None]]) -> None:
    """Keeps line art from when a window is looked at until its frames are coloured."""
    if looked_at := longest(between):
        frame_bytes = lineart.format.bytes_per_sample * lineart.width * lineart.height
        kept = max(1, min(looked_at + _LOOKED_AT, _HELD_BYTES // frame_bytes))
        lineart.std.SetVideoCache(mode=1, fixedsize=1, maxsize=kept, maxhistory=0)


def _places(numbers: Sequence[int | None]) -> list[int]:
    """Places of references, for frames that are not made of any the one before it, so that runs are long."""
    places: list[int] = []
    for number in numbers:
        places.append(number if number is not None else places[-1] if places else 0)
    return places


def _spread(clip: vs.VideoNode, places: Sequence[int]) -> vs.VideoNode:
    """For every frame the one at its place."""
    return _joined([clip[place].std.Loop(times) for place, times in runs(places)])


def _joined(clips: Sequence[vs.VideoNode]) -> vs.VideoNode:
    return clips[0] if len(clips) == 1 else vs.core.std.Splice(list(clips))


def _assembled(
    made: vs.VideoNode,
    lineart: vs.VideoNode,
    spec: FrameSpec,
    found: References,
    output: FrameSpec,
    choices: Sequence[Choice],
) -> vs.VideoNode:
    """Frames that were made, references where they are of the very frame, and lines where there is no reference."""
    references = converted(found.clip, found.spec, output)
    bare = _gray(lineart, spec, output) if any(choice.before is None for choice in choices) else made
    joined = _spliced(made, references, bare, choices)
    if lineart.fps:
        # References may come at another rate, as pictures do, which would leave the clip without any.
        joined = joined.std.AssumeFPS(lineart)
    return joined.std.CopyFrameProps(lineart)


def _spliced(
    made: vs.VideoNode, references: vs.VideoNode, bare: vs.VideoNode, choices: Sequence[Choice]
) -> vs.VideoNode:
    """References at the keys, `bare` in scenes without any, and what was made everywhere else."""
    parts: list[vs.VideoNode] = []
    start = 0
    for source, count in runs([_source(choice) for choice in choices]):
        if source >= 0:
            # A still that is referred to twice in a row is two keys.
            parts.append(references[source])
        else:
            parts.append((made if source == _MADE else bare)[start : start + count])
        start += count
    return _joined(parts)


def _source(choice: Choice) -> int:
    """A reference's place, or what else a frame is."""
    if choice.before is None:
        return _BARE
    return choice.before if choice.is_key else _MADE


def _gray(lineart: vs.VideoNode, spec: FrameSpec, output: FrameSpec) -> vs.VideoNode:
    """Line art as colourless pictures of the output's format."""
    rgb = rgb_of(output)
    form = PlaneFormat(Family.GRAY, SampleType.INTEGER if rgb.format.is_integer else SampleType.FLOAT, rgb.format.bits)
    gray = lineart.resize.Point(
        format=video_format(form).id, range_in=int(spec.range), range=vs.RANGE_FULL
    ).std.RemoveFrameProps(["_Matrix"])
    return converted(told(gray.std.ShufflePlanes([0, 0, 0], vs.RGB), rgb, {}), rgb, output)
