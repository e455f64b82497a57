"""How sessions and other answers look on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sessionstore.cli.durations import ago, when
from sessionstore.types import ClientInfo, Session, State

_WHOLE = ("SESSION", "STATE", "CREATED", "EXPIRES")


def table(*headers: str, whole: Iterable[str] = (), right: Iterable[str] = ()) -> Table:
    """An empty table without rules.

    Args:
        headers: of its columns.
        whole: the columns that are never cut nor wrapped; the others give way to them.
        right: the columns of numbers.
    """
    made = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        made.add_column(
            header,
            no_wrap=header in whole,
            overflow="fold",
            justify="right" if header in right else "left",
        )
    return made


def fields(rows: Iterable[tuple[str, str]]) -> RenderableType:
    """Names and values, a line each; without those that have no value."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        if value:
            made.add_row(name, plain(value))
    return made


def session_table(sessions: Iterable[Session], *, users: bool = True) -> Table:
    """Sessions, a line each.

    Args:
        sessions: in their order.
        users: whether they are of several users.
    """
    fourth = "USER" if users else "EXPIRES"
    made = table("SESSION", "STATE", "CREATED", fourth, "CLIENT", whole=_WHOLE)
    for session in sessions:
        made.add_row(
            session.id,
            state_of(session),
            ago(session.create_time),
            cut(session.user_id) if users else _expires(session),
            cut(client_of(session.client)),
        )
    return made


def confirmation(replicas: int | None) -> tuple[str, ...]:
    """How many replicas have an ending; nothing if they were not asked."""
    return () if replicas is None else (f"confirmed by {counted(replicas, 'replica')}",)


def session_fields(session: Session) -> RenderableType:
    """One session in full."""
    client, authentication = session.client, session.authentication
    return fields(
        [
            ("session", session.id),
            ("user", session.user_id),
            ("profile", session.profile),
            ("state", state_of(session)),
            ("ended", when(session.end_time)),
            ("ended by", session.ended_by),
            ("created", when(session.create_time)),
            ("refreshed", when(session.refresh_time)),
            ("last seen", when(session.last_seen_time)),
            ("expires", when(session.expire_time) if session.active else ""),
            ("at the latest", when(session.absolute_expire_time) if session.active else ""),
            ("user agent", client.user_agent),
            ("address", client.ip_address),
            ("device", " ".join(filter(None, (client.device_name, client.device_id)))),
            ("cut fields", ", ".join(client.cut_fields)),
            ("attributes", ", ".join(f"{k}={v}" for k, v in session.attributes.items())),
            ("audience", ", ".join(session.audience)),
            ("authenticated", ", ".join(authentication.methods) if authentication else ""),
        ]
    )


def state_of(session: Session) -> str:
    """Whether a session is live or, in the fewest words, why not."""
    if session.state == State.ENDED and session.end_reason:
        return session.end_reason
    return session.state


def client_of(client: ClientInfo) -> str:
    """The client in the fewest words."""
    return client.device_name or client.user_agent or client.ip_address or client.device_id


def _expires(session: Session) -> str:
    return ago(session.expire_time) if session.active else ""


def cut(text: str) -> Text:
    """One line, cut to the width that its column gets."""
    return Text(plain(text), no_wrap=True, overflow="ellipsis")


def counted(count: int, noun: str) -> str:
    """So many of something, as in "1 session" and "1,200 sessions"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def plain(text: str) -> str:
    """The text without what would steer a terminal: users and their browsers wrote it."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
