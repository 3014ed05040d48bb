"""Makes `.venv`, installs the package into it when `pyproject.toml` has changed, and runs a command inside.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"


@dataclass(frozen=True)
class Command:
    """What one of the two commands needs and runs.

    Attributes:
        extra: the optional dependencies that it installs.
        satisfied_by: extras that hold at least as much.
        module: what runs inside the environment, as `python -m module`.
    """

    extra: str
    satisfied_by: tuple[str, ...]
    module: str


COMMANDS = {
    "demo": Command("encode", ("encode", "dev"), "tools.demo"),
    "test": Command("dev", ("dev",), "pytest"),
}


def run(command: Command, arguments: list[str]) -> int:
    """Prepares the environment, runs the command inside it, and returns the first exit code that is not 0, else 0."""
    return prepare(command) or call([str(python()), "-m", command.module, *arguments], inside=True)


def prepare(command: Command) -> int:
    """Makes `.venv` and installs into it, as far as that is not done already; returns an exit code."""
    wanted = fingerprint()
    installed = any(_read(stamp(extra)) == wanted for extra in command.satisfied_by)
    if installed and _works():
        return 0
    if not (_works() and _stands_where_it_was_made()):
        code = make_environment()
        if code:
            return code
    return install(command)


def make_environment() -> int:
    """Makes `.venv` anew; returns an exit code."""
    say(f"making the environment {ENVIRONMENT} with Python {sys.version_info[0]}.{sys.version_info[1]}")
    try:
        # Links keep the interpreter's own libraries reachable on POSIX; Windows needs rights for them, so it copies.
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(ENVIRONMENT)
    except subprocess.CalledProcessError as error:
        say(f"{sys.executable} cannot make an environment with pip in it; Debian and Ubuntu keep that in python3-venv")
        return error.returncode or 1
    except OSError as error:
        say(f"{ENVIRONMENT} cannot be made: {error}")
        return 1
    return 0


def install(command: Command) -> int:
    """Installs the package, editable, with the command's extra; returns pip's exit code."""
    say(f"installing vsanime[{command.extra}] into {ENVIRONMENT.name} (the first time takes a few minutes)")
    pip = [str(python()), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-qq"]  # errors only
    code = call([*pip, "--editable", f"{ROOT}[{command.extra}]"])
    if code:
        say("the installation failed; pip's message stands above")
        return code
    stamp(command.extra).write_text(fingerprint(), encoding="utf-8")
    return 0


def python() -> Path:
    """The environment's interpreter."""
    return scripts() / ("python.exe" if os.name == "nt" else "python")


def scripts() -> Path:
    """The environment's folder of commands."""
    return ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")


def stamp(extra: str) -> Path:
    """The file that notes what an extra was last installed from."""
    return ENVIRONMENT / f"vsanime-{extra}.stamp"


def fingerprint() -> str:
    """What an installation depends on: the project's settings and its folder, which an editable one points to."""
    settings = (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(settings + str(ROOT).encode()).hexdigest()


def call(command: list[str], *, inside: bool = False) -> int:
    """Runs a program in the repository's root with nothing on its input.

    Args:
        command: program and arguments.
        inside: run it as in the activated environment, which `vspipe` needs to find its Python.

    Returns:
        The program's exit code; 130 for an interruption, 128 + n if signal n ended it.
    """
    variables = dict(os.environ)
    if inside:
        variables["VIRTUAL_ENV"] = str(ENVIRONMENT)
        variables["PATH"] = os.pathsep.join([str(scripts()), variables.get("PATH", "")])
        variables.pop("PYTHONHOME", None)
    try:
        code = subprocess.run(command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, check=False).returncode
    except KeyboardInterrupt:
        return 130
    return code if code >= 0 else 128 - code


def say(line: str) -> None:
    """One line for the user; stdout stays free for results."""
    print(f"vsanime: {line}", file=sys.stderr, flush=True)


def _works() -> bool:
    """Whether the interpreter starts, is new enough and has pip: an environment that was never finished has not."""
    return _output([str(python()), "-c", "import sys, pip; sys.exit(sys.version_info < (3, 12))"]) is not None


def _stands_where_it_was_made() -> bool:
    """Scripts name their interpreter by its full path: in an environment that was moved or copied they are wrong."""
    said = _output([str(scripts() / "pip"), "--version"])
    return said is not None and str(ENVIRONMENT) in said


def _output(command: list[str]) -> str | None:
    """What a program prints; None if it fails or cannot be started."""
    try:
        done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
