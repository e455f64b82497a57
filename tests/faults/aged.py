"""Sessions whose refresh token is past the grace time, so that the next refresh rotates it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from tests.faults.backend import Backend, Created, Session, new_user
from tests.faults.behind import Behind
from tests.faults.conftest import GRACE_S

_GRACE_MS: Final = GRACE_S * 1000
_BATCH: Final = 20


async def aged_logins(
    backend: Backend, behind: Behind, number: int
) -> AsyncGenerator[Created, None]:
    """So many logins, each of a user of its own. A batch of them ages together."""
    for start in range(0, number, _BATCH):
        batch = [backend.create(new_user()) for _ in range(start, min(start + _BATCH, number))]
        logins = await asyncio.gather(*batch)
        await ages(behind, *(login.session for login in logins))
        for login in logins:
            yield login


async def ages(behind: Behind, *sessions: Session) -> None:
    """Wait until what was minted at these sessions' last refresh is past the grace time."""
    newest = max(session.refresh_time.ToMilliseconds() for session in sessions)
    await behind.reaches(newest + _GRACE_MS)
