"""Saying whether a session is live."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from sessiond.service.judging import Claim, Credential, Judge, Validation
from sessiond.store.scripts import Store

_IN_ONE_TURN: Final = 32
"""A signature takes a quarter of a millisecond, in which the event loop does nothing else."""


class Validator:
    """The use case that is called most."""

    def __init__(self, store: Store, judge: Judge, *, activity_ms: int) -> None:
        self._store = store
        self._judge = judge
        self._activity_ms = activity_ms

    async def validate(self, credential: Credential) -> Validation:
        """The verdict on one credential. Forged tokens never reach the store."""
        claim = self._judge.read(credential)
        if isinstance(claim, Validation):
            return claim
        return self._judge.weigh(
            claim, await self._store.validate(claim.session_id, self._activity_ms)
        )

    async def validate_many(self, credentials: Sequence[Credential]) -> list[Validation]:
        """The verdict on each, in order. Other calls get their turn between signatures."""
        claims: list[Claim | Validation] = []
        for credential in credentials:
            claims.append(self._judge.read(credential))
            if len(claims) % _IN_ONE_TURN == 0:
                await asyncio.sleep(0)
        asked = [claim.session_id for claim in claims if isinstance(claim, Claim)]
        found = iter(await self._store.validate_many(asked, self._activity_ms))
        return [
            self._judge.weigh(claim, next(found)) if isinstance(claim, Claim) else claim
            for claim in claims
        ]
