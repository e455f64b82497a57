"""Cursors: what is written is read again, by streams with the same filter, and stays short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.domain.errors import InvalidFieldError
from sessiond.domain.events import EVERYTHING, EventFilter, EventType
from sessiond.domain.ids import PARTITIONS, partition_of_user
from sessiond.domain.limits import MAX_CURSOR
from sessiond.service import cursors
from sessiond.store.log_entries import Place

YEAR_2100_MS = 4_102_444_800_000
FILTERS = st.builds(
    EventFilter,
    st.frozensets(st.sampled_from(EventType), min_size=1),
    st.sampled_from(["", "alice", "bob", "ä" * 128]),
)


def _places(most_ms: int, most_sequence: int, most_count: int) -> st.SearchStrategy[list[Place]]:
    place = st.builds(
        lambda ms, sequence, count: Place(f"{ms}-{sequence}", count),
        st.integers(0, most_ms),
        st.integers(0, most_sequence),
        st.integers(0, most_count),
    )
    return st.lists(place, min_size=PARTITIONS, max_size=PARTITIONS)


@given(wanted=FILTERS, places=_places(2**64 - 1, 2**64 - 1, 2**64 - 1))
def test_a_cursor_gives_the_places_it_was_made_of(wanted: EventFilter, places: list[Place]) -> None:
    """Of all partitions, or of the one where the user's events are."""
    by_partition = dict(enumerate(places))
    read = cursors.read(cursors.write(wanted, by_partition), wanted)
    if wanted.user_id:
        partition = partition_of_user(wanted.user_id)
        assert read == {partition: places[partition]}
    else:
        assert read == by_partition


@given(places=_places(YEAR_2100_MS, 2**20, 2**40))
def test_a_cursor_is_short(places: list[Place]) -> None:
    """Also of logs that are a trillion events long, and with the worst mix of old and new."""
    assert len(cursors.write(EVERYTHING, dict(enumerate(places)))) <= MAX_CURSOR


@given(wanted=FILTERS, other=FILTERS)
def test_a_cursor_is_of_one_filter(wanted: EventFilter, other: EventFilter) -> None:
    """Any other one refuses it by name."""
    cursor = cursors.write(wanted, dict.fromkeys(range(PARTITIONS), Place("5-1", 3)))
    if other == wanted:
        cursors.read(cursor, other)
    else:
        with pytest.raises(InvalidFieldError) as caught:
            cursors.read(cursor, other)
        assert [violation.field for violation in caught.value.violations] == ["cursor"]


@given(text=st.text(min_size=1, max_size=300), wanted=FILTERS)
def test_any_other_text_is_no_cursor(text: str, wanted: EventFilter) -> None:
    """Whatever its characters."""
    with pytest.raises(InvalidFieldError):
        cursors.read(text, wanted)
