"""The code of docs/realtime.md does what the page says, against the real service."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sessionstore import SessionClient
from sessionstore.testing import SessionServer
from tests.rpc.serving import eventually

PAGE = Path(__file__).resolve().parents[2] / "docs" / "realtime.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def server() -> Iterator[SessionServer]:
    with SessionServer() as server:
        yield server


@pytest.fixture
def sessions(server: SessionServer) -> Iterator[SessionClient]:
    with server.client() as client:
        yield client


def run(snippet: str) -> dict[str, Any]:
    """What it defines."""
    names: dict[str, Any] = {}
    exec(compile(snippet, PAGE.name, "exec"), names)
    return names


def test_a_service_refuses_by_itself_what_has_ended(
    server: SessionServer, sessions: SessionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason, and at once."""
    monkeypatch.setenv("SESSIONSTORE_ADDRESS", server.address)
    monkeypatch.setenv("SESSIONSTORE_TOKEN", server.token)
    login = sessions.create("alice")
    token = login.tokens.access_token

    service = run(SNIPPETS[0])
    with service["sessions"], service["verifier"]:
        assert service["authenticate"](token) == (200, "alice")
        assert service["authenticate"](f"{token}x") == (401, "TOKEN_INVALID")
        sessions.revoke(session_id=login.session.id)
        eventually(lambda: service["authenticate"](token) == (401, "SESSION_ENDED"))


def test_a_consumer_hears_of_every_end_also_of_those_while_it_was_away(
    server: SessionServer, sessions: SessionClient
) -> None:
    """The cursor that it saved brings what it missed, and nothing that it knew."""
    hear_of_ends = run(SNIPPETS[1])["hear_of_ends"]
    before, during, away = (sessions.create("bob").session.id for _ in range(3))
    sessions.revoke(session_id=before)

    def heard_until(session_id: str, cursors: list[str]) -> list[str]:
        heard: list[str] = []
        client = server.client()

        def consume() -> None:
            with suppress(RuntimeError):  # the client is closed
                hear_of_ends(client, cursors[-1], heard.append, cursors.append)

        consumer = threading.Thread(target=consume)
        consumer.start()
        eventually(lambda: len(cursors) > 1)
        sessions.revoke(session_id=session_id)
        eventually(lambda: session_id in heard)
        behind = len(cursors)
        eventually(lambda: len(cursors) > behind)
        client.close()
        consumer.join()
        return heard

    cursors = [""]
    assert before in heard_until(during, cursors)
    sessions.revoke(session_id=away)
    last = sessions.create("bob").session.id
    assert heard_until(last, cursors[-1:]) == [away, last]
