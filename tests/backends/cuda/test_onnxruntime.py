"""ONNX Runtime's CUDA provider as far as it goes without a card: what is refused, and how; `tests/gpu` runs it."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip
from tests.support.gpulanes import luma_doubler
from vsanime import Backend
from vsanime.backends.cuda.onnxruntime import compile_cuda, first_line, open_session, peak_bytes
from vsanime.backends.cuda.runtime import device_count
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


class CudaRuntime:
    """ONNX Runtime as it is where the CUDA provider starts; its sessions compute on the CPU.

    Args:
        loads: whether the provider takes every network; if not, it takes what has one node.
        provider: what sessions say that they run on.
    """

    SessionOptions = onnxruntime.SessionOptions

    def __init__(self, *, loads: bool = True, provider: str = "CUDAExecutionProvider") -> None:
        self.given: list[tuple[onnxruntime.SessionOptions, list[tuple[str, dict[str, str]]]]] = []
        self._loads = loads
        self._provider = provider

    def InferenceSession(  # noqa: N802 - its name in ONNX Runtime
        self, model: bytes, options: onnxruntime.SessionOptions, providers: list[tuple[str, dict[str, str]]]
    ) -> SimpleNamespace:
        self.given.append((options, providers))
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        if not self._loads and len(onnx.load_from_string(model).graph.node) > 1:
            raise RuntimeError("no kernel for this\nand more")
        return SimpleNamespace(get_providers=lambda: [self._provider], run=session.run)


@pytest.mark.parametrize(("precision", "tf32"), [("f32", "0"), ("fp16", "1")])
def test_session_keeps_to_its_stream_and_precision(precision: str, tf32: str) -> None:
    runtime = CudaRuntime()
    open_session(runtime, luma_doubler().onnx, 3, 0xABC, precision)
    ((options, providers),) = runtime.given
    ((name, settings),) = providers
    assert name == "CUDAExecutionProvider"
    assert settings["device_id"] == "3"
    assert settings["user_compute_stream"] == str(0xABC)
    assert settings["do_copy_in_default_stream"] == "1"
    assert settings["use_tf32"] == tf32
    assert options.log_severity_level == 3
    assert options.intra_op_num_threads == 1
    assert options.use_deterministic_compute
    assert options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"


def test_network_that_the_provider_refuses_is_told_from_a_provider_that_does_not_start() -> None:
    """What ONNX Runtime says is the reason only where the provider runs at all."""
    model = luma_doubler().onnx
    with pytest.raises(VsanimeError, match=r"could not load the network: no kernel for this$"):
        open_session(CudaRuntime(loads=False), model, 1, 0, "f32")
    silent = CudaRuntime(loads=False, provider="CPUExecutionProvider")
    with pytest.raises(VsanimeError, match="could not start its CUDA provider: a library of CUDA or cuDNN is missing"):
        open_session(silent, model, 1, 0, "f32")
    probe_options, probe_providers = silent.given[1]
    assert probe_providers == [("CUDAExecutionProvider", {"device_id": "1"})]
    assert probe_options.log_severity_level == 4


@pytest.mark.skipif(HAS_PROVIDER, reason="onnxruntime-gpu is installed")
def test_runtime_without_the_provider_does_not_start_it() -> None:
    """ONNX Runtime only warns, and takes the CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(VsanimeError, match="could not start its CUDA provider"):
            open_session(onnxruntime, luma_doubler().onnx, 0, 0, "f32")


def test_memory_of_a_graph_is_its_weights_and_what_lives_at_once() -> None:
    """While the last node runs, `a` waits since the first; `y` is the caller's."""
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[1,1,8,8] x) => (float[1,1,8,8] y)
        { a = Relu(x) b = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a)
          c = Resize <mode = "nearest"> (b, , scales) y = Add(a, c) }
    """)
    for name, array in {"scales": np.float32([1, 1, 2, 2]), "half": np.float16([1, 2, 3])}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    assert peak_bytes(model.SerializeToString()) == 4 * 4 + 3 * 2 + (64 + 16 + 64) * 4


@pytest.mark.parametrize(("said", "line"), [("a\nb", "a"), ("", "ValueError")])
def test_first_line_of_an_error(said: str, line: str) -> None:
    assert first_line(ValueError(said)) == line
