"""`python -m vsanime` is the `vsanime` command."""

import sys

from vsanime.cli import main

if __name__ == "__main__":
    sys.exit(main())
