"""Makes short clips that pan over a picture, encoded with x264 and decoded, to train on real compression artifacts."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsanime import files
from vsanime.arrays import Bytes, Floats
from vsanime.errors import VsanimeError
from vsanime.training.data.degrade import from_codes, to_codes
from vsanime.training.data.kept import Kept
from vsanime.training.recipes.pairs import H264

PRESETS = ("ultrafast", "veryfast", "medium")
_MOST_PAN = 6.0  # source pixels per frame
_KEPT = 24  # decoded clips in memory, each a few megabytes


@dataclass(frozen=True)
class Clip:
    """A clip before and after encoding.

    Attributes:
        clean: luma in full range, shape (frames, 2 * height, 2 * width).
        coded: luma of half the size after encoding and decoding, shape (frames, height, width).
    """

    clean: Bytes
    coded: Bytes


# Draws a clean region of a given height and width.
type Draw = Callable[[np.random.Generator, int, int], Floats]
# Makes the small picture to encode, with one kernel and blur for all frames of a clip: if they changed from frame to
# frame, a flicker would be encoded that real clips do not have.
type Shrink = Callable[[Floats], Floats]
# Draws the kernel and blur of a clip.
type DrawShrink = Callable[[np.random.Generator], Shrink]


class ClipStore:
    """Clips made on demand; encoded ones are cached in a folder, since encoding takes longest.

    Clip k is a function of the seed and k: every worker makes the same one, and the first one stores it.

    Args:
        folder: folder of encoded clips.
        settings: settings of the recipe.
        seed: seed of the clips.
        draw: draws clean regions of pictures.
        draw_shrink: draws how the frames of a clip are halved.
    """

    def __init__(self, folder: Path, settings: H264, seed: int, draw: Draw, draw_shrink: DrawShrink) -> None:
        self._folder = folder
        self._settings = settings
        self._seed = seed
        self._draw = draw
        self._draw_shrink = draw_shrink
        self._kept: Kept[int, Clip] = Kept(_KEPT)

    def clip(self, number: int) -> Clip:
        """Return a clip by its number.

        Raises:
            VsanimeError: ffmpeg is missing or fails, or a file cannot be written or is damaged.
        """
        return self._kept.get(number, lambda: self._make(number))

    def _make(self, number: int) -> Clip:
        # Four numbers, so that this differs from the seeds of samples, which have a step and an index.
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, number, 0, 0x264]))
        width = self._settings.width // 2 * 2
        height = self._settings.height
        clean = pan(self._draw, rng, self._settings.frames, 2 * height, 2 * width)
        shrink = self._draw_shrink(rng)
        small = np.stack([to_codes(shrink(from_codes(frame[None])))[0] for frame in clean])
        crf = int(rng.integers(self._settings.crf[0], self._settings.crf[1] + 1))
        preset = PRESETS[int(rng.integers(len(PRESETS)))]
        path = self._folder / f"{number:05d}.264"
        if not path.exists():
            _keep(path, encode(small, crf, preset))
        return Clip(clean, decode(path, small.shape))


def pan(draw: Draw, rng: np.random.Generator, frames: int, height: int, width: int) -> Bytes:
    """Return frames of a camera that moves over a picture at constant speed, shape (frames, height, width)."""
    pace = rng.uniform(-_MOST_PAN, _MOST_PAN, 2) * (rng.random() < 0.8)
    ways = np.rint(np.arange(frames)[:, None] * pace).astype(int)
    ways -= ways.min(0)
    room = ways.max(0)
    scene = to_codes(draw(rng, height + int(room[0]), width + int(room[1])))[0]
    return np.stack([scene[y : y + height, x : x + width] for y, x in ways])


def encode(frames: Bytes, crf: int, preset: str) -> bytes:
    """Encode frames as an H.264 stream, deterministically.

    Args:
        frames: luma in full range, shape (frames, height, width), both even.
        crf: x264's rate factor.
        preset: x264's preset.
    """
    _, height, width = frames.shape
    raw = b"".join(map(_as_yuv420, frames))
    return _ffmpeg(_x264(width, height, crf, preset), raw)


def encode_to(path: Path, frames: Iterable[Bytes], size: tuple[int, int], crf: int, preset: str) -> None:
    """Encode frames as an H.264 stream into a file, with one frame in memory at a time.

    Args:
        path: file to write.
        frames: luma of each frame in full range, shape (height, width), both even.
        size: width and height in pixels.
        crf: x264's rate factor.
        preset: x264's preset.

    Raises:
        VsanimeError: ffmpeg fails, or the file cannot be written.
    """
    command = [*_command(), *_x264(*size, crf, preset)[:-1], "-y", str(path)]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said) as process:
            assert process.stdin is not None
            # If ffmpeg ends early, the pipe breaks; the reason is in its stderr.
            with suppress(OSError), process.stdin as pipe:
                for frame in frames:
                    pipe.write(_as_yuv420(frame))
        said.seek(0)
        _check_ffmpeg(process.returncode, said.read())


def _as_yuv420(luma: Bytes) -> bytes:
    """Return the bytes of a YUV420 frame in limited range, with neutral chroma."""
    limited = np.rint(16 + luma.astype(np.float32) * (219 / 255)).astype(np.uint8)
    return limited.tobytes() + bytes([128]) * (luma.size // 2)


def _x264(width: int, height: int, crf: int, preset: str) -> list[str]:
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", "24", "-i", "-"]
    # One thread: with several, the rate control depends on their timing.
    return [*raw, "-c:v", "libx264", "-preset", preset, "-crf", str(crf), "-threads", "1", "-f", "h264", "-"]


def decode(path: Path, shape: tuple[int, ...]) -> Bytes:
    """Decode an H.264 stream to luma in full range.

    Args:
        path: file of the stream.
        shape: expected frames, height and width.

    Raises:
        VsanimeError: the stream does not have that shape.
    """
    raw = _ffmpeg(["-f", "h264", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"], b"")
    count, height, width = shape
    if len(raw) != count * height * width * 3 // 2:
        raise VsanimeError(f"{path} does not hold {count} frames of {width}x{height}; delete it, it is made again")
    limited = np.frombuffer(raw, np.uint8).reshape(count, -1)[:, : height * width].reshape(shape)
    full = (limited.astype(np.float32) - 16) * (255 / 219)
    codes: Bytes = np.rint(np.clip(full, 0, 255)).astype(np.uint8)
    return codes


def _ffmpeg(arguments: list[str], data: bytes) -> bytes:
    reads_a_pipe = [] if data else ["-nostdin"]
    done = subprocess.run([*_command(), *reads_a_pipe, *arguments], input=data, capture_output=True, check=False)
    _check_ffmpeg(done.returncode, done.stderr)
    return done.stdout


def _command() -> list[str]:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise VsanimeError('H.264 is made by imageio-ffmpeg\'s ffmpeg: `pip install "vsanime[train]"`') from None
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-threads", "1"]


def _check_ffmpeg(code: int, said: bytes) -> None:
    if code:
        lines = said.decode(errors="replace").strip().splitlines()
        raise VsanimeError(f"ffmpeg failed: {lines[-1] if lines else code}")


def _keep(path: Path, data: bytes) -> None:
    """Write a file atomically, since other workers may write it at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, data, flush=False)  # a missing file is made again
    except OSError as error:
        # On Windows, a file that another worker reads cannot be replaced; it has the same content.
        if not path.exists():
            raise VsanimeError(f"the clip {path} cannot be written: {error.strerror or error}") from None
