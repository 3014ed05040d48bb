"""Rates, batches and precisions follow from the step alone, as the recipe's words say."""

from __future__ import annotations

import pytest

from vsanime.training.optimize.schedule import is_mixed, is_rounded, learning_rate, samples_before
from vsanime.training.recipes.pairs import Rounding, Training


def test_cosine_climbs_and_falls_to_its_end() -> None:
    training = Training(steps=1000, rate=1e-3, warm_up=100, final=0.005)
    rates = [learning_rate(step, training) for step in range(1001)]
    assert rates[0] == pytest.approx(1e-5)
    assert rates[99] == rates[100] == max(rates) == pytest.approx(1e-3)
    assert rates[550] == pytest.approx(1e-3 * (0.005 + 0.995 / 2))
    assert rates[1000] == pytest.approx(5e-6)
    assert rates[:100] == sorted(rates[:100])
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_inverse_falls_with_the_samples_seen() -> None:
    training = Training(steps=10**6, rate=2.5e-4, schedule="inverse", decay=3e-7, batch=16)
    assert learning_rate(0, training) == 2.5e-4
    assert learning_rate(100_000, training) == pytest.approx(2.5e-4 / (1 + 3e-7 * 1_600_000))


def test_constant_stays() -> None:
    training = Training(steps=10, rate=5e-4, schedule="constant")
    assert {learning_rate(step, training) for step in range(10)} == {5e-4}


def test_late_batch_begins_where_its_share_does() -> None:
    training = Training(steps=100, batch=16, late_batch=32, late_share=0.2)
    assert [training.batch_at(step) for step in (0, 79, 80, 99)] == [16, 16, 32, 32]
    for step in (0, 80, 81, 100):
        assert samples_before(step, training) == sum(training.batch_at(s) for s in range(step))
    assert {Training(steps=100, late_share=1.0).batch_at(step) for step in range(100)} == {16}


def test_phases() -> None:
    training = Training(steps=100, mixed="bf16", mixed_share=0.8)
    rounding = Rounding(dtype="bf16", share=0.1)
    assert [is_mixed(step, training) for step in (0, 79, 80)] == [True, True, False]
    assert [is_rounded(step, training, rounding) for step in (0, 89, 90, 99)] == [False, False, True, True]
    assert not is_rounded(99, training, Rounding())
    assert not is_mixed(0, Training(steps=100))
