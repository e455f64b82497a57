"""The commands that look and change nothing, against a real server."""

from __future__ import annotations

import re
from pathlib import Path

from sessionstore import AdminClient, ClientInfo, EndReason, SessionClient
from tests.cli.sessionctl import Sessionctl, fits

GONE = "A" * 24


def log_in(sessions: SessionClient, user: str, count: int) -> list[str]:
    """So many sessions of a user; their ids, oldest first."""
    client = ClientInfo(user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko Firefox/145.0")
    return [sessions.create(user, client=client).session.id for _ in range(count)]


def test_recent_shows_the_newest_sessions_and_how_many_each_user_has(
    ctl: Sessionctl, sessions: SessionClient
) -> None:
    """What the old script did: the last thirty with counts, and a grouping by user."""
    alices = log_in(sessions, "alice", 3)
    bobs = log_in(sessions, "bob", 1)
    sessions.revoke(session_id=alices[0])

    table = ctl("recent")
    document = ctl("recent", "-o", "json").json

    ids = [row[0] for row in table.rows if row and row[0] in {*alices, *bobs}]
    assert ids == [*bobs, *reversed(alices)]
    assert "4 sessions: 3 active, 1 not" in table.out
    assert [row for row in table.rows if row[:1] in (["alice"], ["bob"])] == [
        ["alice", "3", "2"],
        ["bob", "1", "1"],
    ]
    assert fits(table.out)
    assert [session["session_id"] for session in document["sessions"]] == ids
    assert document["sessions"][-1]["end_reason"] == "REVOKED"
    assert document["active"] == 3
    assert document["users"] == [
        {"user_id": "alice", "sessions": 3, "active": 2},
        {"user_id": "bob", "sessions": 1, "active": 1},
    ]


def test_recent_takes_a_limit(ctl: Sessionctl, sessions: SessionClient) -> None:
    """The newest come first, and no more than asked for."""
    ids = log_in(sessions, "alice", 3)

    document = ctl("recent", "-n", "2", "-o", "json").json

    assert [session["session_id"] for session in document["sessions"]] == ids[:0:-1]


def test_users_come_by_how_many_sessions_they_hold(
    ctl: Sessionctl, sessions: SessionClient
) -> None:
    """Most live sessions first; a user with ended ones alone comes last."""
    log_in(sessions, "alice", 1)
    log_in(sessions, "b" * 100, 2)
    sessions.revoke(session_id=log_in(sessions, "carol", 1)[0])

    table = ctl("users")
    document = ctl("users", "-o", "json").json
    (first,) = ctl("users", "-n", "1", "-o", "json").json["users"]

    assert fits(table.out)
    counts = [
        (user["user_id"][:5], user["live_sessions"], user["ended_sessions"])
        for user in document["users"]
    ]
    assert counts == [("bbbbb", 2, 0), ("alice", 1, 0), ("carol", 0, 1)]
    assert first == document["users"][0]
    assert [row[1] for row in table.rows if row[0] == "alice"] == ["1"]


def test_stats_say_what_the_store_holds(
    ctl: Sessionctl, sessions: SessionClient, admin: AdminClient
) -> None:
    """Numbers, totals and the histogram agree with what was done."""
    ids = [*log_in(sessions, "alice", 4), *log_in(sessions, "bob", 1)]
    sessions.revoke(session_id=ids[0], reason=EndReason.LOGOUT)

    table = ctl("stats")
    document = ctl("stats", "-o", "json").json

    assert (document["live_sessions"], document["ended_sessions"], document["users"]) == (4, 1, 2)
    assert document["totals"]["created"] == 5
    assert document["totals"]["ended"] == {"LOGOUT": 1}
    assert document["sessions_per_user"]["max"] == 3
    assert document["survey"] is None
    assert re.fullmatch(r"[\d.]+s", document["backlog"]["lag"])
    assert document["read_time"].endswith("Z")
    assert "4 live, 1 ended and kept" in table.out
    assert re.search(r"^1 +1 +#+$", table.out, re.MULTILINE)
    assert re.search(r"^3 +1 +#+$", table.out, re.MULTILINE)
    assert "sessionctl jobs run stats" in table.out
    assert fits(table.out)


def test_stats_show_what_the_stats_job_found(ctl: Sessionctl, sessions: SessionClient) -> None:
    """After the job, ages and the users with the most sessions are there."""
    log_in(sessions, "alice", 3)
    ctl("jobs", "run", "stats", "--wait")

    table = ctl("stats")
    survey = ctl("stats", "-o", "json").json["survey"]

    assert sum(bar["sessions"] for bar in survey["ages"]) == 3
    assert survey["ages"][-1]["upper"] is None
    assert survey["top_users"][0]["user_id"] == "alice"
    assert "Live sessions by age" in table.out
    assert "Live sessions by time to expiry" in table.out
    assert "alice" in table.out
    assert fits(table.out)


def test_list_shows_the_sessions_of_a_user(ctl: Sessionctl, sessions: SessionClient) -> None:
    """Live ones first, then ended ones; by state if one is named; none is no error."""
    first, second, third = log_in(sessions, "alice", 3)
    sessions.revoke(session_id=third, reason=EndReason.LOGOUT)

    table = ctl("list", "alice")
    ended = ctl("list", "alice", "--state", "ENDED", "-o", "json").json["sessions"]

    assert [row[:2] for row in table.rows[1:]] == [
        [second, "ACTIVE"],
        [first, "ACTIVE"],
        [third, "LOGOUT"],
    ]
    assert fits(table.out)
    assert [session["session_id"] for session in ended] == [third]
    assert ctl("list", "nobody", "-o", "json").json == {"sessions": []}
    assert len(ctl("list", "alice", "-n", "1", "-o", "json").json["sessions"]) == 1


def test_show_tells_a_session_in_full(ctl: Sessionctl, sessions: SessionClient) -> None:
    """Everything that is kept; 3 if nothing is."""
    client = ClientInfo(user_agent="a" * 200, ip_address="203.0.113.7", device_name="Laptop")
    created = sessions.create("alice", client=client, attributes={"theme": "dark"}).session

    table = ctl("show", created.id)
    document = ctl("show", created.id, "-o", "json").json
    missing = ctl("show", GONE, code=3)

    for fact in (created.id, "alice", "ACTIVE", "203.0.113.7", "Laptop", "theme=dark"):
        assert fact in table.out
    assert fits(table.out)
    assert document["session_id"] == created.id
    assert document["attributes"] == {"theme": "dark"}
    assert document["client"]["device_name"] == "Laptop"
    assert document["end_time"] is None
    assert missing.out == ""
    assert missing.err.startswith("sessionctl: ")
    assert missing.err.endswith("(SESSION_NOT_FOUND)\n")


def test_what_users_wrote_cannot_steer_the_terminal(
    ctl: Sessionctl, sessions: SessionClient
) -> None:
    """Escape sequences and markup of a user agent are shown, not obeyed."""
    client = ClientInfo(user_agent="\x1b[31m[bold]red[/bold] :smile:")
    session = sessions.create("alice", client=client).session

    shown = ctl("show", session.id).out

    assert "\N{REPLACEMENT CHARACTER}[31m[bold]red[/bold] :smile:" in shown
    assert "\x1b" not in shown


def test_explain_tells_why_a_session_is_not_valid(
    ctl: Sessionctl, sessions: SessionClient, home: Path
) -> None:
    """By id or by token; 0 only if it is valid, and nothing changes by asking."""
    created = sessions.create("alice")
    (home / "token").write_text(created.tokens.refresh_token + "\n")
    live = ctl("explain", created.session.id, "-o", "json").json
    sessions.revoke(session_id=created.session.id, reason=EndReason.LOGOUT)

    table = ctl("explain", created.session.id, code=3)
    by_token = ctl("explain", "--token", "token", "-o", "json", code=3).json
    by_input = ctl("explain", "--token", "-", stdin=created.tokens.access_token, code=3)

    assert (live["verdict"], live["end_reason"], live["indexed"]) == ("ACTIVE", None, True)
    assert "LOGOUT" in table.out
    assert "writer" in table.out
    assert fits(table.out)
    assert (by_token["verdict"], by_token["ended_by"]) == ("ENDED", "writer")
    assert by_token["token_generation"] == 1
    assert created.session.id in by_input.out
    assert ctl("explain", GONE, "-o", "json", code=3).json["verdict"] == "NOT_FOUND"


def test_keys_show_gives_a_key_set(ctl: Sessionctl, sessions: SessionClient) -> None:
    """As JSON it is the JSON Web Key Set that verifiers read."""
    table = ctl("keys", "show")
    document = ctl("keys", "show", "-o", "json").json

    assert document == sessions.signing_keys().as_jwks()
    assert document["keys"][0]["kid"] in table.out
    assert "EdDSA" in table.out
