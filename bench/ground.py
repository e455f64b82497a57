"""What a measurement finds in the store, and the loads that it can put on it."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from google.protobuf.message import Message

import sample
from filling import DEFAULT, NO_REQUEST, create, each, open_store
from load import Load
from sample import Facts
from sessiond import devmode
from sessiond.assembly.lifetimes import key_lifetimes
from sessiond.domain.session import Client, EndReason, Session
from sessiond.settings import Settings, milliseconds
from sessiond.store.embedded import EmbeddedEngine
from sessiond.store.scripts import Store
from sessiond.tokens.access import AccessTokens
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.refresh import RefreshTokens
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb

_USERS_AT_CAP: Final = 20
_AT_CAP: Final = _USERS_AT_CAP * DEFAULT.cap
_LINKS: Final = 10
"""Refreshes of one session, one after another."""
_SIGHTS: Final = 20
_BATCH: Final = 100
_MOST_KNOWN: Final = 20_000
_FIRST_OF_OTHERS: Final = 5_000_000
_CLIENT: Final = session_pb2.Client(user_agent=sample.USER_AGENT, ip_address="10.1.2.3")


class Ground:
    """A filled store: some of its sessions, and the keys to make tokens of them."""

    def __init__(self, store: Store, shared: Settings) -> None:
        ring = KeyRing.load(shared.effective_keys_dir, key_lifetimes(shared))
        self._store = store
        self._access = AccessTokens(
            ring, shared.issuer, shared.audience, milliseconds(shared.access_token_lifetime)
        )
        self._refresh = RefreshTokens(ring)
        self._live: list[Session] = []
        self._numbers = itertools.count(_FIRST_OF_OTHERS * sample.PER_USER)
        self._passing: set[str] = set()
        """Users of sessions that one load needs."""

    async def fill(self, sessions: int) -> None:
        """Fill the store up to so many live sessions; a part of its users are at their cap."""
        step = -(-sessions // _MOST_KNOWN)

        async def login(number: int) -> None:
            session = await self._login(sample.small(number))
            if number % step == 0:
                self._live.append(session)

        async def login_at_cap(number: int) -> None:
            client = Client(sample.USER_AGENT, "10.1.2.3")
            await self._login(Facts(_user_at_cap(number), client))

        await each(range(sessions - _AT_CAP), login)
        await each(range(_AT_CAP), login_at_cap)

    async def tidy(self) -> None:
        """End the sessions that a load needed or made."""
        passing, self._passing = self._passing, set()

        async def end(user_id: str) -> None:
            await self._store.revoke_user(user_id, EndReason.LOGOUT, "bench", NO_REQUEST)

        await each(passing, end)

    async def validate_one(self, calls: int) -> Load:
        """The same session each time."""
        session_id = self._live[0].id
        request = pb.ValidateSessionRequest(session_id=session_id)
        return _repeated("ValidateSession", request, session_id, calls)

    async def validate_any(self, calls: int) -> Load:
        """Any session of the store."""
        ids = self._ids(calls)
        return _load(
            "ValidateSession", [(pb.ValidateSessionRequest(session_id=one), one) for one in ids]
        )

    async def validate_known_token(self, calls: int) -> Load:
        """The same access token each time."""
        session = self._live[0]
        request = pb.ValidateSessionRequest(access_token=self._access_token(session))
        return _repeated("ValidateSession", request, session.id, calls)

    async def validate_fresh_tokens(self, calls: int) -> Load:
        """Access tokens that the server has not seen before."""
        sessions = random.choices(self._live, k=calls)
        return _load(
            "ValidateSession",
            [
                (pb.ValidateSessionRequest(access_token=self._access_token(one)), one.id)
                for one in sessions
            ],
        )

    async def validate_known_tokens(self, calls: int) -> Load:
        """Access tokens of any sessions, each many times."""
        return replace(await self.validate_fresh_tokens(calls // _SIGHTS), repeat=_SIGHTS)

    async def validate_batch(self, calls: int) -> Load:
        """The same hundred sessions each time."""
        return replace(_load("BatchValidateSessions", [self._batch()]), repeat=calls)

    async def validate_batches(self, calls: int) -> Load:
        """Any hundred sessions."""
        return _load("BatchValidateSessions", [self._batch() for _ in range(calls)])

    async def create(self, calls: int) -> Load:
        """Logins of users without a session, and of users with one and two."""
        users = [sample.user_id(number // sample.PER_USER) for number in self._fresh(calls)]
        self._passing.update(users)
        return _load("CreateSession", [(_login_of(user), f"{user} 0") for user in users])

    async def create_at_cap(self, calls: int) -> Load:
        """Logins of users at their cap: each ends another session."""
        users = [_user_at_cap(number) for number in range(calls)]
        return _load("CreateSession", [(_login_of(user), f"{user} 1") for user in users])

    async def refresh(self, calls: int) -> Load:
        """Refreshes that all rotate: ten of each session, one after another."""
        sessions = await self._logins(calls // _LINKS)
        requests = [
            pb.RefreshSessionRequest(
                refresh_token=self._refresh.mint(one.id, one.generation, one.mac_key_id),
                client=_CLIENT,
                request_id=str(uuid.uuid4()),
            )
            for one in sessions
        ]
        ids = [one.id for one in sessions]
        return replace(
            _load("RefreshSession", list(zip(requests, ids, strict=True))), repeat=_LINKS
        )

    async def revoke(self, calls: int) -> Load:
        """Each call ends a live session."""
        sessions = await self._logins(calls)
        reason = session_pb2.END_REASON_LOGOUT
        return _load(
            "RevokeSession",
            [
                (pb.RevokeSessionRequest(session_id=one.id, reason=reason), one.id)
                for one in sessions
            ],
        )

    async def _login(self, facts: Facts) -> Session:
        return await create(self._store, facts, mac_key_id=self._refresh.key_id)

    async def _logins(self, count: int) -> list[Session]:
        made: list[Session] = []

        async def login(number: int) -> None:
            made.append(await self._login(sample.small(number)))

        await each(self._fresh(count), login)
        self._passing.update(session.user_id for session in made)
        return made

    def _fresh(self, count: int) -> list[int]:
        """Numbers of logins that were never made."""
        return list(itertools.islice(self._numbers, count))

    def _ids(self, count: int) -> list[str]:
        return [session.id for session in random.choices(self._live, k=count)]

    def _batch(self) -> tuple[Message, str]:
        ids = self._ids(_BATCH)
        requests = [pb.ValidateSessionRequest(session_id=one) for one in ids]
        return pb.BatchValidateSessionsRequest(requests=requests), " ".join(ids)

    def _access_token(self, session: Session) -> str:
        token, _ = self._access.mint(session, client_id=devmode.CALLER, now_ms=session.mint_ms)
        return token


@asynccontextmanager
async def ground_on(engine: EmbeddedEngine, shared: Settings) -> AsyncIterator[Ground]:
    """An empty ground on an engine; the contenders share its keys."""
    async with open_store(engine) as store:
        yield Ground(store, shared)


def _user_at_cap(number: int) -> str:
    return f"capped-{number % _USERS_AT_CAP:05}"


def _login_of(user_id: str) -> Message:
    return pb.CreateSessionRequest(user_id=user_id, client=_CLIENT, request_id=str(uuid.uuid4()))


def _load(method: str, calls: Sequence[tuple[Message, str]]) -> Load:
    return Load(
        method,
        [request.SerializeToString() for request, _ in calls],
        [expected for _, expected in calls],
    )


def _repeated(method: str, request: Message, expected: str, calls: int) -> Load:
    return replace(_load(method, [(request, expected)]), repeat=calls)
