"""colorize with networks of random weights, against the whole plain network in ONNX Runtime and NumPy around it."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.filters.test_bad_input import one_line
from tests.graphs.builders.test_colorize import run
from tests.support.clips import planes_of
from tests.support.colornets import colour_network, document_network, temporal_network
from tests.support.cudasim import CudaSim
from tests.support.lineanimation import animation, colour_clip, led_by_hand, line_clip, matched_by_hand, picture_of
from tests.support.networks import artcnn_like
from tests.support.simbackend import SimBackend
from vsanime import Backend
from vsanime.colorization import mixers
from vsanime.errors import VsanimeError
from vsanime.models.store import load
from vsanime.motion.distance import field
from vsanime.motion.enlarge import enlarge
from vsanime.motion.match import match
from vsanime.motion.warp import warp

ROOT = Path(__file__).parents[2]
SHIFTS = tuple(range(9))
frame_by_frame = partial(vsanime.colorize, steady=False)
KEYS = [0, 8]
F32 = Backend.OpenVINO(precision="f32")
BACKENDS = pytest.mark.parametrize("backend", [F32, Backend.ONNXRuntime()], ids=["openvino", "onnxruntime"])
# Sums in another order: codes at a rounding edge.
CODES_DIFFER = 2e-3


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("Netz ö") / "colours.onnx"
    path.write_bytes(colour_network().SerializeToString())
    return str(path)


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("Netz ü") / "temporal.onnx"
    path.write_bytes(temporal_network().SerializeToString())
    return str(path)


class Shot:
    """A drawing that moves, its clips, and what the whole network makes of it."""

    def __init__(self, size: tuple[int, int] = (96, 64), shifts: tuple[float, ...] = SHIFTS) -> None:
        self.lines, self.colours = animation(shifts, size)
        self.lineart, self.references = line_clip(self.lines), colour_clip(self.colours)

    def mixture(self, n: int, keys: tuple[int, int], work: tuple[int, int] | None = None) -> tuple[Any, dict[str, Any]]:
        """Both keys moved onto a frame, and the network's outputs, at the work size."""
        lines, colours = self.lines, self.colours
        if work is not None:
            lines = [planes_of(self.lineart.resize.Bilinear(*work), i)[0] for i in range(len(lines))]
            colours = [picture_of(self.references.resize.Bilinear(*work), i) for i in range(len(colours))]
        matched = matched_by_hand(lines, colours, sorted(set(keys)), n)
        height, width = lines[n].shape
        more = ((0, 0), (0, 0), (0, -height % 16), (0, -width % 16))

        def padded(planes: Any, white: float = 255.0) -> Any:
            return np.pad(planes, more, mode="edge").astype(np.float32) / np.float32(white)

        made = run(
            colour_network(),
            line=padded(lines[n][None, None]),
            key_lines=padded(np.stack([lines[k][None] for k in keys])),
            key_colours=padded(np.stack([colours[k].transpose(2, 0, 1) for k in keys])),
            warped=padded(matched.warped.transpose(0, 3, 1, 2)),
            errors=padded(matched.misfit[:, None], 1),
            prior=padded(matched.prior[:, None], 1),
        )
        outputs = {name: value[0, :, :height, :width].transpose(1, 2, 0) for name, value in made.items()}
        # The network knows nothing of where motion leads astray: there it is as if there were none.
        prior = np.dstack([*matched.prior, np.zeros((height, width), np.float32)])
        say = np.exp(-((matched.astray.max(axis=0) / 0.02) ** 2))[..., None]
        outputs["weights"] = say * outputs["weights"] + (1 - say) * prior
        outputs["residual"] = say * outputs["residual"]
        moved = [*(matched.warped / np.float32(255)), outputs["copied"]]
        mixed = sum(outputs["weights"][..., i : i + 1] * picture for i, picture in enumerate(moved))
        outputs["colour"] = mixed + outputs["residual"]
        return matched, outputs


def check(found: Any, expected: Any) -> None:
    """Pictures that are the same but for codes at a rounding edge."""
    codes = np.rint(np.clip(expected, 0, 1) * 255).astype(int)
    difference = np.abs(found.astype(int) - codes)
    assert difference.max() <= 1
    assert np.mean(difference > 0) <= CODES_DIFFER


@BACKENDS
@pytest.mark.parametrize("size", [(96, 64), (97, 65), (50, 84)])
def test_frames_are_what_the_whole_network_makes(net: str, backend: Any, size: tuple[int, int]) -> None:
    shot = Shot(size)
    made = frame_by_frame(shot.lineart, shot.references, keys=KEYS, model=net, backend=backend)
    for n in (1, 4, 7):
        _, outputs = shot.mixture(n, (0, 8))
        check(picture_of(made, n), outputs["colour"])
    for n in KEYS:
        np.testing.assert_array_equal(picture_of(made, n), shot.colours[n])


def test_one_key_is_taken_twice(net: str) -> None:
    shot = Shot()
    made = frame_by_frame(shot.lineart, shot.references, keys=[2], model=net, backend=F32)
    for n in (0, 5):
        _, outputs = shot.mixture(n, (2, 2))
        check(picture_of(made, n), outputs["colour"])


@pytest.mark.parametrize("work_size", [48, "auto"])
def test_a_smaller_work_size_is_enlarged_and_mixes_large_keys(
    net: str, work_size: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a number, motion is looked for in the smaller picture as well; "auto" looks for it in the frame, and changes
    the weights that it gives as the network did those of the smaller one.
    """
    monkeypatch.setattr("vsanime.filters.colorize._AUTO", 48)
    size, work = (144, 96), (72, 48)
    shot = Shot(size)
    made = frame_by_frame(shot.lineart, shot.references, keys=KEYS, model=net, work_size=work_size, backend=F32)
    for n in (2, 6):
        matched, outputs = shot.mixture(n, (0, 8), work)
        small_line = planes_of(shot.lineart.resize.Bilinear(*work), n)[0]

        def enlarged(picture: Any, line: Any = small_line, full: Any = shot.lines[n]) -> Any:
            return enlarge(np.ascontiguousarray(picture), line, full)

        if work_size == "auto":
            small = [planes_of(shot.lineart.resize.Bilinear(*work), i)[0] for i in range(9)]
            pair = [shot.lines[k] for k in KEYS], [shot.colours[k] for k in KEYS]
            large = match(shot.lines[n], *pair, led_by_hand(small, KEYS, n))
            flows = list(large.flows)
            logits = np.log(outputs["weights"])
            logits[..., :2] -= np.log(matched.prior.transpose(1, 2, 0) + 1e-4)
            logits = enlarged(logits)
            logits[..., :2] += np.log(large.prior.transpose(1, 2, 0) + 1e-4)
            weights = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        else:
            flows = [cv2.resize(found, size, interpolation=cv2.INTER_LINEAR) * np.float32(2) for found in matched.flows]
            weights = enlarged(outputs["weights"])
            weights /= weights.sum(axis=-1, keepdims=True)
        moved = [warp(shot.colours[k], found) / np.float32(255) for k, found in zip(KEYS, flows, strict=True)]
        total = enlarged(outputs["residual"]) + weights[..., 2:] * enlarged(outputs["copied"])
        total = total + weights[..., :1] * moved[0] + weights[..., 1:2] * moved[1]
        check(picture_of(made, n), total)


def test_the_network_that_travels_is_taken_by_itself() -> None:
    shot = Shot()
    made = vsanime.colorize(shot.lineart, shot.references, keys=KEYS, backend=F32)
    named = vsanime.colorize(shot.lineart, shot.references, keys=KEYS, model="Line_VA", backend=F32)
    alone = vsanime.colorize(shot.lineart, shot.references, keys=KEYS, model="flow")
    np.testing.assert_array_equal(picture_of(made, 3), picture_of(named, 3))
    assert (picture_of(made, 3) != picture_of(alone, 3)).any()


def test_the_temporal_network_sees_both_keys_and_the_frame(net: str, temporal: str) -> None:
    shot = Shot()
    made = frame_by_frame(shot.lineart, shot.references, keys=KEYS, model=net, temporal=temporal, backend=F32)
    alone = frame_by_frame(shot.lineart, shot.references, keys=KEYS, model="flow", temporal=temporal, backend=F32)
    for n in (1, 5):
        matched, outputs = shot.mixture(n, (0, 8))
        lines = np.stack([shot.lines[i] for i in (0, n, 8)])[:, None] / np.float32(255)
        prior = matched.prior[..., None] * matched.warped / np.float32(255)
        for clip, colour in ((made, outputs["colour"]), (alone, prior.sum(axis=0))):
            pictures = [shot.colours[0] / np.float32(255), colour, shot.colours[8] / np.float32(255)]
            colours = np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)
            expected = run(temporal_network(), lines=lines, colours=colours)["colour"][0].transpose(1, 2, 0)
            check(picture_of(clip, n), expected)


def test_the_documents_network_colours_by_distances(tmp_path: Path) -> None:
    shot = Shot()
    path = tmp_path / "document.onnx"
    path.write_bytes(document_network().SerializeToString())
    made = frame_by_frame(shot.lineart, shot.references, keys=KEYS, model=path, backend=F32)
    for n in (1, 6):
        lines = [shot.lines[i] for i in (n, *KEYS)]
        planes = np.stack(lines)[:, None] / np.float32(255)
        distances = np.stack([field(line) for line in lines])[:, None]
        expected = run(
            document_network(),
            line=planes[:1],
            distance=distances[:1],
            key_lines=planes[1:],
            key_distances=distances[1:],
            key_colours=np.stack([shot.colours[k].transpose(2, 0, 1) for k in KEYS]) / np.float32(255),
        )["colour"][0]
        check(picture_of(made, n), expected.transpose(1, 2, 0))


def test_the_documents_network_says_at_once_that_it_needs_scipy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot = Shot()
    path = tmp_path / "document.onnx"
    path.write_bytes(document_network().SerializeToString())
    monkeypatch.setitem(sys.modules, "scipy", None)
    one_line(
        lambda: vsanime.colorize(shot.lineart, shot.references, keys=KEYS, model=path, backend=F32),
        "colorize: ", "SciPy", "vsanime[colorize]",
    )  # fmt: skip


def test_any_order_of_requests_and_number_of_lanes_gives_the_same_frames(net: str) -> None:
    shot = Shot()
    expected = None
    for seed, lanes in enumerate((1, 2, 3)):
        backend = Backend.OpenVINO(precision="f32", num_streams=lanes)
        made = vsanime.colorize(shot.lineart, shot.references, keys=[0, 4, 8], model=net, backend=backend)
        order = list(range(9))
        random.Random(seed).shuffle(order)
        frames = {n: picture_of(made, n) for n in order}
        expected = expected or frames
        for n in order:
            np.testing.assert_array_equal(frames[n], expected[n])
        for n, frame in enumerate(made.frames()):
            np.testing.assert_array_equal(np.stack([np.asarray(p) for p in frame], axis=-1), expected[n])


def test_keys_are_worth_the_same_for_every_frame_and_computed_once(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    original = mixers.ColorEngine.computed

    def counted(self: Any, key: Any) -> Any:
        computed.append(key.number)
        return original(self, key)

    monkeypatch.setattr(mixers.ColorEngine, "computed", counted)
    shot = Shot()
    backend = Backend.OpenVINO(precision="f32", num_streams=2)
    made = vsanime.colorize(shot.lineart, shot.references, keys=[0, 4, 8], model=net, backend=backend)
    for frame in made.frames():
        frame.close()
    assert sorted(computed) == [0, 1, 2]


def test_what_no_backend_or_network_does_is_told_when_the_script_is_evaluated(tmp_path: Path, net: str) -> None:
    shot = Shot()
    other = tmp_path / "other.onnx"
    other.write_bytes(artcnn_like(1, 4).SerializeToString())

    def call(**options: Any) -> vs.VideoNode:
        return vsanime.colorize(shot.lineart, shot.references, keys=KEYS, **options)

    one_line(lambda: call(model=str(other)), "colorize: model='other'", "key_colours", "is needed")
    one_line(lambda: call(temporal=net), "colorize: temporal='colours'", "lines", "is needed")
    one_line(lambda: call(model="nowhere.onnx"), "colorize: ", "nowhere.onnx", "does not exist")
    backend = Backend.OpenVINO(precision="fp8")
    one_line(lambda: call(model=net, backend=backend), "colorize: ", "'fp8'", "'f32'")


def test_a_reloaded_script_leaves_nothing(net: str) -> None:
    """In a process of its own; see `reloading.py`."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.support.reloading", "colorize", net],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "VSANIME_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr


def test_lanes_of_a_card_give_the_same_frames(net: str, temporal: str, simulate: Callable[..., CudaSim]) -> None:
    """A simulated card, whose buffers are pinned and whose engines are ONNX Runtime's; nothing is left of it."""
    sim = simulate()
    shot = Shot()
    options: dict[str, Any] = {"keys": KEYS, "model": net, "temporal": temporal}
    made = vsanime.colorize(shot.lineart, shot.references, backend=SimBackend(sim=sim), **options)
    plain = vsanime.colorize(shot.lineart, shot.references, backend=Backend.ONNXRuntime(), **options)
    for n in range(9):
        check(picture_of(made, n), picture_of(plain, n) / np.float32(255))
    del made
    gc.collect()


@pytest.mark.parametrize(("size", "padded"), [((16, 32), (16, 32)), ((17, 31), (32, 32)), ((1, 33), (16, 48))])
def test_networks_see_pictures_of_whole_blocks(size: tuple[int, int], padded: tuple[int, int]) -> None:
    assert mixers._pad_size(size) == padded
    picture = np.arange(size[0] * size[1], dtype=np.float32).reshape(1, 1, size[1], size[0])
    target = np.full((1, 1, *padded[::-1]), -1, np.float32)
    mixers.fill(target, picture)
    more = ((0, 0), (0, 0), (0, padded[1] - size[1]), (0, padded[0] - size[0]))
    np.testing.assert_array_equal(target, np.pad(picture, more, mode="edge"))
    assert mixers.planar(np.zeros((2, 5, 3))).shape == (3, 2, 5)


def test_backends_are_told_of_whole_pictures_of_eight_bits() -> None:
    work = mixers._workload((48, 32), 64)
    assert (work.width, work.height, work.radius, work.features, work.anchored) == (48, 32, None, 64, False)
    assert (work.out_channels, work.output_bits, work.output_float) == (3, 8, False)
    assert mixers.usable(F32) is F32
    assert mixers.usable(None) == Backend.auto()
    with pytest.raises(VsanimeError, match=r"^backend=5; an instance"):
        mixers.usable(5)  # type: ignore[arg-type]  # what is refused


def test_keys_are_held_until_others_come() -> None:
    """Of a key that fails nothing is held: the next frame tries again."""
    computed: list[int] = []

    class Worth:
        def get(self, number: int, _make: Any) -> dict[str, Any]:
            if number < 0:
                raise ValueError(number)
            computed.append(number)
            return {"worth": np.full((1, 2), number)}

    lane: Any = SimpleNamespace(inputs={"worth": np.zeros((2, 2))})
    engine: Any = SimpleNamespace(worth=Worth(), computed=dict)
    held = mixers.HeldKeys(engine, lane)

    def hold(*numbers: int) -> list[int]:
        held.hold([SimpleNamespace(number=number) for number in numbers])  # type: ignore[misc]  # no more is asked
        return [int(number) for number in lane.inputs["worth"][:, 0]]

    assert hold(1, 2) == hold(1, 2) == [1, 2]
    assert computed == [1, 2]
    assert hold(2, 2) == [2, 2]
    with pytest.raises(ValueError, match="-1"):
        hold(3, -1)
    assert hold(2, 2) == [2, 2]
    assert computed == [1, 2, 2, 2, 3, 2, 2]


def test_keys_that_are_known_are_counted() -> None:
    engine: Any = SimpleNamespace(worth={1: "one", 2: "two"})
    assert mixers.ColorEngine.kept(engine) == 2


@pytest.mark.parametrize(("kind", "make"), [("colour", colour_network), ("temporal", temporal_network)])
def test_backends_are_told_how_wide_networks_are(tmp_path: Path, kind: str, make: Callable[[], Any]) -> None:
    """By the widest that goes through the cut, or of three frames by the layer that is widest as published."""
    path = tmp_path / "net.onnx"
    path.write_bytes(make().SerializeToString())
    told: list[Any] = []

    def precision_for(work: Any) -> str:
        told.append(work)
        raise VsanimeError("enough")

    backend: Any = SimpleNamespace(precision_for=precision_for)
    model = load(path)
    engine: Any = mixers.ColorEngine if kind == "colour" else mixers.TemporalEngine
    with pytest.raises(VsanimeError, match="enough"):
        engine(model, (50, 33), backend, 1, 1)
    (work,) = told
    assert (work.width, work.height) == (64, 48)
    assert work.features == (max(mixers._cut(model).channels) if kind == "colour" else 256)
    if kind == "colour":
        assert len(set(mixers._cut(model).channels)) > 1
