"""Locks end with their holder, and nothing else is taken for one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vsanime.locks import NoLocksError, acquire

HOLD = """
import sys
from pathlib import Path
from vsanime.locks import acquire
lock = acquire(Path(sys.argv[1]), 0)
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_lock_that_somebody_holds_is_a_timeout_until_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "ä 動画.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for seconds in (0, 0.2):
            with pytest.raises(TimeoutError):
                acquire(path, seconds)
        holder.kill()
        holder.wait()
    acquire(path, seconds=0).release()


@pytest.mark.filterwarnings("ignore:flock not supported")  # of filelock before 3.32
@pytest.mark.usefixtures("without_locks")
def test_a_marker_file_is_not_taken_for_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with pytest.raises(NoLocksError, match="the file system has no locks"):
        acquire(path, seconds=0)
    assert not path.exists() or path.stat().st_size == 0


@pytest.mark.filterwarnings("ignore:flock not supported")  # of filelock before 3.32
@pytest.mark.usefixtures("without_locks")
def test_a_marker_of_another_host_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody can tell whether its holder still runs."""
    path = tmp_path / "a.lock"
    path.write_text("1\nanother-host\n", encoding="ascii")
    with pytest.raises((NoLocksError, TimeoutError)):
        acquire(path, seconds=0.2)


def test_a_file_in_the_place_of_the_folder_is_an_error_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        acquire(tmp_path / "file" / "a.lock", seconds=0)
