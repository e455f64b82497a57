"""Callers that log users in all the time, through the SDK."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sessionstore import SessionClient, SessionStoreError

_CALLERS: Final = 4
_THAT_CONNECT_ANEW: Final = 1
"""Callers that make each call over a connection of its own."""
_PAUSE_S: Final = 0.02
"""Between the calls of one: new workers have to come up beside them."""


@dataclass
class Load:
    """What came of the calls."""

    created: list[str] = field(default_factory=list)
    """Sessions whose creation was acknowledged, each of a user of its own."""
    refused: list[SessionStoreError] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def is_beyond(self, count: int) -> bool:
        """Whether more sessions than that were created, or a call was refused."""
        return len(self.created) > count or bool(self.refused)

    def stop(self) -> None:
        """Make no more calls."""
        self._stop.set()

    def call(self, address: str, token: str, name: str, *, anew: bool) -> None:
        """Call until told to stop, or until a call is refused."""
        client = SessionClient(address, token=token)
        try:
            for number in itertools.count():
                if self._stop.wait(_PAUSE_S):
                    return
                if anew:
                    client.close()
                    client = SessionClient(address, token=token)
                self.created.append(client.create(f"{name}-{number}").session.id)
        except SessionStoreError as error:
            self.refused.append(error)
        finally:
            client.close()


@contextmanager
def load(address: str, token: str) -> Iterator[Load]:
    """Callers at work; they have all ended afterwards."""
    found = Load()
    callers = [
        threading.Thread(
            target=found.call,
            args=(address, token, f"caller-{number}"),
            kwargs={"anew": number < _THAT_CONNECT_ANEW},
        )
        for number in range(_CALLERS)
    ]
    for caller in callers:
        caller.start()
    try:
        yield found
    finally:
        found.stop()
        for caller in callers:
            caller.join()
