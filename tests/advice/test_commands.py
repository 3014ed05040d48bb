"""What errors of commands advise makes the command succeed that was refused; and how a model gets to a machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import vapoursynth as vs
from PIL import Image

from tests.models.test_foreign import elsewhere, real_file
from tests.models.test_foreign import package as package  # a fixture
from tests.models.test_store import NETWORK, Release, network
from tests.models.test_store import release as release  # a fixture
from tests.support import nets, writers
from tests.support.advice import snippets
from tests.support.clips import noise_clip
from tests.support.networks import artcnn_like
from vsanime.backends.cache import EngineCache
from vsanime.cli import main
from vsanime.cli.publicfilters import find_filter, public_filters, read_arguments
from vsanime.errors import VsanimeError
from vsanime.models import store
from vsanime.models.cards import find

# Each call costs a newcomer's time, and says nothing about the machine.
pytestmark = pytest.mark.long

PRECISE = ["--precision", "f32", "--backend", "openvino"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own, where commands are run, with pictures and networks in it."""
    monkeypatch.chdir(tmp_path)
    samples = (np.random.default_rng(0).random((24, 32, 3)) * 255).astype(np.uint8)
    Image.fromarray(samples).save("in.png")
    Image.fromarray(samples[..., 0]).save("gray.png")
    (tmp_path / "scans").mkdir()
    Image.fromarray(samples).save("scans/one.png")
    onnx.save(artcnn_like(), "luma.onnx")
    onnx.save(artcnn_like(features=64), "wide.onnx")
    (tmp_path / "net.safetensors").write_bytes(writers.safetensors(nets.artcnn_c().arrays()))
    return tmp_path


def refused(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """What a command says when it fails, its last line."""
    try:
        code = main(arguments)
    except SystemExit as error:  # argparse's
        code = int(error.code or 0)
    assert code in (1, 2)
    return capfd.readouterr().err.strip().splitlines()[-1]


def succeed(arguments: list[str]) -> None:
    assert main(arguments) == 0, arguments


def process(output: str, *more: str, source: str = "in.png") -> list[str]:
    engine = [] if "distance_field" in more else PRECISE
    return ["process", source, output, *(more if "--filter" in more else ("--filter", "lineart", *more)), *engine]


# Commands whose output is there.
THERE = {
    "import": ["import", "net.safetensors", "-o", "there.onnx"],
    "export": ["export", "C4F16_VA", "--format", "mpv", "-o", "there.glsl"],
    "process": process("there.png"),
    "process to another name": process("there.jpg"),
}


@pytest.mark.parametrize("case", THERE)
def test_what_is_there_is_overwritten_by_the_option(case: str, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = THERE[case]
    next(Path(word) for word in arguments if word.startswith("there")).write_bytes(b"")
    message = refused(capfd, arguments)
    option = re.search(r"give (--\w+)", message)
    assert option, message
    succeed([*arguments, option[1]])
    succeed([word.replace("there", "other") for word in arguments])


# Commands, and what of their options is to be left out.
LEFT_OUT = {
    "quality of PNG": (process("out.png", "--quality", "90"), 2),
    "crf of pictures": (process("out.png", "--crf", "20"), 2),
    "kind of one picture": (process("out.png", "--format", "png"), 2),
    "quality of videos": (process("out.mkv", "--quality", "90"), 2),
    "device of a filter without an engine": (
        process("out.png", "--filter", "distance_field", "--device", "1", source="gray.png"), 2
    ),
    "chroma of RGB networks": (
        process("out.png", "--filter", "upscale", "--set", "model=ESPCN_7_SLIM_VA", "--set", "chroma=C4F32_Chroma_VA"),
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT_OUT)
def test_options_that_are_to_be_left_out_are_what_was_wrong(case: str, capfd: pytest.CaptureFixture[str]) -> None:
    arguments, words = LEFT_OUT[case]
    message = refused(capfd, arguments)
    assert "leave it out" in message
    wrong = re.search(r"--([\w-]+)|(\w+)=", message.partition("vsanime: ")[2])
    assert wrong, message
    at = next(i for i, word in enumerate(arguments) if word == f"--{wrong[1]}" or word.startswith(f"{wrong[2]}="))
    at -= not wrong[1]
    succeed(arguments[:at] + arguments[at + words :])


# Commands, the option that is wrong, what the message names instead, and what is to be changed with it.
INSTEAD = {
    "bits of pictures": (process("out.png", "--depth", "9"), "9", r"have (8) or (16) bits"),
    "bits of JPEG": (process("out.jpg", "--depth", "16"), "16", r"holds (8) bits"),
    "bits of videos": (process("out.mkv", "--depth", "9"), "9", r"encodes (8) or (10) bits"),
    "a picture for 16 bits": (process("out.jpg", "--depth", "16"), "out.jpg", r"(\.png) holds 16"),
    "kind of output": (process("out.xyz"), "out.xyz", r"for a video, (\.png), (\.\w+), (\.\w+)"),
    "output as input": (process("in.png"), "in.png", r"another name for (OUTPUT) is needed"),
    "folder as a file": (process("out.png", source="scans"), "out.png", r"a (folder) is needed"),
    "folder as itself": (process("scans", source="scans"), "scans", r"another (folder) for OUTPUT is needed"),
    "import's suffix": (["import", "net.safetensors", "-o", "net.bin"], "net.bin", r"does not end in (\.onnx)"),
    "a name that is near": (["models", "show", "C4F16_AV"], "C4F16_AV", r"did you mean (\w+)"),
}  # fmt: skip


@pytest.mark.parametrize("case", INSTEAD)
def test_what_is_named_instead_will_do(case: str, capfd: pytest.CaptureFixture[str]) -> None:
    arguments, wrong, pattern = INSTEAD[case]
    found = re.search(pattern, message := refused(capfd, arguments))
    assert found, message
    at = len(arguments) - 1 - arguments[::-1].index(wrong)
    for value in found.groups():
        right = f"right{value}" if value.startswith(".") else "right.png" if value == "OUTPUT" else value
        for path in Path().glob("out.*"):
            path.unlink()
        succeed([*arguments[:at], right, *arguments[at + 1 :]])


def test_a_shader_whose_passes_are_too_wide_is_written_with_the_option(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["export", "wide.onnx", "--format", "mpv"]
    option = re.search(r"compute shaders \((--\w+)\)", message := refused(capfd, arguments))
    assert option, message
    succeed([*arguments, option[1]])


def test_a_cache_is_cleared_with_the_option(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    EngineCache(folder / "engines").fetch({"graph": "1f" * 32}, {}, lambda: b"engine")
    arguments = ["cache", "clear", "--dir", str(folder / "engines")]
    option = re.search(r"give (--\w+)", message := refused(capfd, arguments))
    assert option, message
    succeed([*arguments, option[1]])


def test_recipes_are_listed_by_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    (command,) = snippets(refused(capfd, ["train"]))
    succeed(shlex.split(command)[1:])


@pytest.mark.parametrize("name", ["artcnn", "lineart", "animegan", "waifu2x", "distance_field"])
def test_what_a_filter_takes_can_be_set(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Every argument with the default that the message shows."""
    message = refused(capfd, process("out.png", "--filter", name, "--set", "nonsense"))
    taken = re.findall(r"(\w+=[^ ]*) \(", message.partition(f"{name} takes ")[2])
    assert taken, message
    read_arguments(find_filter(name), taken, None)


def test_filters_that_are_named_are_there(capfd: pytest.CaptureFixture[str]) -> None:
    message = refused(capfd, process("out.png", "--filter", "artcnm"))
    names = re.split(", | or ", message.partition("did you mean ")[2].partition("?")[0])
    assert names[0] == "artcnn"
    assert len(names) == 3
    assert [find_filter(name).name for name in names] == names
    (command,) = snippets(message)
    with pytest.raises(SystemExit, match=r"^0$"):
        main(shlex.split(command)[1:])
    listed = capfd.readouterr().out
    assert all(re.search(rf"\b{name}\b", listed) for name in public_filters())


@pytest.mark.parametrize(
    ("setting", "option"), [("depth=8", ["--depth", "8"]), ("backend=openvino", ["--backend", "openvino"])]
)
def test_arguments_with_an_option_of_their_own_are_given_by_it(
    setting: str, option: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["process", "in.png", "out.png", "--filter", "lineart"]
    assert option[0] in refused(capfd, [*command, "--set", setting]).partition("is chosen by ")[2]
    succeed([*command, *option])


def test_of_a_style_that_is_given_twice_either_will_do() -> None:
    chosen = find_filter("animegan")
    with pytest.raises(VsanimeError, match="give one of them"):
        read_arguments(chosen, ["style=Pepper_VA"], "Pepper_VA")
    assert read_arguments(chosen, ["style=Pepper_VA"], None) == read_arguments(chosen, [], "Pepper_VA")


def test_a_folder_that_is_missing_can_be_created(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    arguments = ["export", "C4F16_VA", "--format", "mpv", "-o", "new/net.glsl"]
    assert "create it first" in refused(capfd, arguments)
    (folder / "new").mkdir()
    succeed(arguments)


# Models


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty home; downloads are allowed, and go where a test has them."""
    for name in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("VSANIME_MODEL_PATH", raising=False)
    monkeypatch.delenv("VSANIME_OFFLINE", raising=False)


@pytest.mark.usefixtures("online")
def test_a_model_is_fetched_by_the_command_once_downloads_are_allowed(
    monkeypatch: pytest.MonkeyPatch, release: Release, capfd: pytest.CaptureFixture[str]
) -> None:
    variant = find("C16F64")
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK))
    fetch = store.fetch
    monkeypatch.setattr(store, "fetch", partial(fetch, open_url=release.open_url, progress=False))
    monkeypatch.setenv("VSANIME_OFFLINE", "1")
    message = refused(capfd, ["models", "fetch", variant.name])
    (command,) = snippets(message)
    unset = re.search(r"once (\w+) is unset", message)
    assert unset, message
    monkeypatch.delenv(unset[1])
    succeed(shlex.split(command)[1:])
    assert store.load(variant.name).variant == variant


@pytest.mark.usefixtures("online")
def test_a_model_that_was_published_anew_is_fetched_by_the_command(
    monkeypatch: pytest.MonkeyPatch, release: Release, capfd: pytest.CaptureFixture[str]
) -> None:
    variant = find("C4F16")
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK))
    monkeypatch.setattr(store, "fetch", partial(store.fetch, open_url=release.open_url, progress=False))
    message = refused(capfd, ["models", "fetch", variant.name])
    assert "takes what is published" in message
    succeed(shlex.split(snippets(message)[0])[1:])
    assert store.load(variant.name).variant == variant


def test_a_zip_that_torch_wrote_is_imported_by_the_command(folder: Path) -> None:
    """It was named as if it were a network."""
    (folder / "zip.onnx").write_bytes(writers.state_dict_zip(nets.artcnn_c().arrays()))
    with pytest.raises(VsanimeError, match="if torch wrote it") as caught:
        store.load("./zip.onnx")
    (command,) = snippets(str(caught.value))
    succeed([*shlex.split(command)[1:], "zip.onnx", "-o", "made.onnx"])
    assert store.load("./made.onnx").proto.graph.node


@pytest.mark.usefixtures("online")
def test_weights_that_nobody_publishes_are_imported_by_the_command_and_put_where_it_says(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    import vsanime

    clip = noise_clip("RGB24", 16, 12)
    with pytest.raises(vs.Error, match="VSANIME_MODEL_PATH") as caught:
        vsanime.waifu2x(clip, model="drrn")
    (command,) = snippets(str(caught.value))
    (folder / "FILE").write_bytes(writers.safetensors(nets.drrn().arrays(), {"units": "9"}))
    succeed(shlex.split(command)[1:])
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(folder))
    vsanime.waifu2x(clip, model="drrn").get_frame(0).close()


def test_a_file_with_another_digest_is_taken_by_its_path(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    variant = find("C4F16_VA")
    path = folder / variant.file
    path.write_bytes(network(3).SerializeToString())
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(folder))
    with pytest.raises(VsanimeError, match="pass its path as the model"):
        store.load(variant.name)
    assert store.load(str(path)).variant is None
    succeed(["models", "list"])
    (row,) = (line for line in capfd.readouterr().out.splitlines() if line.startswith(f"{variant.name} "))
    (command,) = snippets(row)
    succeed(shlex.split(command)[1:])
    assert "pass its path as the model" in capfd.readouterr().out
    path.unlink()  # the other way out
    assert store.load(variant.name).variant == variant


@pytest.mark.usefixtures("online")
def test_a_damaged_record_is_deleted_and_the_model_fetched_again(release: Release) -> None:
    variant = find("C16F64")
    release.publish(release.add("v1", "2026-01-01T00:00:00Z", variant.file, NETWORK))
    fetch = partial(store.fetch, variant, open_url=release.open_url, progress=False, unverified=True)
    path = fetch()
    note = path.with_name(f"{path.name}.json")
    note.write_text("{")
    with pytest.raises(VsanimeError, match=f"is damaged; delete it and {variant.file}, and fetch the model again"):
        store.locate(variant)
    note.unlink()
    path.unlink()
    assert fetch() == path


def test_changed_weights_of_a_package_are_imported_by_the_command(package: Path, folder: Path) -> None:
    variant = replace(find("upconv_7_art_noise1"))
    changed = elsewhere(variant, packages=("some_weights/net.bin",), sha256="0" * 64)
    for suffix in (".bin", ".param"):
        (package / f"net{suffix}").write_bytes(real_file(variant).with_suffix(suffix).read_bytes())
    with pytest.raises(VsanimeError, match="install its package again") as caught:
        store.locate(changed)
    (command,) = snippets(str(caught.value))
    succeed(shlex.split(command)[1:])
    assert store.load(str(folder / "net.onnx")).proto.graph.node
