"""Measures filters on request, so that two trees can take turns: reads "CASE FRAMES", answers with two times."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import vapoursynth as vs

import vsanime

from .clips import draw_clip, draw_lines

_SIZE = (320, 192)
_LENGTH = 100_000
_BACKEND = vsanime.Backend.OpenVINO(precision="f32", num_streams=1, num_threads=1)


def _film(form: str) -> vs.VideoNode:
    return draw_clip(form, _SIZE, 4).std.Loop(_LENGTH // 4)


def _paint(model: str) -> vs.VideoNode:
    lines, painted = draw_lines(_SIZE)
    times = 400
    keys = list(range(0, 9 * times, 8))
    return vsanime.colorize(lines.std.Loop(times), painted.std.Loop(times), keys=keys, model=model, backend=_BACKEND)


CASES: dict[str, Callable[[], vs.VideoNode]] = {
    "artcnn": lambda: vsanime.artcnn(_film("YUV420P8"), "C4F16_VA", backend=_BACKEND),
    "artcnn, 10 bits, small frames": lambda: vsanime.artcnn(
        draw_clip("YUV420P10", (32, 32), 4).std.Loop(_LENGTH // 4), "C4F16_VA", backend=_BACKEND
    ),
    "artcnn_chroma": lambda: vsanime.artcnn_chroma(_film("YUV420P8"), backend=_BACKEND),
    "waifu2x": lambda: vsanime.waifu2x(_film("RGB24"), model="ESPCN_7_SLIM_VA", backend=_BACKEND),
    "animegan": lambda: vsanime.animegan(
        draw_clip("RGB24", (64, 64), 4).std.Loop(_LENGTH // 4), "Pepper_VA", backend=_BACKEND
    ),
    "lineart": lambda: vsanime.lineart(_film("YUV420P8"), backend=_BACKEND),
    "distance_field": lambda: vsanime.distance_field(draw_lines(_SIZE)[0].std.Loop(_LENGTH // 9)),
    "mark_scenes": lambda: vsanime.mark_scenes(_film("YUV420P8")),
    "colorize by motion": lambda: _paint("flow"),
    "colorize by a network": lambda: _paint("Line_VA"),
}


def serve() -> None:
    """Answer requests until there are no more; every case goes on where it stopped, past what may be cached."""
    vs.core.num_threads = 2
    print("ready", flush=True)
    clips: dict[str, tuple[vs.VideoNode, int]] = {}
    for line in sys.stdin:
        name, _, count = line.strip().rpartition(" ")
        if name not in clips:
            clip = CASES[name]()
            clip.get_frame(0).close()
            clips[name] = clip, 1
        clip, start = clips[name]
        end = start + int(count)
        if end >= clip.num_frames:
            start, end = 1, 1 + int(count)
        began, busy = time.perf_counter(), time.process_time()
        for frame in clip[start:end].frames(prefetch=1, close=True):
            assert frame.width
        print(time.perf_counter() - began, time.process_time() - busy, flush=True)
        clips[name] = clip, end


if __name__ == "__main__":
    serve()
