"""Read the lowest declared version of every direct dependency from `pyproject.toml`, as constraints for pip.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[(?P<extras>[^\]]*)\])?\s*(>=\s*(?P<version>[0-9][0-9.]*))?\s*(;.*)?"
)


def lowest_versions(settings: Path, extra: str) -> list[str]:
    """Return a constraint `name==version` for each direct dependency of the package with an extra.

    A constraint installs nothing, so markers are left out. Indirect dependencies stay free, as with
    `uv --resolution lowest-direct`. Of several bounds the highest counts.

    Args:
        settings: the path of a `pyproject.toml`.
        extra: a name of its optional dependencies.

    Raises:
        ValueError: a dependency that is not declared as `name>=version`.
    """
    project = tomllib.loads(settings.read_text(encoding="utf-8"))["project"]
    highest: dict[str, str] = {}
    for requirement in _requirements(project, extra):
        found = _REQUIREMENT.fullmatch(requirement)
        if found is None or found["version"] is None:
            raise ValueError(f"{requirement!r} in {settings} declares no lowest version; name>=version is needed")
        highest[found["name"]] = max(highest.get(found["name"], "0"), found["version"], key=_order)
    return [f"{name}=={version}" for name, version in sorted(highest.items())]


def _requirements(project: dict[str, Any], extra: str) -> Iterator[str]:
    """Yield the package's requirements and those of an extra, through the extras that it refers to."""
    yield from project["dependencies"]
    waiting, done = [extra], set[str]()
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        for requirement in project["optional-dependencies"][name]:
            found = _REQUIREMENT.fullmatch(requirement)
            if found is not None and found["name"] == project["name"]:
                waiting += [part.strip() for part in found["extras"].split(",")]
            else:
                yield requirement


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
