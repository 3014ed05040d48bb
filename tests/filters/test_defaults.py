"""Defaults are part of the interface: scripts that leave an argument out count on them."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

import vsanime
from vsanime import Backend
from vsanime.colorization.painter import Painter
from vsanime.graphs.builders.lineart import Pen
from vsanime.graphs.builders.sketchkeras import Sketch
from vsanime.graphs.builders.style import Look
from vsanime.spec import GraphTraits

TILES = {"backend": None, "tiles": None, "tilesize": None, "overlap": None}
FILTERS = {
    "artcnn": {
        "model": "C4F32_VA", "chroma": "resample", "width": None, "height": None, "depth": None, "planes": None,
        "tta": False, **TILES,
    },
    "artcnn_chroma": {"model": "C4F32_Chroma_VA", "planes": None, **TILES},
    "waifu2x": {
        "noise": -1, "scale": 2, "model": "upconv_7_art", "tint": "keep", "tta": False, "depth": None, **TILES,
    },
    "animegan": {
        "style": "Pepper_VA", "strength": 1.0, "brightness": "none", "work_size": None, "detail": 1.0, "depth": None,
        "backend": None, "tiles": None,
    },
    "colorize": {
        "keys": None, "model": "Line_VA", "temporal": False, "scenes": None, "no_reference": "error",
        "work_size": "auto", "fill": "none", "steps": True, "steady": True, "format": None, "depth": None,
        "backend": None,
    },
    "lineart": {
        "method": "dog", "sigma": None, "threshold": None, "gain": None, "long_side": None, "padding": None,
        "depth": None, **TILES,
    },
    "distance_field": {"cap": 0.1, "threshold": 0.5, "depth": None},
    "mark_scenes": {"threshold": 0.1},
    "encoder_args": {"encoder": "x264"},
}  # fmt: skip
FACTS = {
    Backend.OpenVINO: {
        "device": "CPU", "precision": "auto", "num_streams": None, "num_threads": None, "exact_linear": True,
    },
    Backend.ONNXRuntime: {
        "provider": "CPU", "precision": "auto", "num_streams": None, "num_threads": None, "device_id": 0,
    },
    Backend.TensorRT: {
        "device_id": 0, "precision": "fp16", "num_streams": 2, "cuda_graph": True, "engine_dir": None, "flavour": None,
        "sizes": None, "workspace": None, "optimization_level": None, "aux_streams": 0,
    },
    GraphTraits: {
        "quantize_first": False, "block": 1, "exact_linear": False, "body": "float32", "bytewise": False,
        "any_size": False, "least_tile": (1, 1),
    },
    Pen: {"threshold": 0.015, "gain": 20.0, "surround": 2.5},
    Sketch: {"long_side": 512, "gain": 0.75, "threshold": 0.0},
    Painter: {"refiner": None, "large_motion": True, "segments": False, "doubts": False},
    Look: {"multiple": 4, "strength": 1.0, "work_size": None, "detail": 1.0},
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
def test_defaults_of_filters(name: str) -> None:
    parameters = inspect.signature(getattr(vsanime, name)).parameters
    found = {key: parameters[key].default for key in FILTERS[name]}
    assert found == FILTERS[name]
    assert [type(value) for value in found.values()] == [type(value) for value in FILTERS[name].values()]


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
def test_defaults_of_backends_and_of_what_graphs_are_told(kind: type) -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    found = {key: defaults[key] for key in FACTS[kind]}
    assert found == FACTS[kind]
    assert [type(value) for value in found.values()] == [type(value) for value in FACTS[kind].values()]
