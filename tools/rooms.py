"""Writes the table of rooms into docs/architecture.md, from the packages' docstrings: `python -m tools.rooms`.

With `--check` it writes nothing and fails if the table is not current.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
_BEGINS, _ENDS = "<!-- rooms:", "<!-- end of rooms -->"


def make_table() -> str:
    """Return the table: a row for each room, from the top, then one for each ground file."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    names = [name.strip() for layer in layers for name in layer.replace("|", ":").split(":")]
    package = ROOT / "vsanime"
    rooms = [name for name in names if (package / name).is_dir()]
    files = sorted(name for name in names if not (package / name).is_dir() and not name.startswith("_"))
    rows = [f"| `{name}/` | {_read_summary(package / name / '__init__.py')} |" for name in rooms]
    rows += [f"| `{name}.py` | {_read_summary(package / f'{name}.py')} |" for name in files]
    return "\n".join(["| room | what it holds |", "|---|---|", *rows])


def _read_summary(path: Path) -> str:
    """Return the first line of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text, f"{path} has no docstring"
    return text.splitlines()[0].replace("|", "\\|")


def insert_table(page: str, table: str) -> str:
    """Return a page with the table between its two marks.

    Raises:
        ValueError: the page lacks a mark.
    """
    begins = page.index("\n", page.index(_BEGINS)) + 1
    ends = page.index(_ENDS)
    return f"{page[:begins]}\n{table}\n\n{page[ends:]}"


def main(arguments: list[str]) -> int:
    """Write or check the table; return an exit code."""
    page = PAGE.read_text(encoding="utf-8")
    made = insert_table(page, make_table())
    if arguments == ["--check"]:
        if page != made:
            print(
                "docs/architecture.md: the table of rooms is not current; run `python -m tools.rooms`", file=sys.stderr
            )
        return int(page != made)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
