"""A network for every card: its weights where they are on this machine, else random ones in the card's architecture."""

from __future__ import annotations

import re
from functools import cache

import onnx

from tests.support import nets
from tests.support.generators import random_generator
from vsanime.models.architectures import Layer, artcnn_c, artcnn_r, espcn, upconv, vgg
from vsanime.models.cards import Variant, variants
from vsanime.models.drrn import DrrnLayers, drrn
from vsanime.models.store import available, load

# Channels before and after each convolution of waifu2x's networks; the cards say how many weights that makes.
_UPCONV = (3, 16, 32, 64, 128, 128, 256)
_VGG = (3, 32, 32, 64, 64, 128, 128, 3)
_ESPCN = (3, 64, 64, 128, 128, 256, 256, 12)
# Whether it works at low resolution, and filters.
_DRRN = {"drrn": (False, 128), "drrn_low": (True, 64)}

# Channels in and out of the whole network, by task; of the doublers' last convolution four times as many.
SEVERAL_PICTURES = ("colorize", "colorize_temporal")
_ENDS = {"double_luma": (1, 4), "chroma": (3, 2), "rgb": (3, 3)}


def networks() -> dict[str, list[str]]:
    """Every card's name, under the first of those that share its network; of networks that take one picture.

    Cards whose weights are here have one each; the others share one for each architecture and size.
    """
    shared: dict[object, str] = {}
    found: dict[str, list[str]] = {}
    for name, variant in variants().items():
        if variant.task in SEVERAL_PICTURES:
            continue
        first = name if available(name) else shared.setdefault(_shape(variant), name)
        found.setdefault(first, []).append(name)
    return found


@cache
def network(name: str) -> onnx.ModelProto:
    """The network of a card."""
    return load(name).proto if available(name) else _random(variants()[name])


def _shape(variant: Variant) -> tuple[object, ...]:
    return variant.arch, variant.task, *_size(variant), *_DRRN.get(variant.name, ())


def _size(variant: Variant) -> tuple[int, ...]:
    """Inner convolutions or blocks, and filters, as ArtCNN's names say them."""
    found = re.match(r"[CR](\d+)F(\d+)", variant.name)
    return (int(found[1]), int(found[2])) if found else ()


def _random(variant: Variant) -> onnx.ModelProto:
    if variant.arch == "animegan2":
        return random_generator()
    ends = _ENDS[variant.task]
    match variant.arch:
        case "artcnn_c":
            inner, filters = _size(variant)
            return artcnn_c(_layers(nets.artcnn_c(inner=inner, filters=filters, ends=ends)))
        case "artcnn_r":
            blocks, filters = _size(variant)
            return artcnn_r(_layers(nets.artcnn_r(blocks=blocks, filters=filters, ends=ends)))
        case "upconv_7":
            return upconv(_layers(nets.upconv_7(_UPCONV, bias="some")))
        case "vgg_7":
            return vgg(_layers(nets.vgg_7(_VGG)))
        case "espcn_7":
            return espcn(_layers(nets.vgg_7(_ESPCN)))
        case "drrn":
            first, one, other, last = _layers(nets.drrn(*_DRRN[variant.name]))
            return drrn(DrrnLayers(first, (one, other), last, units=9))
    raise ValueError(f"{variant.name}: no random network of the architecture {variant.arch}")


def _layers(net: nets.Net) -> list[Layer]:
    return [Layer(weight, bias) for weight, bias in net.layers]
