"""Runs the `vsanime` command for `python -m vsanime`."""

import sys

from vsanime.cli import main

if __name__ == "__main__":
    sys.exit(main())
