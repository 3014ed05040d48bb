"""Everybody's results lie where they should, and wrong models are refused before anything is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import vapoursynth as vs
from numpy.typing import NDArray

from tests.support.drawings import as_array, drawn
from tests.support.networks import artcnn_like
from vsanime import Backend
from vsanime.bench.doubling import methods
from vsanime.bench.doubling.shrink import halve, halve_codes
from vsanime.bench.frames import clip_of, planes_of
from vsanime.bench.metrics import psnr
from vsanime.errors import VsanimeError
from vsanime.models import store
from vsanime.training.data.degrade import from_codes, to_codes

type Floats = NDArray[np.float32]
BACKEND = Backend.OpenVINO(precision="f32")


def halved(truth: Floats, kernel: str = "box") -> vs.VideoNode:
    return clip_of([[halve_codes(to_codes(truth), kernel)]], vs.GRAY8, _Range=int(vs.RANGE_FULL))


def gray_drawing() -> Floats:
    return from_codes(as_array(drawn(160, 120, mode="L")))


@pytest.mark.parametrize("method", [*methods.resampling(), *methods.nnedi3()], ids=lambda m: m.name)
def test_a_ramp_stays_where_it_is(method: methods.Method) -> None:
    """Half a pixel off, every sample of the slope would be off by half a step."""
    step = 0.01
    ramp = np.clip(0.1 + step * (np.arange(60)[:, None] * 0.4 + np.arange(80) * 0.6), 0, 1).astype(np.float32)
    small = clip_of([[halve(ramp, "box")]], vs.GRAYS, _Range=int(vs.RANGE_FULL))
    large = planes_of(method.run(small), 0)[0]
    # Away from the edges, where mirroring bends the slope. NNEDI3's networks follow a ramp to a tenth of a step.
    assert np.abs(large - ramp)[16:-16, 16:-16].max() < 0.1 * step


@pytest.mark.skipif(not hasattr(vs.core, "znedi3"), reason="no wheel of znedi3 for this system")
def test_nnedi3_is_put_back_into_its_place() -> None:
    truth = gray_drawing()
    small = halved(truth)
    by_shift = {s: psnr(planes_of(methods.run_nnedi3(small, s), 0)[0], truth) for s in (-0.5, 0.0, 0.25, 0.75, 1.0)}
    right = psnr(planes_of(methods.run_nnedi3(small), 0)[0], truth)
    # Half a pixel off cost 5 dB on six drawings; a quarter of one has to show too.
    assert right > by_shift[0.0] + 3
    assert right > by_shift[1.0] + 3
    assert right > max(by_shift.values()) + 0.5
    # And in its place it beats resampling, for which it is known.
    bicubic = methods.resampling()[0]
    assert right > psnr(planes_of(bicubic.run(small), 0)[0], truth) + 1


def test_planes_of_rgb_are_doubled_as_luma_is() -> None:
    picture = as_array(drawn(64, 48, 3)).transpose(2, 0, 1)
    small = [halve_codes(plane, "box") for plane in picture]
    rgb = clip_of([small], vs.RGB24)
    for method in [*methods.resampling(), *methods.nnedi3()]:
        large = planes_of(method.run(rgb), 0)
        for plane, result in zip(small, large, strict=True):
            alone = method.run(clip_of([[plane]], vs.GRAY8, _Range=int(vs.RANGE_FULL)))
            assert np.array_equal(planes_of(alone, 0)[0], result)


def saved(path: Path, **options: int) -> str:
    onnx.save(artcnn_like(**options), path)
    return str(path)


def test_what_a_file_is_for_is_read_from_it(tmp_path: Path) -> None:
    luma = saved(tmp_path / "mine.onnx")
    chroma = saved(tmp_path / "c.onnx", channels=3, planes=2, scale=1)
    rgb = saved(tmp_path / "rgb.onnx", channels=3, planes=3)
    found = methods.networks([luma, "C4F16_VA", chroma, rgb, luma], BACKEND)
    assert [(m.name, m.knows) for m in found] == [
        ("mine", "luma"), ("C4F16_VA", "luma"), ("c", "chroma"), ("rgb", "rgb")
    ]  # fmt: skip
    assert not any(m.restores for m in found)


def test_default_stands_for_what_is_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path))
    assert "C4F32" not in methods.default_models()
    for name in ("C4F32_DN", "C16F64_DS"):  # no digest is pinned: a file of that name is it
        saved(tmp_path / f"ArtCNN_{name}.onnx")
        assert store.available(name)
    names = methods.default_models()
    # Ours travel with the package; what nobody asked for is not measured, though it is here.
    assert {"C4F16_VA", "C16F64_DS"} <= set(names)
    assert "C4F32_DN" not in names
    assert [m.name for m in methods.networks(["default"], BACKEND) if m.restores] == ["C16F64_DS", "C4F32_DS_VA"]
    mine = saved(tmp_path / "mine.onnx")
    assert [m.name for m in methods.networks(["default", mine], BACKEND)][-1] == "mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [({"scale": 3}, "neither doubles"), ({"channels": 3, "planes": 1}, "neither doubles")],
)
def test_a_network_for_something_else_is_refused(tmp_path: Path, options: dict[str, int], words: str) -> None:
    with pytest.raises(VsanimeError, match=words):
        methods.networks([saved(tmp_path / "odd.onnx", **options)], BACKEND)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    both = [saved(tmp_path / "mine.onnx"), saved(tmp_path / "other" / "mine.onnx")]
    with pytest.raises(VsanimeError, match="two networks are called mine"):
        methods.networks(both, BACKEND)
