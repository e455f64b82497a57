"""Saying whether a session is live."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from sessiond.service.figures import SessionFigures
from sessiond.service.judging import Claim, Credential, Judge, Validation
from sessiond.store.scripts import Store

_AT_A_TIME: Final = 32
"""Of a batch: a signature takes a quarter of a millisecond, in which the event loop does nothing
else, and what waits for the store leaves others less room there."""


class Validator:
    """The use case that is called most."""

    def __init__(
        self, store: Store, judge: Judge, figures: SessionFigures, *, activity_ms: int
    ) -> None:
        self._store = store
        self._judge = judge
        self._figures = figures
        self._activity_ms = activity_ms

    async def validate(self, credential: Credential) -> Validation:
        """The verdict on one credential. Forged tokens never reach the store."""
        claim = self._judge.read(credential)
        if isinstance(claim, Validation):
            return self._counted(claim)
        found = await self._store.validate(claim.session_id, self._activity_ms)
        return self._counted(self._judge.weigh(claim, found))

    async def validate_many(self, credentials: Sequence[Credential]) -> list[Validation]:
        """The verdict on each, in order. Other calls get their turn in between."""
        validations: list[Validation] = []
        for at in range(0, len(credentials), _AT_A_TIME):
            validations += await self._validate_some(credentials[at : at + _AT_A_TIME])
            await asyncio.sleep(0)  # of forged ones none waits for the store
        return validations

    async def _validate_some(self, credentials: Sequence[Credential]) -> list[Validation]:
        claims = [self._judge.read(credential) for credential in credentials]
        asked = [claim.session_id for claim in claims if isinstance(claim, Claim)]
        found = iter(await self._store.validate_many(asked, self._activity_ms))
        return [
            self._counted(
                self._judge.weigh(claim, next(found)) if isinstance(claim, Claim) else claim
            )
            for claim in claims
        ]

    def _counted(self, validation: Validation) -> Validation:
        self._figures.validations[validation.verdict] += 1
        return validation
