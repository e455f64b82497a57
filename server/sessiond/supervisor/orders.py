"""What a supervisor and a worker tell each other, over a socket that is the worker's stdin.

The worker gets its orders once. Then it tells how far it has come, in lines. Nothing more is sent
to it: the end of the stream tells that there is no supervisor any more.
"""

from __future__ import annotations

import json
import pickle
import socket
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from sessiond.settings import Settings


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is to do. Settings come ready made: a file may have changed in between."""

    number: int
    settings: Settings

    def packed(self) -> bytes:
        """As they are sent."""
        return pickle.dumps(self)

    @classmethod
    def receive(cls, supervisor: socket.socket) -> Self:
        """Read them from the one who has started this process."""
        with supervisor.makefile("rb") as stream:
            orders = pickle.load(stream)  # noqa: S301  from our parent, over an unnamed socket
        if not isinstance(orders, cls):
            raise TypeError(f"orders are {type(orders).__name__}")
        return orders


class Stage(StrEnum):
    """How far a worker has come."""

    SERVING = "serving"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells."""

    stage: Stage
    problem: str = ""
    """The sentence that it ends with, if it has failed."""

    def line(self) -> bytes:
        """As it is sent."""
        return json.dumps([self.stage, self.problem]).encode() + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Self:
        """What a line says."""
        stage, problem = json.loads(line)
        return cls(Stage(stage), problem)


LONGEST_LINE: Final[int] = 1 << 20
"""Bytes of a report; a sentence may quote a whole file."""
