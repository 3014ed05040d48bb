"""The one exception the rooms below `filters/` raise; filters and command line turn it into a message."""


class VsanimeError(Exception):
    """Something the user can put right: says what was wrong, what was given, what would be right."""
