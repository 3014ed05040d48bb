"""Finding, verifying, downloading and loading model files."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from vsanime.errors import VsanimeError
from vsanime.models import store
from vsanime.models.cards import Variant, engines_folder, find
from vsanime.models.download import open_https

pytestmark = pytest.mark.usefixtures("user_folder")

API = "https://api.github.com/repos/Artoriuz/ArtCNN/releases"
ASSET = "https://github.com/Artoriuz/ArtCNN/releases/download"


def network(seed: int = 0) -> onnx.ModelProto:
    """One 3x3 convolution, 1 to 4 channels, and depth-to-space."""
    weight = np.random.default_rng(seed).normal(size=(4, 1, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("DepthToSpace", ["c"], ["y"], blocksize=2),
    ]
    picture = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 1, None, None]) for n in "xy"]
    graph = helper.make_graph(nodes, "net", picture[:1], picture[1:], [numpy_helper.from_array(weight, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


NETWORK = network().SerializeToString()


class Release:
    """A loopback server that answers as GitHub's releases do, and counts what is asked of it."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        release = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.removeprefix("/")
                release.asked[path] += 1
                data = release.answers.get(path)
                self.send_response(404 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"

    def publish(self, *releases: dict[str, object]) -> None:
        self.answers[f"{API}?per_page=100"] = json.dumps(releases).encode()

    def add(self, tag: str, date: str, file: str, data: bytes, **changed: object) -> dict[str, object]:
        """A release with one file; `changed` fields differ from the truth."""
        url = f"{ASSET}/{tag}/{file}"
        self.answers[url] = data
        asset = {"name": file, "size": len(data), "digest": f"sha256:{sha256(data)}", "browser_download_url": url}
        return {"tag_name": tag, "published_at": date, "draft": False, "assets": [asset | changed]}

    def open_url(self, url: str) -> BinaryIO:
        answer: BinaryIO = urllib.request.urlopen(f"{self.base}/{url}", timeout=10)
        return answer


@pytest.fixture
def release() -> Iterator[Release]:
    served = Release()
    thread = threading.Thread(target=served.server.serve_forever)
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


@pytest.fixture
def variant() -> Variant:
    """A variant whose card pins no digest."""
    found = find("C16F64")
    assert found.sha256 == ()
    return found


def no_network(url: str) -> BinaryIO:
    raise AssertionError(f"asked for {url}")


# Search path and digests


def test_search_path_is_environment_then_user_then_package(
    user_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", os.pathsep.join([str(tmp_path / "a"), "", str(tmp_path / "b b")]))
    assert store.search_path() == [tmp_path / "a", tmp_path / "b b", user_folder, engines_folder()]


def test_first_folder_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: Variant) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")]))
    assert store.locate(variant) is None
    for name in "ba":
        (tmp_path / name).mkdir()
        (tmp_path / name / variant.file).write_bytes(NETWORK)
        assert store.locate(variant) == tmp_path / name / variant.file


def test_wrong_digest_names_both_and_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path))
    pinned = find("C4F32")
    (tmp_path / pinned.file).write_bytes(NETWORK)
    with pytest.raises(VsanimeError, match="pass its path as the model") as error:
        store.load("C4F32")
    assert sha256(NETWORK) in str(error.value)
    assert pinned.sha256[0] in str(error.value)
    # The way out that the message names:
    assert store.load(tmp_path / pinned.file).variant is None


def test_unknown_digest_is_accepted_where_the_user_put_it_but_not_among_downloads(
    user_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: Variant
) -> None:
    user_folder.mkdir(parents=True)
    (user_folder / variant.file).write_bytes(NETWORK)
    with pytest.raises(VsanimeError, match="none on record"):
        store.locate(variant)
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path))
    (tmp_path / variant.file).write_bytes(NETWORK)
    model = store.load("c16f64")
    assert (model.name, model.path, model.variant) == ("C16F64", tmp_path / variant.file, variant)


@pytest.mark.parametrize("name", ["C4F16", "C4F32_Chroma", "R8F64"])
def test_real_weights_load_by_name(weights: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(weights))
    model = store.load(name)
    assert model.variant == find(name)
    assert model.proto.graph.node


# Download


def test_fetch_takes_the_newest_release_that_has_the_file(
    user_folder: Path, release: Release, variant: Variant, capfd: pytest.CaptureFixture[str]
) -> None:
    data = network(1).SerializeToString()
    release.publish(
        release.add("v1.0", "2024-01-01T00:00:00Z", variant.file, NETWORK),
        release.add("v1.6", "2026-01-01T00:00:00Z", variant.file, data),
        release.add("v1.7", "2026-02-01T00:00:00Z", "another.onnx", NETWORK),
        release.add("v2.0", "2026-03-01T00:00:00Z", variant.file, NETWORK) | {"draft": True},
    )
    path = store.fetch(variant, unverified=True, open_url=release.open_url)
    assert path == user_folder / variant.file
    assert path.read_bytes() == data
    note = json.loads((user_folder / f"{variant.file}.json").read_text(encoding="utf-8"))
    assert note.pop("date").startswith("20")
    assert note == {
        "url": f"{ASSET}/v1.6/{variant.file}", "sha256": sha256(data), "release": "v1.6", "verified": False
    }  # fmt: skip
    written = capfd.readouterr()
    assert written.out == ""
    assert variant.file in written.err  # the progress bar
    # From now on it is found, verified and loaded without a network.
    assert store.locate(variant) == path
    assert store.load(variant.name).path == path
    assert store.fetch(variant, open_url=no_network) == path


def test_an_unverified_download_is_recorded_beside_pinned_digests(release: Release) -> None:
    pinned = find("C4F32")
    release.publish(release.add("v1.6", "2026-01-01T00:00:00Z", pinned.file, NETWORK))
    path = store.fetch(pinned, unverified=True, open_url=release.open_url, progress=False)
    assert sha256(NETWORK) not in pinned.sha256
    assert store.locate(pinned) == path


def test_a_pinned_digest_wins_over_a_published_one(user_folder: Path, release: Release) -> None:
    """Whoever can change a release can change what its API publishes as well."""
    pinned = find("C4F32")
    release.publish(release.add("v1.6", "2026-01-01T00:00:00Z", pinned.file, NETWORK))
    with pytest.raises(
        VsanimeError, match=f"published with sha256 {sha256(NETWORK)}, the card pins {pinned.sha256[0]}"
    ):
        store.fetch(pinned, open_url=release.open_url, progress=False)
    assert release.asked[f"{ASSET}/v1.6/{pinned.file}"] == 0
    release.publish(
        release.add("v1.6", "2026-01-01T00:00:00Z", pinned.file, NETWORK, digest=f"sha256:{pinned.sha256[0]}")
    )
    with pytest.raises(VsanimeError, match=f"has sha256 {sha256(NETWORK)}, expected {pinned.sha256[0]}; not kept"):
        store.fetch(pinned, open_url=release.open_url, progress=False)
    assert [p.name for p in user_folder.iterdir() if p.suffix != ".lock"] == []


def test_the_newest_release_with_a_pinned_digest_is_taken(release: Release, variant: Variant) -> None:
    pinned, other = replace(variant, seen=True, sha256=(sha256(NETWORK),)), network(3).SerializeToString()
    release.publish(
        release.add("v1", "2024-01-01T00:00:00Z", variant.file, NETWORK),
        release.add("v2", "2025-01-01T00:00:00Z", variant.file, NETWORK),
        release.add("v3", "2026-01-01T00:00:00Z", variant.file, other),
    )
    assert store.fetch(pinned, open_url=release.open_url, progress=False).read_bytes() == NETWORK
    assert release.asked[f"{ASSET}/v2/{variant.file}"] == 1


@pytest.mark.parametrize("digest", [None, "md5:0123", "sha256:"])
def test_what_was_never_seen_is_not_downloaded_by_itself(
    release: Release, variant: Variant, digest: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSANIME_OFFLINE", "")
    with pytest.raises(VsanimeError, match=r"`vsanime models fetch C16F64 --unverified` downloads it"):
        store.load(variant.name)
    with pytest.raises(VsanimeError, match="is not downloaded by itself, because no digest of it is known"):
        store.fetch(variant, open_url=no_network)
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK, digest=digest))
    path = store.fetch(variant, unverified=True, open_url=release.open_url, progress=False)
    assert store.locate(variant) == path


def test_changed_download_is_noticed(release: Release, variant: Variant) -> None:
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK))
    path = store.fetch(variant, unverified=True, open_url=release.open_url, progress=False)
    changed = network(2).SerializeToString()
    path.write_bytes(changed)
    with pytest.raises(VsanimeError, match=f"{sha256(changed)}, accepted is {sha256(NETWORK)}"):
        store.load(variant.name)


def test_damaged_record_is_told(user_folder: Path, release: Release, variant: Variant) -> None:
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK))
    store.fetch(variant, unverified=True, open_url=release.open_url, progress=False)
    (user_folder / f"{variant.file}.json").write_text("{")
    with pytest.raises(VsanimeError, match="is damaged; delete it"):
        store.locate(variant)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"digest": f"sha256:{'0' * 64}"}, f"has sha256 {sha256(NETWORK)}, expected {'0' * 64}"),
        ({"size": len(NETWORK) + 1}, f"gave {len(NETWORK)} bytes where {len(NETWORK) + 1} were announced"),
        ({"size": 1}, "bytes where 1 were announced"),
        ({"browser_download_url": "http://example.org/a.onnx"}, "only https addresses are used"),
        ({"browser_download_url": "file:///etc/passwd"}, "only https addresses are used"),
        ({"browser_download_url": f"{ASSET}/gone.onnx"}, "answered 404"),
        ({"size": None}, "did not answer with a list of releases"),
    ],
)
def test_bad_download_leaves_nothing(
    user_folder: Path, release: Release, variant: Variant, changed: dict[str, object], message: str
) -> None:
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK, **changed))
    with pytest.raises(VsanimeError, match="C16F64 cannot be fetched: ") as error:
        store.fetch(variant, unverified=True, open_url=release.open_url, progress=False)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert [p.name for p in user_folder.iterdir() if p.suffix != ".lock"] == []


@pytest.mark.usefixtures("without_locks")
def test_file_system_without_locks_takes_a_download(user_folder: Path, release: Release, variant: Variant) -> None:
    """No marker file is left there, which a killed process would leave for good."""
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of filelock before 3.32
        path = store.fetch(variant, unverified=True, open_url=release.open_url, progress=False)
    assert path.read_bytes() == NETWORK
    assert all(p.stat().st_size == 0 for p in user_folder.glob("*.lock"))


def test_leftovers_of_a_killed_download_are_removed(user_folder: Path, release: Release, variant: Variant) -> None:
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK))
    user_folder.mkdir(parents=True)
    for left in (f"{variant.file}.part", f"{variant.file}.0123abcd.part", f"{variant.file}.json.0123abcd.part"):
        (user_folder / left).write_bytes(b"half")
    store.fetch(variant, unverified=True, open_url=release.open_url, progress=False)
    names = {p.name for p in user_folder.iterdir() if p.suffix != ".lock"}
    assert names == {variant.file, f"{variant.file}.json"}


@pytest.mark.parametrize("answer", [b"", b"<html>", b'{"message": "rate limit"}', b"[1]", b'[{"draft": false}]'])
def test_answer_that_is_no_list_of_releases(release: Release, variant: Variant, answer: bytes) -> None:
    release.answers[f"{API}?per_page=100"] = answer
    with pytest.raises(VsanimeError, match="did not answer with a list of releases"):
        store.fetch(variant, unverified=True, open_url=release.open_url, progress=False)


def test_no_release_has_the_file(release: Release, variant: Variant) -> None:
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", "another.onnx", NETWORK))
    with pytest.raises(VsanimeError, match=r"no release at .* has a file named ArtCNN_C16F64.onnx"):
        store.fetch(variant, unverified=True, open_url=release.open_url, progress=False)


def test_unpublished_digest_is_replaced_by_a_pinned_one(release: Release, variant: Variant) -> None:
    pinned = replace(variant, seen=True, sha256=(sha256(NETWORK),))
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK, digest=None))
    assert store.fetch(pinned, open_url=release.open_url, progress=False).read_bytes() == NETWORK


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (urllib.error.URLError("no route"), "cannot be reached: no route"),
        (TimeoutError("timed out"), "cannot be downloaded: timed out"),
        (http.client.BadStatusLine("junk"), "cannot be downloaded: "),
    ],
)
def test_lost_connection_is_told_with_a_way_out(variant: Variant, failure: Exception, message: str) -> None:
    def broken(_: str) -> BinaryIO:
        raise failure

    with pytest.raises(VsanimeError, match=message) as error:
        store.fetch(variant, unverified=True, open_url=broken, progress=False)
    assert "`vsanime models fetch C16F64 --unverified` downloads it" in str(error.value)
    assert "VSANIME_MODEL_PATH" in str(error.value)


def test_offline_forbids_downloads_and_says_where_it_looked(
    user_folder: Path, monkeypatch: pytest.MonkeyPatch, variant: Variant
) -> None:
    monkeypatch.setenv("VSANIME_OFFLINE", "1")
    with pytest.raises(VsanimeError, match="VSANIME_OFFLINE forbids downloads") as error:
        store.fetch(variant, open_url=no_network)
    assert str(user_folder) in str(error.value)
    with pytest.raises(VsanimeError, match="VSANIME_OFFLINE forbids downloads"):
        store.load(variant.name)


def test_bundled_model_that_is_missing_is_no_download(variant: Variant) -> None:
    with pytest.raises(VsanimeError, match=r"it has no download.*Install vsanime again"):
        store.fetch(replace(variant, url="", sha256=("0" * 64,)), open_url=no_network)


def test_model_that_exists_only_elsewhere_is_for_import(variant: Variant) -> None:
    with pytest.raises(VsanimeError, match=r"it has no download.*vsanime import.*VSANIME_MODEL_PATH"):
        store.fetch(replace(variant, url="", sha256=()), open_url=no_network)


@pytest.mark.parametrize("url", ["http://example.org/x", "file:///etc/passwd", "ftp://example.org/x", "x"])
def test_only_https_is_opened(url: str) -> None:
    with pytest.raises(VsanimeError, match="only https"):
        open_https(url)


def test_folder_that_cannot_be_made_is_told(tmp_path: Path, variant: Variant) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VsanimeError, match="cannot be written"):
        store.fetch(variant, unverified=True, folder=tmp_path / "file" / "models", open_url=no_network)


FETCH_SCRIPT = """
import sys, urllib.request
from pathlib import Path
from vsanime.models import store
from vsanime.models.cards import find
base, folder = sys.argv[1:]
open_url = lambda url: urllib.request.urlopen(f"{base}/{url}", timeout=20)
print("ready", flush=True)
sys.stdin.readline()
print(store.fetch(find("C16F64"), unverified=True, folder=Path(folder), open_url=open_url, progress=False))
"""


def test_two_processes_download_once(tmp_path: Path, release: Release, variant: Variant) -> None:
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FETCH_SCRIPT, release.base, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | {"VSANIME_OFFLINE": "", "PYTHONUTF8": "1"},
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outputs = [process.communicate("go\n", timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert outputs == [str(tmp_path / variant.file)] * 3
    assert release.asked[f"{ASSET}/v1/{variant.file}"] == 1
    assert (tmp_path / variant.file).read_bytes() == NETWORK


NO_SOCKET_SCRIPT = """
import sys
import warnings
def watch(event, args):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise SystemExit(f"{event} {args}")
sys.addaudithook(watch)
from vsanime.errors import VsanimeError
from vsanime.models import store
from vsanime.models.cards import find
store.load(sys.argv[1])
store.load("C16F64")
try:
    store.load("R16F96")
except VsanimeError as error:
    assert "VSANIME_OFFLINE" in str(error)
"""


def test_no_socket_without_a_download(tmp_path: Path, variant: Variant) -> None:
    (tmp_path / variant.file).write_bytes(NETWORK)
    (tmp_path / "own.onnx").write_bytes(NETWORK)
    environment = os.environ | {"VSANIME_MODEL_PATH": str(tmp_path), "VSANIME_OFFLINE": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", NO_SOCKET_SCRIPT, str(tmp_path / "own.onnx")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


# Loading by path


@pytest.mark.parametrize("kind", [str, Path])
def test_file_loads_by_path(tmp_path: Path, kind: type) -> None:
    path = tmp_path / "min modell ö.onnx"
    path.write_bytes(NETWORK)
    model = store.load(kind(path))
    assert (model.name, model.path, model.variant) == ("min modell ö", path, None)
    assert model.proto.SerializeToString() == NETWORK


def test_a_bare_file_name_with_suffix_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.ONNX").write_bytes(NETWORK)
    assert store.load("net.ONNX").variant is None
    with pytest.raises(VsanimeError, match=r"C4F32\.onnx does not exist; .*name without \.onnx"):
        store.load("C4F32.onnx")


@pytest.mark.parametrize("model", [None, 3, b"C4F32", ["C4F32"]])
def test_model_of_another_type_is_told(model: object) -> None:
    with pytest.raises(VsanimeError, match=r"model must be a name or the path of an .onnx file, not"):
        store.load(model)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (NETWORK[: len(NETWORK) // 2], "is damaged or cut short"),
        (NETWORK[:1], "is damaged or cut short"),
        (NETWORK[:2], "holds no network"),
        (b"<!DOCTYPE html><html>", "is not an ONNX file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is not an ONNX file"),
        (bytes(64), "is not an ONNX file"),
        (onnx.ModelProto(ir_version=9).SerializeToString(), "holds no network"),
    ],
)
def test_file_that_is_no_onnx_is_told(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(VsanimeError, match=message) as error:
        store.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_every_cut_of_a_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    for length in range(len(NETWORK)):
        path.write_bytes(NETWORK[:length])
        with pytest.raises(VsanimeError):
            store.load(path)


def test_missing_file_and_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match="does not exist"):
        store.load(tmp_path / "net.onnx")
    with pytest.raises(VsanimeError, match="is a folder"):
        store.load(tmp_path)
    with pytest.raises(VsanimeError, match=r"cannot be read|does not exist"):
        store.load(tmp_path / ("x" * 300 + ".onnx"))


def test_invalid_graph_is_told(tmp_path: Path) -> None:
    proto = network()
    proto.graph.node[0].op_type = "Convolve"
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(VsanimeError, match=r"is not a valid ONNX: .*Convolve"):
        store.load(path)


def test_weights_shorter_than_their_shape_are_told(tmp_path: Path) -> None:
    proto = network()
    proto.graph.initializer[0].raw_data = proto.graph.initializer[0].raw_data[:-4]
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(VsanimeError, match="'w' holds 140 bytes, its shape asks for 144"):
        store.load(path)


# Weights in files beside the ONNX


def external(folder: Path, location: str, **place: int) -> Path:
    """A network whose weight is said to lie at `location`; the true data is in `weights.bin`."""
    proto = network()
    weight = proto.graph.initializer[0]
    folder.mkdir(exist_ok=True)
    (folder / "weights.bin").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **place}.items():
        weight.external_data.add(key=key, value=str(value))
    path = folder / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_external_weights_beside_the_file_are_read_in(tmp_path: Path) -> None:
    model = store.load(external(tmp_path / "models", "weights.bin", offset=0, length=144))
    expected = numpy_helper.to_array(network().graph.initializer[0])
    np.testing.assert_array_equal(numpy_helper.to_array(model.proto.graph.initializer[0]), expected)


@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "/etc/passwd", "C:\\secret.bin", "..\\secret.bin", "sub/../../secret.bin", "\\\\host\\s.bin", ""],
)
def test_external_weights_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(144))
    with pytest.raises(VsanimeError, match="outside the folder of the ONNX file") as error:
        store.load(external(tmp_path / "models", location))
    assert repr(location) in str(error.value)


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a privilege on Windows")
def test_external_weights_behind_a_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(144))
    path = external(tmp_path / "models", "link.bin")
    (tmp_path / "models" / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(VsanimeError, match="outside the folder of the ONNX file"):
        store.load(path)


@pytest.mark.parametrize(
    ("location", "place", "message"),
    [
        ("gone.bin", {}, "'gone.bin' with its weights is not beside it"),
        ("weights.bin", {"offset": 100, "length": 144}, "'w' lies beyond the 144 bytes of 'weights.bin'"),
        ("weights.bin", {"offset": -4, "length": 144}, "lies beyond"),
        ("weights.bin", {"offset": 0, "length": 140}, "'w' holds 140 bytes, its shape asks for 144"),
        ("we\0ights.bin", {}, "cannot be read"),
    ],
)
def test_external_weights_that_do_not_fit_are_told(
    tmp_path: Path, location: str, place: dict[str, int], message: str
) -> None:
    with pytest.raises(VsanimeError, match=message):
        store.load(external(tmp_path, location, **place))


def test_a_named_model_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: Variant) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path))
    external(tmp_path, "weights.bin").rename(tmp_path / variant.file)
    with pytest.raises(VsanimeError, match="models with a name are one file"):
        store.load(variant.name)
