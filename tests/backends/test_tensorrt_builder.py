"""The builder around TensorRT-RTX: what it refuses, what it says and where, interrupts, packages, and the cache's keys.

The package `tensorrt` needs a card even to be built with, so its branches are gone through with TensorRT-RTX under the
other's name: that the calls exist and are made is shown, that TensorRT itself answers as TensorRT-RTX does is not.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from tests.support.cudasim import CudaSim
from tests.support.networks import artcnn_like
from tests.support.planesgraphs import planes_graph
from tests.support.rtx import CAPABILITY, rtx, tensorrt_rtx
from vsanime.backends.cache import EngineCache, key_of
from vsanime.backends.cuda.runtime import Device, has_driver
from vsanime.backends.stdout import guard_stdout
from vsanime.backends.tensorrt import TensorRT, flavours, reports
from vsanime.backends.tensorrt.building import Build, BuildSettings
from vsanime.backends.tensorrt.flavours import Capability, Flavour
from vsanime.backends.tensorrt.running import LoadedEngine, Refused
from vsanime.backends.tensorrt.targets import Target
from vsanime.errors import VsanimeError
from vsanime.spec import GraphTraits, PlanesGraph

FOR_CARD = BuildSettings(capability=CAPABILITY)
SMALL = (64, 48)


def graph(seed: int = 0, traits: GraphTraits | None = None) -> PlanesGraph:
    found = planes_graph(artcnn_like(seed=seed), 8, SMALL, traits or TensorRT().traits("fp16"))
    return dataclasses.replace(found, title="a small net")


def strange(op: str, domain: str = "") -> PlanesGraph:
    """A graph with one node that no TensorRT knows, after one that it does."""
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, 8, 8]) for n in ("input", "output")]
    known = helper.make_node("Relu", ["input"], ["r"])
    odd = helper.make_node(op, ["r"], ["output"], name="odd one", domain=domain)
    model = helper.make_model(
        helper.make_graph([known, odd], "strange", ends[:1], ends[1:]),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("org.example", 1)],
    )
    return PlanesGraph(model.SerializeToString(), (), (), linear_split=False)


# What it refuses


@pytest.mark.parametrize(
    ("op", "domain", "reason"),
    [("Det", "", "an operator that it does not know"), ("Mystery", "org.example", ".*Plugin not found")],
)
def test_an_unknown_operator_is_named_with_its_node(op: str, domain: str, reason: str) -> None:
    with pytest.raises(VsanimeError, match=rf"does not take the network: node 'odd one' \({op}\): {reason}"):
        Build(rtx(), strange(op, domain), FOR_CARD)


@pytest.mark.parametrize("serialized", [b"no ONNX at all", graph().onnx[: len(graph().onnx) // 2]])
def test_a_broken_onnx_is_one_error(serialized: bytes) -> None:
    with pytest.raises(VsanimeError, match="tensorrt_rtx does not take the network: "):
        Build(rtx(), PlanesGraph(serialized, (), (), linear_split=False), FOR_CARD)


def test_the_next_network_is_not_blamed_for_the_last_ones_error() -> None:
    with pytest.raises(VsanimeError):
        Build(rtx(), strange("Det"), FOR_CARD)
    assert Build(rtx(), graph(), FOR_CARD).serialized()[0]


def test_a_refused_profile_says_why() -> None:
    profile = {"luma": ((1, 1, 90, 90), (1, 1, 50, 50), (1, 1, 30, 30))}
    with pytest.raises(VsanimeError, match=r"refuses the sizes .* MIN<=OPT<=MAX"):
        Build(rtx(), graph(), BuildSettings(capability=CAPABILITY, profile=profile))


def test_a_profile_of_other_sizes_than_the_graphs_is_refused() -> None:
    profile = {"luma": ((1, 1, 50, 50), (1, 1, 50, 50), (1, 1, 50, 50))}
    with pytest.raises(VsanimeError, match=r"could not build an engine for a small net: .*luma"):
        Build(rtx(), graph(), BuildSettings(capability=CAPABILITY, profile=profile)).serialized()


def test_a_capability_that_is_not_listed_is_refused_with_those_that_are(tmp_path: Path) -> None:
    backend = TensorRT(flavour="tensorrt_rtx", engine_dir=tmp_path)
    with pytest.raises(VsanimeError, match=r"builds for the compute capabilities 7\.5, 8\.0, .*, not for 9\.0"):
        backend.build(graph(), "fp16", (9, 0))
    assert not list(tmp_path.iterdir())


def test_bf16_is_refused_for_cards_without_it(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match=r"such a card \(compute capability 7\.5\) computes no bf16"):
        TensorRT(engine_dir=tmp_path, precision="bf16").build(graph(), "bf16", (7, 5))


@pytest.mark.parametrize("damage", [lambda e: e, lambda _: b"", lambda _: b"no engine", lambda e: e[: len(e) // 2]])
def test_an_engine_that_the_runtime_does_not_load_is_an_error(
    simulate: Callable[..., CudaSim], damage: Callable[[bytes], bytes]
) -> None:
    """The runtime itself, which without a driver loads nothing: it returns None, and that must not pass for an engine.

    With a driver a good engine would load, but there is no card here to load it on. Without one the engine is not to
    blame, and must not be thrown away.
    """
    simulate()
    engine = Build(rtx(), graph(), FOR_CARD).serialized()[0]
    if has_driver():
        engine = engine[: len(engine) // 2]
    with pytest.raises(VsanimeError, match=r"tensorrt_rtx cannot load the engine: (?!it gave no reason)") as caught:
        LoadedEngine(rtx(), Device(0), damage(engine))
    assert isinstance(caught.value, Refused) == ("CUDA driver" not in str(caught.value))


# What it says, and where


def test_messages_go_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "vsanime.tensorrt"):
        Build(rtx(), graph(), FOR_CARD).serialized()
        with pytest.raises(VsanimeError):
            Build(rtx(), strange("Det"), FOR_CARD)
    said = [record for record in caplog.records if record.name == "vsanime.tensorrt"]
    assert len(said) > 10
    # Errors become the text of an exception and are not told twice.
    assert {record.levelno for record in said} == {logging.DEBUG}


def test_a_second_engine_beside_the_first_is_no_reason_for_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """TensorRT warns of every logger but the first: one for each engine would have it do so in every script."""
    with caplog.at_level(logging.WARNING):
        builds = [Build(rtx(), graph(seed), FOR_CARD) for seed in range(3)]
        for build in builds:
            build.serialized()
    assert caplog.records == []


def test_errors_of_another_thread_do_not_hide_ones_own() -> None:
    messages = reports.Messages(rtx())
    other = threading.Thread(target=lambda: messages.logger.log(tensorrt_rtx.ILogger.ERROR, "of the other"))
    other.start()
    other.join()
    assert messages.reason() == "of the other"
    messages.logger.log(tensorrt_rtx.ILogger.ERROR, "of\n  one's own")
    assert messages.reason() == "of one's own"
    assert messages.reason(messages.mark()) == "it gave no reason"


NOISY = """
import ctypes, os, sys, threading
from vsanime.backends.stdout import guard_stdout
c = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
def shout():
    c.printf(b"printf\\n")
    os.write(1, b"write\\n")
    sys.stdout.write("print\\n")
with guard_stdout():
    shout()
    with guard_stdout():
        shout()
    shout()
def work():
    for _ in range(50):
        with guard_stdout():
            shout()
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print("wanted")
"""

BUILDS = """
import sys
from tests.support.networks import artcnn_like
from tests.support.planesgraphs import planes_graph
from vsanime.backends.tensorrt import TensorRT
backend = TensorRT(engine_dir=sys.argv[1], aux_streams=2)
graph = planes_graph(artcnn_like(), 8, (64, 48), backend.traits("fp16"))
for capability in ((8, 6), (12, 0)):
    backend.build(graph, "fp16", capability)
"""


def run(script: str, *arguments: str) -> tuple[str, str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_whatever_native_code_prints_goes_to_stderr() -> None:
    out, err = run(NOISY)
    assert out == "wanted\n"
    assert err.count("printf\n") == err.count("write\n") == err.count("print\n") == 3 + 4 * 50


def test_a_build_writes_nothing_to_stdout(tmp_path: Path) -> None:
    out, err = run(BUILDS, str(tmp_path))
    assert out == ""
    assert err.count("vsanime: building the engine") == 2
    assert len(list(tmp_path.glob("*.engine"))) == 2


def test_guards_that_overlap_give_stdout_back_when_the_last_ends(capfd: pytest.CaptureFixture[str]) -> None:
    first, second = guard_stdout(), guard_stdout()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    os.write(1, b"still guarded\n")
    second.__exit__(None, None, None)
    os.write(1, b"free\n")
    assert capfd.readouterr() == ("free\n", "still guarded\n")


# Interrupts


INTERRUPTED = """
import signal, sys
from tests.support.networks import artcnn_like
from tests.support.planesgraphs import planes_graph
from vsanime.backends.tensorrt import TensorRT, reports
method = getattr(reports.Monitor, sys.argv[2])
def interrupted(self, *arguments):
    if not self.interrupted:
        signal.raise_signal(signal.SIGINT)
    return method(self, *arguments)
setattr(reports.Monitor, sys.argv[2], interrupted)
backend = TensorRT(engine_dir=sys.argv[1])
graph = planes_graph(artcnn_like(), 8, (64, 48), backend.traits("fp16"))
try:
    backend.build(graph, "fp16", (8, 9))
except KeyboardInterrupt:
    print("interrupted")
setattr(reports.Monitor, sys.argv[2], method)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
print("before", len(list(__import__("pathlib").Path(sys.argv[1]).glob("*.engine"))))
backend.build(graph, "fp16", (8, 9))
"""


@pytest.mark.parametrize("where", ["start", "step", "finish"])
def test_ctrl_c_stops_a_build_and_leaves_nothing(tmp_path: Path, where: str) -> None:
    """A real signal, wherever in TensorRT's callbacks it falls; the next build succeeds."""
    out, _ = run(INTERRUPTED, str(tmp_path), where)
    assert out.splitlines() == ["interrupted", "before 0"]
    assert len(list(tmp_path.glob("*.engine"))) == 1
    assert not list(tmp_path.glob("*.tmp"))


def test_an_interrupt_of_ones_own_handler_stops_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `vsanime upscale` has one for SIGTERM: it raises where it is called, in the middle of the bar perhaps."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rich.progress.Progress.update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        TensorRT(engine_dir=tmp_path).build(graph(), "fp16", CAPABILITY)
    assert not list(tmp_path.glob("*.engine")) + list(tmp_path.glob("*.tmp")) + list(tmp_path.glob("*.json"))


# Packages


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(flavours, "is_installed", lambda name: name in names)
    # Loading is not what is looked at, and one of them is not here.
    monkeypatch.setattr(flavours, "load_flavour", lambda name: Flavour(name, tensorrt_rtx))


@pytest.mark.parametrize(
    ("wanted", "capability", "there", "chosen"),
    [
        (None, (8, 9), "both", "tensorrt_rtx"),
        (None, (12, 0), "both", "tensorrt_rtx"),
        (None, (8, 0), "both", "tensorrt"),  # A100
        (None, (9, 0), "both", "tensorrt"),  # H100
        (None, (8, 0), "tensorrt_rtx", "tensorrt_rtx"),
        (None, (8, 9), "tensorrt_rtx", "tensorrt_rtx"),
        (None, (8, 9), "tensorrt", "tensorrt"),
        (None, None, "both", "tensorrt_rtx"),
        ("tensorrt", (8, 9), "both", "tensorrt"),
        ("tensorrt_rtx", (9, 0), "both", "tensorrt_rtx"),  # a card newer than the list
    ],
)
def test_which_package_serves_which_card(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, capability: Capability | None, there: str, chosen: str
) -> None:
    installed(monkeypatch, *(("tensorrt", "tensorrt_rtx") if there == "both" else (there,)))
    assert flavours.flavour_for(wanted, capability).name == chosen


def test_a_card_that_no_installed_package_serves_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "tensorrt_rtx")
    with pytest.raises(VsanimeError, match=r"this card has 9\.0; `pip install .vsanime\[tensorrt\].`"):
        flavours.flavour_for(None, (9, 0))


@pytest.mark.parametrize("there", ["tensorrt", "tensorrt_rtx"])
def test_a_card_older_than_cuda_13_serves_is_told(monkeypatch: pytest.MonkeyPatch, there: str) -> None:
    installed(monkeypatch, there)
    with pytest.raises(
        VsanimeError, match=r"from compute capability 7\.5 on, and this one has 6\.1; `vsanime.Backend.OpenVINO"
    ):
        flavours.flavour_for(None, (6, 1))


def test_without_any_package_the_extras_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    with pytest.raises(VsanimeError, match=r"`pip install .vsanime\[tensorrt-rtx\].` .*vsanime\[tensorrt\]"):
        flavours.flavour_for(None, (8, 9))


def test_a_package_that_is_not_there_names_its_extra() -> None:
    if flavours.is_installed("tensorrt"):
        pytest.skip("TensorRT is installed here")
    with pytest.raises(VsanimeError, match=r"tensorrt cannot be loaded .*`pip install .vsanime\[tensorrt\].`"):
        flavours.load_flavour("tensorrt")


def test_a_flavour_that_does_not_exist_is_refused() -> None:
    with pytest.raises(VsanimeError, match="flavour='trt'; 'tensorrt' or 'tensorrt_rtx' is needed"):
        flavours.flavour_for("trt", (8, 9))


def test_every_listed_capability_has_its_own_name_there() -> None:
    listed = rtx().capabilities()
    assert CAPABILITY in listed
    assert len({int(rtx().member(capability)) for capability in listed}) == len(listed)
    assert rtx().member((8, 6)) == tensorrt_rtx.ComputeCapability.SM86
    assert rtx().member((12, 0)) == tensorrt_rtx.ComputeCapability.SM120
    assert rtx().member(None) == tensorrt_rtx.ComputeCapability.CURRENT


@pytest.mark.parametrize(("capability", "named"), [((8, 9), (8, 9)), ((9, 9), None)])
def test_only_a_card_at_hand_may_be_one_that_is_not_listed(
    simulate: Callable[..., CudaSim], capability: Capability, named: Capability | None
) -> None:
    """None is the card at hand; elsewhere it would be another card than the one that is meant."""
    simulate()
    assert Target(rtx(), capability, Device(0)).named_capability == named
    assert Target(rtx(), capability).named_capability == capability


# TensorRT-RTX has such caches for the other's sake and says so.
@pytest.mark.filterwarnings("ignore:.*Timing cache operations are no-ops:DeprecationWarning")
def test_builds_under_tensorrts_name_keep_timings_and_set_no_capability() -> None:
    plain = Flavour("tensorrt", tensorrt_rtx)
    build = Build(plain, graph(), BuildSettings(workspace=64, level=2, aux_streams=1))
    assert build.config.num_compute_capabilities == 0
    assert build.config.builder_optimization_level == 2
    assert build.config.max_aux_streams == 1
    assert build.config.get_memory_pool_limit(tensorrt_rtx.MemoryPoolType.WORKSPACE) == 64 << 20
    engine, timing = build.serialized()
    assert engine
    assert timing
    # Those of another version, or damaged ones, are put aside.
    for kept in (timing, b"timings of another world"):
        assert Build(plain, graph(), BuildSettings()).serialized(kept)[1]


def test_tensorrt_builds_for_no_card_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("vsanime.backends.tensorrt.flavour_for", lambda *_: Flavour("tensorrt", tensorrt_rtx))
    with pytest.raises(VsanimeError, match=r"on the card they are for and nowhere else; .*flavour='tensorrt_rtx'"):
        TensorRT(engine_dir=tmp_path).build(graph(), "fp16", CAPABILITY)


# Keys of the cache

# Another value than the default for every option. A new field is in neither table, and the test fails until somebody
# has said which it belongs to.
CHANGES_THE_ENGINE: Mapping[str, object] = {
    "precision": "f32",
    "cuda_graph": False,
    "sizes": ((64, 64), (64, 64), (128, 128)),
    "workspace": 512,
    "optimization_level": 1,
    "aux_streams": 1,
}
CHANGES_NOTHING_IN_IT: Mapping[str, object] = {
    "device_id": 1,  # cards of one kind share engines
    "num_streams": 3,
    "engine_dir": "elsewhere",
    "flavour": "tensorrt_rtx",  # what is chosen anyway: the choice counts, not how it was made
}


def key(monkeypatch: pytest.MonkeyPatch, backend: TensorRT, capability: Capability = CAPABILITY, seed: int = 0) -> str:
    """Under which key a backend would keep a graph's engine."""
    keys = []

    def fetch(_: EngineCache, facts: Mapping[str, object], *__: object) -> bytes:
        keys.append(key_of(facts))  # type: ignore[arg-type]
        return b""

    monkeypatch.setattr(EngineCache, "fetch", fetch)
    monkeypatch.setattr(EngineCache, "holds", lambda *_: True)
    backend.build(graph(seed, backend.traits(backend.precision)), backend.precision, capability)
    return keys[0]


def test_every_option_is_known_to_change_the_engine_or_not() -> None:
    names = {field.name for field in dataclasses.fields(TensorRT)}
    assert names == CHANGES_THE_ENGINE.keys() | CHANGES_NOTHING_IN_IT.keys()
    assert not CHANGES_THE_ENGINE.keys() & CHANGES_NOTHING_IN_IT.keys()


def test_options_that_change_the_engine_change_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    backends = [TensorRT(), *(TensorRT(**{name: value}) for name, value in CHANGES_THE_ENGINE.items())]  # type: ignore[arg-type]
    assert len({key(monkeypatch, backend) for backend in backends}) == len(backends)


def test_other_options_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    backends = [TensorRT(), *(TensorRT(**{name: value}) for name, value in CHANGES_NOTHING_IN_IT.items())]  # type: ignore[arg-type]
    assert len({key(monkeypatch, backend) for backend in backends}) == 1


def test_graph_capability_version_and_system_change_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TensorRT()
    keys = [key(monkeypatch, backend), key(monkeypatch, backend, (12, 0)), key(monkeypatch, backend, seed=1)]
    with monkeypatch.context() as patch:
        patch.setattr(Flavour, "version", "9.9.9")
        keys.append(key(monkeypatch, backend))
    with monkeypatch.context() as patch:
        patch.setattr("platform.machine", lambda: "RISC-V")
        keys.append(key(monkeypatch, backend))
    assert len(set(keys)) == len(keys)
    assert key(monkeypatch, backend) == keys[0]


def test_settings_that_are_not_set_are_the_packages_own() -> None:
    fresh = tensorrt_rtx.Builder(reports.Messages(rtx()).logger).create_builder_config()
    config = Build(rtx(), graph(), FOR_CARD).config
    assert config.builder_optimization_level == fresh.builder_optimization_level
    pool = tensorrt_rtx.MemoryPoolType.WORKSPACE
    assert config.get_memory_pool_limit(pool) == fresh.get_memory_pool_limit(pool)
    without = Build(rtx(), graph(), dataclasses.replace(FOR_CARD, capture=False)).config
    assert not without.get_flag(tensorrt_rtx.BuilderFlag.REQUIRE_USER_ALLOCATION)


GRAPHS = """
import hashlib, sys
from tests.support.allcards import network
from tests.support.planesgraphs import planes_graph
from vsanime.graphs.codes import Coding
from vsanime.spec import ChromaLocation, GraphTraits
traits = GraphTraits(exact_linear=True, body="float16", bytewise=True)
for name in ("C4F16_VA", "C4F32_Chroma", "vgg_7_art_noise0"):
    for bits in (8, 10):
        for siting in (ChromaLocation.LEFT, ChromaLocation.CENTER):
            graph = planes_graph(network(name), bits, (64, 48), traits, siting=siting, tint=True)
            print(name, bits, siting.name, hashlib.sha256(graph.onnx).hexdigest())
"""


def test_graphs_are_the_same_bytes_on_every_processor() -> None:
    """Or engines built ahead would not be found: NumPy and its BLAS choose their kernels by processor."""
    seen = set()
    for core, without in (("Haswell", "AVX512F"), ("SkylakeX", ""), ("Prescott", "AVX2 FMA3")):
        environment = os.environ | {
            "OPENBLAS_CORETYPE": core,
            "NPY_DISABLE_CPU_FEATURES": without,
            "PYTHONHASHSEED": str(len(seen)),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONWARNINGS": "ignore",
        }
        done = subprocess.run(
            [sys.executable, "-c", GRAPHS], capture_output=True, text=True, env=environment, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 12
        seen.add(done.stdout)
    assert len(seen) == 1


def test_engines_of_one_package_are_for_cards_of_a_capability_and_of_the_other_for_one_card(
    simulate: Callable[..., CudaSim],
) -> None:
    simulate()
    device = Device(0)
    plain = dataclasses.replace(rtx(), name="tensorrt")
    at_hand, elsewhere, timed = Target(rtx(), (8, 9), device), Target(rtx(), (8, 9)), Target(plain, (8, 9), device)
    assert (at_hand.card, elsewhere.card, timed.card) == ("compute 8.9", "compute 8.9", "Simulated 0")
    shared = at_hand.facts()
    assert shared["flavour"] == "tensorrt_rtx"
    assert (shared["capability"], shared["version"]) == ("8.9", rtx().version)
    assert elsewhere.facts() == shared
    assert timed.facts() == {**shared, "flavour": "tensorrt", "card": "Simulated 0", "cuda": "13.0"}


def test_timings_and_kernels_are_kept_for_a_card(simulate: Callable[..., CudaSim]) -> None:
    simulate(cards=2)
    cards = [Target(rtx(), (8, 9), Device(index)) for index in (0, 1)]
    names = [target.kernels_name("key") for target in (*cards, Target(rtx(), (8, 9)))]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"key-[0-9a-f]{8}\.jit", name) for name in names)
    assert names[0] == Target(rtx(), (8, 6), Device(0)).kernels_name("key")
    timings = cards[0].timing_name
    assert re.fullmatch(rf"timing-{re.escape(rtx().version)}-8\.9-[0-9a-f]{{8}}\.cache", timings)
    assert timings[-14:-6] == names[0][-12:-4]
