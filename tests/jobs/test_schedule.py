"""Cron expressions in UTC: the slot before a moment, and the one after."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest

from sessiond.domain.schedule import Schedule

SUNDAY: Final = "0 3 * * 0"


def ms(text: str) -> int:
    """A time of UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("expression", "at", "latest", "following"),
    [
        ("0 * * * *", "2026-11-24T12:34:56", "2026-11-24T12:00", "2026-11-24T13:00"),
        (SUNDAY, "2026-11-24T12:34:56", "2026-11-22T03:00", "2026-11-29T03:00"),
        (SUNDAY, "2026-11-22T03:00:00", "2026-11-22T03:00", "2026-11-29T03:00"),
        (SUNDAY, "2026-11-22T02:59:59.999", "2026-11-15T03:00", "2026-11-22T03:00"),
        (SUNDAY, "2026-11-22T03:00:00.001", "2026-11-22T03:00", "2026-11-29T03:00"),
        ("0 0 29 2 *", "2026-11-24T00:00", "2024-02-29T00:00", "2028-02-29T00:00"),
        ("30 * * * * *", "2026-11-24T12:00:29.5", "2026-11-24T11:59:30", "2026-11-24T12:00:30"),
    ],
)
def test_slots_around_a_moment(expression: str, at: str, latest: str, following: str) -> None:
    """A moment that is a slot is the latest one, to the millisecond."""
    schedule = Schedule(expression)
    assert schedule.latest_ms(ms(at)) == ms(latest)
    assert schedule.next_ms(ms(at)) == ms(following)


@pytest.mark.parametrize(
    "expression", ["", "hourly", "0 * * *", "61 * * * *", "0 0 * * 8", "0 0 30 2 *"]
)
def test_what_is_no_cron_expression(expression: str) -> None:
    """Is refused with what is wrong about it."""
    with pytest.raises(ValueError, match="is not a cron expression: "):
        Schedule(expression)
