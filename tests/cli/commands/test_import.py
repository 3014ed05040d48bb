"""`vsanime import`: says what it found, checks it, writes it whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import helper

from tests.support import nets, writers
from tests.support.generators import as_tensorflow, random_weights
from vsanime.cli import main
from vsanime.cli.trial import try_out
from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import inspect
from vsanime.models import store
from vsanime.models.formats import read
from vsanime.models.licences import read_note


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a blank and a letter beyond ASCII in its name."""
    made = tmp_path / "mina nät ö"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failure(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a failing run says, in one line on stderr and nothing else."""
    assert main(["import", *arguments]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_says_what_it_found_and_writes_a_network_that_loads(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    net = nets.upconv_7((3, 16, 32, 64, 128, 128, 256))
    (folder / "scale2.0x_model.json").write_text(writers.waifu2x_json(net), encoding="utf-8")
    assert main(["import", "scale2.0x_model.json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    facts = {line[:16].strip(): line[17:] for line in out.splitlines()}
    target = folder / "scale2.0x_model.onnx"
    assert facts.pop("network").startswith("UpConv_7, widths 16-32-64-128-128-256, scale 2, 552,480 weights")
    assert facts == {
        "recognised": "upconv_7",
        "channels": "3 in, 3 out",
        "scale": "2x",
        "parameters": "552,480",
        "receptive field": "7 pixels each way",
        "licence": "the file does not say; ask where it comes from",
        "checked": "ran in OpenVINO: 48x40 in, 96x80 out",
        "written": str(target.resolve()),
    }
    assert names(folder) == ["scale2.0x_model.json", "scale2.0x_model.onnx"]
    assert store.load(target).proto == read(folder / "scale2.0x_model.json").proto


def test_output_activation_and_licence(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    net = nets.artcnn_r(activation="silu")
    (folder / "net.safetensors").write_bytes(writers.safetensors(net.arrays(), {"license": "MIT\nby somebody"}))
    (folder / "nets").mkdir()
    assert main(["import", "net.safetensors", "-o", "nets/mine.onnx", "--activation", "silu"]) == 0
    assert "licence          MIT by somebody\n" in capfd.readouterr().out
    nets.assert_computes(read(folder / "net.safetensors", "silu"), net)
    written = onnx.load(folder / "nets" / "mine.onnx")
    assert [n.op_type for n in written.graph.node].count("Sigmoid") == 4
    assert read_note(written) == "MIT by somebody"


def test_an_animegan_state_dict_tells_its_licence_and_grows_as_asked(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "paprika.pt").write_bytes(writers.state_dict_zip(random_weights()))
    assert main(["import", "paprika.pt", "-o", "AnimeGANv2_Paprika.onnx", "--upsample", "tf"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    facts = {line[:16].strip(): line[17:] for line in out.splitlines()}
    assert facts["recognised"] == "animegan2"
    assert "2,143,552 weights, up-sampling 'tf' (as asked for), epsilon 1e-05" in facts["network"]
    assert facts["receptive field"] == "the whole frame (cannot be tiled)"
    assert "non-commercial use only" in facts["licence"]
    assert facts["checked"] == "ran in OpenVINO: 48x40 in, 48x40 out"
    assert "non-commercial" in read_note(onnx.load("AnimeGANv2_Paprika.onnx"))


def test_tensorflows_onnx_is_imported_after_all(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "Hayao_64.onnx").write_bytes(as_tensorflow(random_weights()).SerializeToString())
    assert main(["import", "Hayao_64.onnx", "-o", "AnimeGANv2_Hayao.onnx"]) == 0
    assert "up-sampling 'tf' (as its graph says), epsilon 1e-12" in capfd.readouterr().out
    assert "Hayao_64.onnx: upsample 'half' was asked for" in failure(
        capfd, "Hayao_64.onnx", "-o", "other.onnx", "--upsample", "half"
    )


def test_what_is_there_stays_unless_forced(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "net.pth").write_bytes(writers.state_dict_zip(nets.artcnn_c().arrays()))
    (folder / "net.onnx").write_bytes(b"mine")
    assert "the output net.onnx exists; give --force" in failure(capfd, "net.pth")
    assert (folder / "net.onnx").read_bytes() == b"mine"
    assert main(["import", "net.pth", "--force"]) == 0
    onnx.checker.check_model(onnx.load(folder / "net.onnx"))
    assert names(folder) == ["net.onnx", "net.pth"]


def test_damaged_files_write_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = writers.state_dict_zip(nets.artcnn_c().arrays())
    (folder / "net.pth").write_bytes(whole[:-100])
    (folder / "net.onnx").write_bytes(b"mine")
    assert "vsanime: net.pth: its zip archive is damaged" in failure(capfd, "net.pth", "--force")
    assert (folder / "net.onnx").read_bytes() == b"mine"
    assert names(folder) == ["net.onnx", "net.pth"]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("net.pt", "does not end in .onnx"),
        ("missing/net.onnx", "the output missing/net.onnx is in a folder that does not exist"),
        ("folder.onnx", "is a folder"),
    ],
)
def test_outputs_that_cannot_be_written(
    folder: Path, capfd: pytest.CaptureFixture[str], output: str, message: str
) -> None:
    (folder / "folder.onnx").mkdir()
    (folder / "net.pth").write_bytes(writers.state_dict_zip(nets.artcnn_c().arrays()))
    assert message in failure(capfd, "net.pth", "-o", output).replace("\\", "/")


@pytest.mark.parametrize("given", [".", "..", "nets"])
def test_a_folder_is_the_inputs_fault(folder: Path, capfd: pytest.CaptureFixture[str], given: str) -> None:
    (folder / "nets").mkdir()
    assert failure(capfd, given) == f"vsanime: {given} is a folder; give the path of a file in it\n"


def test_onnx_needs_no_import(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "there.onnx").write_bytes(read_bytes(nets.artcnn_c(), folder))
    assert "ONNX files need no import" in failure(capfd, "there.onnx", "-o", "other.onnx")


def read_bytes(net: nets.Net, folder: Path) -> bytes:
    """A network as ONNX."""
    (folder / "x.safetensors").write_bytes(writers.safetensors(net.arrays()))
    data: bytes = read(folder / "x.safetensors").proto.SerializeToString()
    return data


@pytest.mark.parametrize("hidden", ["", "openvino"])
def test_trial_runs_where_openvino_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    if hidden:
        monkeypatch.setitem(sys.modules, hidden, None)
    proto = onnx.ModelProto.FromString(read_bytes(nets.artcnn_c(), tmp_path))
    said = try_out(proto, inspect(proto))
    assert said == f"ran in {'ONNX Runtime' if hidden else 'OpenVINO'}: 48x40 in, 96x80 out"


@pytest.mark.parametrize("hidden", ["", "openvino"])
def test_trial_refuses_what_overflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    """Every weight is finite; what they compute is not."""
    if hidden:
        monkeypatch.setitem(sys.modules, hidden, None)
    proto = onnx.ModelProto.FromString(read_bytes(nets.artcnn_c(), tmp_path))
    facts = inspect(proto)
    # Without the final clip, which hides infinity.
    clip = next(node for node in proto.graph.node if node.op_type == "Clip")
    clip.CopyFrom(helper.make_node("Div", [clip.input[0], clip.input[1]], list(clip.output)))  # by zero
    with pytest.raises(VsanimeError, match="not finite"):
        try_out(proto, facts)


def test_trial_refuses_another_size(tmp_path: Path) -> None:
    proto = onnx.ModelProto.FromString(read_bytes(nets.artcnn_c(), tmp_path))
    other = onnx.ModelProto.FromString(read_bytes(nets.artcnn_c(ends=(1, 1)), tmp_path))
    with pytest.raises(VsanimeError, match=r"gives \(1, 1, 40, 48\) .*; \(1, 1, 80, 96\) is right"):
        try_out(other, inspect(proto))


def test_help_says_what_is_read() -> None:
    command = [sys.executable, "-m", "vsanime", "import", "--help"]
    text = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    for word in (
        "ncnn",
        "JSON",
        "torch",
        "safetensors",
        "mpv shaders",
        ".glsl",
        "--activation",
        "--force",
        "examples:",
    ):
        assert word in text


def test_reading_loads_neither_runtime_nor_vapoursynth(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(writers.safetensors(nets.artcnn_c().arrays()))
    script = (
        "import sys; from vsanime.models.formats import read; read(sys.argv[1]); "
        "sys.exit(bool({'openvino', 'onnxruntime', 'vapoursynth', 'torch'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
