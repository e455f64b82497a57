"""Times as other systems write them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from sessionstore.cli.transfer.times import Epoch, Times

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-01-31T12:00:00Z", 0),
        ("2026-01-31 12:00:00.123+00", 123000),
        ("2026-01-31 17:45:00.123456+05:45", 123456),
        ("2026-01-31T12:00:00.123456789Z", 123456),
        ("20260131T120000Z", 0),
    ],
)
def test_a_time_with_a_zone_is_read(text: str, microsecond: int) -> None:
    """RFC 3339, ISO 8601 and what PostgreSQL prints."""
    assert Times().read(text) == NOON.replace(microsecond=microsecond)


def test_a_time_without_a_zone_is_refused_until_one_is_told() -> None:
    """An hour off would end sessions early, or keep them too long."""
    with pytest.raises(ValueError, match="has no time zone: say which with --timezone"):
        Times().read("2026-01-31 12:00:00")
    assert Times(zone=ZoneInfo("UTC")).read("2026-01-31 12:00:00") == NOON
    assert Times(zone=ZoneInfo("Europe/Berlin")).read("2026-01-31 13:00:00") == NOON


@pytest.mark.parametrize("value", ["1769860800", 1769860800])
def test_a_number_is_refused_until_its_unit_is_told(value: object) -> None:
    """Seconds and milliseconds look alike."""
    with pytest.raises(ValueError, match="--epoch"):
        Times().read(value)
    assert Times(epoch=Epoch.SECONDS).read(value) == NOON


def test_milliseconds_are_read() -> None:
    """As JavaScript counts them."""
    assert Times(epoch=Epoch.MILLISECONDS).read("1769860800123.5") == NOON.replace(
        microsecond=123500
    )


@pytest.mark.parametrize(
    "value",
    ["", "infinity", "9" * 5000, "1e400", "0001-01-01T00:00:00+14:00", True, None, 1.5, "½"],
)
def test_what_is_no_time_is_refused(value: object) -> None:
    """Always by ValueError, so that it costs one line."""
    with pytest.raises(ValueError, match=r"is (no|out of)"):
        Times(epoch=Epoch.SECONDS).read(value)
