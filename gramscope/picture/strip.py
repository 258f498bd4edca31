"""To be merged."""


class Strip:
    """To be merged."""

    def __init__(self, most: int = 8) -> None:
        """To be merged."""
