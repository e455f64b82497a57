"""What the log of a partition holds, decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sessiond.domain.errors import CursorTooOldError, LogRewoundError
from sessiond.domain.events import TYPES, Event
from sessiond.domain.session import EndReason


@dataclass(frozen=True, slots=True)
class Place:
    """How far the log of a partition was read: up to the event with this id."""

    id: str
    count: int
    """How many events the log had ever had up to it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events of one partition that follow each other; the last of them is at the place."""

    partition: int
    events: tuple[Event, ...]
    place: Place

    def after(self, count: int) -> Stretch:
        """Without those among the first `count` events that the log ever had."""
        left = min(max(self.place.count - count, 0), len(self.events))
        return Stretch(self.partition, self.events[len(self.events) - left :], self.place)

    def split(self, at: int) -> tuple[Stretch, Stretch]:
        """The first `at` events, and the others, of which there must be some."""
        head, tail = self.events[:at], self.events[at:]
        event_id = head[-1].id.partition("-")[2]
        place = Place(event_id, self.place.count - len(tail))
        return Stretch(self.partition, head, place), Stretch(self.partition, tail, self.place)


def stretch(partition: int, entries: Sequence[Any], start: Place) -> Stretch:
    """The entries that come after a place, as XRANGE and XREAD give them."""
    events = tuple(decode_event(partition, entry) for entry in entries)
    place = Place(entries[-1][0].decode(), start.count + len(entries)) if entries else start
    return Stretch(partition, events, place)


def decode_event(partition: int, entry: Sequence[Any]) -> Event:
    """One entry of the log of a partition."""
    entry_id, fields = entry[0].decode(), entry[1]
    # In the order in which lib/ending.lua writes them.
    _, reason_number, _, session, _, user, _, dead = fields
    reason = EndReason(int(reason_number))
    return Event(
        f"{partition}-{entry_id}",
        int(entry_id.partition("-")[0]),
        TYPES[reason],
        session.decode(),
        user.decode(),
        reason,
        int(dead),
    )


def accepted(reply: Sequence[Any]) -> Sequence[Any]:
    """What log_read.lua answers after its verdict: how many events the log holds, and entries.

    Raises:
        CursorTooOldError, LogRewoundError: the place is no longer in the log.
    """
    verdict, *rest = reply
    match verdict:
        case b"TOO_OLD":
            raise CursorTooOldError("the log of events no longer reaches back to the cursor")
        case b"REWOUND":
            raise LogRewoundError("the store has lost events that were told already")
    return rest
