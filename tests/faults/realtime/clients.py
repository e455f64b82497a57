"""Clients of verifiers under watch: they tell what the service said when it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from sessionstore import AsyncSessionClient, SessionClient, Validation

PATIENCE_S: Final = 0.5
"""How long a verifier that asks waits for an answer."""

Heard: TypeAlias = Callable[[str, float, bool], None]
"""Told of each answer: the token, when the service was asked, and whether it called it live."""


class AskingClient(SessionClient):
    """For threads."""

    heard: Heard

    def validate(self, **credential: Any) -> Validation:
        asked_s = time.monotonic()
        answer = super().validate(**credential)
        self.heard(credential["access_token"], asked_s, answer.active)
        return answer


class AsyncAskingClient(AsyncSessionClient):
    """For asyncio."""

    heard: Heard

    async def validate(self, **credential: Any) -> Validation:
        asked_s = time.monotonic()
        answer = await super().validate(**credential)
        self.heard(credential["access_token"], asked_s, answer.active)
        return answer
