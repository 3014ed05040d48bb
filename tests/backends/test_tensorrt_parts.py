"""Parts of the TensorRT backend with a package that is made up: what is asked of it, and what is told of it."""

from __future__ import annotations

import io
import logging
import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import onnx
import pytest
from onnx import helper
from rich.console import Console
from rich.progress import Progress

from tests.support.cudasim import CudaSim
from tests.support.networks import artcnn_like
from tests.support.planesgraphs import planes_graph
from vsanime.backends import tensorrt as backend_module
from vsanime.backends.cuda.runtime import Device
from vsanime.backends.tensorrt import TensorRT, flavours, reports
from vsanime.backends.tensorrt.building import Build, BuildSettings
from vsanime.backends.tensorrt.flavours import Flavour
from vsanime.backends.tensorrt.running import ContextProgram, LoadedEngine, Refused, count_bytes
from vsanime.backends.tensorrt.sizes import profile, read_sizes, resolve_shape, shapes_at_hand
from vsanime.errors import VsanimeError
from vsanime.spec import GraphTraits, PlanesGraph, TensorSpec

# Sizes


@pytest.mark.parametrize(
    ("sizes", "good"),
    [
        (((64, 64), (64, 64), (64, 64)), True),
        (((64, 64), (65_536, 65_536), (65_536, 65_536)), True),
        (((63, 64), (64, 64), (64, 64)), False),
        (((64, 63), (64, 64), (64, 64)), False),
        (((64, 64), (64, 64), (65_537, 64)), False),
        (((64, 64), (64, 64), (64, 65_537)), False),
        (((66, 64), (65, 64), (67, 64)), False),
        (((64, 66), (64, 65), (64, 67)), False),
        (((64, 64), (67, 64), (66, 64)), False),
        (((64, 64), (64, 67), (64, 66)), False),
        (((64, 64), (64, 64)), False),
        (((64, 64), (64, 64), (64, 64), (64, 64)), False),
        (((64, 64), (64, 64), (64,)), False),
        (((64, 64), (64, 64, 64), (64, 64)), False),
        (((64, 64), "a", (64, 64)), False),
        (5, False),
    ],
)
def test_sizes_are_three_in_order(sizes: Any, good: bool) -> None:
    if good:
        assert read_sizes("sizes", sizes) == sizes
        return
    with pytest.raises(
        VsanimeError, match=r"^sizes=.*; the smallest, the most usual and the largest .* from 64 to 65536"
    ):
        read_sizes("sizes", sizes)


SIZES = ((64, 80), (100, 120), (200, 180))


def open_graph(width: int = 100, height: int = 120) -> PlanesGraph:
    """Luma in bytes, and 4:2:2 chroma in 16 bits."""
    inputs = (
        TensorSpec("luma", "uint8", (1, 1, height, width)),
        TensorSpec("chroma", "uint16", (1, 2, height, width // 2)),
    )
    return PlanesGraph(b"", inputs, (), linear_split=False, any_size=True)


def test_shapes_follow_from_sizes() -> None:
    graph = open_graph()
    assert resolve_shape(graph, 0, (65, 81)) == (1, 1, 81, 65)
    assert resolve_shape(graph, 1, (64, 81)) == (1, 2, 81, 32, 2)
    tall = PlanesGraph(b"", (graph.inputs[0], TensorSpec("c", "uint8", (1, 1, 60, 100))), (), linear_split=False)
    assert resolve_shape(tall, 1, (65, 80)) == (1, 1, 40, 65)
    for wrong, size, steps in ((graph, (65, 80), "2 and 1"), (tall, (64, 81), "1 and 2")):
        message = f"^a size of {size[0]}x{size[1]} does not suit chroma subsampled by {steps}$"
        with pytest.raises(VsanimeError, match=message):
            resolve_shape(wrong, 1, size)
    assert profile(graph, None) == {}
    assert profile(graph, SIZES) == {
        "luma": ((1, 1, 80, 64), (1, 1, 120, 100), (1, 1, 180, 200)),
        "chroma": ((1, 2, 80, 32, 2), (1, 2, 120, 50, 2), (1, 2, 180, 100, 2)),
    }


@pytest.mark.parametrize(
    ("size", "served"),
    [((64, 80), True), ((200, 180), True), ((62, 80), False), ((64, 79), False), ((202, 180), False),
     ((200, 181), False), ((100, 70), False), ((64, 180), True), ((200, 80), True)],
)  # fmt: skip
def test_sizes_at_hand_are_among_those_that_the_engine_serves(size: tuple[int, int], served: bool) -> None:
    graph = open_graph(*size)
    assert shapes_at_hand(graph, None) == {}
    if served:
        assert shapes_at_hand(graph, SIZES) == {
            spec.name: resolve_shape(graph, i, size) for i, spec in enumerate(graph.inputs)
        }
        return
    with pytest.raises(VsanimeError, match=rf"are {size[0]}x{size[1]}; sizes=.* serves 64x80 to 200x180$"):
        shapes_at_hand(graph, SIZES)


# Options


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        ("workspace", (1, 1 << 24, None), (0, (1 << 24) + 1)),
        ("optimization_level", (0, 5, None), (-1, 6)),
        ("aux_streams", (0, 64), (-1, 65)),
        ("num_streams", (1, 256), (0, 257)),
        ("precision", ("auto", "f32", "fp16", "bf16"), ("f16", None)),
        ("flavour", ("tensorrt", "tensorrt_rtx", None), ("rtx",)),
        ("cuda_graph", (True, False), ("no", None)),
        ("sizes", (SIZES, None), ((64, 64),)),
    ],
)
def test_options_have_limits(name: str, good: tuple[Any, ...], wrong: tuple[Any, ...]) -> None:
    for value in good:
        TensorRT(**{name: value}).check_options()
    for value in wrong:
        with pytest.raises(VsanimeError, match=f"^{name}="):
            TensorRT(**{name: value}).check_options()


def test_options_that_are_not_given() -> None:
    assert TensorRT() == TensorRT(
        device_id=0, precision="fp16", num_streams=2, cuda_graph=True, engine_dir=None, flavour=None, sizes=None,
        workspace=None, optimization_level=None, aux_streams=0,
    )  # fmt: skip
    settings = BuildSettings()
    assert (settings.capability, settings.profile, settings.workspace, settings.level) == (None, {}, None, None)
    assert (settings.aux_streams, settings.capture) == (0, True)


# A package that is made up


class Severity:
    """Of messages, as the packages number them."""

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


def package(**more: Any) -> Any:
    """What both packages export, and no more than is asked for."""

    class Logger(Severity):
        pass

    members = {"SM75": 1, "SM86": 2, "SM120": 3, "CURRENT": 4}
    kinds = SimpleNamespace(__members__=members, CURRENT=4)
    return SimpleNamespace(__version__="9.8", ILogger=Logger, ComputeCapability=kinds, **more)


def test_capabilities_are_read_from_their_names() -> None:
    rtx, plain = Flavour("tensorrt_rtx", package()), Flavour("tensorrt", package())
    assert rtx.capabilities() == ((7, 5), (8, 6), (12, 0))
    assert plain.capabilities() == ()
    assert (rtx.is_rtx, plain.is_rtx, rtx.version) == (True, False, "9.8")
    assert (rtx.member(None), rtx.member((12, 0)), rtx.member((7, 5))) == (4, 3, 1)
    assert flavours.format_capability((12, 0)) == "12.0"


def test_errors_are_remembered_and_others_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    messages = reports.Messages(Flavour("tensorrt", package()))
    caplog.set_level(logging.DEBUG, logger="vsanime.tensorrt")
    for severity in range(5):
        messages.logger.log(severity, f"message {severity}")
    assert [record.levelno for record in caplog.records] == [10, 10, 30, 10, 10]
    assert messages.mark() == 2
    assert [messages.reason(since) for since in range(3)] == ["message 0", "message 1", "it gave no reason"]
    for number in range(20):
        messages.add(1, f"of another {number}")
    assert messages.mark() == 22
    assert messages.reason() == "of another 0", "twenty are kept"
    messages.logger.log(1, "one's\n own")
    assert messages.reason() == "one's own"
    assert messages.reason(22) == "one's own"


class Bars:
    """What is drawn."""

    def __init__(self) -> None:
        self.shown: dict[int, tuple[str, int]] = {}
        self.done: list[tuple[int, int]] = []
        self.interrupt = False

    def add_task(self, text: str, total: int) -> int:
        self.shown[len(self.shown)] = text, total
        return len(self.shown) - 1

    def update(self, task: int, completed: int) -> None:
        if self.interrupt:
            raise KeyboardInterrupt
        self.done.append((task, completed))

    def remove_task(self, task: int) -> None:
        self.shown[task] = "", 0


def test_phases_are_drawn_below_those_they_belong_to() -> None:
    bars: Any = Bars()
    monitor = reports.Monitor(bars)
    monitor.start("all", None, 3)
    monitor.start("one", "all", 2)
    monitor.start("part", "one", 1)
    monitor.start("odd", "nobody", 4)
    assert list(bars.shown.values()) == [("all", 3), ("  one", 2), ("    part", 1), ("odd", 4)]
    assert monitor.step("one", 0)
    assert monitor.step("one", 1)
    assert monitor.step("unknown", 1)
    assert bars.done == [(1, 1), (1, 2)]
    for name in ("part", "one", "all", "unknown"):
        monitor.finish(name)
    assert [text for text, _ in bars.shown.values()] == ["all", "", "", "odd"]
    assert not monitor.interrupted
    bars.interrupt = True
    assert not monitor.step("one", 1)
    assert monitor.interrupted
    bars.interrupt = False
    assert not monitor.step("one", 1)


def test_a_build_that_is_watched_is_drawn_there_and_timed() -> None:
    with Progress(disable=True) as bars:
        theirs = bars.add_task("theirs")
        with reports.watch_build(bars) as watch:
            for _ in range(2):
                with reports._bars("title") as drawn:
                    assert drawn is bars
                    bars.add_task("ours")
            assert bars.task_ids == [theirs]
            assert len(watch.seconds) == 2
            assert all(0 <= seconds < 5 for seconds in watch.seconds)
    assert reports._watch.get() is None


def test_a_build_says_on_stderr_what_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On one line, however long, and markup is text."""
    monkeypatch.setenv("COLUMNS", "40")
    title = f"building [bold] 'x' 12 {'long ' * 30}end"
    with reports._bars(title) as bars:
        assert bars.disable
        assert bars.live.transient
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"vsanime: {title}\n")


def test_on_a_terminal_a_build_is_plain_text_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither numbers and quotes of a title nor brackets in a phase's name are anything but themselves."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system="truecolor", width=200, legacy_windows=False)
    monkeypatch.setattr(reports, "open_console", lambda: console)
    with reports._bars("building 'x' 12") as bars:
        assert not bars.disable
        bars.add_task("[bold]phase", total=2)
        bars.refresh()
    assert written.getvalue().startswith("vsanime: building 'x' 12\n")
    assert "[bold]phase" in written.getvalue()


class Monitors:
    """What a package hands progress to."""

    def __init__(self, *_: object) -> None: ...


def test_packages_without_monitors_are_built_without() -> None:
    with Progress(disable=True) as bars, reports.watch_build(bars):
        with reports.open_monitor(Flavour("tensorrt", package()), "title") as (monitor, listener):
            assert listener is None
            assert not monitor.interrupted
        module = type("module", (), {"IProgressMonitor": Monitors})
        with reports.open_monitor(Flavour("tensorrt", module), "title") as (monitor, listener):
            listener.phase_start("all", None, 2)
            assert listener.step_complete("all", 0)
            assert bars.tasks[-1].completed == 1
            monitor.interrupted = True
            assert not listener.step_complete("all", 1)
            listener.phase_finish("all")


@pytest.mark.parametrize("ours", [True, False])
def test_interrupts_are_noted_where_nobody_else_handles_them(ours: bool) -> None:
    handler = signal.default_int_handler if ours else lambda *_: None
    before = signal.signal(signal.SIGINT, handler)
    try:
        with Progress(disable=True) as bars:
            monitor = reports.Monitor(bars)
            with reports._note_interrupts(monitor):
                assert (signal.getsignal(signal.SIGINT) is handler) != ours
                signal.raise_signal(signal.SIGINT)
            assert monitor.interrupted == ours
            assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


# Building


class Config:
    """A builder's settings, as they were made."""

    def __init__(self, refuses: frozenset[str] = frozenset()) -> None:
        self.refuses = refuses
        self.calls: list[Any] = []
        self.num_compute_capabilities = 7

    def clear_flag(self, flag: str) -> None:
        self.calls.append(("clear", flag))

    def set_flag(self, flag: str) -> None:
        self.calls.append(("set", flag))

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.calls.append((pool, size))

    def set_compute_capability(self, capability: int, index: int) -> bool:
        self.calls.append(("capability", capability, index))
        return "capability" not in self.refuses

    def add_optimization_profile(self, made: Any) -> int:
        self.calls.append(made.shapes)
        return -1 if "profile" in self.refuses else 0

    def create_timing_cache(self, data: bytes) -> Any:
        self.calls.append(("timings", data))
        return None if data and "making" in self.refuses else SimpleNamespace(serialize=lambda: b"kept " + data)

    def set_timing_cache(self, cache: Any, mismatch: bool) -> bool:
        assert mismatch is False
        self.calls.append(("taken", cache.serialize()))
        return "timings" not in self.refuses


class Profile:
    """Shapes of inputs."""

    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}

    def set_shape(self, name: str, *shapes: Any) -> None:
        self.shapes[name] = shapes


class Builder:
    """Builds what it is told to."""

    engine: bytes | None = b"engine"
    flags = 0

    def __init__(self, logger: Any, config: Config) -> None:
        self.logger = logger
        self.config = config

    def create_network(self, flags: int) -> str:
        type(self).flags = flags
        return "network"

    def create_builder_config(self) -> Config:
        return self.config

    create_optimization_profile = staticmethod(Profile)

    def build_serialized_network(self, network: str, config: Config) -> bytes | None:
        assert (network, config) == ("network", self.config)
        if self.engine is None:
            self.logger.log(Severity.ERROR, "no\n kernel")
        return self.engine


class Parser:
    """Takes any graph but a refused one."""

    errors: tuple[Any, ...] = ()
    refuses = False

    def __init__(self, network: str, logger: Any) -> None:
        assert network == "network"
        self.logger = logger

    def parse(self, _data: bytes) -> bool:
        return not self.refuses

    @property
    def num_errors(self) -> int:
        return len(self.errors)

    def get_error(self, index: int) -> Any:
        return self.errors[index]


def builder(
    name: str = "tensorrt_rtx", config: Config | None = None, user_allocation: bool = True, parser: type = Parser
) -> tuple[Flavour, Config]:
    made = config or Config()
    flags = SimpleNamespace(TF32="TF32", **({"REQUIRE_USER_ALLOCATION": "ours"} if user_allocation else {}))
    module = package(
        Builder=lambda logger: Builder(logger, made),
        NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=3),
        OnnxParser=parser,
        BuilderFlag=flags,
        MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
    )
    return Flavour(name, module), made


GRAPH = planes_graph(artcnn_like(), 8, (16, 16), GraphTraits())


def test_what_is_not_set_is_left_to_the_builder() -> None:
    flavour, config = builder()
    Build(flavour, GRAPH, BuildSettings())
    assert config.calls == [("clear", "TF32"), ("set", "ours"), ("capability", 4, 0)]
    assert (config.max_aux_streams, config.num_compute_capabilities) == (0, 1)  # type: ignore[attr-defined]  # set there
    assert not hasattr(config, "builder_optimization_level")
    assert Builder.flags == 1 << 3


@pytest.mark.parametrize("user_allocation", [True, False])
@pytest.mark.parametrize("capture", [True, False])
def test_what_is_set_reaches_the_builder(capture: bool, user_allocation: bool) -> None:
    flavour, config = builder("tensorrt", user_allocation=user_allocation)
    shapes = {"luma": ((1,), (2,), (3,))}
    Build(flavour, GRAPH, BuildSettings((8, 6), shapes, 3, 0, 2, capture))
    expected: list[Any] = [("clear", "TF32"), ("workspace", 3 << 20)]
    expected += [("set", "ours")] if capture and user_allocation else []
    assert config.calls == [*expected, shapes]
    assert (config.max_aux_streams, config.num_compute_capabilities) == (2, 7)  # type: ignore[attr-defined]  # set there
    assert config.builder_optimization_level == 0  # type: ignore[attr-defined]  # set there


@pytest.mark.parametrize(
    ("refuses", "capability", "message"),
    [
        ("capability", (8, 6), "^tensorrt_rtx does not build for 8.6: it gave no reason$"),
        ("capability", None, "^tensorrt_rtx does not build for this card: it gave no reason$"),
        ("profile", (8, 6), "^tensorrt_rtx refuses the sizes .*: it gave no reason$"),
    ],
)
def test_what_a_builder_refuses_is_told(refuses: str, capability: Any, message: str) -> None:
    flavour, _ = builder(config=Config(frozenset({refuses})))
    with pytest.raises(VsanimeError, match=message):
        Build(flavour, GRAPH, BuildSettings(capability, {"luma": ((1,), (2,), (3,))}))


@pytest.mark.parametrize(
    ("refuses", "given", "kept"),
    [
        ((), None, b"kept "),
        ((), b"old", b"kept old"),
        (("timings",), b"old", b"kept "),
        (("making",), b"old", b"kept "),
    ],
)
def test_timings_that_do_not_suit_are_put_aside(refuses: tuple[str, ...], given: bytes | None, kept: bytes) -> None:
    flavour, config = builder("tensorrt", Config(frozenset(refuses)))
    with Progress(disable=True) as bars, reports.watch_build(bars):
        assert Build(flavour, GRAPH, BuildSettings()).serialized(given) == (b"engine", kept)
    assert config.calls[-1] == ("taken", kept)
    # An empty cache is made and set anew only where the first was not taken.
    assert len([call for call in config.calls if call[0] == "timings"]) == (2 if refuses else 1)


def test_rtx_keeps_no_timings() -> None:
    flavour, config = builder()
    with Progress(disable=True) as bars, reports.watch_build(bars):
        assert Build(flavour, GRAPH, BuildSettings()).serialized(b"old") == (b"engine", None)
    assert not any(call[0] == "timings" for call in config.calls)


@pytest.mark.parametrize("monitors", [True, False])
def test_builders_that_tell_of_progress_are_listened_to(monitors: bool) -> None:
    flavour, config = builder()
    if monitors:
        flavour = Flavour(flavour.name, type("module", (), {**vars(flavour.module), "IProgressMonitor": Monitors}))
    with Progress(disable=True) as bars, reports.watch_build(bars):
        assert Build(flavour, GRAPH, BuildSettings()).serialized() == (b"engine", None)
    assert hasattr(config, "progress_monitor") == monitors
    if monitors:
        assert isinstance(config.progress_monitor, Monitors)  # type: ignore[attr-defined]  # set there


def test_a_builder_that_gives_up_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    flavour, _ = builder()
    monkeypatch.setattr(Builder, "engine", None)
    with Progress(disable=True) as bars, reports.watch_build(bars):
        build = Build(flavour, GRAPH, BuildSettings())
        build._messages.add(0, "of before")
        with pytest.raises(VsanimeError, match=r"^tensorrt_rtx could not build an engine for .*: no kernel$"):
            build.serialized()


def parse_error(node: int, code: str = "INVALID", text: str = "bad\n thing") -> Any:
    return SimpleNamespace(desc=lambda: text, code=lambda: code, node=lambda: node)


@pytest.mark.parametrize(
    ("errors", "data", "message"),
    [
        ((), None, "it gave no reason"),
        ((parse_error(-1),), None, "bad thing"),
        ((parse_error(10**6),), None, "bad thing"),
        ((parse_error(0), parse_error(1)), None, r"node '.*' \(.+\): bad thing"),
        ((parse_error(0),), b"\xff", "bad thing"),
        ((parse_error(-1, "UNSUPPORTED_NODE"),), None,
         r"an operator that it does not know, or not in this form \(bad thing\)"),
    ],
)  # fmt: skip
def test_a_graph_that_is_not_taken_names_the_node(errors: tuple[Any, ...], data: bytes | None, message: str) -> None:
    refusing = type("Refusing", (Parser,), {"errors": errors, "refuses": True})
    flavour, _ = builder(parser=refusing)
    graph = GRAPH if data is None else PlanesGraph(data, (), (), linear_split=False)
    with pytest.raises(VsanimeError, match=f"^tensorrt_rtx does not take the network: {message}$"):
        Build(flavour, graph, BuildSettings())


def test_nodes_without_a_name_are_told_by_their_output() -> None:
    nodes = [helper.make_node("Relu", ["a"], ["b"], name="first"), helper.make_node("Relu", ["b"], ["c"])]
    model = helper.make_model(helper.make_graph(nodes, "named", [], []))
    graph = PlanesGraph(model.SerializeToString(), (), (), linear_split=False)
    for node, name in ((0, "first"), (1, "c")):
        refusing = type("Refusing", (Parser,), {"errors": (parse_error(node),), "refuses": True})
        with pytest.raises(VsanimeError, match=rf"network: node '{name}' \(Relu\): bad thing$"):
            Build(builder(parser=refusing)[0], graph, BuildSettings())


def test_every_node_can_be_named_and_none_beyond() -> None:
    count = len(onnx.load_from_string(GRAPH.onnx).graph.node)
    for node, named in ((0, True), (count - 1, True), (count, False)):
        refusing = type("Refusing", (Parser,), {"errors": (parse_error(node),), "refuses": True})
        with pytest.raises(VsanimeError) as caught:
            Build(builder(parser=refusing)[0], GRAPH, BuildSettings())
        assert ("node '" in str(caught.value)) == named


# Running


class Engine:
    """A runtime's engine: contexts that need so many bytes."""

    device_memory_size_v2 = 4096
    context: Any = None

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def create_runtime_config(self) -> Any:
        return Settings()

    def create_execution_context(self, how: Any) -> Any:
        self.asked.append(how)
        return self.context


class Settings:
    """Of a context, with a cache of kernels."""

    kernels: Any = None

    def create_runtime_cache(self) -> Any:
        return type(self).kernels

    def set_execution_context_allocation_strategy(self, strategy: str) -> None:
        self.strategy = strategy

    def set_runtime_cache(self, cache: Any) -> None:
        self.cache = cache


class Kernels:
    """Compiled ones."""

    def __init__(self, takes: bool = True) -> None:
        self.takes, self.given = takes, []
        self.compiled: bytes | None = None

    def deserialize(self, data: bytes) -> bool:
        self.given.append(data)  # type: ignore[attr-defined]  # a list
        return self.takes

    def serialize(self) -> bytes | None:
        return self.compiled


class Context:
    """Notes what it is told."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.told = answers, []

    def set_input_shape(self, name: str, shape: Any) -> bool:
        self.told.append((name, shape))  # type: ignore[attr-defined]  # a list
        return bool(self.answers.get("shape", True))

    def update_device_memory_size_for_shapes(self) -> int:
        return 512

    def set_device_memory(self, _address: int, size: int) -> None:
        self.told.append(("memory", size))  # type: ignore[attr-defined]  # a list

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.told.append((name, address))  # type: ignore[attr-defined]  # a list
        return bool(self.answers.get("address", True))

    def execute_async_v3(self, stream: int) -> bool:
        self.told.append(("run", stream))  # type: ignore[attr-defined]  # a list
        return bool(self.answers.get("run", True))


def runtime(name: str, engine: Engine | None, say: str = "") -> Flavour:
    def make(logger: Any) -> Any:
        def deserialize(data: bytes) -> Engine | None:
            assert data == b"serialized"
            if say:
                logger.log(Severity.ERROR, say)
            return engine

        return SimpleNamespace(deserialize_cuda_engine=deserialize)

    return Flavour(
        name,
        package(
            Runtime=make,
            ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="ours"),
            DynamicShapesKernelSpecializationStrategy=SimpleNamespace(EAGER="eager"),
        ),
    )


type Simulate = Callable[..., CudaSim]


@pytest.mark.parametrize(
    ("reason", "refused"),
    [
        ("built by another version", True),
        ("", True),
        ("Cuda Runtime (out of memory)", False),
        ("OutOfMemory", False),
        ("CUDA error 700", False),
        ("no cuda driver", False),
    ],
)
def test_what_is_not_the_engines_fault_is_no_reason_to_build_it_again(
    simulate: Simulate, reason: str, refused: bool
) -> None:
    simulate()
    with pytest.raises(VsanimeError, match=r"^tensorrt cannot load the engine: ") as caught:
        LoadedEngine(runtime("tensorrt", None, reason), Device(0), b"serialized")
    assert isinstance(caught.value, Refused) == refused


@pytest.mark.parametrize("rtx", [True, False])
@pytest.mark.parametrize("kernels", [None, b"old"])
@pytest.mark.parametrize("takes", [True, False])
def test_contexts_are_made_with_the_kernels_that_are_kept(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, rtx: bool,
    kernels: bytes | None, takes: bool,
) -> None:  # fmt: skip
    simulate()
    caplog.set_level(logging.DEBUG, logger="vsanime.tensorrt")
    cache, engine, kept = Kernels(takes), Engine(), []
    monkeypatch.setattr(Settings, "kernels", cache)
    loaded = LoadedEngine(
        runtime("tensorrt_rtx" if rtx else "tensorrt", engine), Device(0), b"serialized", kernels=kernels,
        keep_kernels=kept.append,
    )  # fmt: skip
    assert cache.given == ([kernels] if rtx and kernels else [])
    assert ("do not suit this driver" in caplog.text) == (rtx and kernels is not None and not takes)
    engine.context = Context()
    assert loaded.new_context() is engine.context
    if rtx:
        assert (engine.asked[0].strategy, engine.asked[0].cache) == ("ours", cache)
        assert engine.asked[0].dynamic_shapes_kernel_specialization_strategy == "eager"
    else:
        assert engine.asked == ["ours"]
    for compiled in (None, b"old", b"new", b"new", b"newer"):
        cache.compiled = compiled
        loaded.keep_kernels()
    expected = [b"new", b"newer"] if kernels else [b"old", b"new", b"newer"]
    assert kept == (expected if rtx else [])
    engine.context = None
    with pytest.raises(VsanimeError, match=r"^tensorrt.* could not make a context: it gave no reason$"):
        loaded.new_context()


def test_kernels_that_nobody_wants_are_not_kept(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate()
    monkeypatch.setattr(Settings, "kernels", Kernels())
    LoadedEngine(runtime("tensorrt_rtx", Engine()), Device(0), b"serialized").keep_kernels()


def test_memory_of_a_context_is_the_engines_or_that_of_its_shapes(simulate: Simulate) -> None:
    simulate()
    engine = Engine()
    engine.context = Context()
    loaded = LoadedEngine(runtime("tensorrt", engine), Device(0), b"serialized")
    assert loaded.context_bytes({}) == 4096
    assert engine.asked == []
    assert loaded.context_bytes({"luma": (1, 2)}) == 512
    assert engine.context.told == [("luma", (1, 2))]
    with pytest.raises(VsanimeError, match=r"^the engine refuses \(1, 2\) for its input 'luma': it gave no reason$"):
        count_bytes(loaded, Context(shape=False), {"luma": (1, 2)})


@pytest.mark.parametrize(("shapes", "size"), [({}, 4096), ({"luma": (1, 2)}, 512)])
def test_a_lanes_program_has_memory_of_its_own(simulate: Simulate, shapes: Any, size: int) -> None:
    simulate()
    engine = Engine()
    engine.context = context = Context()
    device = Device(0)
    device.activate()
    loaded = LoadedEngine(runtime("tensorrt", engine), device, b"serialized")
    loaded._messages.add(0, "what was got over before")
    program = ContextProgram(loaded, device, shapes)
    assert context.told == [*shapes.items(), ("memory", size)]
    program.bind({"luma": 5}, 0)
    assert context.told[-1] == ("luma", 5)
    kept: list[int] = []
    loaded.keep_kernels = lambda: kept.append(1)  # type: ignore[method-assign]  # to count
    for _ in range(3):
        program.enqueue(9)
    assert context.told[-1] == ("run", 9)
    assert kept == [1]
    assert program.capturable(9)
    context.is_stream_capturable = lambda stream: stream == 9  # type: ignore[attr-defined]  # newer versions
    assert (program.capturable(9), program.capturable(8)) == (True, False)
    context.answers.update(run=False, address=False)
    with pytest.raises(VsanimeError, match=r"^TensorRT failed on a frame: it gave no reason$"):
        program.enqueue(9)
    with pytest.raises(VsanimeError, match=r"^the engine refuses the buffer of 'luma': it gave no reason$"):
        program.bind({"luma": 5}, 0)
    program.close()
    program.close()


def test_a_program_without_memory_takes_none(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate()
    monkeypatch.setattr(Engine, "device_memory_size_v2", 0)
    engine = Engine()
    engine.context = Context()
    program = ContextProgram(LoadedEngine(runtime("tensorrt", engine), Device(0), b"serialized"), Device(0), {})
    assert engine.context.told == []
    program.close()


# Engines that are kept


class Cache:
    """Keeps what it is given, or nothing."""

    folder = "the folder"

    def __init__(self, keeps: bool = True) -> None:
        self.keeps = keeps
        self.asked: list[Any] = []

    def fetch(self, facts: Any, notes: Any, build: Callable[[], bytes]) -> bytes:
        self.asked.append((facts, notes))
        return build()

    def holds(self, facts: Any) -> bool:
        return self.keeps and facts == self.asked[-1][0]


@pytest.mark.parametrize("sizes", [None, SIZES])
@pytest.mark.parametrize("keeps", [True, False])
def test_engines_are_kept_compressed_under_what_decided_them(
    monkeypatch: pytest.MonkeyPatch, keeps: bool, sizes: Any
) -> None:
    cache = Cache(keeps)
    monkeypatch.setattr(TensorRT, "cache", lambda _: cache)
    monkeypatch.setattr(TensorRT, "_built", lambda *_: bytes(10_000))
    monkeypatch.setattr("vsanime.backends.tensorrt.flavour_for", lambda *_: Flavour("tensorrt_rtx", package()))
    backend, graph = TensorRT(workspace=3, sizes=sizes), open_graph()
    if not keeps:
        with pytest.raises(VsanimeError, match=r"^the engine was built, but the folder cannot be written: choose"):
            backend.build(graph, "fp16", (8, 6))
        return
    size = backend.build(graph, "fp16", (8, 6))
    assert 0 < size < 1000
    ((facts, notes),) = cache.asked
    usual = "100x120" if sizes is None else "64x80-100x120-200x180"
    assert notes == {"model": "", "size": usual, "precision": "fp16", "card": "compute 8.6"}
    assert (facts["revision"], facts["precision"], facts["workspace"]) == (2, "fp16", 3)
    assert facts["sizes"] == (None if sizes is None else [[64, 80], [100, 120], [200, 180]])
    assert (facts["aux_streams"], facts["optimization_level"], facts["cuda_graph"]) == (0, None, True)
    assert (facts["flavour"], facts["version"], facts["capability"]) == ("tensorrt_rtx", "9.8", "8.6")


@pytest.mark.parametrize(("precision", "refused"), [("bf16", True), ("fp16", False), ("f32", False)])
def test_bf16_came_with_compute_capability_8(monkeypatch: pytest.MonkeyPatch, precision: str, refused: bool) -> None:
    monkeypatch.setattr(TensorRT, "_surely_kept", lambda *_: 5)
    monkeypatch.setattr("vsanime.backends.tensorrt.flavour_for", lambda *_: Flavour("tensorrt_rtx", package()))
    assert TensorRT().build(open_graph(), precision, (8, 6)) == 5
    if refused:
        with pytest.raises(VsanimeError, match=r"^precision='bf16': such a card \(compute capability 7\.5\) computes"):
            TensorRT().build(open_graph(), precision, (7, 5))
    else:
        assert TensorRT().build(open_graph(), precision, (7, 5)) == 5
    with pytest.raises(VsanimeError, match=r"builds for the compute capabilities 7\.5, 8\.6, 12\.0, not for 9\.0$"):
        TensorRT().build(open_graph(), precision, (9, 0))


@pytest.mark.parametrize(
    ("installed", "count", "capability", "usable"),
    [
        (("tensorrt_rtx",), 1, (8, 6), True),
        (("tensorrt",), 1, (8, 6), True),
        ((), 1, (8, 6), False),
        (("tensorrt_rtx",), 0, (8, 6), False),
        (("tensorrt_rtx",), 1, (6, 1), False),
    ],
)
def test_tensorrt_is_taken_where_a_card_and_a_package_are(
    monkeypatch: pytest.MonkeyPatch, installed: tuple[str, ...], count: int, capability: Any, usable: bool
) -> None:
    where = "vsanime.backends.tensorrt"
    for module in (where, f"{where}.flavours"):
        monkeypatch.setattr(f"{module}.is_installed", lambda name: name in installed)
    monkeypatch.setattr(f"{where}.flavours.load_flavour", lambda name: Flavour(name, package()))
    monkeypatch.setattr(f"{where}.device_count", lambda: count)
    monkeypatch.setattr(f"{where}.device_facts", lambda _: SimpleNamespace(compute_capability=capability))
    assert backend_module.is_usable() == usable
