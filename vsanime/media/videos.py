"""Frames of videos by their number, through BestSource, which counts every frame once and finds it again exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.media.bestsource import open_video

VIDEO_SUFFIXES = (".mkv", ".mp4", ".webm", ".mov", ".avi", ".m2ts", ".ts")


class VideoReader:
    """One video.

    Args:
        path: the file.

    Raises:
        VsanimeError: it cannot be opened, or what opens it is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            import vapoursynth as vs
        except ImportError:
            raise VsanimeError('videos are read by VapourSynth: `pip install "vsanime[train]"`') from None
        try:
            clip = open_video(path, "videos are read by BestSource: `pip install vapoursynth-bestsource`")
            # The matrix that the frames name, else the one that their height suggests.
            given = clip.get_frame(0).props.get("_Matrix", vs.MATRIX_UNSPECIFIED)
            guess = None
            if clip.format.color_family == vs.YUV and given == vs.MATRIX_UNSPECIFIED:
                guess = vs.MATRIX_BT709 if clip.height >= 720 else vs.MATRIX_ST170_M
            self._clip = vs.core.resize.Bicubic(clip, format=vs.RGB24, matrix_in=guess)
        except vs.Error as error:
            raise VsanimeError(f"cannot be read: {error}") from None

    def facts(self) -> tuple[int, tuple[int, int]]:
        """Number of frames; width and height."""
        return int(self._clip.num_frames), (int(self._clip.width), int(self._clip.height))

    def frame(self, number: int) -> NDArray[np.uint8]:
        """R, G and B of a frame: height, width, 3."""
        with self._clip.get_frame(number) as frame:
            return np.stack([np.asarray(frame[plane]) for plane in range(3)], -1)
