"""The parts of a watcher's stream."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from sessiond.domain.events import DeadSession, Event, EventFilter
from sessiond.domain.limits import MOST_EVENTS
from sessiond.service import cursors
from sessiond.store.log_entries import Place, Stretch


@dataclass(frozen=True, slots=True)
class Opened:
    """The first part."""

    store_ms: int
    """The engine's clock, read after the request had arrived."""


@dataclass(frozen=True, slots=True)
class SnapshotPart:
    """Some of the ended sessions of which an access token may still look alive."""

    sessions: Sequence[DeadSession]
    cursor: str = ""
    """Of the last part only."""

    @property
    def complete(self) -> bool:
        """Whether it is the last part."""
        return bool(self.cursor)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class EventsPart:
    """What happened. All watchers with the same filter are given the same object."""

    events: Sequence[Event]
    cursor: str


@dataclass(frozen=True, slots=True)
class CheckpointPart:
    """Everything up to a time has been told."""

    time_ms: int
    begun_s: float
    """When the reading began that it rests upon, by the server's monotonic clock."""
    cursor: str

    @property
    def lag_ms(self) -> int:
        """How long ago that was."""
        return round((time.monotonic() - self.begun_s) * 1000)


Part = Opened | SnapshotPart | EventsPart | CheckpointPart


@dataclass(slots=True, eq=False)
class Batch:
    """Events that were read together, and the places of all logs after them."""

    stretches: Sequence[Stretch]
    places: Mapping[int, Place]
    _parts: dict[EventFilter, EventsPart | None] = field(default_factory=dict)

    def part(self, wanted: EventFilter) -> EventsPart | None:
        """What a filter admits of it; None if that is nothing."""
        try:
            return self._parts[wanted]
        except KeyError:
            return self._parts.setdefault(wanted, events_part(wanted, self.stretches, self.places))


def events_part(
    wanted: EventFilter, stretches: Sequence[Stretch], places: Mapping[int, Place]
) -> EventsPart | None:
    """What a filter admits of some stretches, in the order of time; None if that is nothing."""
    partitions = cursors.partitions_of(wanted)
    here = (stretch for stretch in stretches if stretch.partition in partitions)
    events = [event for stretch in here for event in stretch.events if wanted.admits(event)]
    events.sort(key=attrgetter("time_ms"))
    return EventsPart(events, cursors.write(wanted, places)) if events else None


def batches(stretches: Sequence[Stretch], places: Mapping[int, Place]) -> Iterator[Batch]:
    """All events, in order, in batches of at most MOST_EVENTS."""
    waiting: list[Stretch] = []
    room = MOST_EVENTS
    for stretch in stretches:
        left = stretch
        while len(left.events) > room:
            first, left = left.split(room) if room else (None, left)
            waiting += [first] if first else []
            places = _after(waiting, places)
            yield Batch(waiting, places)
            waiting, room = [], MOST_EVENTS
        waiting.append(left)
        room -= len(left.events)
    if waiting:
        yield Batch(waiting, _after(waiting, places))


def _after(stretches: Sequence[Stretch], places: Mapping[int, Place]) -> dict[int, Place]:
    return {**places, **{stretch.partition: stretch.place for stretch in stretches}}
