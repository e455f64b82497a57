"""When a job is due: a cron expression in UTC. A moment at which it is due is a slot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

_MOMENT = timedelta(milliseconds=1)


class Schedule:
    """A cron expression of five fields, or six with seconds first."""

    def __init__(self, expression: str) -> None:
        """Parse it.

        Raises:
            ValueError: it is no cron expression, or it is never due.
        """
        self.expression = expression
        try:
            self.next_ms(0)
        except (CronSimError, StopIteration) as error:
            fault = str(error).lower() or "never due"
            raise ValueError(f"{expression!r} is not a cron expression: {fault}") from None

    def latest_ms(self, at_ms: int) -> int:
        """The last slot that is not after this time; both in ms since the Unix epoch."""
        # The reverse of cronsim looks before a time, not at it.
        return _ms(next(CronSim(self.expression, _datetime(at_ms) + _MOMENT, reverse=True)))

    def next_ms(self, at_ms: int) -> int:
        """The first slot after this time; both in ms since the Unix epoch."""
        return _ms(next(CronSim(self.expression, _datetime(at_ms))))


def _datetime(ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
