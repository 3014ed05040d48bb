"""The demo: draws a clip, doubles it as a user would, and shows before and after; runs inside the environment.

python -m tools demo [--input VIDEO] [--model NAME]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools import animation
from tools.encoding import encode_clip
from tools.environment import ROOT, call, say
from tools.pictures import Clip, crop, luma_psnr, side_by_side, write_png
from vsanime.errors import VsanimeError

OUTPUT = ROOT / "demo-output"
# The default of `artcnn`, which comes with the package, so that the demo needs no download.
MODEL = "C4F32_VA"
# A still of the drawn clip's close-up, and the part of it that is worth a look: left, top, width, height at 1280x720.
STILL = 60
FACE = (440, 140, 400, 400)


@dataclass(frozen=True)
class Job:
    """What is doubled.

    Attributes:
        source: the video.
        result: where the doubled one goes.
        comparison: where the picture of before and after goes.
        drawn: whether `source` is our own animation, which can be drawn at twice the size to compare with.
    """

    source: Path
    result: Path
    comparison: Path
    drawn: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return an exit code."""
    options = _parser().parse_args(arguments)
    _accept_any_text()
    job = _job(options.input)
    if not job.drawn and not job.source.is_file():
        say(f"demo: there is no file {job.source}")
        return 1
    try:
        if job.drawn:
            say("drawing four seconds of animation")
            encode_clip(animation.frames(), animation.FRAME_RATE, job.source, crf=16)
        return _double(job, options.model)
    except VsanimeError as error:
        say(f"demo: {error}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools demo", description="Doubles a clip and says where it is.")
    parser.add_argument("--input", type=Path, metavar="VIDEO", help="your own video (default: a drawn clip)")
    parser.add_argument("--model", default=MODEL, help=f"a luma doubler (default: {MODEL}, which needs no download)")
    return parser


def _job(given: Path | None) -> Job:
    source = OUTPUT / "demo.mp4" if given is None else given.expanduser().resolve()
    result, comparison = (OUTPUT / f"{source.stem}_{end}" for end in ("2x.mkv", "comparison.png"))
    return Job(source, result, comparison, drawn=given is None)


def _double(job: Job, model: str) -> int:
    OUTPUT.mkdir(exist_ok=True)
    say(f"doubling {job.source} with {model}")
    started = time.perf_counter()
    upscale = ["upscale", str(job.source), str(job.result), "--model", model, "--depth", "10", "--force"]
    code = call([sys.executable, "-m", "vsanime", *upscale])
    if code:
        return code
    _report(job, time.perf_counter() - started)
    return 0


def _report(job: Job, seconds: float) -> None:
    source, result = Clip.open(job.source), Clip.open(job.result)
    print(f"source      {job.source}  {source.describe()}")
    print(f"result      {job.result}  {result.describe()}")
    print(f"comparison  {job.comparison}  {_compare(job, source, result)}")
    rate = result.frames / seconds
    print(f"{result.frames} frames in {seconds:.1f} s, {rate:.1f} a second with start-up, reading and encoding")


def _compare(job: Job, source: Clip, result: Clip) -> str:
    """Write the picture of before and after; return what it shows."""
    number = min(STILL, source.frames - 1) if job.drawn else source.frames // 2
    bicubic = source.picture(number, result.width, result.height)
    doubled = result.picture(number, result.width, result.height)
    if not job.drawn:
        part = _middle(result.width, result.height)
        write_png(job.comparison, side_by_side([crop(picture, part) for picture in (bicubic, doubled)]))
        return "bicubic | vsanime"
    truth = animation.draw(number, result.height)
    write_png(job.comparison, side_by_side([crop(picture, FACE) for picture in (bicubic, doubled, truth)]))
    return f"bicubic {_gain(bicubic, truth)} | vsanime {_gain(doubled, truth)} | drawn at that size"


def _gain(picture: NDArray[np.uint8], truth: NDArray[np.uint8]) -> str:
    return f"({luma_psnr(picture, truth):.1f} dB)"


def _middle(width: int, height: int) -> tuple[int, int, int, int]:
    across, down = min(width, 640), min(height, 640)
    return (width - across) // 2, (height - down) // 2, across, down


def _accept_any_text() -> None:
    """Make the console show characters that it lacks escaped, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


if __name__ == "__main__":
    sys.exit(main())
