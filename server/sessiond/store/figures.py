"""What goes over the connections of a link, counted for operators."""

from __future__ import annotations

from typing import Final

from sessiond.domain.timings import Timings

_SECONDS: Final = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip
_COMMANDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class _ByCommand(dict[str, Timings]):
    def __missing__(self, command: str) -> Timings:
        self[command] = timings = Timings(_SECONDS)
        return timings


class LinkFigures:
    """Those of one link, over all of its connections, since its start."""

    def __init__(self) -> None:
        self.seconds: Final[dict[str, Timings]] = _ByCommand()
        """From handing a command in to its reply, by command: a script's is its SHA-1."""
        self.batches: Final = Timings(_COMMANDS)
        """Commands written at once."""
        self.handed_in = 0
        self.answered = 0
        self.lost = 0
        """Never answered: the connection broke."""
        self.refused = 0
        """Answered with an error."""
        self.connected = 0
        self.connects_failed = 0
        self.disconnected = 0

    @property
    def in_flight(self) -> int:
        """Commands that wait for a reply now."""
        return self.handed_in - self.answered - self.lost

    def timings(self, command: tuple[str | int | bytes, ...]) -> Timings:
        """Where a command's time is counted."""
        name = command[1] if command[0] == "EVALSHA" else command[0]
        return self.seconds[str(name)]
