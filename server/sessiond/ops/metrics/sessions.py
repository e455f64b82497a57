"""What became of tokens here, and what the store holds."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from sessiond.domain.session import EndReason
from sessiond.domain.statistics import Stats
from sessiond.ops.metrics import catalogue
from sessiond.service.figures import SessionFigures


def session_metrics(figures: SessionFigures) -> Iterator[Metric]:
    """Those of refreshes and validations."""
    yield catalogue.REFRESHES.by({(k.lower(),): n for k, n in figures.refreshes.items()})
    yield catalogue.VALIDATIONS.by({(k.name.lower(),): n for k, n in figures.validations.items()})


def fleet_metrics(stats: Stats | None) -> Iterator[Metric]:
    """Those of the store. What is not known is not shown."""
    if stats is None:
        return
    totals = stats.totals
    yield catalogue.SESSIONS.by({("live",): stats.live, ("ended",): stats.ended})
    yield catalogue.USERS.of(stats.users)
    yield catalogue.FLEET_CREATED.of(totals.created)
    yield catalogue.FLEET_ENDED.by(
        {(reason.name.lower(),): totals.ended.get(reason, 0) for reason in EndReason if reason}
    )
    yield catalogue.FLEET_EVENTS_CUT.of(totals.events_cut)
    yield catalogue.USERS_DUE.of(stats.backlog.users_due)
    yield catalogue.REAPER_LAG.of(stats.backlog.lag_ms / 1000)
