"""The commands that create, extend and end sessions, against a real server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sessionstore import AdminClient, EndReason, ImportedSession, SessionClient, State
from tests.cli.sessionctl import Sessionctl, fits
from tests.cli.test_reading import GONE, log_in


def test_create_prints_a_session_and_its_tokens(ctl: Sessionctl, sessions: SessionClient) -> None:
    """Every option arrives; the tokens stand in lines of their own, to be copied."""
    options = ["--user-agent", "curl/8", "--ip-address", "203.0.113.7", "--device-name", "Laptop"]
    options += ["--attribute", "theme=dark", "--attribute", "a=b=c", "--audience", "api"]
    options += ["--idle-lifetime", "30m", "--absolute-lifetime", "1h30m"]

    shown = ctl("create", "alice", *options)

    refresh_token = re.search(r"^srt1_\S+$", shown.out, re.MULTILINE)
    assert refresh_token
    session = sessions.validate(refresh_token=refresh_token[0]).session
    assert session
    assert (session.user_id, session.client.user_agent) == ("alice", "curl/8")
    assert session.attributes == {"theme": "dark", "a": "b=c"}
    assert session.audience == ("api",)
    assert (session.expire_time - session.create_time).total_seconds() == pytest.approx(1800)
    lifetime = session.absolute_expire_time - session.create_time
    assert lifetime.total_seconds() == pytest.approx(5400)
    access_token = re.search(r"^ey\S+$", shown.out, re.MULTILINE)
    assert access_token
    assert sessions.validate(access_token=access_token[0], audience="api")


def test_create_says_who_made_room(ctl: Sessionctl, sessions: SessionClient) -> None:
    """At the cap the oldest session is named."""
    oldest = log_in(sessions, "alice", 10)[0]

    document = ctl("create", "alice", "-o", "json").json
    table = ctl("create", "alice")

    (evicted,) = document["evicted_sessions"]
    assert (evicted["session_id"], evicted["end_reason"]) == (oldest, "EVICTED_BY_CAP")
    assert document["tokens"]["refresh_token"].startswith("srt1_")
    assert "made room" in table.out


def test_create_is_repeated_by_its_request_id(ctl: Sessionctl) -> None:
    """The same request gives the same session."""
    first, again = (
        ctl("create", "alice", "--request-id", "r1", "-o", "json").json["session"]["session_id"]
        for _ in range(2)
    )
    assert first == again


def test_refresh_takes_its_token_from_a_file_or_stdin(
    ctl: Sessionctl, sessions: SessionClient, home: Path
) -> None:
    """The id stays, the token changes, and a superseded one ends the session: 3."""
    created = sessions.create("alice")
    (home / "token").write_text(created.tokens.refresh_token)

    table = ctl("refresh", "token")
    reused = ctl("refresh", "-", stdin=created.tokens.refresh_token, code=3)
    (home / "other").write_text(sessions.create("alice").tokens.refresh_token)
    document = ctl("refresh", "other", "-o", "json").json

    assert created.session.id in table.out
    assert "ROTATED" in table.out
    assert re.search(r"^srt1_\S+$", table.out, re.MULTILINE)
    assert reused.err.endswith("(REFRESH_TOKEN_REUSED)\n")
    assert document["outcome"] == "ROTATED"
    assert document["previous_expire_time"] < document["session"]["expire_time"]


def test_validate_tells_whether_a_session_is_live(
    ctl: Sessionctl, sessions: SessionClient, home: Path
) -> None:
    """0 if it is and 3 if not, by id and by either token."""
    created = sessions.create("alice")
    (home / "refresh").write_text(created.tokens.refresh_token)

    live = ctl("validate", created.session.id)
    by_access = ctl("validate", "--token", "-", stdin=created.tokens.access_token)
    by_refresh = ctl("validate", "--token", "refresh", "-o", "json").json
    sessions.revoke(session_id=created.session.id)
    ended = ctl("validate", created.session.id, "-o", "json", code=3).json

    assert "ACTIVE" in live.out
    assert fits(live.out)
    assert created.session.id in by_access.out
    assert by_refresh["session"]["session_id"] == created.session.id
    assert (ended["verdict"], ended["end_reason"]) == ("ENDED", "REVOKED")
    assert "NOT_FOUND" in ctl("validate", GONE, code=3).out


def test_revoke_ends_a_session(ctl: Sessionctl, sessions: SessionClient, home: Path) -> None:
    """By id or refresh token, as the operator's act unless another reason is given."""
    first, second = sessions.create("alice"), sessions.create("alice")
    (home / "token").write_text(second.tokens.refresh_token)

    ended = ctl("revoke", first.session.id)
    again = ctl("revoke", first.session.id, "-o", "json").json
    logout = ctl("revoke", "--token", "token", "--reason", "LOGOUT", "-o", "json").json

    assert "REVOKED_BY_ADMIN" in ended.out
    assert fits(ended.out)
    assert again["session"]["end_reason"] == "REVOKED_BY_ADMIN"
    assert logout["session"]["end_reason"] == "LOGOUT"
    assert not any(sessions.list("alice", states=[State.ACTIVE]))


def test_revoke_says_what_it_cannot_end(ctl: Sessionctl, sessions: SessionClient) -> None:
    """A mistyped id is told by 3, and an access token is refused unsent."""
    token = sessions.create("alice").tokens.access_token

    assert "no such session" in ctl("revoke", GONE, code=3).err
    assert "refresh token" in ctl("revoke", "--token", "-", stdin=token, code=2).err
    assert any(sessions.list("alice", states=[State.ACTIVE]))


def test_revoke_user_ends_all_but_one(ctl: Sessionctl, sessions: SessionClient) -> None:
    """Those that ended are named; a second time there are none."""
    kept, *others = log_in(sessions, "alice", 3)

    ended = ctl("revoke-user", "alice", "--except", kept, "--yes", "-o", "json").json
    table = ctl("revoke-user", "alice", "--yes")

    assert sorted(ended["session_ids"]) == sorted(others)
    assert table.out.splitlines() == ["1 session ended", kept]
    nothing = ctl("revoke-user", "alice", "--yes", "-o", "json").json
    assert nothing == {"session_ids": [], "replicas_confirmed": None}
    assert sessions.get(kept).end_reason == EndReason.REVOKED_BY_ADMIN


def test_delete_user_erases_everything(ctl: Sessionctl, sessions: SessionClient) -> None:
    """Live sessions and history are gone."""
    ids = log_in(sessions, "alice", 3)
    sessions.revoke(session_id=ids[0])

    table = ctl("delete-user", "alice", "--yes")
    again = ctl("delete-user", "alice", "--yes", "-o", "json").json

    assert "2 live sessions ended and erased, 1 erased" in table.out
    assert again == {"ended_sessions": 0, "erased_sessions": 0}
    assert list(sessions.list("alice")) == []
    ctl("show", ids[1], code=3)


def test_adopt_gives_an_imported_session_its_tokens_once(
    ctl: Sessionctl, sessions: SessionClient, admin: AdminClient, home: Path
) -> None:
    """The old id comes from a file, since it may be a secret; a second request is refused."""
    now = sessions.create("bob").session.create_time
    old = ImportedSession(
        external_id="old-1",
        user_id="alice",
        create_time=now,
        expire_time=sessions.create("bob").session.expire_time,
    )
    ((imported,),) = admin.import_sessions([[old]])
    (home / "id").write_text("old-1\n")

    document = ctl("adopt", "alice", "id", "--request-id", "r1", "-o", "json").json
    table = ctl("adopt", "alice", "id", "--request-id", "r1")
    refused = ctl("adopt", "alice", "-", stdin="old-1", code=1)

    assert document["session"]["session_id"] == imported.session_id
    assert document["tokens"]["refresh_token"] in table.out
    assert refused.err.endswith("(SESSION_ALREADY_ADOPTED)\n")


@pytest.mark.parametrize(
    "command",
    [
        ("revoke-user", "alice"),
        ("delete-user", "alice"),
        ("purge", "--older-than", "0", "--execute"),
        ("audit", "--repair"),
        ("keys", "rotate"),
    ],
)
def test_what_destroys_is_refused_where_nobody_can_be_asked(
    ctl: Sessionctl, sessions: SessionClient, command: tuple[str, ...]
) -> None:
    """Without --yes nothing is sent."""
    (session_id,) = log_in(sessions, "alice", 1)

    refused = ctl(*command, code=2)

    assert refused.out == ""
    assert refused.err.endswith("say --yes\n")
    assert sessions.get(session_id).active


def test_what_destroys_is_asked_for_on_a_terminal(ctl: Sessionctl, sessions: SessionClient) -> None:
    """No means no, and yes means yes."""
    (session_id,) = log_in(sessions, "alice", 1)

    refused = ctl.on_terminal("revoke-user", "alice", answer="n\n")
    active = sessions.get(session_id).active
    agreed = ctl.on_terminal("revoke-user", "alice", answer="y\n")

    assert "End all sessions of alice?" in refused
    assert refused.endswith("sessionctl: nothing was done\nexit 1")
    assert active
    assert session_id in agreed
    assert agreed.endswith("exit 0")
    assert not sessions.get(session_id).active
