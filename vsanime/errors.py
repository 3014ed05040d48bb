"""The exceptions that the rooms below `filters/` raise; filters and command line turn them into a message."""


class VsanimeError(Exception):
    """Something the user can put right: says what was wrong, what was given, what would be right."""


class TooLittleMemory(VsanimeError):  # noqa: N818 - it says what is the matter
    """A card's memory does not do.

    Attributes:
        needed: bytes that were wanted.
        available: bytes that were to be had.
    """

    def __init__(self, what: str, needed: int, available: int) -> None:
        """Words the message.

        Args:
            what: what wants the memory and where, as the subject of "needs".
            needed: bytes.
            available: bytes.
        """
        mib = 1 << 20
        # Rounded apart, so that the message never says that 100 MiB are needed and 100 are there.
        super().__init__(f"{what} needs {-(-needed // mib)} MiB of video memory; {available // mib} MiB are available")
        self.needed = needed
        self.available = available
