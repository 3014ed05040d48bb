"""Runs mpv shaders in vs-placebo, on whatever Vulkan device there is; Mesa's llvmpipe is one on every Linux."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import vapoursynth as vs
from numpy.typing import NDArray

from tests.support.clips import planes_of

# Without a Vulkan device the plugin ends the process, so it is tried in another one.
_TRIAL = """
import vapoursynth as vs
clip = vs.core.std.BlankClip(format=vs.YUV444P16, width=16, height=16, length=1)
shader = "//!HOOK LUMA\\n//!BIND LUMA\\nvec4 hook() { return LUMA_texOff(vec2(0.0)); }\\n"
clip.placebo.Shader(shader_s=shader, width=16, height=16).get_frame(0)
"""


def require_vulkan() -> None:
    """Skips the test without vs-placebo and a Vulkan device; fails it where everything has to be there."""
    tried = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return
    message = f"vs-placebo and a Vulkan device are needed (Debian: mesa-vulkan-drivers): {tried.stderr[-300:]}"
    if os.environ.get("VSANIME_REQUIRE_SHARED"):
        pytest.fail(message)
    pytest.skip(message)


def render(clip: vs.VideoNode, shader: str, scale: int = 1, siting: int = 1) -> list[list[NDArray[np.float64]]]:
    """The planes of each frame as fractions of the largest code, chroma at luma size.

    Args:
        clip: 16-bit YUV.
        shader: its text.
        scale: size of the output over that of the clip.
        siting: of the chroma: 1 left, 2 centre, 3 top left (the plugin's numbers).
    """
    width, height = clip.width * scale, clip.height * scale
    result = clip.placebo.Shader(shader_s=shader, width=width, height=height, chroma_loc=siting)
    return [[plane / 65535 for plane in planes_of(result, n)] for n in range(clip.num_frames)]
