"""`vsanime export` writes shaders whole or not at all."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.support.chains import assert_same_weights, random_layers, random_net
from vsanime.cli import main
from vsanime.models import store
from vsanime.models.architectures import artcnn_r
from vsanime.models.formats.shaders import reader


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network's file, in a folder that becomes the current one."""
    folder = tmp_path / "mina nät"
    folder.mkdir()
    monkeypatch.chdir(folder)
    path = folder / "eget nät.onnx"
    path.write_bytes(random_net().SerializeToString())
    return path


@pytest.mark.parametrize(("options", "name"), [([], "eget nät.glsl"), (["--compute"], "eget nät_compute.glsl")])
def test_a_file_becomes_a_shader_beside_the_user(
    options: list[str], name: str, net: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(net), "--format", "mpv", *options]) == 0
    found = reader.read(Path(name))
    assert_same_weights(found.proto, onnx.load(net))
    assert found.licence == "that of the weights' author"
    assert capfd.readouterr().out.startswith(f"{name}: ")
    assert {path.name for path in net.parent.iterdir()} == {name, net.name}


def test_bundled_network_carries_its_card(net: Path) -> None:
    target = net.with_name("ut.glsl")
    assert main(["export", "C4F16_VA", "--format", "mpv", "-o", str(target)]) == 0
    head = target.read_text(encoding="utf-8").split("//!")[0]
    assert "// C4F16_VA as an mpv user shader, written by vsanime." in head
    assert "// Licence: MIT\n// Copyright (c) 2026 the vsanime authors\n//\n// Permission is hereby granted" in head
    assert b"\r" not in target.read_bytes()


@pytest.mark.usefixtures("net")
def test_the_licence_outlives_export_and_import(capfd: pytest.CaptureFixture[str]) -> None:
    """MIT wants the holder's line and its own text in every copy, copies of copies included."""
    notice = (Path(__file__).parents[3] / "LICENSE").read_text(encoding="utf-8").splitlines()[2:]
    heads = []
    for model, again in (("C4F16_VA", "one"), ("one.onnx", "two"), ("two.onnx", "three")):
        assert main(["export", model, "--format", "mpv", "-o", f"{again}.glsl"]) == 0
        assert main(["import", f"{again}.glsl"]) == 0
        head = Path(f"{again}.glsl").read_text(encoding="utf-8").split("\n\n")[0]
        heads.append([line[3:] for line in head.splitlines()])
        assert_same_weights(onnx.load(f"{again}.onnx"), store.load("C4F16_VA").proto)
    for head in heads:
        assert head[-len(notice) :] == notice
    assert capfd.readouterr().out.count("licence          MIT; Copyright (c) 2026 the vsanime authors\n") == 3
    assert main(["models", "show", "three.onnx"]) == 0
    assert "licence in the ONNX  MIT; Copyright (c) 2026 the vsanime authors\n" in capfd.readouterr().out


def test_nothing_is_overwritten_unasked(net: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = net.with_name("ut.glsl")
    target.write_text("mine", encoding="utf-8")
    command = ["export", str(net), "--format", "mpv", "-o", str(target)]
    assert main(command) == 1
    assert (
        capfd.readouterr().err
        == f"vsanime: the output {target} exists; give --force to overwrite it, or another name\n"
    )
    assert target.read_text(encoding="utf-8") == "mine"
    assert main([*command, "--force"]) == 0
    assert target.stat().st_size > 1000


@pytest.mark.parametrize(
    ("target", "message"),
    [("", "is a folder; give the name"), ("nowhere/ut.glsl", "does not exist; create it first")],
)
def test_a_target_that_cannot_be_is_named(
    target: str, message: str, net: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(net), "--format", "mpv", "-o", str(net.parent / target)]) == 1
    assert message in capfd.readouterr().err


def test_other_networks_are_one_line_and_no_file(net: Path, capfd: pytest.CaptureFixture[str]) -> None:
    net.write_bytes(artcnn_r(random_layers(8, 3)).SerializeToString())
    assert main(["export", str(net), "--format", "mpv"]) == 1
    error = capfd.readouterr().err
    assert error.startswith("vsanime: eget nät cannot be written as a shader: this is no ArtCNN C network")
    assert error.count("\n") == 1
    assert not net.with_suffix(".glsl").exists()


def test_the_format_has_to_be_said(net: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(net)])
    assert stopped.value.code == 2
    assert "--format" in capfd.readouterr().err
