"""What runs elsewhere is pinned: an action by its commit, since a tag can be moved."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_actions_are_pinned_by_commit_and_say_their_version() -> None:
    found = 0
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if (match := re.search(r"uses: (\S+)(.*)", line)) is not None:
                found += 1
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", match[1]), line
                assert re.fullmatch(r" # v\d+\.\d+\.\d+", match[2]), line
    assert found


def test_new_versions_of_packages_and_actions_are_proposed() -> None:
    text = (ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8")
    assert re.findall(r"package-ecosystem: (\S+)", text) == ["pip", "github-actions"]
