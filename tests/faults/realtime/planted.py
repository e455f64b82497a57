"""Bugs planted in this process, in a server or in verifiers, to prove that they are found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any, Final, TypeAlias
from unittest import mock

from sessiond.domain.events import EventType
from sessiond.service import watching
from sessiond.service.judging import Credential, Validation
from sessiond.service.validation import Validator
from sessiond.service.watch_parts import EventsPart, events_part
from sessiond.service.watcher import Watcher
from sessiond.service.watching import Watching
from sessiond.store.log import LogStore, Snapshot
from sessiond.store.log_entries import Place, Stretch
from sessiond.store.log_tail import Checkpoint, LogTail, TailRead
from sessionstore._verifying.feed import Feed
from sessionstore._verifying.freshness import Freshness
from sessionstore._verifying.judge import Judge
from tests.faults.realtime.delays import growing, held, late_from_the_start
from tests.faults.realtime.scenes import Scene, away, calm, delayed, hanging, renewed

Plant: TypeAlias = Callable[[], ExitStack]

_EVERY: Final = 7
_SILENT_S: Final = 1.2
_UNKNOWN: Final = "all_is_known_soon_after_healing"
_UNDERSTATED: Final = "no_age_is_understated"
_LATE: Final = "no_token_is_taken_after_its_bound"


@dataclass(frozen=True)
class Bug:
    """What is wrong, in one sentence, and where it shows."""

    sentence: str
    breaks: tuple[str, ...]
    """The invariants of which one at least must name it; what else goes wrong is no proof."""
    scene: Scene
    plant: Plant
    """It is there until the stack is closed."""


def _put(*changes: tuple[Any, str, Any]) -> ExitStack:
    stack = ExitStack()
    for where, name, what in changes:
        stack.enter_context(mock.patch.object(where, name, what))
    return stack


def _drop_events() -> ExitStack:
    """The places go on."""
    advance, read = LogTail._advance, 0

    def dropping(self: LogTail, reply: Any) -> tuple[Stretch, ...]:
        nonlocal read
        stretches = []
        for stretch in advance(self, reply):
            read += 1
            kept = stretch.events if read % _EVERY else stretch.events[:-1]
            stretches.append(replace(stretch, events=kept))
        return tuple(stretches)

    return _put((LogTail, "_advance", dropping))


def _resume_at_the_end() -> ExitStack:
    async def skip(
        self: Watching, watcher: Watcher, places: dict[int, Place]
    ) -> AsyncIterator[Any]:
        self._feed.go_live(watcher, {**places, **self._feed.places})
        for part in list[Any]():
            yield part

    return _put((Watching, "_catch_up", skip))


def _tell_backwards() -> ExitStack:
    def backwards(*arguments: Any) -> EventsPart | None:
        part = events_part(*arguments)
        return replace(part, events=part.events[::-1]) if part else None

    return _put((watching, "events_part", backwards))


def _tell_snapshots_of_nobody() -> ExitStack:
    snapshot = LogStore.snapshot

    async def empty(self: LogStore, partition: int, *, dead: bool) -> Snapshot:
        return await snapshot(self, partition, dead=False)

    return _put((LogStore, "snapshot", empty))


def _tell_of_anothers_end() -> ExitStack:
    """Of that of the session that was created last."""
    advance, last = LogTail._advance, ""

    def mistaken(self: LogTail, reply: Any) -> tuple[Stretch, ...]:
        nonlocal last
        stretches = []
        for stretch in advance(self, reply):
            events = []
            for event in stretch.events:
                if event.type is EventType.CREATED:
                    last = event.session_id
                events.append(replace(event, session_id=last or event.session_id))
            stretches.append(replace(stretch, events=tuple(events)))
        return tuple(stretches)

    return _put((LogTail, "_advance", mistaken))


def _make_up_checkpoints() -> ExitStack:
    read = LogTail.read

    async def made_up(self: LogTail) -> TailRead:
        try:
            async with asyncio.timeout(_SILENT_S):
                return await read(self)
        except TimeoutError:
            return TailRead(checkpoint=Checkpoint(time.time_ns() // 1_000_000, time.monotonic()))

    return _put((LogTail, "read", made_up))


def _go_by_receipts() -> ExitStack:
    def received(self: Freshness, _: float, received_s: float) -> None:
        self._known_s = received_s

    return _put((Freshness, "checkpoint", received))


def _go_by_the_least_delay() -> ExitStack:
    """Of those that were seen on the stream."""
    opened, least_s = Freshness.opened, {}

    def anew(self: Freshness, sent_s: float, store_s: float) -> None:
        least_s[self] = inf
        opened(self, sent_s, store_s)

    def received(self: Freshness, store_s: float, received_s: float) -> None:
        least_s[self] = min(least_s[self], received_s - store_s)
        self._known_s = store_s + least_s[self]

    return _put((Freshness, "opened", anew), (Freshness, "checkpoint", received))


def _never_be_stale() -> ExitStack:
    return _put((Judge, "_is_stale", lambda *_: False))


def _answer_from_memory() -> ExitStack:
    """To verifiers that are told of no ending, and always ask."""
    validate = Validator.validate
    known: dict[Credential, Validation] = {}

    async def remembering(self: Validator, credential: Credential) -> Validation:
        if credential not in known:
            known[credential] = await validate(self, credential)
        return known[credential]

    return _put(
        (Validator, "validate", remembering),
        (Judge, "_is_stale", lambda *_: True),
        (Feed, "_add", lambda *_: None),
    )


BUGS: Final = {
    "event_dropped": Bug(
        "The reader of the logs passes over an event now and then.",
        (_UNKNOWN, _UNDERSTATED, _LATE),
        calm,
        _drop_events,
    ),
    "resumed_at_the_end": Bug(
        "A cursor is taken for the end of the logs.", (_UNKNOWN,), away, _resume_at_the_end
    ),
    "told_backwards": Bug(
        "What a watcher has missed is told in the wrong order.",
        ("events_of_a_session_come_in_order",),
        away,
        _tell_backwards,
    ),
    "snapshot_of_nobody": Bug(
        "A snapshot names no sessions.", (_UNKNOWN,), renewed, _tell_snapshots_of_nobody
    ),
    "anothers_end": Bug(
        "An ending is told of another session.",
        ("no_live_session_is_refused",),
        calm,
        _tell_of_anothers_end,
    ),
    "checkpoints_made_up": Bug(
        "A server goes on to send checkpoints while the engine is silent.",
        ("no_checkpoint_is_made_up", "who_hears_nothing_is_stale"),
        hanging,
        _make_up_checkpoints,
    ),
    "age_by_receipts": Bug(
        "A verifier is as old as its last checkpoint has been there.",
        (_UNDERSTATED, _LATE),
        partial(delayed, growing),
        _go_by_receipts,
    ),
    "age_by_the_least_delay": Bug(
        "A verifier takes the least delay that it has seen for none.",
        (_UNDERSTATED, _LATE),
        partial(delayed, late_from_the_start),
        _go_by_the_least_delay,
    ),
    "never_stale": Bug(
        "A verifier takes tokens however long it has heard nothing.",
        (_LATE,),
        partial(delayed, held),
        _never_be_stale,
    ),
    "answers_from_memory": Bug(
        "The service answers verifiers from memory.",
        ("the_service_calls_no_ended_session_live",),
        calm,
        _answer_from_memory,
    ),
}
