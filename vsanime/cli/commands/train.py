"""`vsanime train RECIPE`: trains a network by a recipe, and leaves it as the ONNX that filters take."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vsanime.errors import VsanimeError
from vsanime.files import check_name
from vsanime.locks import NoLocksError, acquire
from vsanime.optional import require
from vsanime.terminal import print_line

if TYPE_CHECKING:
    import torch

    from vsanime.training.recipes.reader import AnyRecipe

_EPILOG = """\
A recipe is a TOML file: network, pictures, degradation, loss, schedule. Those that come with the package are what its
own weights are made by; `vsanime train --list` names them, and `vsanime train NAME --show` prints one, to begin your
own with.

A recipe names its sources as folders (or files) of pictures and videos below the --data folders. Every picture is
opened once, when the run begins; what cannot be used, or is there twice, is listed and left out. A tenth of each source
is held out for validation, whole groups of pictures that look alike, none of it smaller than a patch of validation.

A run is a folder:
  recipe.json      the recipe in force          log.csv, validation.csv  loss and PSNR; events/ for TensorBoard
  pictures.json    its pictures, what was left out   loss.png, psnr.png  the curves, at the end
  checkpoints/     the last two, each whole or absent    NAME.onnx       the averaged weights, at the end

Ctrl-C finishes the step and writes a checkpoint. After that, after a crash or a power cut, --resume goes on from the
last checkpoint and ends in the same weights as a run that was never stopped: every sample follows from the seed and
the number of its step. (Bit for bit on one machine with the same number of threads.)

PSNR is that of the averaged weights on held-out pictures, one figure for each kernel.

examples:
  vsanime train C4F32_VA --data pictures
  vsanime train C4F32_VA --data pictures --resume
  vsanime train mine.toml --data D:/anime --data E:/more --out runs/mine --steps 20000
  vsanime upscale episode.mkv doubled.mkv --model runs/C4F32_VA/C4F32_VA.onnx
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `train` command."""
    parser = subparsers.add_parser(
        "train",
        help="train a network by a recipe",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", metavar="RECIPE", nargs="?", help="a name that --list shows, or a .toml file")
    parser.add_argument("--list", action="store_true", help="name the recipes that come with the package")
    parser.add_argument("--show", action="store_true", help="print RECIPE and do nothing else")
    parser.add_argument(
        "--data", metavar="ROOT", type=Path, action="append", default=[], help="folder of the sources; may be repeated"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of the run (default: runs/ and the name)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    parser.add_argument("--steps", metavar="N", type=int, help="instead of the recipe's; the schedule is stretched")
    parser.add_argument("--seed", metavar="N", type=int, help="instead of the recipe's")
    parser.add_argument("--workers", metavar="N", type=int, help="processes that make patches, instead of the recipe's")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: a card if there is one)")
    parser.add_argument("--threads", metavar="N", type=int, help="of the CPU, for the network (default: every core)")
    parser.set_defaults(func=_train)


def _train(args: argparse.Namespace) -> int:
    from vsanime.training.recipes import reader as recipes

    if args.list:
        for name in recipes.names():
            print_line(f"{name:<20} {recipes.load(name).about}")
        return 0
    if args.recipe is None:
        raise VsanimeError("no recipe was given; `vsanime train --list` names those that come with the package")
    if args.show:
        print(recipes.text_of(args.recipe), end="")
        return 0
    recipe = recipes.load(args.recipe)
    out = args.out or Path("runs") / recipe.name
    check_name(out)
    return _run(args, recipe, out)


def _run(args: argparse.Namespace, recipe: AnyRecipe, out: Path) -> int:
    require("training", "train", {name: name for name in ("torch", "safetensors", "PIL", "onnxruntime")})
    import torch

    from vsanime.training.run.folder import RunFolder

    if args.threads is not None:
        if args.threads < 1:
            raise VsanimeError(f"--threads is at least 1, not {args.threads}")
        torch.set_num_threads(args.threads)
    stored = RunFolder(out).stored_recipe() if args.resume else None
    recipe = _change(recipe, stored, args)
    device = _device(args.device)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _lock_run(out):
            onnx = _train_any(recipe, out, tuple(args.data), device, args.resume)
    except OSError as error:
        where = error.filename or f"the folder of the run {out}"
        raise VsanimeError(f"{where} cannot be used: {error.strerror or error}") from None
    print_line(onnx)
    return 0


@contextmanager
def _lock_run(out: Path) -> Iterator[None]:
    """Keep other processes from training in the same folder, if its file system has locks."""
    with ExitStack() as stack:
        try:
            stack.callback(acquire(out / ".lock", seconds=0).release)
        except TimeoutError:
            raise VsanimeError(f"another process trains in {out}; wait for it, or give another --out") from None
        except NoLocksError:
            _tell(f"warning: the file system of {out} has no locks; let no other process train in this folder")
        yield


def _train_any(recipe: AnyRecipe, out: Path, roots: tuple[Path, ...], device: torch.device, resume: bool) -> Path:
    """Train by the kind of recipe (pairs, style or colorization) and return the path of the ONNX file."""
    from vsanime.training.pairs.task import PairsTask
    from vsanime.training.recipes.colorization import ColorRecipe
    from vsanime.training.recipes.pairs import Recipe
    from vsanime.training.run.loop import train
    from vsanime.training.run.task import Order

    if isinstance(recipe, Recipe):
        return train(PairsTask(Order(recipe, out, roots, device, resume)), _tell)
    if isinstance(recipe, ColorRecipe):
        from vsanime.optional import opencv

        opencv()  # raises an error that says how to install it, before the imports below fail
        from vsanime.training.colorization.task import ColorTask

        return train(ColorTask(Order(recipe, out, roots, device, resume)), _tell)
    from vsanime.training.style.task import StyleTask

    return train(StyleTask(Order(recipe, out, roots, device, resume)), _tell)


def _change(recipe: AnyRecipe, stored: AnyRecipe | None, args: argparse.Namespace) -> AnyRecipe:
    """Return the recipe with the command line's values; a resumed run keeps its stored steps and seed otherwise."""
    from vsanime.training.recipes.reader import from_table, to_table

    training = {name: getattr(args, name) for name in ("steps", "seed", "workers") if getattr(args, name) is not None}
    if stored is not None:
        kept = {name: getattr(stored.training, name) for name in ("steps", "seed")}
        training = {**kept, **training}
    if not training:
        return recipe
    table = to_table(recipe)
    table["training"] |= training
    return from_table(table)


def _device(name: str) -> torch.device:
    """Return the torch device of a name; "auto" is a CUDA card if there is one, else the CPU.

    Raises:
        VsanimeError: the device cannot be used.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise VsanimeError(f"--device {name} cannot be used: {reason}; cpu always can") from None
    if device.type not in ("cpu", "cuda"):
        raise VsanimeError(f"--device {name} is not known to work; cpu and cuda are")
    return device


def _tell(line: str) -> None:
    print_line(line, stderr=True)
