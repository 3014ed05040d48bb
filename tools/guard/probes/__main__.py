"""Runs the probes of one group on the tree that comes first on Python's path: GROUP TREE FILES OUTPUT."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from .facts import Facts


def main(arguments: list[str]) -> int:
    """Run one group and write what it observed.

    Args:
        arguments: name of the group, root of the tree under test, folder of files written earlier, file to write.

    Returns:
        0, or 2 where another tree's package would have been examined.
    """
    group, tree, files, output = arguments
    import vsanime

    root = Path(tree).resolve()
    if Path(vsanime.__file__).resolve().parents[1] != root:
        print(f"the package was imported from {vsanime.__file__}, not from {root}", file=sys.stderr)
        return 2
    facts = Facts(root, Path(files), Path.cwd())
    import_module(f"{__package__}.{group}").collect(facts)
    facts.write(Path(output))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
