"""Doubles a clip that was compressed with x264, and compares the result with the clip that it was made from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Bytes
from vsanime.bench import metrics
from vsanime.bench.doubling.measure import COMPRESSED, Advance, Bar, Figure
from vsanime.bench.doubling.methods import Method
from vsanime.bench.doubling.shrink import halve_codes
from vsanime.bench.doubling.sources import MULTIPLE
from vsanime.bench.frames import clip_of, planes_of
from vsanime.errors import VsanimeError
from vsanime.media.bestsource import open_video
from vsanime.training.data.clips import encode_to
from vsanime.training.data.degrade import from_codes
from vsanime.video.clips import guess_matrix
from vsanime.video.frameprops import read_integer

_PRESET = "medium"
_KERNEL = "catmull_rom"


@dataclass(frozen=True)
class Pair:
    """The frames of a clip before and after halving and compression.

    Attributes:
        name: file name of the clip.
        condition: how the compressed clip was made, as text.
        numbers: frame numbers in the file.
        truth: original luma, 8 bits, full range.
        spoilt: compressed luma at half the size, in the range of its file.
    """

    name: str
    condition: str
    numbers: Sequence[int]
    truth: vs.VideoNode
    spoilt: vs.VideoNode


def pair_of(truth: Path, compressed: Path | None, crf: int, every: int, bar: Bar) -> Pair:
    """Return a clip and its compressed half.

    Args:
        truth: path of the original video.
        compressed: path of the same video at half the size, compressed; None to make it with Catmull-Rom, 8 bits, x264.
        crf: x264's rate factor for making it.
        every: use every n-th frame; frames that are made here stay in memory.
        bar: progress bar that counts the frames as they are encoded.

    Raises:
        VsanimeError: a file cannot be read, the numbers of frames differ, or the original is not twice as large.
    """
    clip = _open(truth)
    if compressed is not None:
        spoilt = _open(compressed)
        _check_pair(truth, clip, compressed, spoilt)
        condition, whole, source = f"as in {compressed.name}", _luma(clip, _matrix(spoilt)), _source(spoilt)
        source = source[::every]
    else:
        clip = _cut(clip)
        condition, whole = f"{_KERNEL}, x264 crf {crf}", _luma(clip, _matrix(clip))
        source = _encode(truth, whole, crf, every, bar)
    numbers = range(0, clip.num_frames, every)
    return Pair(truth.name, condition, numbers, whole[::every], source)


def _encode(truth: Path, whole: vs.VideoNode, crf: int, every: int, bar: Bar) -> vs.VideoNode:
    """Halve and encode a clip and return every n-th decoded frame."""

    def halved() -> Iterator[Bytes]:
        for number in range(whole.num_frames):
            yield halve_codes(planes_of(whole, number)[0], _KERNEL)
            bar.step()

    bar.more(whole.num_frames)
    with tempfile.TemporaryDirectory(prefix="vsanime-bench-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "clip.264"
        encode_to(path, halved(), (whole.width // 2, whole.height // 2), crf, _PRESET)
        return _in_memory(truth, whole, path, every)


def _in_memory(truth: Path, whole: vs.VideoNode, path: Path, every: int) -> vs.VideoNode:
    """Return every n-th frame of a file, copied to memory, so that the file can be deleted, also on Windows."""
    spoilt = _open(path)
    _check_pair(truth, whole, path, spoilt)
    source = _source(spoilt)
    frames = [[planes_of(source, number)[0]] for number in range(0, source.num_frames, every)]
    with source.get_frame(0) as frame:
        scale = int(frame.props["_Range"])
    return clip_of(frames, source.format.id, _Range=scale)


def measure_compressed(pair: Pair, methods: Sequence[Method], advance: Advance) -> list[Figure]:
    """Measure the luma of a pair's frames with every method.

    Args:
        pair: original and compressed clip.
        methods: methods for luma.
        advance: function called after each frame of each method.
    """
    figures = []
    for method in methods:
        large = method.run(pair.spoilt)
        for place, number in enumerate(pair.numbers):
            result = np.clip(planes_of(large, place)[0], 0, 1)
            truth = from_codes(planes_of(pair.truth, place)[0])
            quality = metrics.psnr(result, truth), metrics.ssim(result, truth)
            figures.append(Figure(pair.name, f"frame {number}", COMPRESSED, "Y", pair.condition, method.name, *quality))
            advance()
    return figures


def _open(path: Path) -> vs.VideoNode:
    if not path.is_file():
        raise VsanimeError(f"{path} is not a file; a video is needed")
    try:
        clip: vs.VideoNode = open_video(path, 'videos are read by BestSource: `pip install "vsanime[quality]"`')
    except vs.Error as error:
        raise VsanimeError(f"{path} cannot be read: {error}") from None
    return clip


def _check_pair(truth: Path, clip: vs.VideoNode, compressed: Path, spoilt: vs.VideoNode) -> None:
    if (clip.width, clip.height) != (2 * spoilt.width, 2 * spoilt.height):
        raise VsanimeError(
            f"{truth} is {clip.width}x{clip.height} and {compressed} {spoilt.width}x{spoilt.height}; "
            "the truth has to be twice as large"
        )
    if clip.num_frames != spoilt.num_frames:
        raise VsanimeError(
            f"{truth} has {clip.num_frames} frames and {compressed} {spoilt.num_frames}; the same frames are needed"
        )


def _cut(clip: vs.VideoNode) -> vs.VideoNode:
    return clip.std.Crop(right=clip.width % MULTIPLE, bottom=clip.height % MULTIPLE)


def _matrix(clip: vs.VideoNode) -> int:
    """Return the clip's matrix; for RGB or if it is unspecified, a guess from the clip's size."""
    with clip.get_frame(0) as frame:
        said = read_integer(frame.props, "_Matrix", vs.MATRIX_UNSPECIFIED)
    unknown = said in (vs.MATRIX_RGB, vs.MATRIX_UNSPECIFIED)
    return int(guess_matrix(clip.width, clip.height)) if unknown else said


def _luma(clip: vs.VideoNode, matrix: int) -> vs.VideoNode:
    """Return 8-bit luma in full range, computed by the matrix if the clip is RGB."""
    if clip.format.color_family == vs.RGB:
        return clip.resize.Point(format=vs.GRAY8, matrix=matrix, range=vs.RANGE_FULL)
    return _plane(clip).resize.Point(format=vs.GRAY8, range=vs.RANGE_FULL)


def _source(clip: vs.VideoNode) -> vs.VideoNode:
    """Return the luma that methods are given, in the depth and range of the file."""
    return _luma(clip, _matrix(clip)) if clip.format.color_family == vs.RGB else _plane(clip)


def _plane(clip: vs.VideoNode) -> vs.VideoNode:
    """Return the luma plane alone, with its range in the frame properties."""
    with clip.get_frame(0) as frame:
        full = read_integer(frame.props, "_Range", vs.RANGE_LIMITED)
    plane = clip.std.ShufflePlanes(0, vs.GRAY) if clip.format.color_family == vs.YUV else clip
    return plane.std.SetFrameProps(_Range=full)
