"""Make an environment, install the package into it when `pyproject.toml` has changed, and run a command inside.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tools.bounds import lowest_versions

ROOT = Path(__file__).resolve().parent.parent
# A worker takes up to two gigabytes: more than four would crowd a usual desktop's memory.
_PARALLEL = ("-n", "auto", "--maxprocesses", "4", "--dist", "worksteal")


class Versions(Enum):
    """Which versions of the dependencies an environment holds."""

    USUAL = "usual"  # what pip takes when the environment is made
    LOWEST = "lowest"  # direct dependencies at the lowest version that pyproject.toml declares
    NEWEST = "newest"  # everything at its newest version, looked up on every run


@dataclass(frozen=True)
class Command:
    """What a command needs and runs.

    Attributes:
        extra: the optional dependencies that it installs.
        satisfied_by: extras that hold at least as much.
        module: what runs inside the environment, as `python -m module`.
        arguments: what stands before the user's arguments.
    """

    extra: str
    satisfied_by: tuple[str, ...]
    module: str
    arguments: tuple[str, ...] = ()


COMMANDS = {
    "demo": Command("encode", ("encode", "test", "dev"), "tools.demo"),
    "test": Command("test", ("test", "dev"), "pytest", (*_PARALLEL, "-m", "not long")),
    "test-all": Command("dev", ("dev",), "pytest", _PARALLEL),
    "mutants": Command("dev", ("dev",), "tools.mutants"),
}


def run(command: Command, arguments: Sequence[str]) -> int:
    """Prepare the environment and run the command inside it.

    Args:
        command: what to run.
        arguments: the user's; `--lowest` and `--newest` choose an environment of their own.

    Returns:
        The first exit code that is not 0, else 0.
    """
    rest = [argument for argument in arguments if argument not in ("--lowest", "--newest")]
    chosen = [Versions(argument.removeprefix("--")) for argument in arguments if argument not in rest]
    if len(set(chosen)) > 1:
        say("--lowest and --newest exclude each other; give one of them")
        return 2
    versions = chosen[0] if chosen else Versions.USUAL
    place = Environment(ROOT / (".venv" if versions is Versions.USUAL else f".venv-{versions.value}"), versions)
    return place.prepare(command) or place.call(["-m", command.module, *command.arguments, *rest])


@dataclass(frozen=True)
class Environment:
    """A virtual environment that holds this package, editable, and what commands need.

    Attributes:
        folder: where it is.
        versions: which versions of the dependencies it holds.
    """

    folder: Path
    versions: Versions = Versions.USUAL

    def prepare(self, command: Command) -> int:
        """Make the environment and install into it, as far as that is not done already; return an exit code."""
        current = self.fingerprint()
        installed = any(_read(self._stamp(extra)) == current for extra in command.satisfied_by)
        if installed and self.works() and self.versions is not Versions.NEWEST:
            return 0
        if not (self.works() and self.stands_where_it_was_made()):
            code = self.make()
            if code:
                return code
        return self._install(command)

    def make(self) -> int:
        """Make the environment anew; return an exit code."""
        say(f"making the environment {self.folder} with Python {sys.version_info[0]}.{sys.version_info[1]}")
        try:
            # Links keep the interpreter's libraries reachable on POSIX; Windows needs rights for them, so it copies.
            venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(self.folder)
        except subprocess.CalledProcessError as error:
            say(f"{sys.executable} cannot make an environment with pip; Debian and Ubuntu keep that in python3-venv")
            return error.returncode or 1
        except OSError as error:
            say(f"{self.folder} cannot be made: {error}")
            return 1
        return 0

    def works(self) -> bool:
        """Return whether the interpreter starts, is new enough and has pip; an unfinished environment has none."""
        check = "import sys, pip; sys.exit(sys.version_info < (3, 12))"
        return _read_output([str(self.python()), "-c", check]) is not None

    def stands_where_it_was_made(self) -> bool:
        """Return whether the environment was neither moved nor copied: its scripts name their interpreter in full."""
        output = _read_output([str(self.scripts() / "pip"), "--version"])
        return output is not None and str(self.folder) in output

    def python(self) -> Path:
        """Return the path of the environment's interpreter."""
        return self.scripts() / ("python.exe" if os.name == "nt" else "python")

    def scripts(self) -> Path:
        """Return the environment's folder of commands."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    def fingerprint(self) -> str:
        """Return a digest of what an installation depends on: the project's settings, its folder and the versions."""
        settings = (ROOT / "pyproject.toml").read_bytes()
        return hashlib.sha256(settings + str(ROOT).encode() + self.versions.value.encode()).hexdigest()

    def call(self, arguments: Sequence[str]) -> int:
        """Run the interpreter as in the activated environment, which `vspipe` needs to find its Python; see `call`."""
        variables = dict(os.environ)
        variables["VIRTUAL_ENV"] = str(self.folder)
        variables["PATH"] = os.pathsep.join([str(self.scripts()), variables.get("PATH", "")])
        variables.pop("PYTHONHOME", None)
        return call([str(self.python()), *arguments], variables)

    def _install(self, command: Command) -> int:
        """Install the package, editable, with the command's extra; return pip's exit code."""
        say(f"installing vsanime[{command.extra}] into {self.folder.name} (the first time takes a few minutes)")
        options: list[str] = []
        if self.versions is Versions.LOWEST:
            constraints = self.folder / "lowest.txt"
            lines = lowest_versions(ROOT / "pyproject.toml", command.extra)
            constraints.write_text("\n".join([*lines, ""]), encoding="utf-8")
            options = ["--constraint", str(constraints)]
        elif self.versions is Versions.NEWEST:
            options = ["--upgrade", "--upgrade-strategy", "eager"]
        # Errors only. Python compiles what it imports when it imports it: to compile every module of every package here
        # would take as long as all the rest of the installation.
        pip = ["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-qq", "--no-compile"]
        code = self.call([*pip, *options, "--editable", f"{ROOT}[{command.extra}]"])
        if code:
            say("the installation failed; pip's message stands above")
            return code
        self._stamp(command.extra).write_text(self.fingerprint(), encoding="utf-8")
        return 0

    def _stamp(self, extra: str) -> Path:
        """Return the path of the file that notes what an extra was last installed from."""
        return self.folder / f"vsanime-{extra}.stamp"


def call(command: Sequence[str], variables: Mapping[str, str] | None = None) -> int:
    """Run a program in the repository's root, with nothing on its input.

    Args:
        command: program and arguments.
        variables: its environment; this process's if None.

    Returns:
        The program's exit code; 130 for an interruption, 128 + n if signal n ended it.
    """
    try:
        code = subprocess.run(command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, check=False).returncode
    except KeyboardInterrupt:
        return 130
    return code if code >= 0 else 128 - code


def say(line: str) -> None:
    """Print a line for the user; stdout stays free for results."""
    print(f"vsanime: {line}", file=sys.stderr, flush=True)


def _read_output(command: Sequence[str]) -> str | None:
    """Return what a program prints, or None if it fails or cannot be started."""
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
