"""Files with random changes either import or are refused with a VsanimeError: nothing else, and no warning."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import nets, writers
from vsanime.errors import VsanimeError
from vsanime.models.formats import read

# Some seconds in all. The same examples each time, so that nobody's change fails by chance; VSANIME_FUZZ asks for as
# many others.
MORE = int(os.environ.get("VSANIME_FUZZ", "0"))
BOUNDED = settings(
    max_examples=MORE or 300,
    derandomize=not MORE,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Bytes that mean something somewhere: numbers' edges, and what texts and pickles are made of.
TELLING = b'\x00\x01\x7f\x80\xff{}[](),:"=- \n019eNRQbtu.(]K\x88\x8a\x93\x8e'

BEGINNINGS = [b"7767517\n", b"\x80\x02", b"\x80\x04", b"PK\x03\x04", b"[", b"[{", b"", bytes(8)]


@st.composite
def changes(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """One to four places where bytes are replaced, left out, put in or repeated."""
    edits = draw(
        st.lists(
            st.tuples(
                st.floats(0, 1, exclude_max=True),
                st.sampled_from(["replace", "leave out", "put in", "repeat"]),
                st.integers(1, 12),
                st.lists(st.one_of(st.sampled_from(list(TELLING)), st.integers(0, 255)), min_size=1, max_size=4),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def change(data: bytes) -> bytes:
        for place, kind, length, new in edits:
            at = int(place * len(data))
            end = at + (0 if kind == "put in" else len(new) if kind == "replace" else length)
            middle = data[at:end] * 2 if kind == "repeat" else b"" if kind == "leave out" else bytes(new)
            data = data[:at] + middle + data[end:]
        return data

    return change


def check(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            imported = read(path)
        except VsanimeError as error:
            message = str(error)
        else:
            onnx.checker.check_model(imported.proto, full_check=True)
            return
    assert message.startswith(str(path))
    assert "\n" not in message


@cache
def small() -> nets.Net:
    return nets.vgg_7((3, 1, 1, 1, 1, 1, 1, 1))


WHOLE: dict[str, Callable[[], bytes]] = {
    "json": lambda: writers.waifu2x_json(small()).encode(),
    "safetensors": lambda: writers.safetensors(nets.artcnn_c(inner=1, filters=1).arrays(), {"activation": "silu"}),
    "torch zip": lambda: writers.state_dict_zip(nets.artcnn_r(blocks=1, filters=1).arrays(), "state_dict", epoch=3),
    "torch legacy": lambda: writers.state_dict_legacy(small().arrays()),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_changed_file(tmp_path: Path, kind: str) -> None:
    whole = WHOLE[kind]()

    @BOUNDED
    @given(changes())
    def changed(change: Callable[[bytes], bytes]) -> None:
        (tmp_path / "net").write_bytes(change(whole))
        check(tmp_path / "net")

    changed()


@pytest.mark.parametrize("suffix", [".param", ".bin"])
def test_changed_ncnn_pair(tmp_path: Path, suffix: str) -> None:
    param = writers.ncnn(tmp_path, small(), half=True)
    path = param.with_suffix(suffix)
    whole = path.read_bytes()

    @BOUNDED
    @given(changes())
    def changed(change: Callable[[bytes], bytes]) -> None:
        path.write_bytes(change(whole))
        check(param)

    changed()


def test_changed_pickle_in_a_whole_archive(tmp_path: Path) -> None:
    """An archive's checksums would catch nearly every change; these are made before they are taken."""
    arrays = small().arrays()
    storages = {str(i): a.tobytes() for i, a in enumerate(arrays.values())}
    pickle = writers.pickled(writers.ordered({k: writers.tensor(a, str(i)) for i, (k, a) in enumerate(arrays.items())}))

    @BOUNDED
    @given(changes())
    def changed(change: Callable[[bytes], bytes]) -> None:
        (tmp_path / "net").write_bytes(writers.torch_zip({}, storages, data__pkl=change(pickle)))
        check(tmp_path / "net")

    changed()


@BOUNDED
@given(st.sampled_from(BEGINNINGS), st.binary())
def test_any_bytes(tmp_path: Path, beginning: bytes, rest: bytes) -> None:
    (tmp_path / "net").write_bytes(beginning + rest)
    (tmp_path / "net.bin").write_bytes(rest)
    # Beside such a text zeros are taken for ncnn's weights.
    (tmp_path / "net.param").write_text(writers.ncnn_param(small()), encoding="utf-8")
    check(tmp_path / "net")
