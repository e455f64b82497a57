"""The event log and those who watch it."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from sessiond.domain.limits import MOST_EVENTS
from sessiond.settings.base import CommonSettings
from sessiond.settings.kinds import Duration


class EventSettings(CommonSettings):
    """How long events are kept, and how much watchers may ask for."""

    event_log_time: Duration = Field(
        default=timedelta(hours=2),
        description="How long events are kept; never under access_token_lifetime.",
    )

    event_log_max_length: int = Field(
        default=100_000, ge=1_000, description="Events kept in one of the 64 partitions, at most."
    )

    max_watchers: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Streams of WatchSessions at a time; they do not count as calls in flight.",
    )

    watch_max_age: Duration = Field(
        default=timedelta(minutes=30),
        ge=timedelta(seconds=1),
        description="How long a stream of WatchSessions lives, give or take a tenth; its client"
        " resumes it.",
    )

    watch_backlog: int = Field(
        default=10_000,
        ge=MOST_EVENTS,
        le=1_000_000,
        description="Events that wait for one stream of WatchSessions; a client that reads so"
        " slowly that there are more is cut off.",
    )
