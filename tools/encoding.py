"""Frames and a small tune through ffmpeg into an mp4, as a real source looks: 4:2:0, 8 bits, BT.709, limited range."""

from __future__ import annotations

import subprocess
import tempfile
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.media.ffmpeg import find_ffmpeg

SAMPLE_RATE = 48000
# Notes of the tune, in semitones from A4, each a quarter of a second.
TUNE = (-9, -5, -2, 3, 0, -2, -5, -7, -9, -7, -5, -2, 0, 3, 7, 3)
NOTE_SECONDS = 0.25

COLOUR_FLAGS = [
    *("-pix_fmt", "yuv420p", "-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709"),
    *("-color_trc", "bt709", "-chroma_sample_location", "left"),
]


def encode_clip(pictures: Iterator[NDArray[np.uint8]], rate: Fraction, output: Path, *, crf: int) -> None:
    """Write H.264 and AAC.

    Args:
        pictures: (height, width, 3) RGB frames, all of one even size.
        rate: frames per second.
        output: the file; replaced if it exists.
        crf: x264's constant rate factor, smaller is better.

    Raises:
        VsanimeError: no ffmpeg, or it failed; the message is its own.
    """
    frames = list(pictures)
    height, width, _ = frames[0].shape
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "tune.wav"
        write_tune(sound, float(len(frames) / rate))
        command = [find_ffmpeg("x264"), "-y", "-nostdin", "-loglevel", "error"]
        command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(rate), "-i", "pipe:0"]
        command += ["-i", str(sound), "-map", "0:v", "-map", "1:a"]
        command += ["-vf", "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int"]
        command += ["-c:v", "libx264", "-crf", str(crf), "-preset", "slow", "-tune", "animation", *COLOUR_FLAGS]
        command += ["-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart", str(output)]
        video = b"".join(frame.tobytes() for frame in frames)
        done = subprocess.run(command, input=video, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise VsanimeError(f"ffmpeg failed: {done.stderr.decode(errors='replace').strip()}")


def write_tune(path: Path, seconds: float) -> None:
    """Write a few plucked notes, 16-bit mono, as a wave file."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    index = (time / NOTE_SECONDS).astype(int)
    pitch = 440.0 * 2.0 ** (np.asarray(TUNE)[index % len(TUNE)] / 12)
    since = time - index * NOTE_SECONDS
    # A linear attack of 5 ms keeps the notes from clicking.
    loudness = np.minimum(since / 0.005, 1.0) * np.exp(-since * 7.0)
    tone = np.sin(2 * np.pi * pitch * since) + 0.3 * np.sin(4 * np.pi * pitch * since)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((tone * loudness * 0.3 * 32767).astype("<i2").tobytes())
