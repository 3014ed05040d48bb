"""The main job as users run it: a script, vspipe, y4m, real encoders; and what must not happen on the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip, planes_of

MODEL = "C4F16_VA"
WIDTH, HEIGHT, FRAMES = 80, 48, 7

SCRIPT = f"""
import sys
import vapoursynth as vs
import vsanime
from tests.support.clips import noise_clip

clip = noise_clip("YUV420P8", {WIDTH}, {HEIGHT}, frames={FRAMES}, _Range=0, _Matrix=1)
up = vsanime.artcnn(clip, "{MODEL}", depth=DEPTH)
print(*vsanime.encoder_args(up, ENCODER), file=sys.stderr)
up.set_output()
"""

ROOT = Path(vsanime.__file__).parents[1]


def vspipe() -> str:
    found = shutil.which("vspipe") or shutil.which("vspipe", path=str(Path(sys.executable).parent))
    assert found, "vspipe comes with vapoursynth"
    return found


def environment() -> dict[str, str]:
    """As if the virtual environment were activated, which is what lets vspipe find it."""
    folder = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": folder + os.pathsep + os.environ["PATH"],
        "VIRTUAL_ENV": sys.prefix,
        "PYTHONPATH": str(ROOT),
    }


def pipe(folder: Path, depth: int = 8, encoder: str = "x264") -> subprocess.CompletedProcess[bytes]:
    script = folder / "das Skript 漢字.vpy"
    script.write_text(f"DEPTH = {depth}\nENCODER = {encoder!r}\n{SCRIPT}", encoding="utf-8")
    return subprocess.run(
        [vspipe(), "-c", "y4m", str(script), "-"], capture_output=True, env=environment(), check=False, timeout=120
    )


def reference(depth: int) -> vs.VideoNode:
    clip = noise_clip("YUV420P8", WIDTH, HEIGHT, frames=FRAMES, _Range=0, _Matrix=1)
    return vsanime.artcnn(clip, MODEL, depth=depth)


@pytest.mark.parametrize("depth", [8, 10])
def test_every_byte_of_the_pipe_is_the_frames(tmp_path: Path, depth: int) -> None:
    """Header, then for each frame its marker and its planes: a stray print anywhere would shift them."""
    done = pipe(tmp_path, depth)
    assert done.returncode == 0, done.stderr.decode()
    header, rest = done.stdout.split(b"\n", 1)
    fields = header.split()
    assert fields[0] == b"YUV4MPEG2"
    assert {b"W160", b"H96", b"F24000:1001"} <= set(fields)
    assert any(f.startswith(b"C420p10" if depth == 10 else b"C420") for f in fields)
    expected = reference(depth)
    for n in range(FRAMES):
        assert rest.startswith(b"FRAME\n")
        rest = rest[len(b"FRAME\n") :]
        for plane in planes_of(expected, n):
            size = plane.nbytes
            assert np.array_equal(np.frombuffer(rest[:size], plane.dtype).reshape(plane.shape), plane)
            rest = rest[size:]
    assert rest == b""


@pytest.mark.parametrize(("encoder", "depth"), [("x264", 8), ("x264", 10), ("x265", 8), ("x265", 10)])
def test_real_encoders_take_it(tmp_path: Path, encoder: str, depth: int) -> None:
    """Encoded without loss and decoded again: every sample, the size, the count and the flags."""
    program = shutil.which(encoder)
    if program is None and not os.environ.get("VSANIME_REQUIRE_SHARED"):
        pytest.skip(f"{encoder} is not on PATH")
    assert program
    done = pipe(tmp_path, depth, encoder)
    flags = done.stderr.decode().strip().splitlines()[0].split()
    out = tmp_path / f"out.{'264' if encoder == 'x264' else '265'}"
    lossless = {"x264": ["--demuxer", "y4m", "--qp", "0"], "x265": ["--y4m", "--lossless", "--log-level", "error"]}
    arguments = [program, *lossless[encoder], *flags, "-o", str(out)]
    encoded = subprocess.run([*arguments, "-"], input=done.stdout, capture_output=True, check=False, timeout=120)
    assert encoded.returncode == 0, encoded.stderr.decode()
    decoded = vs.core.bs.VideoSource(str(out), cachemode=0)
    expected = reference(depth)
    assert (decoded.width, decoded.height, decoded.num_frames) == (2 * WIDTH, 2 * HEIGHT, FRAMES)
    assert decoded.format.id == expected.format.id
    for n in range(FRAMES):
        assert all(np.array_equal(a, b) for a, b in zip(planes_of(decoded, n), planes_of(expected, n), strict=True))
    with decoded.get_frame(0) as frame:
        assert (int(frame.props["_Matrix"]), int(frame.props["_Range"])) == (1, 0)
        assert int(frame.props["_ChromaLocation"]) == 0


def run_python(code: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**environment(), **extra},
        check=False,
        timeout=120,
    )


def test_nothing_is_written_to_stdout() -> None:
    """Building, filtering, failing: file descriptor 1 stays silent."""
    done = run_python(f"""
import vapoursynth as vs, vsanime
from tests.support.clips import noise_clip
clip = noise_clip("YUV420P8", 64, 48, frames=3)
for backend in (vsanime.Backend.OpenVINO(num_streams=4), vsanime.Backend.ONNXRuntime()):
    for frame in vsanime.artcnn(clip, "{MODEL}", backend=backend, tiles=2).frames(close=True):
        pass
try:
    vsanime.artcnn(clip, "no such model")
except vs.Error:
    pass
""")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_no_socket_is_opened_while_filtering() -> None:
    """Python's own audit events: no connection, no name looked up, no child process; telemetry included."""
    done = run_python(f"""
import json, sys
seen = []
def hook(event, args):
    if event.startswith(("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.exec", "urllib.")):
        seen.append(event)
sys.addaudithook(hook)
import vapoursynth as vs, vsanime
from tests.support.clips import noise_clip
clip = noise_clip("YUV420P8", 64, 48, frames=3)
for backend in (None, vsanime.Backend.ONNXRuntime()):
    for frame in vsanime.artcnn(clip, "{MODEL}", backend=backend).frames(close=True):
        pass
print(json.dumps(seen))
""")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_audit_would_see_a_socket() -> None:
    done = run_python("""
import sys
def hook(event, args):
    if event.startswith("socket."):
        print(event)
sys.addaudithook(hook)
import socket
socket.socket().close()
""")
    assert "socket.__new__" in done.stdout


def test_another_node_stays_responsive() -> None:
    """With a thread more than lanes, a cheap node is served while eight slow frames are under way."""
    done = run_python(f"""
import time
import vapoursynth as vs, vsanime
from tests.support.clips import noise_clip
lanes = 2
vs.core.num_threads = lanes + 1
clip = noise_clip("GRAY8", 960, 540).std.Loop(16)
up = vsanime.artcnn(clip, "{MODEL}", backend=vsanime.Backend.OpenVINO(num_streams=lanes, num_threads=1))
up.get_frame(0).close()
start = time.perf_counter()
up.get_frame(1).close()
alone = time.perf_counter() - start
pending = [up.get_frame_async(n) for n in range(2, 10)]
other = vs.core.std.BlankClip(length=64)
worst = 0.0
for n in range(20):
    start = time.perf_counter()
    other.get_frame(n).close()
    worst = max(worst, time.perf_counter() - start)
    time.sleep(0.005)
left = sum(not p.done() for p in pending)
for p in pending:
    p.result().close()
print(alone, worst, left)
""")
    assert done.returncode == 0, done.stderr
    alone, worst, left = (float(v) for v in done.stdout.split())
    assert left > 0, "the slow frames were done before the cheap ones were asked for"
    # A starved node waits for a whole slow frame; a served one for a time slice of two busy cores.
    assert worst < alone / 2


def test_crowded_lanes_are_told_and_threads_left_alone() -> None:
    done = run_python(f"""
import vapoursynth as vs, vsanime
from tests.support.clips import noise_clip
messages = []
handler = vs.core.add_log_handler(lambda kind, text: messages.append(text) if "lanes" in text else None)
vs.core.num_threads = 3
clip = noise_clip("GRAY8", 32, 24, frames=8)
vsanime.artcnn(clip, "{MODEL}", backend=vsanime.Backend.OpenVINO(num_streams=2))
assert not messages, messages
vsanime.artcnn(clip, "{MODEL}", backend=vsanime.Backend.OpenVINO(num_streams=3))
assert vs.core.num_threads == 3
print(messages[0])
# Either way out that it names is one.
threads, lanes = (part for part in messages[0].split("`") if "=" in part and part.startswith(("vs.", "num_")))
vsanime.artcnn(clip, "{MODEL}", backend=eval(f"vsanime.Backend.OpenVINO({{lanes}})"))
exec(threads)
vsanime.artcnn(clip, "{MODEL}", backend=vsanime.Backend.OpenVINO(num_streams=3))
assert len(messages) == 1, messages
""")
    assert done.returncode == 0, done.stderr
    assert "3 lanes on core.num_threads=3" in done.stdout
    assert "num_threads=4" in done.stdout


def test_a_reloaded_core_works() -> None:
    """Previewers reload scripts in one process: nothing of ours may hold on to a core that is gone."""
    done = run_python(f"""
from vsengine.policy import GlobalStore, Policy
import vapoursynth as vs, vsanime
from tests.support.clips import noise_clip
policy = Policy(GlobalStore())
policy.register()
sums = []
for _ in range(3):
    environment = policy.new_environment()
    with environment.use():
        clip = noise_clip("YUV420P8", 32, 24, frames=2)
        frames = [f.copy() for f in vsanime.artcnn(clip, "{MODEL}").frames(close=True)]
        sums.append([bytes(f[0]) for f in frames])
        del clip, frames
    environment.dispose()
policy.unregister()
print(sums[0] == sums[1] == sums[2], len(sums[0][0]))
""")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", str(64 * 48)]
    # VapourSynth says so when a core that is thrown away is still held by somebody.
    assert "leak" not in done.stderr.lower()


def test_a_long_clip_streams() -> None:
    """Memory does not grow with the length."""
    resource = pytest.importorskip("resource", reason="Windows does not tell the peak this way")
    clip = noise_clip("YUV420P8", 320, 180).std.Loop(400)
    vs.core.max_cache_size = 64
    up = vsanime.artcnn(clip, MODEL)
    frames = up.frames(close=True)
    for _ in range(100):
        next(frames)
    early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in frames:
        pass
    late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (late - early) / 1024 < 64  # MiB: a leaked frame would be 0.35 MiB, 300 of them 100


@pytest.mark.parametrize("name", ["artcnn", "waifu2x"])
def test_evaluating_a_script_reads_one_source_frame(name: str) -> None:
    """Its properties are needed, and asked for once; frames are made when they are asked for."""
    asked = []
    clip = noise_clip("YUV420P8", 64, 48, frames=5)
    source = clip.std.FrameEval(lambda n: asked.append(n) or clip)
    up = vsanime.artcnn(source, MODEL) if name == "artcnn" else vsanime.waifu2x(source)
    assert asked == [0]
    up.get_frame(3).close()
    assert asked == [0, 3]


def test_arguments_of_vspipe_are_passed_on_as_they_come(tmp_path: Path) -> None:
    """They are text; "0" would be true, and "48" no number, to Python."""
    script = tmp_path / "script.vpy"
    script.write_text(
        "import vapoursynth as vs, vsanime\n"
        "clip = vs.core.std.BlankClip(width=32, height=24, format=vs.YUV420P8, length=1)\n"
        f"vsanime.artcnn(clip, {MODEL!r}, width=width, depth=depth, tta=tta, tiles=tiles).set_output()\n",
        encoding="utf-8",
    )
    given = [word for argument in ("width=48", "depth=10", "tta=0", "tiles=1x1") for word in ("-a", argument)]
    done = subprocess.run(
        [vspipe(), "--info", *given, str(script)],
        capture_output=True, text=True, env=environment(), check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for line in ("Width: 48", "Height: 36", "Format Name: YUV420P10"):
        assert line in done.stdout
