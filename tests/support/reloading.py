"""A previewer in small: one process evaluates a script again and again and still holds the clips of the last one.

Run as a program by `test_gpu_lanes.py` and `test_colorize_networks.py`: the environments of VapourSynth belong to a
whole process.
"""

from __future__ import annotations

import sys
from weakref import ref

from vsengine.policy import GlobalStore, Policy

import vsanime
from tests.support.clips import noise_clip, planes_of
from tests.support.cudasim import CudaSim
from tests.support.lineanimation import animation, colour_clip, line_clip
from tests.support.simbackend import SimBackend
from vsanime.backends import openvino
from vsanime.backends.cuda import runtime
from vsanime.colorization import frames, smoothing

RELOADS = 20


def simulated(policy: Policy) -> None:
    """Scripts on a simulated card: nothing is left of one when the next begins."""
    sim = CudaSim()
    runtime.cudart = lambda: sim  # type: ignore[assignment]
    for _ in range(RELOADS):
        environment = policy.new_environment()
        with environment.use():
            up = vsanime.artcnn(noise_clip("YUV420P8", 40, 24, frames=4), "C4F16_VA", backend=SimBackend(sim=sim))
            for n in range(4):
                planes_of(up, n)
            assert sim.leaks()
        environment.dispose()
        assert sim.leaks() == [], sim.leaks()
        assert sim.violations == [], sim.violations


def watched[T](kind: type[T]) -> list[ref[T]]:
    """Grows by every object that is made of a class from now on."""
    made: list[ref[T]] = []
    original = kind.__init__

    def init(self: T, *arguments: object) -> None:
        original(self, *arguments)
        made.append(ref(self))

    kind.__init__ = init  # type: ignore[assignment] - mypy takes methods for fixed; this process is the test's alone
    return made


def openvino_engines(policy: Policy) -> None:
    """The engine of a script is closed with it, though its clip is still held."""
    made = watched(openvino.OpenVINOEngine)
    for _ in range(3):
        environment = policy.new_environment()
        with environment.use():
            up = vsanime.artcnn(noise_clip("GRAY8", 40, 24), "C4F16_VA")
            planes_of(up)
            alive = made[-1]()
            assert alive is not None
            assert alive.model is not None
        environment.dispose()
        assert alive.model is None


def colorized(policy: Policy) -> None:
    """Engines, keys, the ways to them and coloured frames go with the script, though its clip is still held."""
    made, averaged = watched(frames.Shared), watched(smoothing.Smoother)
    lines, colours = animation(range(5))
    for _ in range(3):
        environment = policy.new_environment()
        with environment.use():
            clip = vsanime.colorize(line_clip(lines), colour_clip(colours), keys=[0, 4], model=sys.argv[2])
            for n in range(5):
                planes_of(clip, n)
            shared = made[-1]()
            assert shared is not None
            assert shared.engines.colour is not None
            assert (shared.kept(), shared.engines.colour.kept()) == (2 + 2 + 3, 2)
            around = averaged[-1]()
            assert around is not None
            assert around.kept() == 3 + 2 * 3  # frames, and motion to either side
        environment.dispose()
        assert (shared.kept(), shared.engines.colour.kept()) == (0, 0)
        assert around.kept() == 0


if __name__ == "__main__":
    with Policy(GlobalStore()) as policy:
        {"simulated": simulated, "openvino": openvino_engines, "colorize": colorized}[sys.argv[1]](policy)
