"""Runs an imported network once on a small picture, in an installed runtime, to check that it works."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from vsanime.backends.openvino import import_openvino
from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import NetFacts

# About 48x40 pixels, rounded up to the network's size multiple: large enough for every network, and not square, so that
# swapped sides are noticed.
_HEIGHT, _WIDTH = 40, 48


def try_out(proto: onnx.ModelProto, facts: NetFacts) -> str:
    """Run the network and check the output's shape and values.

    Args:
        proto: network as plain ONNX.
        facts: result of `inspect` for the network.

    Returns:
        A text with the runtime and the sizes.

    Raises:
        VsanimeError: the network does not run, or its output has the wrong shape or values that are not finite.
    """
    height, width = (-(-side // facts.multiple) * facts.multiple for side in (_HEIGHT, _WIDTH))
    picture = np.random.default_rng(0).random((1, facts.in_channels, height, width), np.float32)
    runtime, output = _run(proto.SerializeToString(), picture)
    wanted = (1, facts.out_channels, height * facts.scale, width * facts.scale)
    if output.shape != wanted:
        raise VsanimeError(f"in {runtime} the network gives {output.shape} for {picture.shape}; {wanted} is right")
    if not np.isfinite(output).all():
        raise VsanimeError(f"in {runtime} the network gives values that are not finite; its weights are damaged")
    return f"ran in {runtime}: {width}x{height} in, {wanted[3]}x{wanted[2]} out"


def _run(network: bytes, picture: np.ndarray[Any, Any]) -> tuple[str, np.ndarray[Any, Any]]:
    """Return the runtime's name and the output: OpenVINO, which the package depends on, else ONNX Runtime."""
    try:
        openvino = import_openvino()
    except ImportError:
        return "ONNX Runtime", _run_onnxruntime(network, picture)
    try:
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(network, b""), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return "OpenVINO", np.asarray(compiled(picture)[0])
    except RuntimeError as error:
        raise VsanimeError(f"OpenVINO does not run the network: {error}") from error


def _run_onnxruntime(network: bytes, picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    try:
        import onnxruntime
    except ImportError:
        raise VsanimeError("no runtime to check the network in; `pip install --force-reinstall openvino`") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    try:
        session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {session.get_inputs()[0].name: picture})[0])
    except Exception as error:  # its exceptions share no public base class
        raise VsanimeError(f"ONNX Runtime does not run the network: {error}") from error
