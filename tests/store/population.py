"""A random population, and what a naive reading of its sessions says of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Final

from sessiond.domain.errors import SessionStoreError
from sessiond.domain.session import EndReason
from sessiond.domain.statistics import UserSessions
from sessiond.store.replies import Request
from sessiond.store.scripts import Store
from tests.store.inside import Inside, family_of
from tests.store.kit import DAY, HOUR, MINUTE, PROFILES, login, refresh

_PASSES: Final = (MINUTE, 40 * MINUTE, 5 * HOUR, 2 * DAY)
_LIFETIMES: Final = (30 * MINUTE, HOUR, 20 * HOUR, 2 * DAY, 6 * DAY)


@dataclass(frozen=True)
class Kept:
    """One session as its hash has it. Times are milliseconds, the creation's microseconds."""

    id: str
    user: str
    create_us: int
    order_us: int
    expire_ms: int
    end_reason: int


async def populate(store: Store, inside: Inside, random: Random, steps: int) -> Counter[str]:
    """Log in, refresh, log out and let time pass, at random; how often each was done."""
    users = [f"user-{i}" for i in range(steps // 3)]
    done: Counter[str] = Counter()
    for _ in range(steps):
        user, profile = random.choice(users), random.choice(PROFILES)
        idle_ms = min(random.choice(_LIFETIMES), profile.idle_ms)
        try:
            session = await login(store, user, profile, idle_ms=idle_ms)
        except SessionStoreError:
            continue
        done["created"] += 1
        match random.randrange(6):
            case 0:
                await store.revoke(session.id, EndReason.LOGOUT, "app")
            case 1:
                await refresh(store, session, grace_ms=0)
                done["refreshed"] += 1
            case 2 if random.random() < 0.3:
                await store.revoke_user(user, EndReason.REVOKED, "app", Request())
            case 3 if random.random() < 0.2:
                await inside.let_pass(random.choice(_PASSES))
    return done


async def settle(store: Store, inside: Inside) -> None:
    """Visit every user, as the reaper does."""
    for key in await inside.all_keys():
        if family_of(key) == "users":
            await asyncio.gather(*map(store.prune_user, await inside.scores_of(key)))


async def kept(inside: Inside) -> list[Kept]:
    """Every session whose hash is there."""
    ids = [key.partition("}:s:")[2] for key in await inside.all_keys() if family_of(key) == "s"]
    found = []
    for session_id, f in zip(ids, await asyncio.gather(*map(inside.fields, ids)), strict=True):
        refreshed_us = int(f["r"]) * 1000 if "k" in f and "r" in f else 0
        found.append(
            Kept(
                id=session_id,
                user=f["u"],
                create_us=int(f["c"]),
                order_us=max(int(f["c"]), refreshed_us),
                expire_ms=int(f["x"]),
                end_reason=int(f.get("e", 0)),
            )
        )
    return found


def live(sessions: list[Kept], now_ms: int) -> list[Kept]:
    """Those that are live."""
    return [s for s in sessions if not s.end_reason and s.expire_ms > now_ms]


def by_user(sessions: list[Kept], now_ms: int) -> list[UserSessions]:
    """Who holds any, most live ones first, then by id; the newest to the millisecond."""
    made = []
    for user in {s.user for s in sessions}:
        mine = [s for s in sessions if s.user == user]
        held = live(mine, now_ms)
        ended = sum(s.end_reason > 0 for s in mine)
        if held or ended:
            newest_us = max((s.order_us for s in held), default=0)
            made.append(UserSessions(user, len(held), ended, newest_us // 1000))
    return sorted(made, key=lambda user: (-user.live, user.user_id))


def newest_first(sessions: list[Kept]) -> list[str]:
    """Their ids by creation."""
    return [s.id for s in sorted(sessions, key=lambda s: (s.create_us, s.id), reverse=True)]
