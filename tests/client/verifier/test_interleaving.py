"""A thread that verifies is stopped between any two lines, and much arrives meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from types import FrameType
from typing import Any

import pytest

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keys import TokenKey
from sessionstore import (
    Checkpoint,
    CredentialRefused,
    Event,
    Events,
    EventType,
    Opened,
    Snapshot,
    WhenStale,
    _results,
)
from sessionstore._verifying.judge import Judge
from sessionstore._verifying.rules import KeyNotKnownError, Rules
from tests.client.verifier.access import AUDIENCE, USER, signing_keys, token
from tests.client.verifier.test_rotation import EPOCH_S, Clock

SESSION = new_session_id(USER)
SILENCE_S = 3_000.0
KEYS_LAST = timedelta(minutes=5)


class Case:
    """A judge that heard nothing for most of an hour, while what it knows came to be wrong."""

    def __init__(self, key: TokenKey, keys_last: timedelta) -> None:
        self.clock = Clock()
        self.judge = Judge(Rules(AUDIENCE, 5.0, WhenStale.REFUSE, 30.0, 100), self.clock)
        self.token = token(key, SESSION, at_s=EPOCH_S, exp=EPOCH_S + 7_200)
        self.take_keys(key, keys_last)
        self.judge.feed.opening()
        self.judge.received(Opened(store_time=self.now()))
        self.judge.received(Snapshot(sessions=(), complete=True, cursor="c"))
        self.checkpoint()
        assert self.judge.verify(self.token)
        self.clock.now_s += SILENCE_S

    def now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH_S + self.clock.now_s, UTC)

    def checkpoint(self) -> None:
        self.judge.received(Checkpoint(time=self.now(), lag=timedelta(0), cursor="c"))

    def take_keys(self, key: TokenKey, last: timedelta) -> None:
        answer = _results.signing_keys(signing_keys([key], last))
        self.judge.keys.took(answer, self.clock.now_s, self.clock.now_s)

    def end(self) -> None:
        ended = Event(
            id="1",
            time=self.now(),
            type=EventType.ENDED,
            session_id=SESSION,
            user_id=USER,
            end_reason=None,
            dead_time=self.now() + timedelta(hours=2),
        )
        self.judge.received(Events(events=(ended,), cursor="c"))
        self.checkpoint()


def run_and_interrupt(
    work: Callable[[], object], line: int, meanwhile: Callable[[], object]
) -> Any:
    """What `work` gives, and whether something happened before its given line of all it runs."""
    left = line
    done = False

    def trace(_: FrameType, event: str, __: Any) -> Any:
        nonlocal left, done
        left -= event == "line"
        if left < 0 and not done:
            done = True
            sys.settrace(None)
            meanwhile()
        return None if done else trace

    sys.settrace(trace)
    try:
        return work(), done
    except (CredentialRefused, KeyNotKnownError) as refusal:
        return refusal, done
    finally:
        sys.settrace(None)


def withdraw_key(case: Case, other_key: TokenKey) -> None:
    case.checkpoint()
    case.take_keys(other_key, KEYS_LAST)


def sleep_and_forget(case: Case, _: TokenKey) -> None:
    case.clock.now_s += 3 * 3_600
    case.checkpoint()
    assert not len(case.judge.feed.ended)


def nothing(_: Case) -> None: ...


@dataclass(frozen=True)
class Story:
    """What a judge knew before, and what arrives while it decides."""

    before: Callable[[Case], None]
    meanwhile: Callable[[Case, TokenKey], None]
    keys_last: timedelta = timedelta(days=1)


STORIES = {
    "a session that ended in silence": Story(nothing, lambda case, _: case.end()),
    "a key withdrawn in silence": Story(Case.checkpoint, withdraw_key, KEYS_LAST),
    "an ended session that is forgotten": Story(Case.end, sleep_and_forget),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_what_arrives_while_a_token_is_judged_never_lets_it_in(
    key: TokenKey, other_key: TokenKey, story: Story
) -> None:
    """It is not good before and not good after: at no moment in between is it taken."""
    for line in count():
        case = Case(key, story.keys_last)
        story.before(case)
        said, interrupted = run_and_interrupt(
            partial(case.judge.verify, case.token), line, partial(story.meanwhile, case, other_key)
        )
        assert said is None or isinstance(said, Exception), f"taken at line {line}"
        if not interrupted:
            break
    print(f"{line} moments", end=" ")  # noqa: T201
    assert line > 10
