"""Compile planes graphs into engines; `Backend` lists the runtimes a user can choose from."""

from __future__ import annotations

from vsanime.backends.base import Backend as BackendProtocol
from vsanime.backends.base import Engine, Lane
from vsanime.backends.onnxruntime import ONNXRuntime
from vsanime.backends.openvino import OpenVINO
from vsanime.backends.tensorrt import TensorRT, is_usable

__all__ = ["Backend", "BackendProtocol", "Engine", "Lane"]


class Backend:
    """The runtimes that can execute the networks; each is a frozen dataclass of its options.

    Example:
        ```python
        up = vsanime.artcnn(clip, backend=vsanime.Backend.OpenVINO(precision="f32"))
        ```
    """

    OpenVINO = OpenVINO
    ONNXRuntime = ONNXRuntime
    TensorRT = TensorRT

    @staticmethod
    def auto() -> BackendProtocol:
        """Return TensorRT if there are an NVIDIA card and a package that supports it, else OpenVINO on the CPU."""
        return TensorRT() if is_usable() else OpenVINO()
