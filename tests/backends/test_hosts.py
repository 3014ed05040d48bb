"""What OpenVINO and ONNX Runtime are asked for on the CPU: precision, tiles, threads; and what their errors say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.gpulanes import Array, check_frames, luma_doubler
from vsanime.backends import openvino as openvino_module
from vsanime.backends.base import Workload
from vsanime.backends.onnxruntime import ONNXRuntime
from vsanime.backends.openvino import OpenVINO, has_matrix_units
from vsanime.errors import VsanimeError

WORK = Workload(
    width=1920, height=1080, radius=7, features=32, anchored=True, out_channels=1, output_bits=8, output_float=False
)


def nearly(found: Array, expected: Array) -> None:
    """The same codes, one more or less where sums are taken in another order."""
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.fixture
def capable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device of any name that computes in everything."""
    monkeypatch.setattr(openvino_module, "_capabilities", lambda _: ("FP32", "FP16", "INT8", "BF16"))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device of any name that computes in f32."""
    monkeypatch.setattr(openvino_module, "_capabilities", lambda _: ("FP32", "INT8"))


@pytest.mark.usefixtures("capable")
@pytest.mark.parametrize(
    ("changes", "precision"),
    [
        ({}, "bf16"),
        ({"output_bits": 10}, "bf16"),
        ({"output_bits": 11}, "f32"),
        ({"output_bits": 8, "out_channels": 2}, "bf16"),
        ({"output_bits": 9, "out_channels": 2}, "f32"),
        ({"output_bits": 9, "out_channels": 3}, "f32"),
        ({"output_float": True}, "f32"),
        ({"anchored": False}, "f32"),
    ],
)
def test_low_precision_is_for_coarse_codes_of_networks_with_exact_averages(
    changes: dict[str, object], precision: str
) -> None:
    assert OpenVINO().precision_for(replace(WORK, **changes)) == precision
    assert OpenVINO(device="CPU.1").precision_for(replace(WORK, **changes)) == precision
    assert OpenVINO(device="GPU").precision_for(replace(WORK, **changes)) == "f32"
    for asked in ("f32", "bf16"):
        assert OpenVINO(precision=asked).precision_for(replace(WORK, **changes)) == asked


@pytest.mark.usefixtures("plain")
def test_low_precision_is_for_devices_that_compute_in_it() -> None:
    assert OpenVINO().precision_for(WORK) == "f32"
    assert OpenVINO(precision="f32").precision_for(WORK) == "f32"
    with pytest.raises(VsanimeError, match="device CPU does not compute in bf16; use `precision='f32'` or 'auto'"):
        OpenVINO(precision="bf16").precision_for(WORK)
    with pytest.raises(VsanimeError, match="precision='fp16' is not known to OpenVINO"):
        OpenVINO(precision="fp16").precision_for(WORK)


@pytest.mark.usefixtures("capable")
def test_strips_are_for_narrow_networks_on_processors_with_matrix_units() -> None:
    assert has_matrix_units()
    assert not has_matrix_units("GPU")
    assert OpenVINO().tile_for(WORK, "f32") == (1920, 136)
    assert OpenVINO().tile_for(replace(WORK, features=33), "f32") == (1920, 1080)
    assert OpenVINO(device="GPU").tile_for(WORK, "f32") == (1920, 1080)
    wide = replace(WORK, features=256)
    whole, half = (OpenVINO().tile_for(wide, precision)[1] for precision in ("bf16", "f32"))
    assert whole == 1080
    assert half == (1 << 30) // (1920 * 256 * 4)


@pytest.mark.usefixtures("plain")
def test_no_strips_without_matrix_units() -> None:
    assert not has_matrix_units()
    assert OpenVINO().tile_for(WORK, "f32") == (1920, 1080)


def test_graphs_for_openvino() -> None:
    traits = OpenVINO().traits("bf16")
    assert (traits.quantize_first, traits.block, traits.exact_linear, traits.body) == (True, 2, True, "float32")
    assert not OpenVINO().traits("f32").exact_linear
    assert not OpenVINO(exact_linear=False).traits("bf16").exact_linear


@pytest.mark.parametrize(("lanes", "threads"), [(1, 1), (1, 2), (2, 2)])
def test_openvino_is_given_lanes_and_threads(lanes: int, threads: int) -> None:
    graph = luma_doubler(traits=OpenVINO().traits("f32"))
    engine = OpenVINO(num_threads=threads).compile(graph, "f32", lanes, 8)
    assert engine.lanes() == lanes
    asked = {name: engine.model.get_property(name) for name in ("NUM_STREAMS", "INFERENCE_NUM_THREADS")}
    assert asked == {"NUM_STREAMS": lanes, "INFERENCE_NUM_THREADS": threads}
    assert not engine.model.get_property("ENABLE_CPU_PINNING")
    assert "float" in str(engine.model.get_property("INFERENCE_PRECISION_HINT"))
    check_frames(engine, graph, count=4, compare=nearly)
    engine.close()
    with pytest.raises(VsanimeError, match="was closed"):
        engine.new_lane()


def test_errors_of_openvino_are_one_line() -> None:
    broken = replace(luma_doubler(), onnx=b"no network")
    with pytest.raises(VsanimeError, match=r"^OpenVINO could not compile the network: [^\n]+$") as caught:
        OpenVINO().compile(broken, "f32", 1, 1)
    assert str(caught.value).split(": ", 1)[1].strip()
    with pytest.raises(
        VsanimeError, match=r"^device='TPU'; OpenVINO has no such device on this machine, it lists: .*CPU"
    ):
        OpenVINO(device="TPU").precision_for(WORK)


# ONNX Runtime


def test_graphs_and_tiles_for_onnx_runtime() -> None:
    half, single = (ONNXRuntime(provider="CUDA").traits(precision) for precision in ("fp16", "f32"))
    assert (half.block, half.exact_linear, half.body) == (2, True, "float16")
    assert (single.block, single.exact_linear, single.body) == (2, False, "float32")
    wide = replace(WORK, features=256)
    assert ONNXRuntime().tile_for(wide, "fp16") == (1920, 1080)
    assert ONNXRuntime().tile_for(wide, "f32") == (1920, (1 << 30) // (1920 * 256 * 4))


@pytest.mark.parametrize(("provider", "precision", "chosen"), [("CPU", "auto", "f32"), ("CUDA", "fp16", "fp16")])
def test_precision_of_onnx_runtime(provider: str, precision: str, chosen: str) -> None:
    assert ONNXRuntime(provider=provider, precision=precision).precision_for(WORK) == chosen


@pytest.mark.parametrize(("lanes", "threads", "each"), [(1, 4, 4), (2, 4, 2), (3, 4, 1), (4, 2, 1)])
def test_lanes_of_onnx_runtime_share_the_threads(lanes: int, threads: int, each: int) -> None:
    graph = luma_doubler()
    engine = ONNXRuntime(num_threads=threads).compile(graph, "f32", lanes, 1)
    assert engine.lanes() == lanes
    options = [session.get_session_options() for session in engine._free]  # type: ignore[attr-defined]  # the only way
    assert [option.intra_op_num_threads for option in options] == [each] * lanes
    assert {option.get_session_config_entry("session.intra_op.allow_spinning") for option in options} == {"0"}
    check_frames(engine, graph, count=2 * lanes, compare=nearly)
    engine.close()


def test_errors_of_onnx_runtime_are_one_line() -> None:
    broken = replace(luma_doubler(), onnx=b"no network")
    with pytest.raises(VsanimeError, match=r"^ONNX Runtime could not load the network: [^\n]+$"):
        ONNXRuntime().compile(broken, "f32", 1, 1)


@pytest.mark.parametrize(
    ("device", "available", "there"),
    [
        ("CPU", ["CPU"], True),
        ("CPU", ["GPU"], False),
        ("GPU", ["CPU", "GPU"], True),
        ("GPU", ["CPU", "GPU.0", "GPU.1"], True),
        ("GPU.0", ["CPU", "GPU"], True),
        ("GPU.1", ["CPU", "GPU"], False),
        ("GPU.1", ["CPU", "GPU.0", "GPU.1"], True),
        ("GPU.2", ["CPU", "GPU.0", "GPU.1"], False),
        ("GPU.0", ["CPU"], False),
        ("GPU", [], False),
        ("NPU", ["CPU"], False),
        ("AUTO", ["CPU"], True),
        ("HETERO:GPU,CPU", ["CPU"], True),
        ("gpu", ["GPU"], True),
    ],
)
def test_hardware_is_there_or_it_is_not(device: str, available: list[str], there: bool) -> None:
    """What is no hardware, OpenVINO knows better."""
    assert openvino_module._is_there(device, available) == there


@pytest.mark.parametrize(
    ("text", "line"), [("", "ValueError"), (" \n\n", "ValueError"), ("one", "one"), ("one\n  two \n\n", "two")]
)
def test_last_line_of_an_error(text: str, line: str) -> None:
    assert openvino_module._last_line(ValueError(text)) == line


def test_lanes_of_the_processor_come_to_an_end() -> None:
    """No more than were wanted, none after the end; the arrays of the last frame are bound once."""
    graph = luma_doubler()
    engine = ONNXRuntime().compile(graph, "f32", 1, 1)
    lane = engine.new_lane()
    with pytest.raises(VsanimeError, match=r"^the engine was compiled for 1 lanes and all are taken$"):
        engine.new_lane()
    inputs, outputs = [lane.buffer(t) for t in graph.inputs], [lane.buffer(t) for t in graph.outputs]
    bound: list[int] = []
    bind = lane._bind  # type: ignore[attr-defined]  # to count

    def counted(*arguments: Any) -> None:
        bound.append(1)
        bind(*arguments)

    lane._bind = counted  # type: ignore[attr-defined]  # to count
    for _ in range(2):
        lane.run(inputs, outputs)
    assert len(bound) == 1
    lane.run(inputs, [outputs[0].copy()])
    assert len(bound) == 2
    engine.close()
    for closed in (lambda: lane.run(inputs, outputs), engine.new_lane):
        with pytest.raises(VsanimeError, match="the engine was closed"):
            closed()
    engine.close()


def test_options_of_the_processors_backends_that_are_not_given() -> None:
    assert ONNXRuntime() == ONNXRuntime(
        provider="CPU", precision="auto", num_streams=None, num_threads=None, device_id=0
    )
    assert OpenVINO() == OpenVINO(device="CPU", precision="auto", num_streams=None, num_threads=None, exact_linear=True)
    assert ONNXRuntime(provider="CUDA", num_streams=3, device_id=(0, 1)).lanes_for(1) == 6
    assert ONNXRuntime(provider="CUDA").lanes_for(1) == 2
    assert ONNXRuntime(num_streams=3).lanes_for(1) == OpenVINO(num_streams=3).lanes_for(1) == 3
    assert ONNXRuntime().lanes_for(4) == OpenVINO().lanes_for(4) == 3
