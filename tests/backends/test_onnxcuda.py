"""ONNX Runtime's CUDA provider as far as it goes without a card: what is refused, and how; `tests/gpu` runs it."""

from __future__ import annotations

from types import SimpleNamespace

import onnxruntime
import pytest
import vapoursynth as vs

import vsanime
from tests.clips import noise_clip
from tests.gpulanes import luma_doubler
from vsanime import Backend
from vsanime.backends.cuda import device_count
from vsanime.backends.onnxcuda import compile_cuda, peak_bytes
from vsanime.errors import VsanimeError

HAS_PROVIDER = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def refused(**options: object) -> str:
    with pytest.raises(vs.Error) as caught:
        vsanime.artcnn(noise_clip("GRAY8", 40, 24), "C4F16_VA", backend=Backend.ONNXRuntime(**options))
    return str(caught.value)


def test_an_unknown_provider_is_refused_with_the_list() -> None:
    assert "provider='Cuda' is not supported by this version; 'CPU', 'CUDA' are" in refused(provider="Cuda")


@pytest.mark.parametrize("provider", ["CPU", "CUDA"])
def test_a_precision_that_is_not_to_be_had_is_refused(provider: str) -> None:
    message = refused(provider=provider, precision="bf16")
    assert f"precision='bf16': ONNX Runtime's {provider} provider computes in 'f32'" in message


@pytest.mark.skipif(HAS_PROVIDER, reason="onnxruntime-gpu is installed")
def test_without_the_provider_the_error_says_what_to_install() -> None:
    message = refused(provider="CUDA")
    assert "has no CUDA provider" in message
    assert "pip uninstall onnxruntime" in message
    assert "vsanime[onnxruntime-cuda]" in message


@pytest.mark.skipif(device_count() > 0, reason="a card is there")
def test_without_a_card_the_error_is_the_drivers() -> None:
    """The module says that it has the provider, as onnxruntime-gpu does on every machine."""
    module = SimpleNamespace(get_available_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    with pytest.raises(VsanimeError, match="no NVIDIA card can be used"):
        compile_cuda(module, luma_doubler(), 0, "f32", 1)
    with pytest.raises(VsanimeError, match=r"device_id=\[\]"):
        compile_cuda(module, luma_doubler(), [], "f32", 1)


def test_two_lanes_are_the_default_on_cards() -> None:
    assert Backend.ONNXRuntime(provider="CUDA").lanes_for(64) == 2
    assert Backend.ONNXRuntime(provider="CUDA", num_streams=3).lanes_for(64) == 3
    assert Backend.ONNXRuntime(provider="CUDA", device_id=[0, 1]).lanes_for(64) == 4


def test_half_precision_is_asked_for() -> None:
    assert "CPU provider computes in 'f32' only" in refused(precision="fp16")
    half = Backend.ONNXRuntime(provider="CUDA", precision="fp16")
    assert half.traits("fp16").body == "float16"
    assert half.traits("fp16").exact_linear
    assert half.traits("f32").body == "float32"


def test_memory_is_estimated_from_the_graph() -> None:
    """C4F16 holds its long skip, a layer's input and its output at once: three tensors of 16 channels in f32."""
    width, height = 640, 360
    layer = width * height * 16 * 4
    assert 3 * layer < peak_bytes(luma_doubler(8, width, height).onnx) < 4 * layer
