"""Run a command of a bare clone, such as `python -m tools demo` or `python -m tools test`."""

# Old Pythons must get as far as the message below: nothing newer than Python 3.7 in this file.
from __future__ import annotations

import sys

USAGE = """usage: python -m tools demo [--input VIDEO] [--model NAME]
       python -m tools test [--lowest | --newest] [PYTEST ARGUMENTS]
       python -m tools test-all [--lowest | --newest] [PYTEST ARGUMENTS]
       python -m tools mutants [--seed N] [--count N] [--rooms NAME,NAME] [--list]

demo      double a drawn clip, or VIDEO, and say where the result is (folder demo-output)
test      run the tests, without the long ones and those of TensorRT-RTX
test-all  run all tests, also on real weights and pictures where VSANIME_MODEL_PATH and VSANIME_TEST_MEDIA name them
mutants   count how many small changes of the code the tests notice

--lowest  in an environment with every direct dependency at its lowest declared version (.venv-lowest)
--newest  in an environment with everything at its newest version (.venv-newest)

Each makes the environment .venv and installs what it needs the first time."""


def main(arguments: list[str]) -> int:
    """Prepare the environment, then run a command inside it.

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
