"""`vsanime info`: what a bug report needs."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import onnxruntime
import pytest
import vapoursynth as vs

from tests.support.cudasim import CudaSim
from vsanime import __version__
from vsanime.backends.cuda.runtime import device_count
from vsanime.backends.tensorrt import flavours
from vsanime.cli import main
from vsanime.cli.commands import info
from vsanime.errors import VsanimeError


@pytest.fixture
def report(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path / "ö"))
    assert main(["info", "--json"]) == 0
    facts: dict[str, Any] = json.loads(capfd.readouterr().out)
    return facts


def test_versions(report: dict[str, Any]) -> None:
    assert report["system"]["vsanime"].startswith(__version__)
    assert report["system"]["python"] == platform.python_version()
    assert report["system"]["logical_cpus"] == os.cpu_count()
    for package in ("vapoursynth", "numpy", "onnx", "openvino", "onnxruntime"):
        assert report["packages"][package] == importlib.metadata.version(package)
    assert "tensorrt-cu13" in report["packages"]


def test_core_and_its_threads(report: dict[str, Any]) -> None:
    assert report["vapoursynth"]["num_threads"] == vs.core.num_threads
    assert report["vapoursynth"]["core"].startswith("R")
    assert {"std", "resize"} <= report["vapoursynth"]["plugins"].keys()


def test_engines_and_devices(report: dict[str, Any]) -> None:
    import openvino  # after the report, which keeps its telemetry from being imported

    core = openvino.Core()
    assert list(report["openvino"]["devices"]) == list(core.available_devices)
    cpu = report["openvino"]["devices"]["CPU"]
    assert cpu["name"] == core.get_property("CPU", "FULL_DEVICE_NAME")
    assert "FP32" in cpu["capabilities"]
    assert report["onnxruntime"]["providers"] == onnxruntime.get_available_providers()


def test_cards_and_what_runs_on_them(report: dict[str, Any]) -> None:
    """As this machine has it; simulated cards are below."""
    cuda, tensorrt = report["cuda"], report["tensorrt"]
    if importlib.util.find_spec("cuda") is None:
        assert cuda is None
    elif device_count() == 0:
        assert cuda["cards"] is None
        assert "NVIDIA" in cuda["reason"]
        assert tensorrt["used_by_card"] is None
    else:
        assert len(cuda["cards"]) == len(tensorrt["used_by_card"]) == device_count()
    for package in ("tensorrt", "tensorrt_rtx"):
        if importlib.util.find_spec(package) is None:
            assert tensorrt[package] is None
        else:
            assert tensorrt[package]["version"]
            assert ("8.9" in tensorrt[package]["builds_for"]) == (package == "tensorrt_rtx")


def test_simulated_cards_are_listed(simulate: Callable[..., CudaSim], monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(cards=2)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", ModuleType("cuda.bindings.runtime"))
    facts = info.collect()
    assert facts["cuda"]["cards"]["1"] == {"name": "Simulated 1", "compute_capability": "8.6", "memory_mb": 2048}
    assert facts["cuda"]["driver"].startswith("CUDA 1")
    there = "tensorrt_rtx" if importlib.util.find_spec("tensorrt_rtx") else "none: TensorRT is not installed"
    assert facts["tensorrt"]["used_by_card"]["0"].startswith(there)


def test_packages_that_are_missing_or_broken_do_not_end_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    monkeypatch.setattr(flavours, "is_installed", lambda name: name == "tensorrt")

    def broken(name: str) -> None:
        raise VsanimeError(f"{name} cannot be loaded")

    monkeypatch.setattr(flavours, "load_flavour", broken)
    facts = info.collect()
    assert facts["cuda"] is None
    assert facts["tensorrt"]["tensorrt"] == {"error": "tensorrt cannot be loaded"}
    assert facts["tensorrt"]["tensorrt_rtx"] is None


def test_folders_and_variables(report: dict[str, Any], tmp_path: Path) -> None:
    searched = report["folders"]["model_search_path"]
    assert searched[0] == f"{tmp_path / 'ö'} (does not exist)"
    assert searched[-1].endswith("engines")
    assert "vsanime" in report["folders"]["downloads"]
    assert "vsanime" in report["folders"]["cache"]
    assert report["environment"]["VSANIME_MODEL_PATH"] == str(tmp_path / "ö")


@pytest.mark.parametrize("name", ["vspipe", "x264", "x265", "ffmpeg", "mkvmerge"])
def test_tools_on_path(report: dict[str, Any], name: str) -> None:
    path = shutil.which(name)
    if path is None:
        assert report["tools"][name] is None
    else:
        assert report["tools"][name]["path"] == path
        assert any(c.isdigit() for c in report["tools"][name]["version"])


def test_a_tool_that_does_not_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    broken = tmp_path / "ffmpeg.exe"
    broken.write_bytes(b"no program")
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(broken))
    facts = info.collect()["tools"]["imageio-ffmpeg"]
    assert facts["path"] == str(broken)
    assert facts["version"].startswith("does not run: ")


def test_a_section_that_fails_does_not_end_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> object:
        raise RuntimeError("driver gone")

    monkeypatch.setattr(os, "cpu_count", broken)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    report = info.collect()
    assert report["system"] == {"error": "RuntimeError: driver gone"}
    assert report["onnxruntime"] is None
    assert report["vapoursynth"]["core"].startswith("R")


def test_report_for_people_holds_the_same(report: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines if not line.startswith(" ")] == list(report)
    assert f"  num_threads: {report['vapoursynth']['num_threads']}" in lines
    assert f"      name: {report['openvino']['devices']['CPU']['name']}" in lines


# Forks inherit the hook, so what OpenVINO's telemetry does in a child is seen as well.
WATCH_SCRIPT = """
import sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        with open(sys.argv[1], "a") as log:
            log.write(f"{event} {args}\\n")
sys.addaudithook(watch)
from vsanime.cli import main
sys.exit(main(["info"]))
"""


def test_no_socket_is_opened(tmp_path: Path) -> None:
    log = tmp_path / "events"
    # Not a CI machine, as far as OpenVINO's telemetry can see: it is silent on those.
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    answer = subprocess.run([sys.executable, "-c", WATCH_SCRIPT, str(log)], env=environment, check=False)
    assert answer.returncode == 0
    assert not log.exists(), log.read_text()
