"""Color line art from reference pictures of some of its frames."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsanime.backends import BackendProtocol
from vsanime.colorization.frames import Coloring, Work, is_flow, run
from vsanime.colorization.keys import POLICIES, Choice, Window, choose, longest, runs, windows
from vsanime.colorization.linescenes import Scenes, scene_starts
from vsanime.colorization.neighbors import REACH
from vsanime.colorization.output import convert, resolve_output, rgb_of, write_color_properties
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

# Default short side, in pixels, of the pictures in which motion is searched.
_AUTO = 288
# Longest chain of motion on either side of a key, in frames. Their line art is cached until they are colored, together
# with the neighbors that are compared with each, up to _HELD_BYTES.
_REACH = 48
_LOOKED_AT = 2 * (2 * REACH + 1)
_HELD_BYTES = 1 << 28
_FILLS = ("none", "segments")
# Sources of frames that are not keys: colored frames, or bare lines.
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
    """Color line art from pictures of some of its frames, the keys.

    A frame between two keys gets the colors of both: each key is moved onto it by the motion between the two line
    pictures, and they are mixed by how far things moved and how well the lines fit, or as a network decides. Frames
    before the first key of a scene, and after its last, use one key. Keys are returned unchanged. A drawing that is
    held is the same in all of its frames, and is computed once.

    Args:
        lineart: line art, GRAY, white (1, or 255 of 8 bits) for paper and black for ink, progressive. Without a range
            tag, full range is assumed.
        references: a color clip, RGB or YUV of any depth, of the line art's size: one frame per key, or as many as the
            line art has, of which those of `keys` are used. Or a mapping from frame numbers to picture files (extra
            `vsanime[encode]`) or one-frame clips.
        keys: frame numbers in the line art that the frames of a reference clip belong to.
        model: name of a network (`vsanime models list` shows them), or path of its ONNX file; "flow" for motion alone.
        temporal: whether a second network refines the result, looking at both keys: True, or its name or path.
        scenes: numbers of the first frames of scenes; "marked" to read `_SceneChangePrev` and `_SceneChangeNext` (see
            `vsanime.mark_scenes`); "detect" to find cuts in the line art; None for one scene. "marked" and "detect"
            read the whole clip when the script is evaluated. Cuts limit references, except as `no_reference` says.
        no_reference: what happens to a scene without a key: "error"; "nearest" to use the nearest key of another scene;
            "passthrough" to leave the lines as they are.
        work_size: short side in pixels of the picture that a network sees and in which motion is searched; "full" for
            the frame's. With "auto" networks see 288 pixels, or the frame's short side where that is less, and motion
            is searched in the frame itself, which is worth more than it costs. Chained motion is searched at 288 pixels
            at most.
        fill: "segments" to give regions that are closed by lines one color where motion fails, before anything is
            averaged; "none".
        steps: also chain motion from drawing to drawing, up to 48 frames away from each key: this finds what opens,
            turns or is hidden for a while. A frame that is requested alone then reads all line art between its keys.
        steady: temporal smoothing: where both keys are uncertain, average a frame with those of the drawings before and
            after it, moved onto it, which reduces flicker. A drawing that is held for more than four frames stays as it
            is.
        format: format of the output, such as vs.YUV420P10; RGB if None.
        depth: depth of RGB output, 8 to 16 bits, "half" or "single"; None for that of the references.
        backend: where the network runs, such as `vsanime.Backend.OpenVINO()`.

    Returns:
        A clip with the line art's length and properties, except for those of color, which are the references'. Line art
        and references that have `_Alpha` lie on white, and the output has none.

    Raises:
        vs.Error: an argument cannot be used, or a scene has no reference; the message says what would be right.

    Example:
        ```python
        lines = vsanime.lineart(clip)
        colored = vsanime.colorize(lines, clip, keys=[0, 24, 47], format=vs.YUV420P8)
        ```
    """
    spec, props = _line_spec(lineart)
    size = (spec.width, spec.height)
    network, refiner = read_name_or_path("model", model, "Line_VA"), _read_temporal(temporal)
    # "auto" as a script writes it: a network sees smaller pictures, motion alone is searched in the frame itself.
    automatic = parse_text(work_size) == "auto"
    work = _resolve_work("full" if automatic and is_flow(network) and refiner is False else work_size, size)
    no_reference, fill = read_choice("no_reference", no_reference, POLICIES), read_choice("fill", fill, _FILLS)
    steps, steady = read_flag("steps", steps), read_flag("steady", steady)
    check_backend(backend)
    found = read_references(references, keys, size, lineart.num_frames)
    output = resolve_output(format, depth, found.spec)
    lineart = clip_on_white(lineart, alpha_of("colorize", lineart, props), spec)
    lineart = lineart.std.RemoveFrameProps([DOUBTS])  # set here only
    lines = _as_lines(lineart, spec)
    starts = scene_starts(lines, scenes)
    choices = choose(lineart.num_frames, found.keys, starts, no_reference)
    between = windows(choices, found.keys, starts, _REACH if steps else 0)
    _hold(lineart, between)
    colouring = Coloring(work, automatic, network, refiner, fill == "segments", steady, backend)
    rgb = rgb_of(found.spec)
    painted = convert(found.clip, found.spec, rgb)
    pictures = _pictures(lineart, lines, found.keys, painted, work, choices, between)
    made = run("colorize", pictures, spec, colouring)
    if steady:
        keyed = _splice(made, painted.std.RemoveFrameProps([DOUBTS]), made, choices)
        made = agreeing("colorize", keyed, lines, starts)
    # The frames carry the line art's properties, whose matrix and range are wrong for colors.
    made = convert(write_color_properties(made, rgb, found.props), rgb, output)
    return write_color_properties(_assemble(made, lineart, spec, found, output, choices), output, found.props)


def _line_spec(lineart: vs.VideoNode) -> tuple[FrameSpec, Mapping[str, Any]]:
    """Return the format of line art, and its first frame's properties; refuse clips that cannot be colored."""
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
    # White is paper: an untagged drawing is not a video of limited range.
    return spec if "_Range" in props else replace(spec, range=Range.FULL), props


def _as_lines(lineart: vs.VideoNode, spec: FrameSpec) -> vs.VideoNode:
    """Return line art as 8 bits, full range, 255 for paper."""
    return lineart.resize.Point(format=vs.GRAY8, range_in=int(spec.range), range=vs.RANGE_FULL)


def _resolve_work(work_size: int | str, size: tuple[int, int]) -> tuple[int, int]:
    """Return the width and height of the smaller picture."""
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
    """Return whether a second network refines the result, or its name or path.

    Raises:
        VsanimeError: the value is neither a flag nor a name or path.
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
    """Return the clips from which frames are colored, each as long as the line art.

    Args:
        lineart: line art in its own format.
        lines: line art, GRAY8.
        keys: frame numbers of the keys.
        painted: the keys in color, RGB.
        work: width and height of the smaller pictures.
        choices: the keys of every frame.
        between: the search windows of every frame, for the key before and the key after it.
    """
    drawn = _join([lines[key] for key in keys])
    small = lines.resize.Bilinear(*work)
    key_clips = [
        drawn,
        painted,
        drawn.resize.Bilinear(*work),
        painted.resize.Bilinear(*work, format=vs.RGB24),
    ]
    befores, afters = _places([choice.before for choice in choices]), _places([choice.after for choice in choices])
    for clip in key_clips:
        # The two keys in use and the next ones, for every lane.
        clip.std.SetVideoCache(mode=1, fixedsize=1, maxsize=4, maxhistory=0)
    sides = [[_spread(clip, places) for clip in key_clips] for places in (befores, afters)]
    clips = [lineart, lines, small, *sides[0], *sides[1], *_stacks(lines, work, between)]
    return Work(clips, befores, afters, between, painted.format)


def _stacks(
    lines: vs.VideoNode, work: tuple[int, int], between: Sequence[tuple[Window | None, Window | None]]
) -> list[vs.VideoNode]:
    """Return for every frame the lines of its two windows, stacked vertically, at the size of the chained search."""
    size = min(work, _resolve_work("auto", (lines.width, lines.height)))  # both have the frame's aspect ratio
    small = lines.resize.Bilinear(*size)
    spans = [[None if window is None else (window.start, window.end) for window in pair] for pair in between]
    places: dict[tuple[int, int] | None, int] = {None: 0}
    stacks = [small.std.BlankClip(length=1, keep=True)]  # a placeholder for frames without a window
    for span in (span for pair in spans for span in pair):
        if span is not None and span not in places:
            places[span] = len(stacks)
            stacks.append(vs.core.std.StackVertical([small[n] for n in range(*span)]))
            stacks[-1].std.SetVideoCache(mode=0)
    joined = stacks[0] if len(stacks) == 1 else vs.core.std.Splice(stacks, mismatch=True)
    joined.std.SetVideoCache(mode=1, fixedsize=1, maxsize=4, maxhistory=0)
    return [_spread(joined, [places[pair[side]] for pair in spans]) for side in (0, 1)]


def _hold(lineart: vs.VideoNode, between: Sequence[tuple[Window | None, Window | None]]) -> None:
    """Cache line art from the first look at a window until its frames are colored."""
    if looked_at := longest(between):
        frame_bytes = lineart.format.bytes_per_sample * lineart.width * lineart.height
        kept = max(1, min(looked_at + _LOOKED_AT, _HELD_BYTES // frame_bytes))
        lineart.std.SetVideoCache(mode=1, fixedsize=1, maxsize=kept, maxhistory=0)


def _places(numbers: Sequence[int | None]) -> list[int]:
    """Return reference indices; frames without a reference repeat the previous index, so that runs are long."""
    places: list[int] = []
    for number in numbers:
        places.append(number if number is not None else places[-1] if places else 0)
    return places


def _spread(clip: vs.VideoNode, places: Sequence[int]) -> vs.VideoNode:
    """Return a clip with the frame at each of the given indices."""
    return _join([clip[place].std.Loop(times) for place, times in runs(places)])


def _join(clips: Sequence[vs.VideoNode]) -> vs.VideoNode:
    return clips[0] if len(clips) == 1 else vs.core.std.Splice(list(clips))


def _assemble(
    made: vs.VideoNode,
    lineart: vs.VideoNode,
    spec: FrameSpec,
    found: References,
    output: FrameSpec,
    choices: Sequence[Choice],
) -> vs.VideoNode:
    """Return the output: colored frames, references at their own frames, and lines where there is no reference."""
    references = convert(found.clip, found.spec, output)
    bare = _gray(lineart, spec, output) if any(choice.before is None for choice in choices) else made
    joined = _splice(made, references, bare, choices)
    if lineart.fps:
        # References may have another rate, as pictures do, and mixed rates would leave the clip without one.
        joined = joined.std.AssumeFPS(lineart)
    return joined.std.CopyFrameProps(lineart)


def _splice(
    made: vs.VideoNode, references: vs.VideoNode, bare: vs.VideoNode, choices: Sequence[Choice]
) -> vs.VideoNode:
    """Splice references at the keys, `bare` in scenes without any, and `made` everywhere else."""
    parts: list[vs.VideoNode] = []
    start = 0
    for source, count in runs([_source(choice) for choice in choices]):
        if source >= 0:
            # A key is one frame: adjacent keys have indices of their own, even if they show the same still.
            parts.append(references[source])
        else:
            parts.append((made if source == _MADE else bare)[start : start + count])
        start += count
    return _join(parts)


def _source(choice: Choice) -> int:
    """Return the index of the reference that a frame shows, or _MADE or _BARE."""
    if choice.before is None:
        return _BARE
    return choice.before if choice.is_key else _MADE


def _gray(lineart: vs.VideoNode, spec: FrameSpec, output: FrameSpec) -> vs.VideoNode:
    """Return line art as colorless pictures in the output's format."""
    rgb = rgb_of(output)
    form = PlaneFormat(Family.GRAY, SampleType.INTEGER if rgb.format.is_integer else SampleType.FLOAT, rgb.format.bits)
    gray = lineart.resize.Point(
        format=video_format(form).id, range_in=int(spec.range), range=vs.RANGE_FULL
    ).std.RemoveFrameProps(["_Matrix"])
    return convert(write_color_properties(gray.std.ShufflePlanes([0, 0, 0], vs.RGB), rgb, {}), rgb, output)
