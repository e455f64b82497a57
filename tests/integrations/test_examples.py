"""The examples do what they say, as processes, against the real service."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sessionstore import EndReason, SessionClient, State
from sessionstore.testing import SessionServer
from tests.examples import command, environment, web_example

ALICE = {"name": "alice", "password": "wonderland"}
WEB = ("fastapi_app", "django_app", "flask_app")


@pytest.fixture(scope="module", params=WEB)
def example(request: pytest.FixtureRequest, server: SessionServer) -> Iterator[tuple[str, str]]:
    """Each web example, and where it serves."""
    with web_example(request.param, server.address, server.token) as address:
        yield request.param, address


@pytest.fixture
def browser(example: tuple[str, str], sessions: SessionClient) -> Iterator[httpx.Client]:
    """A browser in which nobody is logged in, and nor is alice elsewhere."""
    sessions.revoke_user("alice")
    with httpx.Client(base_url=f"http://{example[1]}", timeout=10) as browser:
        yield browser


def log_in(example: tuple[str, str], browser: httpx.Client, **form: str) -> httpx.Response:
    how: Any = {"json": form} if example[0] == "fastapi_app" else {"data": form}
    return browser.post("/login", **how)


def test_a_login_lasts_until_the_logout(
    example: tuple[str, str], browser: httpx.Client, sessions: SessionClient
) -> None:
    """In cookies for development; afterwards neither they nor copies of them are good."""
    assert browser.get("/me").json() == {"reason": "TOKEN_MISSING"}
    answer = log_in(example, browser, **ALICE)
    assert (answer.status_code, answer.json()) == (200, {"user": "alice"})
    stolen = dict(browser.cookies)
    assert set(stolen) == {"session-access", "session-refresh"}
    me = browser.get("/me").json()
    (session,) = sessions.list("alice", states=[State.ACTIVE])
    assert me == {"user": "alice", "session": session.id}
    assert session.client.ip_address == "127.0.0.1"

    assert browser.post("/logout").json() == {"user": "alice"}
    assert dict(browser.cookies) == {}
    assert sessions.get(session.id).end_reason == EndReason.LOGOUT
    with httpx.Client(base_url=browser.base_url, cookies=stolen, timeout=10) as thief:
        while thief.get("/me").status_code == 200:
            pass  # for as long as it takes the verifier to hear of it: milliseconds
        assert thief.get("/me").status_code == 401


@pytest.mark.parametrize(
    "form", [{"name": "alice", "password": "é"}, {"name": "eve", "password": ""}]
)
def test_a_wrong_password_is_refused(
    example: tuple[str, str], browser: httpx.Client, form: dict[str, str]
) -> None:
    """And sets nothing."""
    assert log_in(example, browser, **form).status_code == 401
    assert dict(browser.cookies) == {}


def test_a_second_login_of_a_browser_replaces_its_session(
    example: tuple[str, str], browser: httpx.Client, sessions: SessionClient
) -> None:
    """One browser, one session."""
    log_in(example, browser, **ALICE)
    log_in(example, browser, **ALICE)
    states = [(each.state, each.end_reason) for each in sessions.list("alice", page_size=2)][:2]
    assert states == [(State.ACTIVE, None), (State.ENDED, EndReason.REPLACED)]
    assert browser.get("/me").status_code == 200


def test_a_login_over_another_users_session_ends_it(
    example: tuple[str, str], browser: httpx.Client, sessions: SessionClient
) -> None:
    """Nobody is left logged in behind somebody's back."""
    bob = sessions.create("bob")
    browser.headers["Cookie"] = f"session-access={bob.tokens.access_token}"
    assert browser.get("/me").json()["user"] == "bob"
    assert log_in(example, browser, **ALICE).status_code == 200
    assert not sessions.validate(session_id=bob.session.id)


def test_another_site_logs_nobody_in_or_out(
    example: tuple[str, str], browser: httpx.Client
) -> None:
    """By the check that the login asks for, and the one that comes with cookies."""
    browser.headers["Origin"] = "https://evil.example"
    answer = log_in(example, browser, **ALICE)
    assert (answer.status_code, answer.json()) == (403, {"reason": "CROSS_SITE"})
    del browser.headers["Origin"]
    log_in(example, browser, **ALICE)
    assert browser.post("/logout", headers={"Origin": "https://evil.example"}).status_code == 403
    assert browser.get("/me").status_code == 200


@pytest.fixture(scope="module")
def fastapi_address(server: SessionServer) -> Iterator[str]:
    with web_example("fastapi_app", server.address, server.token) as address:
        yield address


def test_the_clock_ticks_for_whoever_is_logged_in(
    fastapi_address: str, sessions: SessionClient
) -> None:
    """Over a real WebSocket, by header or cookie; all others are refused with a reason."""
    tokens = sessions.create("alice").tokens
    url = f"ws://{fastapi_address}/clock"
    credentials = (
        {"Authorization": f"Bearer {tokens.access_token}"},
        {"Cookie": f"session-access={tokens.access_token}"},
    )
    for headers in credentials:
        with connect(url, additional_headers=headers) as socket:
            assert socket.recv() == "hello alice"
            socket.send("?")
            assert re.fullmatch(r"\d\d:\d\d:\d\d", str(socket.recv()))
    with pytest.raises(InvalidStatus) as refused, connect(url):
        pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"") == {"reason": "TOKEN_MISSING"}


def test_the_api_document_says_how_to_authenticate(fastapi_address: str) -> None:
    """In OpenAPI's terms, for what needs a session and for nothing else."""
    document = httpx.get(f"http://{fastapi_address}/openapi.json").json()
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert document["components"]["securitySchemes"] == {"session": scheme}
    assert document["paths"]["/me"]["get"]["security"] == [{"session": []}]
    assert "security" not in document["paths"]["/login"]["post"]


def test_the_grpc_service_tells_users_from_strangers(server: SessionServer, tmp_path: Path) -> None:
    """Until the session ends."""
    ended = subprocess.run(
        command("grpc_service"),
        env=environment(server.address, server.token, tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(
        r"greeter on .*\n"
        r"without a token: UNAUTHENTICATED: no credential was given \| open method: pong\n"
        r"logged in: +hello alice\n"
        r"logged out: +UNAUTHENTICATED: the session has ended\n",
        ended.stdout,
    )
