"""A closed engine on the CPU: its frames are one clear error, and what it held is gone."""

from __future__ import annotations

import gc
from weakref import ref

import numpy as np
import pytest

from tests.support.gpulanes import check_frames, identical, luma_doubler
from tests.support.reference import assert_codes_match
from tests.support.tolerances import F32_CODES_DIFFER
from vsanime import Backend
from vsanime.arrays import Array
from vsanime.errors import VsanimeError

BACKENDS = {"OpenVINO": Backend.OpenVINO(precision="f32"), "ONNXRuntime": Backend.ONNXRuntime(num_threads=2)}


def nearly(found: Array, expected: Array) -> None:
    assert_codes_match(found, expected, F32_CODES_DIFFER)


@pytest.mark.parametrize("name", BACKENDS)
def test_lanes_do_what_lanes_have_to_do(name: str) -> None:
    engine = BACKENDS[name].compile(luma_doubler(), "f32", 2, 2)
    assert engine.lanes() == 2
    check_frames(engine, luma_doubler(), compare=identical if name == "ONNXRuntime" else nearly)
    engine.close()


@pytest.mark.parametrize("name", BACKENDS)
def test_a_frame_after_the_close_is_an_error(name: str) -> None:
    graph = luma_doubler()
    engine = BACKENDS[name].compile(graph, "f32", 2, 2)
    lane = engine.new_lane()
    arrays = [lane.buffer(graph.inputs[0])], [lane.buffer(graph.outputs[0])]
    lane.run(*arrays)
    for _ in range(2):
        engine.close()
    with pytest.raises(VsanimeError, match="the engine was closed: the script was unloaded"):
        lane.run(*arrays)
    with pytest.raises(VsanimeError, match="the engine was closed"):
        engine.new_lane()
    assert np.isfinite(arrays[1][0]).all()


@pytest.mark.parametrize("name", BACKENDS)
def test_an_engine_lives_as_long_as_its_lanes(name: str) -> None:
    engine = BACKENDS[name].compile(luma_doubler(), "f32", 1, 2)
    lane, held = engine.new_lane(), ref(engine)
    del engine
    gc.collect()
    assert held() is not None
    del lane
    assert held() is None
