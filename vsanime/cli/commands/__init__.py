"""Contains the subcommands of `vsanime`, one module each.

`add_parser(subparsers)` adds the subcommand; the parsed arguments have `func(args) -> exit code`.
"""
