"""Reads frames of videos by number, through BestSource, which indexes a file once and seeks exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.media.bestsource import open_video

VIDEO_SUFFIXES = (".mkv", ".mp4", ".webm", ".mov", ".avi", ".m2ts", ".ts")


class VideoReader:
    """A video whose frames are read as 8-bit RGB.

    Args:
        path: path of the video.

    Raises:
        VsanimeError: the file cannot be opened, or VapourSynth or BestSource is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            import vapoursynth as vs
        except ImportError:
            raise VsanimeError('videos are read by VapourSynth: `pip install "vsanime[train]"`') from None
        try:
            clip = open_video(path, "videos are read by BestSource: `pip install vapoursynth-bestsource`")
            # The matrix of the frame properties, else a guess from the height.
            given = clip.get_frame(0).props.get("_Matrix", vs.MATRIX_UNSPECIFIED)
            guess = None
            if clip.format.color_family == vs.YUV and given == vs.MATRIX_UNSPECIFIED:
                guess = vs.MATRIX_BT709 if clip.height >= 720 else vs.MATRIX_ST170_M
            self._clip = vs.core.resize.Bicubic(clip, format=vs.RGB24, matrix_in=guess)
        except vs.Error as error:
            raise VsanimeError(f"cannot be read: {error}") from None

    def facts(self) -> tuple[int, tuple[int, int]]:
        """Return the number of frames, and width and height in pixels."""
        return int(self._clip.num_frames), (int(self._clip.width), int(self._clip.height))

    def frame(self, number: int) -> NDArray[np.uint8]:
        """Return a frame as RGB: height, width, 3."""
        with self._clip.get_frame(number) as frame:
            return np.stack([np.asarray(frame[plane]) for plane in range(3)], -1)
