"""The package as a whole: every module can be imported, and hides no public name."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib.util import find_spec

import vsanime

# A submodule that is named as a public function would stand in its place once it is imported.
SCRIPT = """
import importlib, sys, types, vsanime
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Extras may be missing; modules of ours may not.
        assert error.name and not error.name.startswith("vsanime"), (name, error)
for name in vsanime.__all__:
    assert not isinstance(getattr(vsanime, name), types.ModuleType), name
    print(name)
"""


def test_no_module_hides_a_public_name() -> None:
    names = [module.name for module in pkgutil.walk_packages(vsanime.__path__, "vsanime.", onerror=lambda _: None)]
    assert len(names) > 200
    # Run as a script, not as a module.
    names = [name for name in names if name not in ("vsanime.__main__", "vsanime.bench.worker")]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(vsanime.__all__)


def test_a_command_without_its_module_is_an_error() -> None:
    """Left out, a command would be missing from the help, and nobody would notice."""
    code = "from vsanime import cli; cli.COMMANDS = ('gone',); cli.main(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert find_spec("vsanime.cli.commands.gone") is None
    assert done.returncode != 0
    assert "No module named 'vsanime.cli.commands.gone'" in done.stderr
