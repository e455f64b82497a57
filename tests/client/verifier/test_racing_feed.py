"""A token is judged while another thread takes in what the stream tells."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keys import TokenKey
from sessionstore import EndReason, SessionEnded, WhenStale
from sessionstore._results import signing_keys as read_keys
from sessionstore._verifying.judge import Judge
from sessionstore._verifying.rules import Rules
from sessionstore.watch_types import Checkpoint, Event, Events, EventType, Opened, Snapshot
from tests.client.verifier.access import AUDIENCE, USER, signing_keys, token


@dataclass
class Clock:
    """A steady clock that the test moves, on a machine whose time of day is the engine's."""

    now_s: float = 1000.0
    ahead_s: float = time.time() - 1000.0

    def __call__(self) -> float:
        return self.now_s

    def engine(self) -> datetime:
        return datetime.fromtimestamp(self.now_s + self.ahead_s, UTC)


async def test_a_verifier_that_turns_young_meanwhile_takes_no_ended_token(key: TokenKey) -> None:
    """It had been stale for a minute; ending and checkpoint come while it looks for the session."""
    clock = Clock()
    rules = Rules.of(AUDIENCE, timedelta(seconds=5), WhenStale.ASK, timedelta(seconds=30), 10)
    judge = Judge(rules, clock)
    judge.keys.took(read_keys(signing_keys([key], timedelta(hours=1))), clock(), clock())
    session_id = new_session_id(USER)
    good = token(key, session_id)
    judge.feed.opening()
    judge.received(Opened(store_time=clock.engine()))
    judge.received(Snapshot(sessions=(), complete=True, cursor="1"))
    judge.received(Checkpoint(time=clock.engine(), lag=timedelta(0), cursor="1"))
    assert judge.verify(good)
    ending = Event(
        id="1",
        time=clock.engine(),
        type=EventType.ENDED,
        session_id=session_id,
        user_id=USER,
        end_reason=EndReason.LOGOUT,
        dead_time=clock.engine() + timedelta(hours=1),
    )
    clock.now_s += 60
    look_up = judge.feed.ended.get

    def look_up_a_moment_too_early(wanted: str) -> object:
        racing.stop()
        found = look_up(wanted)
        judge.received(Events(events=(ending,), cursor="2"))
        judge.received(Checkpoint(time=clock.engine(), lag=timedelta(0), cursor="2"))
        return found

    racing = mock.patch.object(judge.feed.ended, "get", look_up_a_moment_too_early)
    racing.start()

    assert judge.verify(good) is None
    assert not judge.stale
    with pytest.raises(SessionEnded):
        judge.verify(good)
