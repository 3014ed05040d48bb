"""State-dicts of SketchKeras: norms folded in, modules numbered anyhow, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.sketches import Array, random_sketch, random_state
from tests.support.writers import safetensors
from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import inspect
from vsanime.models.formats import Imported, Wishes, read
from vsanime.models.formats.statedict import from_arrays
from vsanime.models.sketchkeras import LEAST, SHAPES, looks_like, weights_of

type Change = Callable[[dict[str, Array]], None]


def state(change: Change | None = None) -> dict[str, Array]:
    # safetensors and the test's writer hold floats alone.
    arrays = {name: array for name, array in random_state().items() if array.dtype.kind == "f"}
    if change is not None:
        change(arrays)
    return arrays


def imported(arrays: dict[str, Array], **wishes: str) -> Imported:
    return from_arrays(arrays, {}, Wishes(**wishes))


@pytest.mark.long
def test_a_file_becomes_the_network(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    path.write_bytes(safetensors(state()))
    made = read(path)
    assert (made.architecture, made.licence) == ("sketchkeras", "")
    assert "18,637,601 weights" in made.summary
    assert made.proto.SerializeToString() == random_sketch().SerializeToString()


def test_a_folded_norm_does_what_it_did() -> None:
    given, made = random_state(), weights_of(random_sketch())
    x = np.random.default_rng(0).normal(size=(32, 20))  # in place of what a convolution gives without its bias
    name, norm = "downblock_1.1", "downblock_1.2"
    centred = x + given[f"{name}.bias"][:, None] - given[f"{norm}.running_mean"][:, None]
    deviation = np.sqrt(given[f"{norm}.running_var"] + 1e-3)[:, None]
    expected = centred / deviation * given[f"{norm}.weight"][:, None] + given[f"{norm}.bias"][:, None]
    gain = made["downblock_1.0.weight"][:, 0, 0, 0] / given[f"{name}.weight"][:, 0, 0, 0]
    np.testing.assert_allclose(x * gain[:, None] + made["downblock_1.0.bias"][:, None], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_only_the_order_of_modules_counts() -> None:
    def renumbered(name: str) -> str:
        block, _, rest = name.partition(".")
        number, _, key = rest.rpartition(".")
        # 10 comes after 9, and not after 1.
        return f"{block}.{int(number) + 8}.{key}" if number else name

    arrays = {renumbered(name): array for name, array in random_state().items()}
    assert imported(arrays).proto.SerializeToString() == random_sketch().SerializeToString()


def test_the_plain_network() -> None:
    proto = random_sketch()
    facts = inspect(proto)
    assert (facts.scale, facts.multiple, facts.in_channels, facts.out_channels) == (1, 16, 1, 1)
    assert facts.parameters == sum(np.prod(shape) for shape in SHAPES.values())
    assert LEAST % facts.multiple == 0
    assert looks_like(proto)


def drop(name: str) -> Change:
    return lambda arrays: arrays.__delitem__(name)


def put(name: str, value: Array) -> Change:
    return lambda arrays: arrays.update({name: value})


def without_block(arrays: dict[str, Array]) -> None:
    for name in [name for name in arrays if name.startswith("upblock_3")]:
        del arrays[name]


WRONG: dict[str, tuple[Change, str]] = {
    "a block is missing": (without_block, "looks like SketchKeras, but lacks upblock_3"),
    "a block too many": (put("head.weight", np.ones((1, 1, 1, 1), np.float32)), "has 'head' as well"),
    "a bias is missing": (drop("downblock_2.1.bias"), "downblock_2 is not 2 convolutions with biases, each with"),
    "a norm is missing": (drop("downblock_1.2.running_var"), "downblock_1 is not 1 convolution with"),
    "the last has no bias": (drop("last_conv.bias"), "last_conv is not 1 convolution with biases$"),
    "no number": (put("downblock_1.norm.weight", np.ones(32, np.float32)), "'downblock_1.norm.weight', which is none"),
    "another width": (put("last_conv.weight", np.ones((1, 32, 3, 3), np.float32)), r"shape \(1, 32, 3, 3\); \(1, 64"),
    "a norm of other channels": (put("downblock_1.2.weight", np.ones(16, np.float32)), "norm's shapes are not those"),
    "negative variance": (
        put("downblock_1.2.running_var", np.full(32, -1, np.float32)),
        "downblock_1.0.weight has values that are not finite",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_sketchkeras_is_refused(case: str) -> None:
    change, message = WRONG[case]
    with pytest.raises(VsanimeError, match=message):
        imported(state(change))


@pytest.mark.parametrize(("wish", "message"), [("activation", "only ArtCNN's"), ("upsample", "only AnimeGANv2's")])
def test_there_is_nothing_to_choose(wish: str, message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        imported(state(), **{wish: "relu" if wish == "activation" else "tf"})
