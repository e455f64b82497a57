"""The distribution of sessions over users, and a survey as text."""

from __future__ import annotations

from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.domain.session import EndReason
from sessiond.domain.statistics import (
    DurationBar,
    SessionsPerUser,
    Survey,
    Totals,
    UserSessions,
    histogram,
)

CAP = 10
SURVEY = Survey(
    time_ms=1_790_000_000_000,
    ages=histogram((5, 10), (1, 2, 3)),
    times_to_expiry=histogram((7,), (6, 0)),
    top_users=(UserSessions('käthe "k"', 3, 1, 1_790_000_000_000_123), UserSessions("b", 0, 2, 0)),
)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=300))
def test_the_distribution_is_that_of_the_users_themselves(held: list[int]) -> None:
    """Percentiles by nearest rank, as counting along the sorted users gives them."""
    held.sort()
    found = SessionsPerUser.of(Counter(held), CAP)
    assert found.users == len(held)
    assert found.mean == pytest.approx(sum(held) / len(held))
    assert found.p50 == held[ceil(len(held) / 2) - 1]
    assert found.p99 == held[ceil(len(held) * 99 / 100) - 1]
    assert found.max == held[-1]
    assert found.users_at_cap == sum(sessions >= CAP for sessions in held)
    assert [sessions for sessions, users in found.bars for _ in range(users)] == held


def test_a_histogram_has_one_bar_more_than_edges() -> None:
    """The last one has no end."""
    assert SURVEY.ages == (DurationBar(5, 1), DurationBar(10, 2), DurationBar(None, 3))


def test_a_survey_comes_back_from_its_text() -> None:
    """As the ledger of jobs keeps it."""
    assert Survey.from_json(SURVEY.to_json()) == SURVEY


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"time_ms": 1}', SURVEY.to_json()[:-1]])
def test_text_that_is_no_survey_is_refused(text: str) -> None:
    """Another version may have written it."""
    with pytest.raises(ValueError, match=r"survey|Expecting|delimiter"):
        Survey.from_json(text)


def totals(created: int, logouts: int = 0, cut: int = 0) -> Totals:
    """With as many refreshes as creations."""
    return Totals(created, 0, 0, created, 0, 0, 0, {EndReason.LOGOUT: logouts}, cut)


def test_totals_that_a_failover_took_back_stay_where_they_were() -> None:
    """Each for itself, until there are more."""
    before = totals(1_000, 500, 3)
    assert totals(998, 501, 2).at_least(before) == totals(1_000, 501, 3)
    assert totals(1_001, 501, 4).at_least(before) == totals(1_001, 501, 4)


def test_totals_of_an_emptied_store_begin_anew() -> None:
    """It has nothing of what there was."""
    assert totals(2, 1).at_least(totals(1_000, 500, 3)) == totals(2, 1)
