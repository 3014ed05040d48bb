"""Which pictures are references of which frames; `test_colorize` has what they look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.support.clips import clip_of, format_of, noise_clip, planes_of, props_of
from vsanime.colorization.references import _example, read_references
from vsanime.errors import VsanimeError

SIZE = (16, 12)


def shades(*values: int, name: str = "RGB24", **props: int) -> vs.VideoNode:
    """A clip of one frame for each shade."""
    form = format_of(name)
    planes = [[np.full(SIZE[::-1], value, np.uint8)] * form.num_planes for value in values]
    return clip_of(planes, form, **props)


def shown(clip: vs.VideoNode) -> list[int]:
    return [int(planes_of(clip, n)[0][0, 0]) for n in range(clip.num_frames)]


@pytest.mark.parametrize(
    ("count", "length", "code"),
    [
        (1, 10, "[0]"),
        (2, 10, "[0, 5]"),
        (4, 10, "[0, 2, 4, 6]"),
        (5, 10, "range(0, 10, 2)"),
        (5, 14, "range(0, 10, 2)"),
        (10, 10, "[0, 5]"),
        (11, 10, "[0, 5]"),
        (9, 10, "range(0, 9, 1)"),
        (1, 1, "[0]"),
        (3, 1, "[0]"),
    ],
)
def test_advised_keys_are_spread_evenly(count: int, length: int, code: str) -> None:
    assert _example(count, length) == code


@pytest.mark.parametrize(
    ("values", "keys", "length", "expected"),
    [
        ((10, 20, 30), [1, 4, 8], 9, ([1, 4, 8], [10, 20, 30])),
        ((10, 20, 30), [8, 1, 4], 9, ([1, 4, 8], [20, 30, 10])),
        ((10, 20, 30), [2, 0], 3, ([0, 2], [10, 30])),
        ((10, 20, 30), [2, 1, 0], 3, ([0, 1, 2], [30, 20, 10])),
        ((10,), 0, 1, ([0], [10])),
        ((10,), "5", 9, ([5], [10])),
        ((10, 20), "0,8", 9, ([0, 8], [10, 20])),
    ],
)
def test_frames_of_a_clip_are_taken_in_the_order_of_their_keys(
    values: tuple[int, ...], keys: Any, length: int, expected: tuple[list[int], list[int]]
) -> None:
    found = read_references(shades(*values), keys, SIZE, length)
    assert (list(found.keys), shown(found.clip)) == expected


def test_pictures_by_number_are_taken_in_order() -> None:
    found = read_references({7: shades(70), 2: shades(20, own=5)}, None, SIZE, 9)
    assert (found.keys, shown(found.clip)) == ((2, 7), [20, 70])
    assert found.props["own"] == 5
    assert props_of(found.clip, 1)["_Range"] == 1


@pytest.mark.parametrize(
    ("references", "keys", "message"),
    [
        (lambda: shades(1, 2), [0, 9], r"^keys=\[0, 9\]; one or more different frame numbers, 0 to 8, are needed$"),
        (lambda: shades(1, 2), [-1, 3], r"^keys=\[-1, 3\]; one or more"),
        (lambda: shades(1, 2), [3, 3], r"^keys=\[3, 3\]; one or more"),
        (lambda: shades(1), [], r"^keys=\[\]; one or more"),
        (lambda: shades(1), "a", r"^keys='a'; one or more"),
        (lambda: shades(1, 2), [3], r"^the references have 2 frames; 1, one a key, or 9, one for every frame"),
        (lambda: shades(1, 2), None, r"^keys are missing: .* `keys=\[0, 4\]`$"),
        (lambda: {0: shades(1)}, [0], "^keys are given twice"),
        (lambda: 5, None, "^references=int; a colour clip, or a mapping"),
        (lambda: {0: shades(1, 2)}, None, r"^the reference of frame 0 has 2 frames; 1 is needed: `clip\[0\]`$"),
        (lambda: {0: shades(1), 8: 3}, None, "^the reference of frame 8 is int; a picture file or a one-frame clip"),
        (lambda: {0: shades(1), 8: shades(1, name="444P8")}, None,
         "^the reference of frame 8 is YUV444P8, that of frame 0 RGB24; references of one format"),
        (lambda: {3: noise_clip("444P8", 1, 12)}, None, "^the reference of frame 3 is 1x12, the line art 16x12; one"),
        (lambda: {3: noise_clip("444P8", 18, 12)}, None, "^the reference of frame 3 is 18x12, the line art 16x12; one"),
        (lambda: noise_clip("444P8", 16, 14), [0], "^the references are 16x14, the line art 16x12; one size"),
        (lambda: shades(1, name="GRAY8"), [0], "^the references are gray; colour pictures, RGB or YUV, are needed$"),
        (lambda: shades(1, name="444P8", _Matrix=10), [0], "^the references: the clip has _Matrix=10;"),
    ],
)  # fmt: skip
def test_what_is_no_reference_of_the_line_art_is_refused(references: Any, keys: Any, message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        read_references(references(), keys, SIZE, 9)


def test_references_mean_what_the_first_one_does() -> None:
    clip = shades(1, name="444P8", _Matrix=1) + shades(2, name="444P8", _Matrix=9)
    found = read_references(clip, [2, 6], SIZE, 9)
    assert shown(found.clip[0]) == [1]
    with pytest.raises(
        vs.Error, match=r"colorize: the reference of frame 6 differs from the first: frame 1 has _Matrix"
    ):
        found.clip.get_frame(1)


@pytest.mark.parametrize(("alpha", "value"), [(0, 255), (51, 212), (255, 40)])
def test_references_are_laid_on_white(alpha: int, value: int) -> None:
    gray = vs.core.std.BlankClip(None, *SIZE, vs.GRAY8, 1, color=alpha)
    clip = shades(40).std.ClipToProp(gray, prop="_Alpha")
    found = read_references(clip, [0], SIZE, 9)
    assert shown(found.clip) == [value]
    assert "_Alpha" not in props_of(found.clip)


def test_picture_files_are_read_when_they_are_wanted(tmp_path: Path) -> None:
    """On white where they are transparent; one that has another size by then is refused."""
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "key.png"
    pixels = np.zeros((*SIZE[::-1], 4), np.uint8)
    pixels[...] = (10, 20, 30, 255)
    pixels[:, :8, 3] = 0
    image.fromarray(pixels).save(path)
    found = read_references({4: path}, None, SIZE, 9)
    assert (found.keys, found.clip.num_frames, found.clip.format.id) == ((4,), 1, vs.RGB24)
    assert [int(plane[0, 0]) for plane in planes_of(found.clip)] == [255, 255, 255]
    assert [int(plane[0, 15]) for plane in planes_of(found.clip)] == [10, 20, 30]
    assert props_of(found.clip)["_Range"] == 1
    later = read_references({4: str(path)}, None, SIZE, 9)
    assert later.clip.format.id == vs.RGB24
    image.fromarray(pixels[:, 4:]).save(path)
    again = read_references({4: path}, None, (12, 12), 9)
    assert (again.clip.width, again.clip.height) == (12, 12)
    image.fromarray(pixels).save(path)
    message = r"colorize: the reference of frame 4, .*key\.png.*, is now 16x12, the line art 12x12; one size is needed"
    with pytest.raises(vs.Error, match=message):
        again.clip.get_frame(0)
    path.unlink()
    with pytest.raises(VsanimeError, match=r"^the reference of frame 4, .*key\.png"):
        read_references({4: path}, None, SIZE, 9)
