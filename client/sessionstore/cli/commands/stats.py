"""`sessionctl stats`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType

from sessionstore.admin_types import Backlog, SessionsPerUser, Stats, Survey, Totals
from sessionstore.cli.command import Cli
from sessionstore.cli.durations import ago, short, when
from sessionstore.cli.histogram import by_duration, by_sessions, histogram
from sessionstore.cli.tables import fields
from sessionstore.cli.user_table import user_table


def stats(cli: Cli) -> None:
    """Say what the store holds, and what happened in it."""
    answer = cli.admin.stats()
    cli.output.show(answer, *_report(answer))


def _report(stats: Stats) -> Iterator[RenderableType]:
    yield _numbers(stats)
    if bars := by_sessions(stats.sessions_per_user.bars):
        yield ""
        yield histogram("Users by live sessions", bars)
    if stats.survey:
        yield from _survey(stats.survey)
    else:
        yield "\nAges and top users are not known yet: sessionctl jobs run stats"


def _survey(survey: Survey) -> Iterator[RenderableType]:
    yield f"\nAs the stats job found {ago(survey.time)}\n"
    yield histogram("Live sessions by age", by_duration(survey.ages))
    yield ""
    yield histogram("Live sessions by time to expiry", by_duration(survey.times_to_expiry))
    if survey.top_users:
        yield ""
        yield user_table(survey.top_users)


def _numbers(stats: Stats) -> RenderableType:
    users = f"{stats.users:,}, {stats.sessions_per_user.users:,} of them with live sessions"
    return fields(
        [
            ("sessions", f"{stats.live_sessions:,} live, {stats.ended_sessions:,} ended and kept"),
            ("users", users),
            ("per user", _spread(stats.sessions_per_user)),
            *_since_the_beginning(stats.totals),
            ("reaper", _backlog(stats.backlog)),
            ("events", f"{stats.events:,} kept, {stats.totals.events_cut:,} cut"),
            ("read", when(stats.read_time)),
        ]
    )


def _spread(users: SessionsPerUser) -> str:
    spread = f"mean {users.mean:.1f}, median {users.p50}, 99th percentile {users.p99}"
    return f"{spread}, most {users.max}; {users.users_at_cap:,} at the cap"


def _since_the_beginning(totals: Totals) -> Iterator[tuple[str, str]]:
    imported = f"{totals.imported:,} of them imported, {totals.adopted:,} of those adopted"
    yield "created", f"{totals.created:,}; {imported}"
    refreshed = f"{totals.refreshed:,}, {totals.recovered:,} of them recovered"
    yield "refreshed", f"{refreshed}; {totals.replayed:,} replayed; {totals.extended:,} extended"
    most_first = sorted(totals.ended.items(), key=lambda each: -each[1])
    yield "ended", ", ".join(f"{count:,} {reason}" for reason, count in most_first)


def _backlog(backlog: Backlog) -> str:
    if not backlog.users_due:
        return "nothing due"
    return f"{backlog.users_due:,} users due, the longest for {short(backlog.lag)}"
