"""Describes what is measured: a package in a repository, its rooms and its tests, and copies of them all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Reports the lines that programs run which tests start; it does nothing unless the map is being made.
_SITE = "import tools.mutants.recording as _recording\n_recording.start_in_subprocess()\n"
# Tests of such files need an environment of their own.
_TORCH = re.compile(r"^\s*(import|from) torch\b", re.MULTILINE)
_LEFT_OUT = {".git", ".venv", ".mutants", "__pycache__", "node_modules", "build", "dist", "site"}


@dataclass(frozen=True)
class Project:
    """A package and its tests.

    Attributes:
        root: the repository.
        package: name of the package, a folder of the root.
        tests: name of the folder of tests.
    """

    root: Path
    package: str = "vsanime"
    tests: str = "tests"

    @property
    def store(self) -> Path:
        """The folder of everything that is kept between runs."""
        return self.root / ".mutants"

    def find_sources(self, rooms: list[str]) -> list[str]:
        """Return the source files of rooms, or of the whole package if no room is given; none that imports torch."""
        folders = [self.root / self.package / room for room in rooms] or [self.root / self.package]
        paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
        return [self._name(path) for path in paths if not _TORCH.search(path.read_text(encoding="utf-8"))]

    def hash_files(self) -> dict[str, str]:
        """Return a digest of every source and test file, and of what the tests depend on."""
        paths = [*(self.root / self.package).rglob("*"), *(self.root / self.tests).rglob("*")]
        paths.append(self.root / "pyproject.toml")
        wanted = sorted(path for path in paths if path.is_file() and "__pycache__" not in path.parts)
        return {self._name(path): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in wanted}

    def copy_to(self, folder: Path) -> None:
        """Copy what belongs to the repository, without what git ignores, and let subprocesses report to the map."""
        for name in self._list_files():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.root / name, target)
        (folder / "sitecustomize.py").write_text(_SITE, encoding="utf-8")
        here = Path(__file__).parent
        shutil.copytree(here, folder / "tools" / "mutants", dirs_exist_ok=True)
        (folder / "tools" / "__init__.py").touch()

    def _list_files(self) -> list[str]:
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        try:
            done = subprocess.run(listing, cwd=self.root, capture_output=True, check=True)
            names = [name for name in os.fsdecode(done.stdout).split("\0") if name]
        except (OSError, subprocess.CalledProcessError):
            names = [
                self._name(path)
                for path in self.root.rglob("*")
                if not _LEFT_OUT & set(path.relative_to(self.root).parts)
            ]
        return [name for name in names if (self.root / name).is_file()]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def set_environment(copy: Path) -> dict[str, str]:
    """Return the variables with which the copy's package is the one that programs import."""
    scripts = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return kept | {"PYTHONPATH": str(copy), "PATH": path if scripts in path else f"{scripts}{os.pathsep}{path}"}
