"""Verifiers of the real service, over fakeredis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from sessionstore import (
    AsyncLocalVerifier,
    Checkpoint,
    Event,
    Events,
    EventType,
    LocalVerifier,
    SessionEnded,
    Snapshot,
    TokenInvalid,
    WhenStale,
)
from sessionstore.testing import SessionServer
from tests.client.verifier.conftest import PATIENCE_S

AUDIENCE = "sessionstore"
ROUNDS = 10


@pytest.fixture(scope="module")
def server() -> Iterator[SessionServer]:
    with SessionServer() as server:
        yield server


def refused_after(verifier: LocalVerifier, token: str) -> float:
    """Seconds until a token is refused."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE_S:
        try:
            verifier.verify(token)
        except SessionEnded:
            return time.monotonic() - began
        time.sleep(0.001)
    pytest.fail("it was taken for all that time")


def test_a_revoked_session_is_refused_without_a_call(server: SessionServer) -> None:
    """And others are let in: those of the user, too."""
    with (
        server.client() as sessions,
        LocalVerifier(sessions, audience=AUDIENCE, when_stale=WhenStale.REFUSE) as verifier,
    ):
        assert verifier.wait_ready(PATIENCE_S)
        stays = sessions.create("alice").tokens.access_token
        slowest = 0.0
        for _ in range(ROUNDS):
            goes = sessions.create("alice")
            assert verifier.verify(goes.tokens.access_token).session_id == goes.session.id
            sessions.revoke(session_id=goes.session.id)
            slowest = max(slowest, refused_after(verifier, goes.tokens.access_token))
            assert verifier.verify(stays).user_id == "alice"
        print(f"{ROUNDS} revocations, the slowest known after {slowest * 1000:.0f} ms")  # noqa: T201


async def test_a_new_verifier_knows_what_ended_before(server: SessionServer) -> None:
    """From the snapshot; in asyncio as in threads."""
    async with server.async_client() as sessions:
        gone = await sessions.create("bob")
        await sessions.revoke(session_id=gone.session.id)
        async with AsyncLocalVerifier(sessions, audience=AUDIENCE) as verifier:
            assert await verifier.wait_ready(PATIENCE_S)
            with pytest.raises(SessionEnded):
                await verifier.verify(gone.tokens.access_token)
            with pytest.raises(TokenInvalid):
                await verifier.verify(gone.tokens.access_token[:-4])


def test_the_service_ends_streams_and_the_feed_goes_on() -> None:
    """At its maximum age, again and again: nothing is missed and nobody is told."""
    with (
        SessionServer(watch_max_age="1s") as server,
        server.client() as sessions,
        LocalVerifier(sessions, audience=AUDIENCE, when_stale=WhenStale.REFUSE) as verifier,
    ):
        assert verifier.wait_ready(PATIENCE_S)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            goes = sessions.create("carol")
            verifier.verify(goes.tokens.access_token)
            sessions.revoke(session_id=goes.session.id)
            refused_after(verifier, goes.tokens.access_token)
        assert verifier.state.last_error is None


async def test_what_is_followed_is_what_happens(server: SessionServer) -> None:
    """From the snapshot on; a cursor resumes exactly."""
    async with server.async_client() as sessions, asyncio.timeout(PATIENCE_S):
        gone = await sessions.create("dave")
        await sessions.revoke(session_id=gone.session.id)
        snapshots, cursor = set[str](), ""
        async with aclosing(sessions.watch()) as updates:
            async for update in updates:
                if isinstance(update, Snapshot):
                    snapshots |= {each.session_id for each in update.sessions}
                if isinstance(update, Checkpoint):
                    cursor = update.cursor
                    break
        assert gone.session.id in snapshots

        made = await sessions.create("dave")
        await sessions.revoke(session_id=made.session.id)
        told: list[Event] = []
        async with aclosing(sessions.follow(cursor)) as followed:
            while len(told) < 2:
                part = await anext(followed)
                told += part.events if isinstance(part, Events) else ()
        assert [(event.type, event.session_id, event.user_id) for event in told] == [
            (EventType.CREATED, made.session.id, "dave"),
            (EventType.ENDED, made.session.id, "dave"),
        ]
        assert told[1].dead_time
        assert told[1].dead_time > made.tokens.access_token_expire_time
