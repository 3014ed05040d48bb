"""AnimeGANv2's generator out of a PyTorch state-dict, which says neither up-sampling nor the epsilon of its norms."""

from __future__ import annotations

from collections.abc import Mapping

from vsanime.architectures.animegan.onnx import SHAPES, TF_EPSILON, TORCH_EPSILON
from vsanime.architectures.animegan.reading import PUBLISHED, Weights, imported
from vsanime.architectures.base import Imported, Wishes
from vsanime.architectures.deduce import floats
from vsanime.architectures.layers import Array
from vsanime.errors import VsanimeError, quote


def recognizes(tensors: Mapping[str, Array]) -> bool:
    """Return whether most names are those of AnimeGANv2's generator."""
    return 2 * len(tensors.keys() & SHAPES.keys()) > len(SHAPES)


def read(tensors: Mapping[str, Array], metadata: Mapping[str, str], wishes: Wishes, ours: bool) -> Imported:
    """Return the plain network of a state-dict.

    Args:
        tensors: by name.
        metadata: what else the file says; `upsample` and `epsilon` are heeded.
        wishes: what the user says, which goes before what the metadata say.
        ours: whether it is a checkpoint of `vsanime train`.

    Raises:
        VsanimeError: weights that are not those of the generator, or an epsilon that is no number.
    """
    usual, epsilon, why = ("tf", TF_EPSILON, "as trained here") if ours else ("align", TORCH_EPSILON, "assumed")
    upsample = wishes.upsample
    said = upsample or metadata.get("upsample")
    if said and not upsample:
        why = "as the file says"
    elif upsample:
        why = "as asked for"
    if "epsilon" in metadata:
        try:
            epsilon = float(metadata["epsilon"])
        except ValueError:
            raise VsanimeError(f"its metadata says epsilon {quote(metadata['epsilon'])}; a number is needed") from None
    arrays = {name: floats(quote(name), array) for name, array in tensors.items()}
    weights = Weights(arrays, said or usual, epsilon, plain=False)
    return imported(weights, why, "" if ours else PUBLISHED)
