"""The words of the command line, one module each.

`add_parser(subparsers)` adds the word; what it parses has `func(args) -> exit code`.
"""
