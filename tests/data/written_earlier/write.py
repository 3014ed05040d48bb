"""Writes the files beside it, by the commit that it is run in: `python tests/data/written_earlier/write.py`.

They stand for what users have on their disks: tests read, resume and import them, and so does `python -m tools.guard`.
All of it is random or learned from pictures that `tools.guard.probes.training` draws. What would be megabytes
has tensors each of which is its own beginning, repeated: that packs to nearly nothing.
"""

from __future__ import annotations

import io
import lzma
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)

from tests.support.sketches import random_state  # noqa: E402 - the root is on the path from here on
from tools.guard.probes import training as probes  # noqa: E402
from vsanime.architectures.animegan.module import Generator  # noqa: E402
from vsanime.architectures.artcnn.module import build  # noqa: E402
from vsanime.architectures.color_transform.module import ColorTransform  # noqa: E402
from vsanime.architectures.colornet.module import ColorNet  # noqa: E402
from vsanime.architectures.drrn.module import DRRN  # noqa: E402
from vsanime.architectures.espcn.module import ESPCN  # noqa: E402
from vsanime.architectures.temporal.module import Temporal  # noqa: E402
from vsanime.architectures.waifu2x.module import VGG7, UpConv7  # noqa: E402
from vsanime.architectures.weights import without_norms  # noqa: E402
from vsanime.models.torchfiles import save  # noqa: E402
from vsanime.training.run import checkpoint  # noqa: E402

_REPEATED = 256  # numbers of a tensor that are kept

NETWORKS = {
    "artcnn_c": lambda: build("C2F8"),
    "artcnn_chroma": lambda: build("C2F8_Chroma"),
    "artcnn_r": lambda: build("R1F8"),
    "espcn_7": lambda: ESPCN([8] * 6),
    "espcn_7_gated": lambda: ESPCN([8] * 6, selection_units=True),
    "upconv_7": lambda: UpConv7([4, 4, 8, 8, 8, 8]),
    "vgg_7": lambda: VGG7([4] * 6),
    "drrn": lambda: DRRN(2, 8),
    "drrn_low": lambda: DRRN(2, 8, low=True),
    "animegan2": Generator,
    "colour": lambda: ColorNet(8),
    "document": lambda: without_norms(ColorTransform(8)),
    "colour_temporal": lambda: without_norms(Temporal(4)),
    "colour_temporal_residual": lambda: without_norms(Temporal(4, residual=True)),
}
# Of these the package reads no state-dicts; their ONNX is what users have.
AS_ONNX = ("colour", "document", "colour_temporal", "colour_temporal_residual")


def repeat_beginning(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of the same shape whose first numbers are repeated."""
    flat = tensor.detach().flatten()
    return flat[:_REPEATED].repeat(-(-len(flat) // _REPEATED))[: len(flat)].reshape(tensor.shape).contiguous()


def write_networks(folder: Path) -> None:
    """Write a state-dict of every network as safetensors, and some as ONNX."""
    folder.mkdir()
    for name, make in NETWORKS.items():
        torch.manual_seed(1)
        net = make()
        if name == "animegan2" or name in AS_ONNX:
            net.load_state_dict({key: repeat_beginning(value) for key, value in net.state_dict().items()})
        metadata = {"units": "2"} if name.startswith("drrn") else None
        save_file(net.state_dict(), folder / f"{name}.safetensors", metadata)
        if name in AS_ONNX:
            save(net, folder / f"{name}.onnx")
    sketch = {key: torch.tensor(np.asarray(value)) for key, value in random_state().items()}
    save_file({key: repeat_beginning(value) for key, value in sketch.items()}, folder / "sketchkeras.safetensors")


def write_runs(folder: Path, work: Path) -> None:
    """Write a run of every trainer that was killed after half of its steps, and the recipes of all."""
    folder.mkdir()
    probes.draw_data(work / "data")
    os.chdir(work)  # recipes and folders of runs name what they need from here
    for name in ("pairs", "style", "colorization", "colorization_temporal"):
        recipe = (HERE / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
        out = Path("runs") / name
        out.parent.mkdir(exist_ok=True)
        line = probes.make_command(Path(), Path("data"), out, recipe)
        probes.kill_after_checkpoint(line, out)
        for shown in ("events", "samples"):  # to look at; a run goes on without them
            shutil.rmtree(out / shown, ignore_errors=True)
        if name != "pairs":
            (stored,) = (out / "checkpoints").iterdir()
            found = checkpoint.read(stored)
            tensors = {key: repeat_beginning(value) for key, value in found.tensors.items()}
            checkpoint.write(out / "checkpoints", checkpoint.Checkpoint(found.step, tensors))
        shutil.copytree(out, folder / name)
        if name == "colorization":
            # The second stage learns from what the first has made.
            shutil.copytree(out, "first")
            probes.run_command(probes.make_command(Path(), Path("data"), Path("first"), recipe, "--resume"))
            (folder / name / "first.onnx").write_bytes(Path("first/tiny.onnx").read_bytes())


def pack(folder: Path, path: Path) -> None:
    """Write a folder as one file, the same for the same content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for one in sorted(folder.rglob("*")):
            entry = archive.gettarinfo(one, one.relative_to(folder).as_posix())
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
            if one.is_file():
                with one.open("rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)
    path.write_bytes(lzma.compress(packed.getvalue(), preset=9))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        made = Path(name).resolve()
        write_networks(made / "networks")
        pack(made / "networks", HERE / "networks.tar.xz")
        (made / "work").mkdir()
        write_runs(made / "runs", made / "work")
        pack(made / "runs", HERE / "runs.tar.xz")
        os.chdir(ROOT)
