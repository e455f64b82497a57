"""Users who log in and out all the time, past the lines that are struck."""

from __future__ import annotations

import asyncio
import random
import time

import grpc

from tests.faults.backend import Backend, new_user
from tests.faults.realtime.ledger import Ledger, Session

_USERS = 6
_PAUSE_S = 0.02
_STAYS_S = (0.0, 0.3)
_STAYS_LOGGED_IN = 0.2
"""The share of sessions that nobody ends."""


class Crowd:
    """Writes into a ledger what came of its calls. An end of unknown outcome is asked for again."""

    def __init__(self, backend: Backend, ledger: Ledger, seed: str) -> None:
        self._backend = backend
        self._ledger = ledger
        self._seed = seed
        self._leaving = False

    def go_home(self) -> None:
        """Begin nothing more; what was begun is brought to its end."""
        self._leaving = True

    async def work(self) -> None:
        """Log in and out until it is time to go home."""
        async with asyncio.TaskGroup() as users:
            for number in range(_USERS):
                users.create_task(self._user(random.Random(f"{self._seed} {number}")))

    async def _user(self, dice: random.Random) -> None:
        while not self._leaving:
            session = await self._log_in()
            if session and dice.random() > _STAYS_LOGGED_IN:
                await asyncio.sleep(dice.uniform(*_STAYS_S))
                await self._log_out(session)
            await asyncio.sleep(_PAUSE_S)

    async def _log_in(self) -> Session | None:
        begun_s = time.monotonic()
        try:
            reply = await self._backend.create(new_user())
        except grpc.aio.AioRpcError:
            return None
        session = Session(
            reply.session.session_id, reply.tokens.access_token, begun_s, time.monotonic()
        )
        self._ledger.sessions.append(session)
        return session

    async def _log_out(self, session: Session) -> None:
        session.leaving_s = time.monotonic()
        while True:
            try:
                await self._backend.revoke(session_id=session.id)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(_PAUSE_S)
            else:
                session.left_s = time.monotonic()
                return
