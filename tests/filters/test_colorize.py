"""colorize: which key a frame is coloured from, by motion alone, in every format and order of requests."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image

import vsanime
import vsanime.filters.colorize as colorize_module
from tests.filters.test_bad_input import one_line
from tests.support.clips import format_of, planes_of, props_of
from tests.support.lineanimation import OTHER, PALETTE, animation, colour_clip, line_clip, matched_by_hand, picture_of
from vsanime.colorization import frames as colouring
from vsanime.colorization import painter, smoothing
from vsanime.colorization.keys import Choice, Window, choose, windows
from vsanime.colorization.linescenes import cuts
from vsanime.motion.chained import Led, Steps
from vsanime.motion.fill import fill
from vsanime.motion.flow import small_flow
from vsanime.motion.match import blend, match
from vsanime.motion.smooth import Neighbor, doubts, smooth_colors

SHIFTS = tuple(range(9))
KEYS = [0, 8]
by_motion = partial(vsanime.colorize, model="flow")
frame_by_frame = partial(by_motion, steady=False)
by_leaps = partial(frame_by_frame, steps=False)


def moving(shifts: tuple[float, ...] = SHIFTS, **more: Any) -> tuple[list[Any], list[Any], vs.VideoNode, vs.VideoNode]:
    lines, colours = animation(shifts, **more)
    return lines, colours, line_clip(lines), colour_clip(colours)


def two_scenes() -> tuple[list[Any], list[Any], vs.VideoNode, vs.VideoNode]:
    """The same drawings twice, in other colours behind the cut at 5."""
    lines, colours = animation(SHIFTS[:5])
    _, others = animation(SHIFTS[:5], palette=OTHER)
    both = [*colours, *others]
    return lines * 2, both, line_clip(lines * 2), colour_clip(both)


# Keys of a frame


def test_the_nearest_keys_inside_the_scene_are_chosen() -> None:
    chosen = choose(12, [2, 5, 9], [0, 6], "error")
    assert chosen[:3] == [Choice(0, 0), Choice(0, 0), Choice(0, 0, is_key=True)]
    assert chosen[3:6] == [Choice(0, 1), Choice(0, 1), Choice(1, 1, is_key=True)]
    assert chosen[6:] == [Choice(2, 2)] * 3 + [Choice(2, 2, is_key=True)] + [Choice(2, 2)] * 2


@pytest.mark.parametrize("seed", range(5))
def test_keys_are_those_that_a_search_finds(seed: int) -> None:
    rng = random.Random(seed)
    length = rng.randint(1, 40)
    keys = sorted(rng.sample(range(length), rng.randint(1, min(length, 6))))
    starts = sorted({0, *rng.sample(range(length), min(length, 3))})
    for n, choice in enumerate(choose(length, keys, starts, "passthrough")):
        start = max(s for s in starts if s <= n)
        end = min([s for s in starts if s > n], default=length)
        inside = [i for i, key in enumerate(keys) if start <= key < end]
        before = [i for i in inside if keys[i] <= n]
        after = [i for i in inside if keys[i] >= n]
        wanted = (before or after or [None])[-1 if before else 0], (after or before or [None])[0 if after else -1]
        assert (choice.before, choice.after) == wanted
        assert choice.is_key == (n in keys)


def test_nearest_takes_one_key_of_another_scene_for_all_of_a_scene() -> None:
    assert choose(10, [0, 9], [0, 2, 7], "nearest")[2:7] == [Choice(0, 0)] * 5
    assert choose(10, [0, 9], [0, 4, 9], "nearest")[4:9] == [Choice(1, 1)] * 5


@pytest.mark.parametrize("seed", range(5))
def test_windows_are_those_that_a_search_finds(seed: int) -> None:
    """Frames of the scene from the key on, over this frame, up to the next key; no more than the reach."""
    rng = random.Random(seed)
    length, reach = rng.randint(1, 60), rng.randint(1, 12)
    keys = sorted(rng.sample(range(length), rng.randint(1, min(length, 6))))
    starts = sorted({0, *rng.sample(range(length), min(length, 3))})
    for policy in ("passthrough", "nearest"):
        choices = choose(length, keys, starts, policy)
        for n, found in enumerate(windows(choices, keys, starts, reach)):
            scene = max(s for s in starts if s <= n), min([s for s in starts if s > n], default=length)
            for place, window in zip((choices[n].before, choices[n].after), found, strict=True):
                if n in keys or place is None or abs(keys[place] - n) > reach or not scene[0] <= keys[place] < scene[1]:
                    assert window is None
                    continue
                key, way = keys[place], 1 if keys[place] < n else -1
                frames = [key]
                while frames[-1] + way in range(*scene) and abs(frames[-1] - key) < reach:
                    frames.append(frames[-1] + way)
                    if frames[-1] in keys:
                        break
                ended = frames[-1] in keys or frames[-1] + way not in range(*scene)
                assert window == Window(min(frames), max(frames) + 1, key, cut=not ended)
                assert n in frames


# Motion alone


@pytest.mark.parametrize("size", [(96, 64), (97, 65), (50, 80)])
def test_frames_between_keys_are_the_blend_of_both(size: tuple[int, int]) -> None:
    lines, colours, lineart, references = moving(size=size)
    made = by_leaps(lineart, references, keys=KEYS)
    assert (made.width, made.height, made.format.id, made.num_frames) == (*size, vs.RGB24, len(lines))
    for n in range(1, 8):
        expected = blend(match(lines[n], [lines[0], lines[8]], [colours[0], colours[8]]))
        np.testing.assert_array_equal(picture_of(made, n), expected)


@pytest.mark.parametrize("keys", [KEYS, [0, 3, 8], [4]])
def test_motion_goes_from_drawing_to_drawing(keys: list[int]) -> None:
    lines, colours, lineart, references = moving((0, 3, 6, 9, 12, 15, 18, 21, 24))
    made, leaps = frame_by_frame(lineart, references, keys=keys), by_leaps(lineart, references, keys=keys)
    changed = 0
    for n in set(range(9)) - set(keys):
        expected = blend(matched_by_hand(lines, colours, keys, n))
        np.testing.assert_array_equal(picture_of(made, n), expected)
        changed += int((expected != picture_of(leaps, n)).sum())
    assert changed > 0


def test_steps_end_at_cuts() -> None:
    """Each scene is coloured as if it were alone."""
    lines, colours, lineart, references = two_scenes()
    made = frame_by_frame(lineart, references, keys=[0, 4, 7], scenes=[5])
    for n in (1, 2, 3):
        expected = blend(matched_by_hand(lines[:5], colours[:5], [0, 4], n))
        np.testing.assert_array_equal(picture_of(made, n), expected)
    for n in (5, 6, 8, 9):
        expected = blend(matched_by_hand(lines[5:], colours[5:], [2], n - 5))
        np.testing.assert_array_equal(picture_of(made, n), expected)


def test_steps_are_taken_no_further_than_their_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, colours, lineart, references = moving(tuple(range(0, 24, 2)))
    monkeypatch.setattr(colorize_module, "_REACH", 4)
    made = frame_by_frame(lineart, references, keys=[0, 11])
    pictures = [(lines[0], lines[11]), (colours[0], colours[11])]
    for n in range(1, 11):
        led: list[Led | None] = [
            Steps(np.stack(lines[:5]), 0).to(n) if n < 4 else None,
            Steps(np.stack(lines[7:]), 4).to(n - 7) if n > 7 else None,
        ]
        np.testing.assert_array_equal(picture_of(made, n), blend(match(lines[n], *pictures, led)))


@pytest.mark.parametrize("steady", [False, True])
@pytest.mark.parametrize("keys", [[0], [0, 13], [13]])
def test_a_hold_across_the_reach_comes_out_equal(
    keys: list[int], steady: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its frames is asked for first."""
    shifts = (0, 2, 2, 6, 9, 9, 9, 12, 12, 12, 15, 15, 18, 20)
    _, _, lineart, references = moving(shifts)
    monkeypatch.setattr(colorize_module, "_REACH", 5)

    def script() -> vs.VideoNode:
        return by_motion(lineart, references, keys=keys, steady=steady)

    forth, back = script(), script()
    pictures = [picture_of(forth, n) for n in range(14)]
    for n in reversed(range(14)):
        np.testing.assert_array_equal(picture_of(back, n), pictures[n])
    for n in range(13):
        if shifts[n] == shifts[n + 1]:
            np.testing.assert_array_equal(pictures[n], pictures[n + 1])


def counting(clip: vs.VideoNode) -> tuple[vs.VideoNode, list[int]]:
    """A clip, and the numbers of the frames that were asked of it."""
    asked: list[int] = []

    def seen(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        asked.append(n)
        return f

    return clip.std.ModifyFrame(clip, seen), asked


def test_line_art_is_asked_for_once() -> None:
    """Over two spans; a few frames at their border are looked at from both."""
    _, _, lineart, references = moving(tuple(range(0, 49)), size=(192, 64))
    counted, asked = counting(lineart)
    made = by_motion(counted, references, keys=[0, 24, 48])
    asked.clear()
    for frame in made.frames(close=True):
        assert frame.width == 192
    assert set(asked) == set(range(49))
    assert len(asked) <= 49 + 5


def test_each_way_to_a_key_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though frames of three spans are asked for in turns, as many lanes do where spans are short."""
    made: list[tuple[int, int]] = []

    def counted(lines: Any, key: int, *, cut: bool) -> Steps:
        made.append((len(lines), key))
        return Steps(lines, key, cut=cut)

    monkeypatch.setattr(colouring, "Steps", counted)
    _, _, lineart, references = moving(tuple(n / 3 for n in range(13)))
    clip = frame_by_frame(lineart, references, keys=[0, 4, 8, 12])
    for offset in (1, 2, 3):
        for start in (0, 4, 8):
            clip.get_frame(start + offset).close()
    assert sorted(made) == [(5, 0)] * 3 + [(5, 4)] * 3


def test_without_steps_a_frame_asks_for_what_is_around_it() -> None:
    _, _, lineart, references = moving(tuple(n / 2 for n in range(60)))
    counted, asked = counting(lineart)
    made = by_motion(counted, references, keys=[20, 55], steps=False)
    asked.clear()
    made.get_frame(40).close()
    assert set(asked) <= {20, 55, *range(30, 51)}
    stepped = by_motion(counted, references, keys=[20, 55])
    asked.clear()
    stepped.get_frame(40).close()
    assert set(asked) == set(range(20, 56))


def test_steps_at_another_size_than_the_frames() -> None:
    """Steps are searched at a short side of 288."""
    size = 400, 320
    lines, colours, lineart, references = moving((0, 9, 18, 27), size=size)
    made = frame_by_frame(lineart, references, keys=[0, 3])
    small = np.stack([np.asarray(frame[0]).copy() for frame in lineart.resize.Bilinear(360, 288).frames()])
    for n in (1, 2):
        led = [Steps(small, 0).to(n), Steps(small, 3).to(n)]
        expected = blend(match(lines[n], [lines[0], lines[3]], [colours[0], colours[3]], led))
        np.testing.assert_array_equal(picture_of(made, n), expected)


def test_a_moved_figure_gets_its_colours() -> None:
    _, colours, lineart, references = moving()
    made = by_motion(lineart, references, keys=KEYS)
    for n in range(9):
        # Off the lines, whose smoothed edges lie between pixels.
        difference = np.abs(picture_of(made, n).astype(int) - colours[n]).max(axis=-1)
        assert np.mean(difference > 16) < 0.05


@pytest.mark.parametrize("name", ["RGB24", "RGB30", "RGBS", "RGBH", "YUV420P8", "YUV422P10", "YUV444P16", "YUV420PS"])
def test_keys_come_out_as_they_went_in(name: str) -> None:
    _, _, lineart, rgb = moving()
    form = vs.core.get_video_format(getattr(vs, name)) if name.startswith("RGB") else format_of(name)
    tags = {} if form.color_family == vs.RGB else {"matrix": 1, "range": vs.RANGE_LIMITED}
    references = rgb.resize.Bicubic(format=form.id, **tags)
    made = by_motion(lineart, references, keys=KEYS, format=form.id)
    assert made.format.id == form.id
    for n in KEYS:
        for found, given in zip(planes_of(made, n), planes_of(references, n), strict=True):
            np.testing.assert_array_equal(found, given)


def test_a_scene_end_has_one_key() -> None:
    lines, colours, lineart, references = moving()
    made = by_leaps(lineart, references, keys=[3])
    for n in (0, 2, 4, 8):
        expected = blend(match(lines[n], [lines[3]] * 2, [colours[3]] * 2))
        np.testing.assert_array_equal(picture_of(made, n), expected)


def test_no_key_is_used_beyond_a_cut() -> None:
    """Behind the cut the palette is another: a colour from across it would show."""
    _, colours, lineart, references = two_scenes()
    made = by_motion(lineart, references, keys=[0, 4, 7], scenes=[0, 5])
    for n in range(10):
        palette, others = (PALETTE, OTHER) if n < 5 else (OTHER, PALETTE)
        picture = picture_of(made, n).reshape(-1, 3)
        for colour in palette:
            assert (picture == colour).all(axis=1).any(), (n, colour)
        for colour in others:
            assert not (picture == colour).all(axis=1).any(), (n, colour)
        assert np.mean(np.abs(picture_of(made, n).astype(int) - colours[n]).max(axis=-1) > 16) < 0.08


def test_scenes_may_be_marked() -> None:
    _, _, lineart, references = two_scenes()
    marked = lineart[:5] + lineart[5:].std.FrameEval(
        lambda n: lineart[5:].std.SetFrameProps(_SceneChangePrev=1) if n == 0 else lineart[5:]
    )
    marked = marked[0].std.SetFrameProps(_SceneChangePrev=1) + marked[1:]
    listed = by_motion(lineart, references, keys=[0, 4, 7], scenes=[5])
    told = by_motion(marked, references, keys=[0, 4, 7], scenes="marked")
    for n in range(10):
        np.testing.assert_array_equal(picture_of(told, n), picture_of(listed, n))


def test_cuts_are_found_in_line_art() -> None:
    lines, _ = animation(tuple(range(0, 20, 2)))
    mirrored = [np.ascontiguousarray(line[::-1].T[:, :64]) for line in animation(SHIFTS, (64, 96))[0]]
    flipped = [np.pad(line, ((0, 0), (0, 32)), constant_values=255)[:64, :96] for line in mirrored]
    clip = line_clip([*lines, *flipped, *lines[:2]])
    assert cuts(clip) == [0, len(lines), len(lines) + len(flipped)]
    assert cuts(line_clip([np.full((64, 96), 255, np.uint8)] * 3)) == [0]


def test_scenes_without_a_key() -> None:
    lines, _, lineart, references = two_scenes()
    one_line(
        lambda: by_motion(lineart, references, keys=[2], scenes=[5]),
        "colorize: ",
        "frames 5 to 9",
        "no_reference='nearest'",
        "'passthrough'",
    )
    # From across the cut no steps lead to the key.
    leaps = partial(by_leaps, lineart, references, keys=[2])
    across, within = leaps(scenes=[5], no_reference="nearest"), leaps()
    stepped = [by_motion(lineart, references, keys=[2], scenes=[5], no_reference=p) for p in ("nearest", "passthrough")]
    first = by_motion(lineart[:5], references[:5], keys=[2])
    for n in range(10):
        np.testing.assert_array_equal(picture_of(across, n), picture_of(within, n))
        nearest, bare = (picture_of(clip, n) for clip in stepped)
        if n < 5:
            for picture in (nearest, bare):
                np.testing.assert_array_equal(picture, picture_of(first, n))
        else:
            np.testing.assert_array_equal(bare, np.repeat(lines[n][..., None], 3, axis=-1))
            assert (nearest != bare).any()


# References


def test_references_come_as_clips_of_all_frames_of_keys_and_as_mappings(tmp_path: Path) -> None:
    _, colours, lineart, references = moving()
    whole = by_motion(lineart, references, keys=[8, 0])
    folder = tmp_path / "Schlüssel bilder"
    folder.mkdir()
    for n in KEYS:
        Image.fromarray(colours[n]).save(folder / f"{n}.png")
    ways = [
        by_motion(lineart, references[0] + references[8], keys=[0, 8]),
        by_motion(lineart, references[8] + references[0], keys=(8, 0)),
        by_motion(lineart, references, keys=np.array([0, 8])),
        by_motion(lineart, {8: references[8], 0: references[0]}),
        by_motion(lineart, {0: folder / "0.png", 8: str(folder / "8.png")}),
        by_motion(lineart, {0: folder / "0.png", 8: references[8]}),
    ]
    for n in range(9):
        for way in ways:
            np.testing.assert_array_equal(picture_of(way, n), picture_of(whole, n))


def test_one_picture_colours_one_frame() -> None:
    _, colours, lineart, references = moving()
    made = by_motion(lineart[0], references[0], keys=[0])
    np.testing.assert_array_equal(picture_of(made, 0), colours[0])


def test_transparent_pictures_lie_on_paper(tmp_path: Path) -> None:
    _, colours, lineart, _ = moving()
    clear = np.dstack([colours[0], np.full(colours[0].shape[:2], 255, np.uint8)])
    clear[:8, :8, 3] = 0
    Image.fromarray(clear, "RGBA").save(tmp_path / "clear.png")
    made = picture_of(by_motion(lineart, {0: tmp_path / "clear.png"}), 0)
    assert (made[:8, :8] == 255).all()
    np.testing.assert_array_equal(made[8:], colours[0][8:])


def test_limited_range_line_art_is_the_same_drawing() -> None:
    lines, _, lineart, references = moving()
    limited = line_clip([np.round(line / 255.0 * 219 + 16).astype(np.uint8) for line in lines], _Range=0)
    untagged = lineart.std.RemoveFrameProps("_Range")
    deep = lineart.resize.Point(format=vs.GRAY16, range=vs.RANGE_FULL)
    expected = by_motion(lineart, references, keys=KEYS)
    for other in (untagged, deep):
        made = by_motion(other, references, keys=KEYS)
        np.testing.assert_array_equal(picture_of(made, 3), picture_of(expected, 3))
    # 219 steps hold a drawing of 255 less exactly: motion is found a little elsewhere.
    made = by_motion(limited, references, keys=KEYS)
    assert np.mean(np.abs(picture_of(made, 3).astype(int) - picture_of(expected, 3)) > 2) < 0.02


# Neighbours in time


def steadied_by_hand(lines: list[Any], colours: list[Any], keys: list[int]) -> list[Any]:
    """A clip in one scene between keys at its ends, put together drawing by drawing as documented."""
    holds = [list(held) for _, held in groupby(range(len(lines)), lambda n: lines[n].tobytes())]
    drawn = [lines[held[0]] for held in holds]
    found = [matched_by_hand(lines, colours, keys, held[0]) for held in holds]
    unsure = [doubts(matched) for matched in found]
    shown = [blend(matched) for matched in found]
    for _ in range(2):
        before = list(shown)
        for i in range(1, len(holds) - 1):
            beside = [Neighbor(drawn[j], before[j], unsure[j], small_flow(drawn[i], drawn[j])) for j in (i - 1, i + 1)]
            shown[i] = np.rint(smooth_colors(drawn[i], before[i], unsure[i], beside)).astype(np.uint8)
    return [picture for held, picture in zip(holds, shown, strict=True) for _ in held]


def test_doubtful_colours_agree_with_those_before_and_after() -> None:
    lines, colours, lineart, references = moving()
    made, alone = by_motion(lineart, references, keys=KEYS), frame_by_frame(lineart, references, keys=KEYS)
    changed = 0
    for n, expected in enumerate(steadied_by_hand(lines, colours, KEYS)):
        np.testing.assert_array_equal(picture_of(made, n), expected)
        changed += int((expected != picture_of(alone, n)).sum())
    assert changed > 0


def test_on_twos_a_drawing_is_shown_the_same_twice() -> None:
    """Neighbours are the drawings before and after, not the frames."""
    lines, colours, lineart, references = moving((0, 0, 2, 2, 3.5, 3.5, 5, 5, 8))
    made = by_motion(lineart, references, keys=KEYS)
    expected = steadied_by_hand(lines, colours, KEYS)
    for n in range(2, 8):
        np.testing.assert_array_equal(picture_of(made, n), expected[n])


def test_motion_to_neighbours_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rounds, on twos: four drawings between the keys, each with two neighbours."""
    asked: list[int] = []

    def counted(line: Any, beside: Any) -> Any:
        asked.append(threading.get_ident())
        return small_flow(line, beside)

    monkeypatch.setattr(smoothing, "small_flow", counted)
    _, _, lineart, references = moving((0, 2, 2, 4, 4, 6, 6, 8, 8, 10))
    made = by_motion(lineart, references, keys=[0, 9])
    for frame in made.frames():
        frame.close()
    assert len(asked) == 8


def test_a_drawing_that_is_a_keys_keeps_its_colours() -> None:
    _, colours, lineart, references = moving((0, 0, 0, 3, 6, 8, 8, 8))
    made = by_motion(lineart, references, keys=[0, 7])
    for n, key in ((1, 0), (2, 0), (5, 7), (6, 7)):
        np.testing.assert_array_equal(picture_of(made, n), colours[key])


def test_a_long_hold_stays_as_it_is() -> None:
    _, _, lineart, references = moving((0, 4, 4, 4, 4, 4, 8))
    made, alone = by_motion(lineart, references, keys=[0, 6]), frame_by_frame(lineart, references, keys=[0, 6])
    for n in range(1, 6):
        np.testing.assert_array_equal(picture_of(made, n), picture_of(alone, n))


@pytest.mark.parametrize("form", [vs.RGB48, vs.RGBS])
def test_deep_colours_agree_as_well(form: int) -> None:
    _, _, lineart, references = moving()
    deep = references.resize.Point(format=form)
    made, coarse = by_motion(lineart, deep, keys=KEYS), by_motion(lineart, references, keys=KEYS)
    white = 65535 if form == vs.RGB48 else 1
    for n in (3, 4):
        difference = picture_of(made, n) / white - picture_of(coarse, n) / 255
        assert np.abs(difference).max() < 1.51 / 255  # codes of 8 bits were rounded three times


def test_what_references_have_on_them_is_no_doubt_of_ours() -> None:
    """A property of that name would be read as a map."""
    _, _, lineart, references = moving()
    made = by_motion(lineart, references.std.SetFrameProps(_VsanimeDoubts=b"odd"), keys=KEYS)
    expected = by_motion(lineart, references, keys=KEYS)
    for n in (0, 1, 4):
        np.testing.assert_array_equal(picture_of(made, n), picture_of(expected, n))
        assert not any(name.startswith("_Vsanime") for name in props_of(made, n))


# Requests, and what is computed


def test_any_order_of_requests_gives_the_same_frames() -> None:
    _, _, lineart, references = moving(tuple(range(12)))

    def script() -> vs.VideoNode:
        return by_motion(lineart, references, keys=[0, 5, 11])

    made = script()
    expected = [picture_of(made, n) for n in range(12)]
    for seed in range(3):
        order = list(range(12)) * 2
        random.Random(seed).shuffle(order)
        again = script()
        for n in order:
            np.testing.assert_array_equal(picture_of(again, n), expected[n])
    for n, frame in enumerate(script().frames()):
        np.testing.assert_array_equal(np.stack([np.asarray(p) for p in frame], axis=-1), expected[n])


@pytest.fixture
def matches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every drawing that motion is looked for in."""
    seen: list[int] = []
    original = painter.match

    def counted(*arguments: Any) -> Any:
        seen.append(threading.get_ident())
        return original(*arguments)

    monkeypatch.setattr(painter, "match", counted)
    return seen


def test_equal_drawings_are_computed_once(matches: list[int]) -> None:
    """Animation on threes: of nine frames between the keys, three drawings."""
    shifts = (0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4)
    _, _, lineart, references = moving(shifts)
    made = by_motion(lineart, references, keys=[0, 10])
    frames = [np.stack([np.asarray(p) for p in f], axis=-1).copy() for f in made.frames()]
    assert len(matches) == 3
    for n in range(1, 10, 3):
        np.testing.assert_array_equal(frames[n], frames[n + 1])
        np.testing.assert_array_equal(frames[n], frames[n + 2])


def test_equal_drawings_between_other_keys_are_computed_again(matches: list[int]) -> None:
    _, _, lineart, references = moving((0, 1, 2, 1, 0))
    made = by_motion(lineart, references, keys=[0, 2, 4])
    for n in range(5):
        made.get_frame(n).close()
    assert len(matches) == 2


def test_keys_are_not_looked_for(matches: list[int]) -> None:
    _, _, lineart, references = moving()
    made = by_motion(lineart, references, keys=list(range(9)))
    for n in range(9):
        made.get_frame(n).close()
    assert matches == []


# Formats and properties


def test_properties_are_the_line_arts_and_colours_the_references() -> None:
    _, _, lineart, rgb = moving()
    lineart = lineart.std.SetFrameProps(_Mine=7, _Matrix=9, _Transfer=16, _ChromaLocation=2)
    references = rgb.resize.Bicubic(format=vs.YUV420P8, matrix=5, range=vs.RANGE_LIMITED, chromaloc=1)
    references = references.std.SetFrameProps(_Transfer=6, _Mine=8)
    made = by_motion(lineart, references, keys=KEYS, format=vs.YUV420P10)
    assert (made.fps, made.num_frames) == (lineart.fps, lineart.num_frames)
    for n in (0, 3):
        props = props_of(made, n)
        given = props_of(lineart, n)
        assert (props["_Matrix"], props["_Range"], props["_ChromaLocation"], props["_Transfer"]) == (5, 0, 1, 6)
        assert (props["_Mine"], props["_DurationNum"], props["_DurationDen"]) == (
            7,
            given["_DurationNum"],
            given["_DurationDen"],
        )
    for n in (0, 3):
        props = props_of(by_motion(lineart, references, keys=KEYS), n)
        assert (props["_Matrix"], props["_Range"], props["_Transfer"]) == (0, 1, 6)
        assert "_ChromaLocation" not in props


@pytest.mark.parametrize("keys", [KEYS, list(range(9))])
def test_the_frame_rate_is_the_line_arts_whatever_the_references_have(keys: list[int]) -> None:
    """Pictures have 24 frames a second; a clip of two rates has none, and vspipe writes no y4m of it."""
    _, _, lineart, rgb = moving()
    lineart = lineart.std.AssumeFPS(fpsnum=30000, fpsden=1001)
    made = by_motion(lineart, {n: rgb[n] for n in keys})
    assert made.fps == lineart.fps
    for n in (0, 3):
        assert (props_of(made, n)["_DurationNum"], props_of(made, n)["_DurationDen"]) == (1001, 30000)


def test_line_art_of_varying_durations_keeps_them() -> None:
    _, _, lineart, rgb = moving()
    lineart = vs.core.std.Splice([lineart[:4].std.AssumeFPS(fpsnum=24), lineart[4:].std.AssumeFPS(fpsnum=30)])
    made = by_motion(lineart, {n: rgb[n] for n in KEYS})
    assert made.fps == lineart.fps == 0
    assert [props_of(made, n)["_DurationDen"] for n in (0, 3, 8)] == [24, 24, 30]


@pytest.mark.parametrize(
    ("given", "options", "wanted"),
    [
        (vs.RGB24, {}, vs.RGB24),
        (vs.RGB24, {"depth": 16}, vs.RGB48),
        (vs.RGB48, {}, vs.RGB48),
        (vs.YUV420P10, {}, vs.RGB30),
        (vs.RGBH, {}, vs.RGBH),
        (vs.RGBS, {"depth": 8}, vs.RGB24),
        (vs.RGB24, {"format": vs.YUV420P8}, vs.YUV420P8),
        (vs.YUV420P8, {"format": vs.YUV420P16}, vs.YUV420P16),
        (vs.YUV420P8, {"format": vs.YUV444PS}, vs.YUV444PS),
    ],
)
def test_frames_end_in_the_format_that_is_wanted(given: int, options: dict[str, Any], wanted: int) -> None:
    """Within two codes of 8 bits of the same frames converted by zimg."""
    _, _, lineart, rgb = moving()
    form = vs.core.get_video_format(given)
    tags = {} if form.color_family == vs.RGB else {"matrix": 1, "range": vs.RANGE_LIMITED}
    made = by_motion(lineart, rgb.resize.Bicubic(format=given, **tags), keys=KEYS, **options)
    assert made.format.id == wanted
    plain = by_motion(lineart, rgb, keys=KEYS)
    back = made.resize.Bicubic(format=vs.RGB24)
    assert props_of(made, 0)["_Range"] == props_of(made, 3)["_Range"]
    subsampled = made.format.subsampling_w or form.subsampling_w
    for n in range(9):
        difference = np.abs(picture_of(back, n).astype(int) - picture_of(plain, n))
        # Subsampling takes colour from one side of a line to the other.
        assert difference.mean() < (10 if subsampled else 0.6)


def test_untagged_video_is_given_the_matrix_that_players_assume() -> None:
    _, _, lineart, references = moving()
    props = props_of(by_motion(lineart, references, keys=KEYS, format=vs.YUV420P8), 3)
    assert (props["_Matrix"], props["_Range"], props["_ChromaLocation"]) == (6, 0, 0)


# A smaller picture for motion


def test_a_smaller_work_size_is_nearly_as_good() -> None:
    _, colours, lineart, references = moving(tuple(2 * s for s in SHIFTS), size=(192, 128))
    small = by_motion(lineart, references, keys=KEYS, work_size=64)
    whole = by_motion(lineart, references, keys=KEYS, work_size="full")
    auto = by_motion(lineart, references, keys=KEYS)
    for n in (2, 4, 6):
        np.testing.assert_array_equal(picture_of(auto, n), picture_of(whole, n))
        wrong = [
            np.mean(np.abs(picture_of(clip, n).astype(int) - colours[n]).max(axis=-1) > 16) for clip in (small, whole)
        ]
        assert wrong[0] < wrong[1] + 0.03


@pytest.mark.parametrize("depth", ["RGB48", "RGBS"])
@pytest.mark.parametrize("work_size", [48, "full"])
def test_deep_references_are_mixed_in_their_depth(depth: str, work_size: int | str) -> None:
    _, _, lineart, references = moving()
    deep = references.resize.Point(format=getattr(vs, depth))
    made = frame_by_frame(lineart, deep, keys=KEYS, work_size=work_size)
    plain = frame_by_frame(lineart, references, keys=KEYS, work_size=work_size)
    peak = 65535 if depth == "RGB48" else 1.0
    for n in (3, 5):
        values = picture_of(made, n) / peak * 255
        # Keys of 8 bits are rounded once when they are moved and once when they are mixed.
        assert np.abs(values - picture_of(plain, n)).max() <= 1.01
        assert np.mean(np.abs(values - np.rint(values)) > 0.01) > 0.01


# Flat regions


@pytest.mark.parametrize("depth", ["RGB24", "RGB48"])
def test_regions_are_filled_where_motion_fails(depth: str) -> None:
    """A net of lines appears that no key has; specks in the keys' colours are no regions of it."""
    lines = [np.full((160, 192), 255, np.uint8) for _ in range(3)]
    lines[1][::8] = lines[1][:, ::8] = 0
    colour = np.full((160, 192, 3), PALETTE[1], np.uint8)
    colour[4::8, 20] = PALETTE[2]
    colours = [colour] * 3
    references = colour_clip(colours).resize.Point(format=getattr(vs, depth))
    plain = frame_by_frame(line_clip(lines), references, keys=[0, 2])
    filled = frame_by_frame(line_clip(lines), references, keys=[0, 2], fill="segments")
    pictures = [picture_of(clip.resize.Point(format=vs.RGB24), 1) for clip in (plain, filled)]
    matched = matched_by_hand(lines, colours, [0, 2], 1)
    expected = fill(lines[1], pictures[0], matched.errors.min(axis=0))
    np.testing.assert_array_equal(pictures[1], expected)
    assert (pictures[0] != pictures[1]).any()
    steady = picture_of(by_motion(line_clip(lines), references, keys=[0, 2], fill="segments"), 1)
    keys_beside = [
        Neighbor(lines[n], picture_of(references, n), np.zeros_like(lines[n]), small_flow(lines[1], lines[n]))
        for n in (0, 2)
    ]
    averaged = picture_of(filled, 1)
    for _ in range(2):
        averaged = np.rint(smooth_colors(lines[1], averaged, doubts(matched), keys_beside)).astype(averaged.dtype)
    np.testing.assert_array_equal(steady, averaged)
    for n in (0, 2):
        np.testing.assert_array_equal(picture_of(filled, n), picture_of(plain, n))


# Bad input

LINES, COLOURS = animation(SHIFTS)


def wrong(*, lineart: Any = None, references: Any = None, **options: Any) -> Callable[[], Any]:
    lines = line_clip(LINES) if lineart is None else lineart
    colours = colour_clip(COLOURS) if references is None else references
    return lambda: by_motion(lines, colours, **({"keys": KEYS} | options))


ERRORS: dict[str, tuple[Callable[[], Callable[[], Any]], list[str]]] = {
    "colour lines": (lambda: wrong(lineart=colour_clip(COLOURS)), ["RGB24", "GRAY", "lineart"]),
    "small": (lambda: wrong(lineart=line_clip(LINES).resize.Point(12, 40)), ["12x40", "16x16"]),
    "no lines": (lambda: wrong(lineart="lines.mkv"), ["str", "clip"]),
    "no references": (lambda: wrong(references=3), ["references=int", "mapping"]),
    "gray references": (lambda: wrong(references=line_clip(LINES)), ["gray", "RGB or YUV"]),
    "interlaced references": (
        lambda: wrong(references=colour_clip(COLOURS, _FieldBased=2)), ["the references", "nterlaced"]
    ),
    "unknown matrix": (
        lambda: wrong(
            references=colour_clip(COLOURS).resize.Bicubic(format=vs.YUV444P8, matrix=1).std.SetFrameProps(_Matrix=12)
        ),
        ["the references", "_Matrix"],
    ),
    "another size": (lambda: wrong(references=colour_clip(COLOURS).resize.Point(48, 32)), ["48x32", "96x64"]),
    "no keys": (lambda: wrong(keys=None), ["keys are missing", "9 frames"]),
    "keys beyond": (lambda: wrong(keys=[0, 9]), ["keys=[0, 9]", "0 to 8"]),
    "keys twice": (lambda: wrong(keys=[0, 0]), ["keys=[0, 0]", "different"]),
    "no key": (lambda: wrong(keys=[]), ["keys=[]", "one or more"]),
    "keys of text": (lambda: wrong(keys=["first"]), ["first", "numbers"]),
    "another count": (lambda: wrong(references=colour_clip(COLOURS[:3])), ["3 frames", "2", "9"]),
    "keys of a mapping": (lambda: wrong(references={0: colour_clip(COLOURS)[0]}), ["twice", "leave keys out"]),
    "long reference": (
        lambda: wrong(references={4: colour_clip(COLOURS)}, keys=None), ["frame 4", "9 frames", "`clip[0]`"]
    ),
    "mixed references": (
        lambda: wrong(
            references={0: colour_clip(COLOURS)[0], 8: colour_clip(COLOURS)[8].resize.Point(format=vs.RGB48)}, keys=None
        ),
        ["frame 8", "RGB48", "RGB24"],
    ),
    "missing picture": (lambda: wrong(references={0: "nowhere.png"}, keys=None), ["frame 0", "nowhere.png"]),
    "no picture": (lambda: wrong(references={0: __file__}, keys=None), ["frame 0", "test_colorize.py"]),
    "reference of a kind": (lambda: wrong(references={0: 5}, keys=None), ["frame 0", "int", "picture file"]),
    "policy": (lambda: wrong(no_reference="guess"), ["no_reference='guess'", "'nearest'", "'passthrough'"]),
    "fill": (lambda: wrong(fill="all"), ["fill='all'", "'segments'"]),
    "work size": (lambda: wrong(work_size=4), ["work_size=4", "16", "'auto'"]),
    "work size of text": (lambda: wrong(work_size="small"), ["work_size='small'", "'full'"]),
    "scenes": (lambda: wrong(scenes=[0, 99]), ["scenes=[0, 99]", "0 to 8"]),
    "scenes of text": (lambda: wrong(scenes="cut"), ["scenes='cut'", "'marked'", "'detect'"]),
    "no marks": (lambda: wrong(scenes="marked"), ["_SceneChangePrev", "mark_scenes"]),
    "gray format": (lambda: wrong(format=vs.GRAY8), ["Gray8", "RGB or YUV"]),
    "no format": (lambda: wrong(format="YUV421P8"), ["'YUV421P8'", "vs.YUV420P10"]),
    "deep format": (
        lambda: wrong(format=vs.core.query_video_format(vs.YUV, vs.INTEGER, 24, 1, 1).id), ["24", "8 to 16"]
    ),
    "odd size": (
        lambda: wrong(
            lineart=line_clip(LINES).std.Crop(right=1), references=colour_clip(COLOURS).std.Crop(right=1),
            format=vs.YUV420P8,
        ),
        ["YUV420P8", "2x2", "95x64", "YUV444P8"],
    ),
    "format and depth": (lambda: wrong(format=vs.YUV420P8, depth=8), ["depth=8", "one of them"]),
    "depth": (lambda: wrong(depth=7), ["depth=7", "8 to 16"]),
    "backend": (lambda: wrong(backend="cpu"), ["backend='cpu'", "Backend."]),
    "model": (lambda: wrong(model="Line_XY"), ["Line_XY"]),
    "another task": (lambda: wrong(model="C4F32_VA"), ["C4F32_VA", "double_luma", "'flow'"]),
    "steps": (lambda: wrong(steps="yes"), ["steps='yes'", "True or False"]),
    "steady": (lambda: wrong(steady=2), ["steady=2", "True or False"]),
    "temporal": (lambda: wrong(temporal=True), ["temporal=True", "no temporal network"]),
    "temporal name": (lambda: wrong(temporal="C4F32_VA"), ["temporal='C4F32_VA'", "double_luma"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_arguments_are_told_in_one_line(case: str) -> None:
    call, parts = ERRORS[case]
    one_line(call(), "colorize: ", *parts)


@pytest.mark.parametrize("missing", ["cv2", "scipy"])
def test_what_is_not_installed_is_told_when_the_script_is_evaluated(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    one_line(wrong(fill="segments"), "colorize: ", {"cv2": "OpenCV", "scipy": "SciPy"}[missing], "vsanime[colorize]")


def test_references_that_mean_different_things_are_refused() -> None:
    _, _, lineart, rgb = moving()
    yuv = rgb.resize.Bicubic(format=vs.YUV444P8, matrix=1)
    mixed = yuv[0] + yuv[8].std.SetFrameProps(_Matrix=5)
    made = by_motion(lineart, mixed, keys=KEYS, format=vs.YUV444P8)
    with pytest.raises(vs.Error, match=r"colorize: the reference of frame 8 .*_Matrix=5"):
        made.get_frame(8)
