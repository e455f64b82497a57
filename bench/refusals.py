"""A process that verifies tokens by itself, and tells when it first refused each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

from answers import WrongAnswerError
from companion import Companion
from serving import Server
from sessionstore import LocalVerifier, SessionEnded
from verification import ready_verifier

_PATIENCE_S: Final = 30.0
_ROUND_S: Final = 0.001


@dataclass(frozen=True)
class Refusals:
    """When each token was first refused."""

    at_s: Mapping[str, float]
    """By token: when `verify` had refused it, by the machine's monotonic clock."""
    calls: int
    """Of `verify`, for all of them."""


class Verifying(Companion):
    """A LocalVerifier, for as long as the context lasts. It refuses what it is not sure of."""

    def __init__(self, server: Server, audience: str, tokens: Sequence[str]) -> None:
        super().__init__(_run, server.address, server.token, audience, tokens)

    def ready(self) -> None:
        """Wait until it has found every token good."""
        self.ask()

    def expect(self, token: str) -> None:
        """Its session is about to end: from now on it is verified every millisecond."""
        self.tell(token)

    def refusals(self) -> Refusals:
        """Wait until each token that was expected to end is refused."""
        found: Refusals = self.ask()
        return found


def _run(
    parent: Connection, address: str, service_token: str, audience: str, tokens: Sequence[str]
) -> None:
    with ready_verifier(address, service_token, audience) as (_, verifier):
        for token in tokens:
            verifier.verify(token)
        parent.recv()
        parent.send(None)
        parent.send(_verify(parent, verifier))


def _verify(parent: Connection, verifier: LocalVerifier) -> Refusals:
    """Verify all that is about to end, round after round, until the parent asks and all is over."""
    at_s: dict[str, float] = {}
    waiting: list[str] = []
    calls, deadline_s = 0, 0.0
    while waiting or not deadline_s:
        while parent.poll():
            token = parent.recv()
            if token is None:
                deadline_s = time.monotonic() + _PATIENCE_S
            else:
                waiting.append(token)
        calls += len(waiting)
        for token in tuple(waiting):
            try:
                verifier.verify(token)
            except SessionEnded:
                at_s[token] = time.monotonic()
                waiting.remove(token)
        if deadline_s and time.monotonic() > deadline_s:
            raise WrongAnswerError(f"{len(waiting)} tokens are still taken")
        time.sleep(_ROUND_S)
    return Refusals(at_s, calls)
