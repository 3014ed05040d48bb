"""`vsanime bench` times real filters in processes of their own and says so in a table."""

from __future__ import annotations

import re
import sys

import pytest

from vsanime.cli import main

QUICK = ["bench", "--models", "C4F16_VA", "--size", "64x48", "--rounds", "2", "--frames", "2", "--keep-disturbed"]


def test_a_table_of_medians(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--precisions", "f32"]) == 0
    out = capsys.readouterr().out
    assert "### C4F16_VA, f32, 64x48" in out
    rows = re.findall(
        r"^\| (vsanime|vsanime, luma only|raw inference, luma only) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+)", out, re.M
    )
    assert len(rows) == 3
    for _, median, lowest, highest in rows:
        assert 0 < float(lowest) <= float(median) <= float(highest)
    assert "Pipeline minus raw inference" in out


def test_peers_that_cannot_run_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    # This environment has no vs-mlrt: its own Python is an environment without the peers.
    assert main([*QUICK, "--precisions", "f32", "--peers", sys.executable]) == 1
    assert "mlrt-ov" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--size", "big"], ["--rounds", "0"], ["--models", "C4F16_GNE"]])
def test_wrong_arguments_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, *arguments]) == 1
    assert arguments[1] in capsys.readouterr().err
