"""TensorRT-RTX for tests. Importing this skips a module where the package is not installed.

Where there is one, and nothing may be missing (VSANIME_REQUIRE_SHARED), its absence is a failure.
"""

from __future__ import annotations

import os
import platform
import sys

import pytest

from vsanime.backends.tensorrt.flavours import RTX, Capability, Flavour, load_flavour

try:
    import tensorrt_rtx
except ImportError as error:
    if (
        sys.platform in ("linux", "win32")
        and platform.machine().lower() in ("x86_64", "amd64")
        and os.environ.get("VSANIME_REQUIRE_SHARED")
    ):
        pytest.fail(f"{error}, and has wheels for this system: pip install 'vsanime[dev]'")
    pytest.skip("TensorRT-RTX is not installed (`make test-all` does, where it has wheels)", allow_module_level=True)

__all__ = ["CAPABILITY", "rtx", "tensorrt_rtx"]

# GeForce RTX 40: any that TensorRT-RTX lists would do.
CAPABILITY: Capability = (8, 9)


def rtx() -> Flavour:
    """The package."""
    return load_flavour(RTX)
