"""Shared fixtures: third-party weights and pictures, and when their absence is a failure; simulated cards."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.cudasim import CudaSim
    from tests.support.trtsim import TensorRTSim

# Shells have what they run in the background ignore SIGINT, `nohup` SIGHUP, and so would the programs that tests start
# and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Tests of many cases of one kind, each of which takes time: every n-th case runs in `make test`, all of them in
# `make test-all`.
_EVERY = {
    "backends/test_precision_bounds.py::test_bf16_stays_within_its_bounds": 3,
    "backends/test_precision_bounds.py::test_codes_that_bf16_changes": 3,
    "cli/commands/test_process.py::test_hidden_color_of_pictures_changes_nothing_that_is_seen": 4,
    "cli/commands/test_upscale.py::test_a_waifu2x_model_doubles_twice_for_three_times_the_size": 2,
    "filters/test_animegan.py::test_every_format_matches_conversions_around_the_plain_network": 3,
    "filters/test_animegan.py::test_every_siting": 3,
    "filters/test_animegan.py::test_sizes_that_are_no_multiple_of_4": 3,
    "filters/test_artcnn_chroma_planes.py::test_reconstruction_equals_the_reference": 3,
    "filters/test_encoder_args.py::test_codes_depth_layout_and_range_stay": 3,
    "filters/test_encoder_args.py::test_encoders_know_every_name_and_write_it": 5,
    "filters/test_hidden_color.py::test_hidden_color_changes_nothing_that_is_seen": 3,
    "filters/test_waifu2x.py::test_flat_colours_keep_their_channels_and_nearly_their_value": 4,
    "filters/test_waifu2x.py::test_tiled_equals_whole": 4,
    "graphs/builders/test_open_sizes.py::test_an_open_graph_is_the_same_for_every_size": 3,
    "graphs/passes/test_precision.py::test_half_precision_stays_within_its_bounds": 3,
    "video/test_properties.py::test_properties_are_the_sources_and_what_the_documentation_says": 3,
}


@pytest.hookimpl(tryfirst=True)  # before `-m "not long"` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cases of `_EVERY` that run in `make test-all` only."""
    counts: dict[str, int] = {}
    for item in items:
        name = item.nodeid.partition("[")[0].removeprefix("tests/")
        if name in _EVERY:
            counts[name] = counts.get(name, -1) + 1
            if counts[name] % _EVERY[name]:
                item.add_marker(pytest.mark.long)


# Read once, before any test changes the environment.
_FOLDERS = {
    variable: Path(os.environ.get(variable, "").split(os.pathsep)[0] or "nowhere")
    for variable in ("VSANIME_MODEL_PATH", "VSANIME_TEST_MEDIA")
}


def _require_folder(variable: str, content: str) -> Path:
    """Return the first folder that a variable names; skip the test without one, or fail where it is required."""
    folder = _FOLDERS[variable]
    if folder.is_dir():
        return folder
    message = f"{content} are found through {variable}, which names no folder"
    if os.environ.get("VSANIME_REQUIRE_SHARED"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def weights() -> Path:
    """Return the folder of third-party weights, or skip the test."""
    return _require_folder("VSANIME_MODEL_PATH", "third-party weights")


@pytest.fixture(scope="session")
def media() -> Path:
    """Return the folder of real pictures and clips, or skip the test."""
    return _require_folder("VSANIME_TEST_MEDIA", "pictures and clips")


@pytest.fixture(autouse=True)
def _need_shared(request: pytest.FixtureRequest) -> None:
    """Skip tests marked `weights` or `media` as those fixtures do, also where a test reads the files by name."""
    for name in ("weights", "media"):
        if request.node.get_closest_marker(name):
            request.getfixturevalue(name)


@pytest.fixture(scope="session", autouse=True)
def _isolate(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no test download anything but from its own server, nor see models that the user keeps at home."""
    os.environ.setdefault("VSANIME_OFFLINE", "1")
    os.environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("data"))


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file system answer as one without locks does."""
    fcntl = pytest.importorskip("fcntl", reason="every file system of Windows has locks")

    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture
def simulate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., CudaSim]]:
    """Makes simulated cards take the place of CUDA; at the end nothing may have been done wrong or be left."""
    from tests.support.cudasim import CudaSim
    from vsanime.backends.cuda import runtime

    made: list[CudaSim] = []

    def make(**options: object) -> CudaSim:
        sim = CudaSim(**options)  # type: ignore[arg-type]
        made.append(sim)
        monkeypatch.setattr(runtime, "cudart", lambda: sim)
        return sim

    monkeypatch.setattr(runtime, "_resets", {})
    monkeypatch.setattr(runtime, "_holders", {})
    monkeypatch.setattr(runtime, "_opened", set())
    yield make
    for sim in made:
        assert sim.violations == []
        assert sim.leaks() == []


@pytest.fixture
def cards(
    simulate: Callable[..., CudaSim], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., TensorRTSim]]:
    """Provide simulated cards with TensorRT-RTX on them, and an empty cache of engines."""
    from tests.support.trtsim import TensorRTSim
    from vsanime.backends.tensorrt import flavours

    def make(**options: object) -> TensorRTSim:
        sim = TensorRTSim(simulate(**options))
        sim.__spec__ = sys.modules["tensorrt_rtx"].__spec__
        monkeypatch.setitem(sys.modules, "tensorrt_rtx", sim)  # type: ignore[arg-type]  # a module, for whoever asks
        monkeypatch.setenv("VSANIME_CACHE_DIR", str(tmp_path / "engines"))
        flavours.load_flavour.cache_clear()
        return sim

    yield make
    gc.collect()
    flavours.load_flavour.cache_clear()
