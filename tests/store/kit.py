"""What the tests of the store say over and over: the policies, a login, a refresh."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from sessiond.domain import ids
from sessiond.domain.profile import AtCap, Profile
from sessiond.domain.session import Client, Session
from sessiond.store.replies import Created, EndPolicy, NewSession, Refreshed, Request
from sessiond.store.scripts import Store

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
REMEMBERED: Final = HOUR
"""How long an expired session can say so."""
GRACE: Final = 10_000
MAC_KEY: Final = 77

ENDS: Final = EndPolicy(
    retention_ms=30 * DAY, access_ms=HOUR, leeway_ms=30_000, log_ms=2 * HOUR, log_most=10_000
)
WEB: Final = Profile("default", 7 * DAY, 90 * DAY, 10, AtCap.EVICT_OLDEST)
MOBILE: Final = Profile("mobile", 30 * DAY, 180 * DAY, 3, AtCap.EVICT_IDLE)
KIOSK: Final = Profile("kiosk", HOUR, DAY, 2, AtCap.REJECT)
PROFILES: Final = (WEB, MOBILE, KIOSK)

MOST_LISTED: Final = 1_000

ALICE: Final = "alice"
BOB: Final = "bob"
NOBODY: Final = Client()


def capped(profile: Profile, cap: int) -> Profile:
    """The profile as a server with another cap has it."""
    return dataclasses.replace(profile, cap=cap)


def new_session(user: str = ALICE, profile: Profile = WEB, **more: Any) -> NewSession:
    """A create of the profile's lifetimes; `more` are fields of NewSession."""
    given = {"idle_ms": profile.idle_ms, "absolute_ms": profile.absolute_ms, "mac_key_id": MAC_KEY}
    return NewSession(ids.new_session_id(user), user, profile, **{**given, **more})


async def login(store: Store, user: str = ALICE, profile: Profile = WEB, **more: Any) -> Session:
    """Create a session and return it."""
    return (await create(store, user, profile, **more)).session


async def create(store: Store, user: str = ALICE, profile: Profile = WEB, **more: Any) -> Created:
    """Create a session and return the whole answer."""
    return await store.create(new_session(user, profile, **more))


async def refresh(
    store: Store,
    session: Session,
    generation: int | None = None,
    *,
    client: Client = NOBODY,
    request: str = "",
    grace_ms: int = GRACE,
    mac_key_id: int = MAC_KEY,
) -> Refreshed:
    """Present the session's generation, or another one."""
    return await store.refresh(
        session.id,
        session.generation if generation is None else generation,
        client,
        request=request,
        grace_ms=grace_ms,
        mac_key_id=mac_key_id,
    )


def as_request(key: str, digest: str = "digest", ttl_ms: int = HOUR) -> Request:
    """A request id, as the store sees it: a hash and a digest of what was asked."""
    return Request(key, digest, ttl_ms)


def neighbour_of(user: str) -> str:
    """Another user whose keys are in the same partition."""
    wanted = ids.partition_of_user(user)
    others = (f"neighbour-{i}" for i in range(10_000))
    return next(other for other in others if ids.partition_of_user(other) == wanted)


def stranger_to(user: str) -> str:
    """Another user whose keys are in another partition."""
    wanted = ids.partition_of_user(user)
    others = (f"stranger-{i}" for i in range(10_000))
    return next(other for other in others if ids.partition_of_user(other) != wanted)


async def all_pages(store: Store, user: str = ALICE, size: int = 100, **more: Any) -> list[Session]:
    """Every session that listing the user's pages gives, in order."""
    found: list[Session] = []
    page = await store.list(user, size, **more)
    found += page.sessions
    while page.next:
        assert page.next.session_id == found[-1].id
        assert len(found) < MOST_LISTED, "paging does not come to an end"
        page = await store.list(user, size, after=page.next, **more)
        found += page.sessions
    return found
