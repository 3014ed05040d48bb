"""Finds weights that were never published as ONNX in an installed package, or downloads and converts them."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import onnx

from vsanime.models.cards import MOST_BYTES, Foreign
from vsanime.models.download import Asset, OpenUrl, download

# ncnn's description of UpConv_7's layers, which goes with the downloaded weights.
_UPCONV_7 = """7767517
8 8
Input input 0 1 picture
Convolution conv1 1 1 picture x1 0=16 1=3 5=1 6=432 9=2 -23310=1,0.1
Convolution conv2 1 1 x1 x2 0=32 1=3 5=1 6=4608 9=2 -23310=1,0.1
Convolution conv3 1 1 x2 x3 0=64 1=3 5=1 6=18432 9=2 -23310=1,0.1
Convolution conv4 1 1 x3 x4 0=128 1=3 5=1 6=73728 9=2 -23310=1,0.1
Convolution conv5 1 1 x4 x5 0=128 1=3 5=1 6=147456 9=2 -23310=1,0.1
Convolution conv6 1 1 x5 x6 0=256 1=3 5=1 6=294912 9=2 -23310=1,0.1
Deconvolution conv7 1 1 x6 result 0=3 1=4 3=2 4=3 5=1 6=12288
"""


def find_packaged(foreign: Foreign) -> Path | None:
    """Return the weights' path in the first installed package that contains it, without importing any package."""
    for entry in foreign.packages:
        package, _, file = entry.partition("/")
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
            path = Path(folder) / file
            if path.is_file():
                return path
    return None


def convert(path: Path) -> onnx.ModelProto:
    """Return the plain ONNX of a foreign file.

    Raises:
        VsanimeError: if no importer can read the file.
    """
    from vsanime.models.formats import read

    return read(path).proto


def fetch_weights(foreign: Foreign, open_url: OpenUrl, *, progress: bool) -> tuple[onnx.ModelProto, Asset]:
    """Download the weights, check their digest and convert them.

    Raises:
        VsanimeError: if the download fails, or the digest differs from the card's.
    """
    asset = Asset(foreign.url, foreign.sha256, foreign.bytes, release="")
    with tempfile.TemporaryDirectory(prefix="vsanime-") as folder:
        weights = Path(folder) / "network.bin"
        download(asset, weights, {foreign.sha256}, open_url, progress=progress, most=max(MOST_BYTES, foreign.bytes))
        weights.with_suffix(".param").write_text(_UPCONV_7, encoding="ascii")
        return convert(weights), asset
