"""`python -m tools demo [--input VIDEO]` and `python -m tools test [PYTEST ARGUMENTS]`, from a bare clone."""

# Old Pythons must get as far as the message below: nothing newer than Python 3.7 in this file.
from __future__ import annotations

import sys

USAGE = """usage: python -m tools demo [--input VIDEO] [--model NAME]
       python -m tools test [PYTEST ARGUMENTS]

demo  doubles a drawn clip, or VIDEO, and says where the result is (folder demo-output)
test  runs the tests

Each makes the environment .venv and installs what it needs the first time."""


def main(arguments: list[str]) -> int:
    """Prepares the environment, then runs the wanted command inside it.

    Args:
        arguments: the command line without the program's name.

    Returns:
        The exit code of whatever failed first, or of the command itself.
    """
    if sys.version_info < (3, 12):  # noqa: UP036  (see above)
        found = f"{sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})"
        print(f"vsanime needs Python 3.12 to 3.14; this is Python {found}", file=sys.stderr)
        return 1
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0

    from tools.environment import COMMANDS, run

    if not arguments or arguments[0] not in COMMANDS:
        print(USAGE, file=sys.stderr)
        return 2
    return run(COMMANDS[arguments[0]], arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
