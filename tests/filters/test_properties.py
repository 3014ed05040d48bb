"""Properties say on the output what was used, and everything else comes through."""

from __future__ import annotations

import pytest

import vsanime
from tests.clips import noise_clip, props_of

MODEL = "C4F16_VA"


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("YUV420P8", (720, 480), {"_Matrix": 6, "_Range": 0, "_ChromaLocation": 0}),
        ("YUV420P8", (720, 576), {"_Matrix": 5, "_Range": 0, "_ChromaLocation": 0}),
        ("YUV420P10", (1280, 720), {"_Matrix": 1, "_Range": 0, "_ChromaLocation": 0}),
        ("YUV444P8", (640, 360), {"_Matrix": 6, "_Range": 0}),
        ("GRAY16", (640, 360), {"_Matrix": 6, "_Range": 0}),
        ("YUV420PS", (64, 36), {"_Matrix": 6, "_Range": 0, "_ChromaLocation": 0}),
    ],
)
def test_defaults_are_written_out(name: str, size: tuple[int, int], expected: dict[str, int]) -> None:
    """Untagged SD stays BT.601 though players would take twice its size for BT.709."""
    clip = noise_clip(name, *size).std.RemoveFrameProps(["_Range", "_Matrix", "_ChromaLocation"])
    assert not {"_Matrix", "_ChromaLocation"} & set(props_of(clip))
    found = props_of(vsanime.artcnn(clip, MODEL, planes=[1, 2] if "YUV" in name else 0))
    assert {k: int(found[k]) for k in ("_Matrix", "_Range", "_ChromaLocation") if k in found} == expected


def test_an_unspecified_matrix_counts_as_absent() -> None:
    clip = noise_clip("YUV420P8", 64, 48, _Matrix=2)
    assert props_of(vsanime.artcnn(clip, MODEL))["_Matrix"] == 6


@pytest.mark.parametrize(("filter_name", "model"), [("artcnn", MODEL), ("artcnn_chroma", "C4F32_Chroma_VA")])
def test_properties_come_through(filter_name: str, model: str) -> None:
    given = {
        "_Matrix": 9, "_Range": 1, "_Transfer": 16, "_Primaries": 9, "_ChromaLocation": 2, "_SARNum": 4, "_SARDen": 3,
        "_DurationNum": 7, "_DurationDen": 240, "_FieldBased": 0, "_SceneChangePrev": 1, "MaxCLL": 1000, "own": 42,
    }  # fmt: skip
    clip = noise_clip("YUV420P8", 32, 24, frames=3, **given).std.SetFrameProps(_PictType="B")
    found = props_of(getattr(vsanime, filter_name)(clip, model), 1)
    expected = props_of(clip, 1)
    if filter_name == "artcnn_chroma":
        del expected["_ChromaLocation"]
    assert found == expected


def test_length_and_rate_come_through_for_any_number_of_lanes() -> None:
    for frames, lanes in ((1, 1), (1, 4), (2, 2), (3, 2), (3, 4), (5, 1), (5, 4)):
        clip = noise_clip("GRAY8", 16, 12, frames=frames)
        up = vsanime.artcnn(clip, MODEL, backend=vsanime.Backend.OpenVINO(num_streams=lanes))
        assert (up.num_frames, up.fps) == (frames, clip.fps)
        assert all(props_of(up, n) == {**props_of(clip, n), "_Range": 0, "_Matrix": 6} for n in range(frames))


def test_properties_of_each_frame_stay_with_it() -> None:
    clip = noise_clip("YUV420P8", 16, 12, frames=5)
    numbered = clip.std.FrameEval(lambda n: clip.std.SetFrameProps(number=n))
    up = vsanime.artcnn(numbered, MODEL, backend=vsanime.Backend.OpenVINO(num_streams=2))
    assert [props_of(up, n)["number"] for n in (3, 0, 4, 1, 2)] == [3, 0, 4, 1, 2]


def test_untagged_sd_stays_sd_through_several_doublings() -> None:
    clip = noise_clip("YUV420P8", 640, 8).std.RemoveFrameProps(["_Range", "_Matrix", "_ChromaLocation"])
    assert props_of(vsanime.artcnn(clip, MODEL, width=2560, height=32))["_Matrix"] == 6
