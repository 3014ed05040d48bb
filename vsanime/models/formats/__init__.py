"""Networks from elsewhere: reads foreign weight files and ends in plain ONNX, which everything else here works with.

Nothing in a file is ever executed, and sizes that a file claims are checked before they are believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx


@dataclass(frozen=True)
class Imported:
    """A foreign network as plain ONNX, and what its file told about it.

    Attributes:
        proto: the network, checked; `read` puts the licence note into its metadata.
        architecture: "upconv_7", "vgg_7", "espcn_7", "artcnn_c", "artcnn_r", "drrn", "animegan2",
            "sketchkeras"; "onnx" of one that was ONNX before, in half precision.
        summary: one sentence: widths, scale, number of weights, activation, and what had to be assumed.
        licence: the licence note in the file; empty where it has none.
    """

    proto: onnx.ModelProto
    architecture: str
    summary: str
    licence: str


@dataclass(frozen=True)
class Wishes:
    """What a user says of a network whose file does not.

    Attributes:
        activation: "relu" or "silu" of an ArtCNN state-dict; None for what its metadata says, else "relu".
        upsample: "tf", "align" or "half" of an AnimeGANv2 state-dict; None for what its metadata says, else "tf" for a
            checkpoint of `vsanime train` and "align" for any other.
    """

    activation: str | None = None
    upsample: str | None = None


def read(path: Path | str, activation: str | None = None, upsample: str | None = None) -> Imported:
    """Reads a weight file of any kind that is known, told apart by its contents.

    Args:
        path: the file; of an ncnn pair either one.
        activation: see `Wishes`.
        upsample: see `Wishes`.

    Raises:
        VsanimeError: missing, of no kind that is read, damaged, hostile, or a network that is not known.
    """
    from vsanime.models.formats.kinds import read_any

    return read_any(Path(path), Wishes(activation, upsample))
