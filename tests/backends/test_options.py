"""Options of backends are read as arguments are, and refused where the backend is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip
from vsanime import Backend
from vsanime.backends.openvino import _is_there, import_openvino
from vsanime.errors import VsanimeError

MODEL = "C4F16_VA"


def devices() -> list[str]:
    return list(import_openvino().Core().available_devices)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (Backend.OpenVINO(num_streams="2", num_threads=b"3", exact_linear="0"),
         Backend.OpenVINO(num_streams=2, num_threads=3, exact_linear=False)),
        (Backend.ONNXRuntime(num_streams=np.int64(2), device_id="0,1"),
         Backend.ONNXRuntime(num_streams=2, device_id=(0, 1))),
        (Backend.ONNXRuntime(device_id="1"), Backend.ONNXRuntime(device_id=1)),
        (Backend.TensorRT(device_id=[0, "1"], workspace="256", optimization_level=2.0, aux_streams="1", cuda_graph=0),
         Backend.TensorRT(device_id=(0, 1), workspace=256, optimization_level=2, aux_streams=1, cuda_graph=False)),
        (Backend.TensorRT(sizes=(["64", 64], "96x80", np.array([128, 96]))),
         Backend.TensorRT(sizes=((64, 64), (96, 80), (128, 96)))),
    ],
)  # fmt: skip
def test_text_and_numbers_of_other_kinds_are_the_same_options(texts: object, numbers: object) -> None:
    assert texts == numbers
    assert repr(texts) == repr(numbers)
    assert hash(texts) == hash(numbers), "also what was a list"


def test_what_cannot_be_read_is_kept_for_the_message() -> None:
    backend = Backend.OpenVINO(num_streams="two")
    assert backend.num_streams == "two"
    with pytest.raises(vs.Error, match=r"^artcnn: num_streams='two'; 1 or more is needed, 256 at most$"):
        vsanime.artcnn(noise_clip("GRAY8", 16, 16), MODEL, backend=backend)


@pytest.mark.parametrize("device", ["NPU", "GPU", "GPU.3", "CPU.7", "FOO", "cpu", "", "\0", "GPU" * 999, "HETERO:FOO"])
def test_a_device_that_is_not_there_is_answered_with_those_that_are(device: str) -> None:
    """OpenVINO's plugin for NPUs says what they compute also where there is none, and fails when it compiles."""
    if _is_there(device, devices()) and device.partition(".")[0] in ("CPU", "GPU", "NPU"):
        pytest.skip("this machine has one")
    with pytest.raises(vs.Error) as refused:
        vsanime.artcnn(noise_clip("GRAY8", 16, 16), MODEL, backend=Backend.OpenVINO(device=device))
    message = str(refused.value)
    assert message.startswith("artcnn: device='")
    assert message.endswith(f"; OpenVINO has no such device on this machine, it lists: {', '.join(devices())}")
    assert len(message) < 250


@pytest.mark.parametrize(
    ("device", "available", "there"),
    [
        ("CPU", ["CPU"], True), ("CPU.0", ["CPU"], True), ("CPU.1", ["CPU"], False), ("GPU", ["CPU"], False),
        ("GPU", ["CPU", "GPU"], True), ("GPU.0", ["CPU", "GPU"], True), ("GPU.1", ["CPU", "GPU"], False),
        ("GPU", ["GPU.0", "GPU.1"], True), ("GPU.1", ["GPU.0", "GPU.1"], True), ("GPU.3", ["GPU.0", "GPU.1"], False),
        ("NPU", ["CPU", "GPU"], False), ("NPU", ["CPU", "NPU"], True), ("AUTO", ["CPU"], True),
    ],
)  # fmt: skip
def test_devices_are_found_with_and_without_their_number(device: str, available: list[str], there: bool) -> None:
    assert _is_there(device, available) is there


def test_auto_is_left_to_openvino() -> None:
    up = vsanime.artcnn(noise_clip("GRAY8", 16, 16), MODEL, backend=Backend.OpenVINO(device="AUTO", num_streams=1))
    up.get_frame(0).close()


REFUSED: list[tuple[type[Any], dict[str, Any], str]] = [
    (Backend.OpenVINO, {"device": 5}, "device=5; text is needed"),
    (Backend.OpenVINO, {"precision": None}, "precision=None; text is needed"),
    (Backend.OpenVINO, {"num_threads": 10**30}, f"num_threads={10**30}; 1 or more is needed, 1024 at most"),
    (Backend.OpenVINO, {"exact_linear": 2}, "exact_linear=2; True or False is needed"),
    (Backend.ONNXRuntime, {"provider": "DML"}, "provider='DML' is not supported by this version; 'CPU', 'CUDA' are"),
    (Backend.ONNXRuntime, {"provider": ["CPU"]}, "provider=['CPU']; text is needed"),
    (Backend.ONNXRuntime, {"device_id": -1}, "device_id=-1; a card's number from 0 up, or different ones, is needed"),
    (Backend.ONNXRuntime, {"num_streams": True}, "num_streams=True; 1 or more is needed, 256 at most"),
    (
        Backend.TensorRT,
        {"workspace": 10**30},
        f"workspace={10**30}; a positive number of MiB is needed, 16777216 at most",
    ),
    (Backend.TensorRT, {"engine_dir": "a\0b"}, r"engine_dir='a\x00b' names no folder: it has a NUL character"),
]


@pytest.mark.parametrize(("kind", "options", "message"), REFUSED)
def test_wrong_options_are_refused_where_the_backend_is_used(
    kind: type[Any], options: dict[str, Any], message: str
) -> None:
    backend = kind(**options)
    if "engine_dir" in options:
        with pytest.raises(VsanimeError) as refused:
            backend.cache()
        assert str(refused.value) == message
        return
    with pytest.raises(vs.Error) as told:
        vsanime.artcnn(noise_clip("GRAY8", 16, 16), MODEL, backend=backend)
    assert str(told.value) == f"artcnn: {message}"
