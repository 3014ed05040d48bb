"""What native libraries print does not reach the pipe: file descriptors of a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

_PROGRAM = """
import os, sys
from vsanime.backends.stdout import guard_stdout

def list_descriptors():
    return os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []

{close}
before = list_descriptors()
print("python before")
with guard_stdout():
    os.write(1, b"library 1\\n")
    with guard_stdout():
        os.write(1, b"library 2\\n")
    os.write(1, b"library 3\\n")
os.write(1, b"frames 1\\n")
with guard_stdout():
    os.write(1, b"library 4\\n")
os.write(1, b"frames 2\\n")
assert list_descriptors() == before, (before, list_descriptors())
"""


def run(close: str = "") -> tuple[list[str], list[str]]:
    """What the program writes to stdout and to stderr, line by line."""
    command = [sys.executable, "-c", _PROGRAM.replace("{close}", close)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_libraries_write_to_stderr_meanwhile() -> None:
    out, err = run()
    assert out == ["python before", "frames 1", "frames 2"]
    assert err == [f"library {i}" for i in range(1, 5)]


def test_without_stderr_everything_stays_where_it_was() -> None:
    out, err = run("os.close(2)")
    assert out == ["python before", "library 1", "library 2", "library 3", "frames 1", "library 4", "frames 2"]
    assert err == []


def test_without_stdin_and_stderr_stdout_is_neither_of_them() -> None:
    """The copy of stdout takes the lowest number that is free, here stdin's; then there is no stderr to point at."""
    out, err = run("os.close(0); os.close(2)")
    assert out == ["python before", "library 1", "library 2", "library 3", "frames 1", "library 4", "frames 2"]
    assert err == []


def test_without_stdout_nothing_fails() -> None:
    program = "import os\nfrom vsanime.backends.stdout import guard_stdout\nos.close(1)\nwith guard_stdout(): pass\n"
    program += "assert not os.path.exists('/proc/self/fd/1')\nwith guard_stdout(): pass\n"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_stdout_that_is_closed_after_a_first_time_stays_closed() -> None:
    program = (
        "import os\nfrom vsanime.backends.stdout import guard_stdout\nwith guard_stdout(): pass\nos.close(1)\n"
        "with guard_stdout(): pass\n"
        "try:\n    os.fstat(1)\nexcept OSError:\n    raise SystemExit(7)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 7
