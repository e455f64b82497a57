"""The examples do what they say, against the real service."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from socket import socket
from typing import Any
from urllib.parse import urlencode

import pytest

from sessionstore import State
from sessionstore.testing import SessionServer
from tests.examples import command, environment

ALICE = {"name": "alice", "password": "wonderland"}


def environment_of(server: SessionServer, folder: Path) -> dict[str, str]:
    """Where the examples find the service."""
    return environment(server.address, server.token, folder)


@contextmanager
def login_service(variables: dict[str, str]) -> Iterator[int]:
    """A running login service; its port."""
    service = subprocess.Popen(
        command("login_service"),
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert service.stdout
    try:
        line = service.stdout.readline()
        assert line.startswith("login service on "), line
        yield int(line.rpartition(":")[2])
    finally:
        service.kill()
        service.wait()
        service.stdout.close()


@pytest.fixture(scope="module")
def one_server() -> Iterator[SessionServer]:
    with SessionServer() as server:
        yield server


@pytest.fixture(scope="module")
def port(one_server: SessionServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    variables = environment_of(one_server, tmp_path_factory.mktemp("login_service"))
    with login_service(variables) as port:
        yield port


@pytest.fixture
def server(one_server: SessionServer) -> SessionServer:
    """The service, with nobody logged in."""
    with one_server.client() as sessions:
        sessions.revoke_user("alice")
    return one_server


class Browser:
    """Keeps cookies."""

    def __init__(self, port: int, name: str) -> None:
        self.port = port
        self.name = name
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> tuple[int, Any]:
        return self.send("GET", path)

    def post(self, path: str, form: dict[str, str], **headers: str) -> tuple[int, Any]:
        body = urlencode(form)
        return self.send("POST", path, body, {"Content-Length": str(len(body)), **headers})

    def send(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"User-Agent": self.name, "Cookie": cookie, **(headers or {})}
        try:
            connection.request(method, path, body or None, sent)
            response = connection.getresponse()
            for line in response.headers.get_all("Set-Cookie") or []:
                for key, morsel in SimpleCookie(line).items():
                    self.cookies[key] = morsel.value
                    if morsel["max-age"] == "0":
                        del self.cookies[key]
            return response.status, json.load(response)
        finally:
            connection.close()


def live(server: SessionServer) -> list[str]:
    """The browsers in which alice is logged in."""
    with server.client() as sessions:
        found = list(sessions.list("alice", states=[State.ACTIVE]))
    return [session.client.user_agent for session in found]


def test_the_quickstart_lives_through_a_session(server: SessionServer, tmp_path: Path) -> None:
    result = subprocess.run(
        command("quickstart"),
        env=environment_of(server, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for line in ("logged in:   session ", "validated:   ACTIVE", "log out all: 9 others ended"):
        assert line in result.stdout
    assert "refused:     SESSION_ENDED: EVICTED_BY_CAP" in result.stdout


def test_a_login_says_who_is_there(server: SessionServer, port: int) -> None:
    laptop = Browser(port, "laptop")
    assert laptop.get("/me")[0] == 401
    assert laptop.post("/login", ALICE) == (200, {"user": "alice", "logged_out": []})
    assert laptop.get("/me") == (200, {"user": "alice"})


def test_a_second_login_of_a_browser_replaces_its_session(server: SessionServer, port: int) -> None:
    laptop = Browser(port, "laptop")
    laptop.post("/login", ALICE)
    assert laptop.post("/login", ALICE) == (200, {"user": "alice", "logged_out": ["laptop"]})
    assert live(server) == ["laptop"]
    assert laptop.get("/me")[0] == 200


@pytest.mark.parametrize("kept", ["access", "refresh"])
def test_either_cookie_tells_the_session_to_replace(
    server: SessionServer, port: int, kept: str
) -> None:
    laptop = Browser(port, "laptop")
    laptop.post("/login", ALICE)
    laptop.cookies = {kept: laptop.cookies[kept]}
    assert laptop.post("/login", ALICE)[0] == 200
    assert live(server) == ["laptop"]


def test_a_login_over_another_users_session_ends_it(server: SessionServer, port: int) -> None:
    laptop = Browser(port, "laptop")
    with server.client() as sessions:
        bob = sessions.create("bob")
        laptop.cookies = {"refresh": bob.tokens.refresh_token}
        assert laptop.post("/login", ALICE) == (200, {"user": "alice", "logged_out": []})
        assert not sessions.validate(session_id=bob.session.id)


def test_cookies_that_are_no_tokens_do_not_matter_to_a_login(port: int) -> None:
    laptop = Browser(port, "laptop")
    laptop.cookies = {"refresh": "x" * 300, "access": "y"}
    assert laptop.post("/login", ALICE)[0] == 200


def test_logging_out_everywhere_leaves_this_browser(server: SessionServer, port: int) -> None:
    laptop, phone = Browser(port, "laptop"), Browser(port, "phone")
    laptop.post("/login", ALICE)
    phone.post("/login", ALICE)

    status, body = laptop.get("/devices")
    assert status == 200
    assert [(each["device"], each["this_one"]) for each in body["devices"]] == [
        ("phone", False),
        ("laptop", True),
    ]
    assert laptop.post("/logout?everywhere=1", {}) == (200, {"logged_out": 1})
    assert phone.get("/me") == (401, {"error": "Unauthorized", "reason": "SESSION_ENDED"})
    assert phone.cookies == {}
    assert laptop.get("/me")[0] == 200
    assert live(server) == ["laptop"]


def test_after_a_logout_the_old_cookies_are_refused(server: SessionServer, port: int) -> None:
    laptop = Browser(port, "laptop")
    laptop.post("/login", ALICE)
    stolen = dict(laptop.cookies)
    assert laptop.post("/logout", {}) == (200, {"logged_out": 1})
    assert laptop.cookies == {}
    assert live(server) == []
    laptop.cookies = stolen
    assert laptop.get("/me")[0] == 401


@pytest.mark.parametrize("form", [{"name": "alice", "password": "x"}, {"name": "eve"}, {}])
def test_a_wrong_password_is_refused(port: int, form: dict[str, str]) -> None:
    laptop = Browser(port, "laptop")
    assert laptop.post("/login", form)[0] == 401
    assert laptop.cookies == {}


@pytest.mark.parametrize(
    ("length", "status"), [("many", 400), ("-1", 400), ("4097", 413), ("9" * 5000, 400)]
)
def test_a_bad_content_length_is_refused(port: int, length: str, status: int) -> None:
    laptop = Browser(port, "laptop")
    assert laptop.send("POST", "/login", headers={"Content-Length": length})[0] == status


def test_while_the_service_is_out_of_reach_the_browser_keeps_its_cookies(
    server: SessionServer, tmp_path: Path
) -> None:
    with server.client() as sessions:
        tokens = sessions.create("alice").tokens
    with socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody_listens.getsockname()[1]}"
        variables = {**environment_of(server, tmp_path), "SESSIONSTORE_ADDRESS": address}
        with login_service(variables) as port:
            laptop = Browser(port, "laptop")
            before = {"access": tokens.access_token, "refresh": tokens.refresh_token}
            laptop.cookies = dict(before)
            assert laptop.get("/me")[0] == 503
            assert laptop.post("/login", ALICE)[0] == 503
            assert laptop.post("/logout", {})[0] == 503
            assert laptop.cookies == before
