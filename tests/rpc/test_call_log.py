"""What the log has of a call, however it went: enough to see who tried what."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sessiond.domain.callers import Role
from sessiond.domain.ids import new_session_id
from sessiond.rpc.methods import ROLES
from sessiond.service.reading import Reader
from sessionstore.v1 import session_pb2
from tests.engines import require_engine
from tests.rpc.calls import ADMIN_RPCS, RPCS, Api, outcome, path, refused, request_type
from tests.rpc.conftest import ServeWith
from tests.rpc.logs import Form, Log, captured
from tests.rpc.process import called, sessiond
from tests.rpc.serving import Server, eventually
from tests.rpc.watching import Watch

_FORMS: list[Form] = ["json", "logfmt"]
_ODD = 'x\r\n{"event": "odd"}\nlevel=error event=odd\u2028odd'
_SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_PING = bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + b"answered"


def _lines(log: Log) -> list[str]:
    """The lines of calls, in either form."""
    return [line for line in log.lines if re.search(r'\bevent(=|":")call\b', line)]


def _entry(log: Log, request_id: str) -> dict[str, Any]:
    """The one line of a call, which comes after its answer."""

    def found() -> list[dict[str, Any]]:
        return [e for e in log.entries if (e["event"], e.get("request_id")) == ("call", request_id)]

    eventually(found)
    (entry,) = found()
    return entry


def _ways(server: Server, patch: pytest.MonkeyPatch) -> Iterator[tuple[str, Callable[[], object]]]:
    """Calls, each with what its line says: method, caller and code."""

    async def hang(_: Reader, session_id: str) -> None:
        await asyncio.Event().wait()

    async def fail(_: Reader, session_id: str) -> None:
        raise KeyError(session_id)

    api, reader = server.api(), server.api("reader")
    nobody, hurried = Api(server.channel(), "forged"), server.api(timeout_s=1)
    session_id, client = new_session_id("alice"), session_pb2.Client(user_agent=_ODD)
    yield "CreateSession admin OK", lambda: api.create(_ODD, client=client)
    yield "GetSession admin NOT_FOUND", lambda: outcome(api.get, session_id)
    yield "GetSession admin INVALID_ARGUMENT", lambda: outcome(api.get, _ODD)
    yield "CreateSession reader PERMISSION_DENIED", lambda: outcome(reader.create, _ODD)
    yield "CreateSession  UNAUTHENTICATED", lambda: outcome(nobody.create, _ODD)
    yield "WatchSessions admin CANCELLED", lambda: api.raw("WatchSessions", b"")
    patch.setattr(Reader, "get", hang)
    yield "GetSession admin (DEADLINE_EXCEEDED|CANCELLED)", lambda: outcome(hurried.get, session_id)
    patch.setattr(Reader, "get", fail)
    yield "GetSession admin INTERNAL", lambda: outcome(api.get, session_id)


@pytest.mark.parametrize("form", _FORMS)
def test_a_call_is_one_line(
    serve_with: ServeWith, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    """With method, caller, code, duration and request id, however it went."""
    done = 0
    with captured(form) as log:
        for says, call in _ways(serve_with(), monkeypatch):
            call()
            done += 1
            eventually(lambda: len(_lines(log)) >= done)  # noqa: B023  it waits here
            method, caller, code = says.split(" ")
            line = _lines(log)[-1].replace('"', "").replace(":", "=")
            for part in (f"method={method}", f"caller={caller}", f"code={code}"):
                assert re.search(rf"\b{part}[ ,]", line)
            assert re.search(r"\brequest_id=\w{32}\b.*\bms=\d", line)
    assert len(_lines(log)) == done == 8


def test_a_failed_authentication_is_logged(serve_with: ServeWith) -> None:
    """With code and reason, and nothing of the credential; a good one with its caller's name."""
    with captured() as log:
        server = serve_with()
        tokens = {
            "CREDENTIALS_MISSING": None,
            "CREDENTIALS_INVALID": server.mint("stranger"),
            "CREDENTIALS_EXPIRED": server.mint("admin", lifetime_s=10, now=time.time() - 60),
        }
        for reason, token in tokens.items():
            error = refused(Api(server.channel(), token).create, "alice")
            entry = _entry(log, error.request_id)
            assert (entry["caller"], entry["method"]) == ("", "CreateSession")
            assert (entry["code"], entry["reason"]) == ("UNAUTHENTICATED", reason)
        server.api("writer").create("alice")
        eventually(lambda: any(e.get("caller") == "writer" for e in log.entries))
    for token in filter(None, tokens.values()):
        for part in token.split(".")[1:]:
            assert part not in log.getvalue()


def test_a_refused_authorization_is_logged(serve_with: ServeWith) -> None:
    """Every RPC that a reader may not call: who it was, which one, and why not."""
    beyond = [rpc for rpc in (*RPCS, *ADMIN_RPCS) if ROLES[path(rpc)] > Role.READER]
    with captured() as log:
        reader = serve_with().api("reader")
        for rpc in beyond:
            error = refused(reader.call, request_type(rpc)())
            entry = _entry(log, error.request_id)
            assert (entry["caller"], entry["method"]) == ("reader", rpc)
            assert (entry["code"], entry["reason"]) == ("PERMISSION_DENIED", "ROLE_REQUIRED")
    assert {"CreateSession", "PurgeSessions"} <= set(beyond)


def test_attempts_against_the_rules_are_logged(serve_with: ServeWith) -> None:
    """Bad input, forged tokens, a caller beyond its limits; a stolen token is a warning."""
    with captured() as log:
        server = serve_with(grace_time="0s", caller_max_watchers=1)
        api = server.api()
        token = api.create("alice").tokens.refresh_token
        api.refresh(token)
        watch = Watch(server, caller="admin")
        watch.read()
        for reason, level, call in (
            ("INVALID_FIELD", "info", lambda: api.create("")),
            ("REFRESH_TOKEN_INVALID", "info", lambda: api.refresh(token[:-1] + "!")),
            ("REFRESH_TOKEN_REUSED", "warning", lambda: api.refresh(token)),
            ("CALLER_LIMIT_REACHED", "info", lambda: api.raw("WatchSessions", b"")),
        ):
            entry = _entry(log, refused(call).request_id)
            assert (entry["reason"], entry["level"]) == (reason, level)
        watch.call.cancel()


@pytest.fixture
def _in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that is not set to UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_in_tokyo")
def test_times_are_in_utc(serve_with: ServeWith, tmp_path: Path) -> None:
    """And say so, in the log and in the audit log, wherever the machine is."""
    file = tmp_path / "acts"
    with captured() as log:
        serve_with(audit_log_file=file).admin().stats()
        eventually(lambda: any(e["event"] == "call" for e in log.entries))
    assert datetime.now().astimezone().utcoffset() == timedelta(hours=9)
    entries = log.entries + [json.loads(line) for line in file.read_text().splitlines()]
    assert len(entries) > len(log.entries) > 0
    for entry in entries:
        told = datetime.fromisoformat(entry["time"])
        assert told.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - told) < timedelta(minutes=5)


def test_no_peer_writes_into_the_log(tmp_path: Path) -> None:
    """What it says as it hangs up (GOAWAY, RFC 9113, 6.8) gRPC would write as it is."""
    require_engine("valkey")
    odd = _ODD.encode()
    goaway = struct.pack(">IBIII", len(odd) + 8 << 8 | 7, 0, 0, 0, 1) + odd
    with sessiond(tmp_path, "--dev", listen="127.0.0.1:0", log_format="json") as server:
        server.wait_until_welcome()
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port))) as peer:
            peer.sendall(_SETTINGS + goaway + _PING)
            answer = b""
            while _PING[-8:] not in answer:
                answer += peer.recv(4096)
        with called(server.address, server.token) as api:
            api.create("alice")
        server.ends(signal.SIGTERM)
    lines = server.errors.read_text().splitlines()
    assert lines
    assert "odd" not in {json.loads(line)["event"] for line in lines}
