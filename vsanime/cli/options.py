"""Defines the options that choose what runs a network (backend, device, precision, tiles), and makes the backend."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from vsanime.errors import VsanimeError, quote, shorten

if TYPE_CHECKING:
    from vsanime.backends import BackendProtocol

# Names of the options in argparse's namespace.
ENGINE = ("backend", "device", "precision", "tiles")


def add_engine(group: argparse._ArgumentGroup) -> None:
    """Add the options to a group."""
    group.add_argument(
        "--backend",
        choices=("auto", "openvino", "onnxruntime", "tensorrt"),
        default="auto",
        help="auto: tensorrt where there are an NVIDIA card and a TensorRT for it, else openvino (%(default)s)",
    )
    group.add_argument(
        "--device",
        metavar="NAME or N,N",
        help="openvino: such as CPU or GPU; tensorrt: the card's number, or several; onnxruntime: cards instead of the "
        "CPU (default: the first)",
    )
    group.add_argument(
        "--precision",
        choices=("auto", "f32", "fp16", "bf16"),
        help="of the network's inner layers (default: fp16 with tensorrt, else auto)",
    )
    group.add_argument(
        "--tiles",
        type=_tiles,
        metavar="N or NxM",
        help="tiles each way, or across x down; auto for what a card's memory holds",
    )


def _tiles(text: str) -> int | str | tuple[int, int]:
    if text.lower() == "auto":
        return "auto"
    try:
        numbers = [int(part) for part in text.lower().split("x")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{quote(text)}; a number such as 2, two such as 2x3, or auto is needed")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def backend_of(args: argparse.Namespace) -> BackendProtocol:
    """Return the backend with the given options, and its own defaults for the others.

    Raises:
        VsanimeError: the backend has no such device.
    """
    from vsanime.backends import Backend

    kinds: dict[str, type[Any]] = {
        "openvino": Backend.OpenVINO,
        "onnxruntime": Backend.ONNXRuntime,
        "tensorrt": Backend.TensorRT,
    }
    kind = type(Backend.auto()) if args.backend == "auto" else kinds[args.backend]
    options: dict[str, Any] = {} if args.precision is None else {"precision": args.precision}
    if args.device is not None and kind is Backend.OpenVINO:
        options["device"] = args.device
    elif args.device is not None:
        options["device_id"] = _cards(args.device)
        if kind is Backend.ONNXRuntime:
            options["provider"] = "CUDA"
    backend: BackendProtocol = kind(**options)
    return backend


def _cards(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise VsanimeError(f"--device {shorten(text)}: the number of a card, from 0, or several such as 0,1 are needed")
    return tuple(map(int, parts))
