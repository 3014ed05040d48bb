"""Clips go through a real encoder, come back frame for frame, and are the same whoever makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsanime.errors import VsanimeError
from vsanime.training.data import degrade
from vsanime.training.data.clips import ClipStore, Shrink, decode, encode, pan
from vsanime.training.recipes.pairs import H264

pytest.importorskip("imageio_ffmpeg")

SETTINGS = H264(share=1.0, crf=(20, 30), clips=4, frames=4, width=96)


def scene(rng: np.random.Generator, height: int, width: int) -> degrade.Floats:
    return degrade.blur(rng.random((1, height, width), np.float32), 2.0)


def store(folder: Path) -> ClipStore:
    return ClipStore(folder, SETTINGS, 7, scene, lambda _rng: lambda picture: degrade.halve(picture, degrade.box))


def test_frames_survive_good_quality(tmp_path: Path) -> None:
    frames = np.stack([degrade.to_codes(scene(np.random.default_rng(i), 48, 64))[0] for i in range(3)])
    errors = []
    for crf in (1, 20, 40):
        (tmp_path / f"{crf}.264").write_bytes(encode(frames, crf, "veryfast"))
        found = decode(tmp_path / f"{crf}.264", frames.shape)
        errors.append(float(np.abs(found.astype(int) - frames).mean()))
    assert errors == sorted(errors)
    assert errors[0] < 1.5  # limited range costs half a code by itself
    assert errors[2] > errors[0]


def test_encoding_is_repeatable() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 48), np.uint8)
    assert encode(frames, 25, "medium") == encode(frames, 25, "medium")


def test_clips_are_the_same_in_every_folder(tmp_path: Path) -> None:
    for number in (2, 0):
        one, other = (store(tmp_path / name).clip(number) for name in ("a", "mit Leerzeichen ä"))
        assert np.array_equal(one.clean, other.clean)
        assert np.array_equal(one.coded, other.coded)
    assert not np.array_equal(store(tmp_path / "a").clip(0).clean, store(tmp_path / "a").clip(1).clean)


def test_coded_frames_are_the_clean_ones_halved(tmp_path: Path) -> None:
    clip = store(tmp_path).clip(0)
    small = np.stack([degrade.halve(degrade.from_codes(f[None]), degrade.box)[0] for f in clip.clean])
    assert clip.coded.shape == small.shape == (4, 54, 96)
    assert 0.1 < np.abs(degrade.from_codes(clip.coded) - small).mean() * 255 < 6


def test_camera_moves_at_an_even_pace() -> None:
    rng = np.random.default_rng(1)  # one of the four in five that move
    frames = pan(scene, rng, 3, 60, 80)
    assert frames.shape == (3, 60, 80)
    assert not np.array_equal(frames[0], frames[1])


def test_damaged_clip_is_named(tmp_path: Path) -> None:
    store(tmp_path).clip(0)
    path = next(tmp_path.glob("*.264"))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])
    with pytest.raises(VsanimeError, match=r"00000\.264 does not hold 4 frames of 96x54; delete it|ffmpeg failed"):
        store(tmp_path).clip(0)


def test_how_a_clip_is_shrunk_is_drawn_once(tmp_path: Path) -> None:
    """Each draw darkens by another amount: within a clip all frames are as dark."""

    def darken(rng: np.random.Generator) -> Shrink:
        part = np.float32(rng.uniform(0.2, 1.0))
        return lambda picture: degrade.halve(picture, degrade.box) * part

    clips = ClipStore(tmp_path, SETTINGS, 7, lambda _rng, h, w: np.ones((1, h, w), np.float32), darken)
    shades = [clips.clip(number).coded.mean((1, 2)) for number in range(4)]
    assert all(np.ptp(shade) < 3 for shade in shades)  # codes, what the encoder is free to do
    assert np.ptp([shade[0] for shade in shades]) > 20
