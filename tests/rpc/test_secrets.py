"""Canaries: what must be in no log line and no error text, over a session's whole life."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from sessiond.domain.errors import Reason
from sessiond.domain.ids import new_session_id
from sessiond.service.reading import Reader
from sessiond.tokens import keymaker
from sessiond.tokens.keyfiles import Kind
from sessionstore.v1 import session_pb2
from tests.rpc.calls import Api, Refused, refusal
from tests.rpc.conftest import ServeWith
from tests.rpc.importing import bring_in
from tests.rpc.logs import Form, captured
from tests.rpc.serving import Server, eventually

_FORMS: list[Form] = ["json", "logfmt"]
_INJECTED = 'x\r\n{"event": "injected"}\nlevel=error event=injected\u2028injected'


class Life:
    """One user's sessions on one server: what was given out, and every error on the way."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.service = server.mint("admin")
        self.api = Api(server.channel(), self.service)
        self.tokens: set[str] = {self.service}
        self.ids: set[str] = set()
        self.errors: list[Refused] = []

    def do(self, call: Callable[..., Any], *arguments: Any, **fields: Any) -> Any:
        """Make a call, whether it succeeds or not."""
        self.tokens |= {str(value) for key, value in fields.items() if key.endswith("_token")}
        try:
            answer = call(*arguments, **fields)
        except grpc.RpcError as error:
            self.errors.append(refusal(error))
            return None
        tokens = getattr(answer, "tokens", None)
        if tokens is not None:
            self.tokens |= {tokens.access_token, tokens.refresh_token}
            self.ids.add(answer.session.session_id)
        return answer

    def live(self) -> None:
        """Every RPC, and every way that I know to make it fail with a secret in hand."""
        api, admin, do, user = self.api, self.server.admin(), self.do, "canary"
        client = session_pb2.Client(user_agent=_INJECTED, device_name=_INJECTED)
        first = do(api.create, user, client=client, attributes={"a": _INJECTED}, request_id="r1")
        token = first.tokens.refresh_token
        do(api.create, user, request_id="r1")
        do(api.create, user, request_id="r1", profile="no-such")
        do(api.create, _INJECTED, request_id="r 1")
        do(api.create, user, replaces_session_id=do(api.create, "other").session.session_id)
        second = do(api.refresh, token)
        do(api.validate, access_token=first.tokens.access_token, audience="another")
        do(api.validate, access_token=first.tokens.access_token[:-2])
        do(api.validate, access_token=second.tokens.access_token)
        do(api.validate, refresh_token=second.tokens.refresh_token)
        do(api.validate, session_id=first.session.session_id)
        do(api.validate, refresh_token=second.tokens.refresh_token[:-1] + "A")
        do(api.get, first.session.session_id)
        do(api.get, new_session_id(user))
        do(api.list, user, page_token=token)
        do(api.update, first.session.session_id, etag="another")
        do(api.extend, first.session.session_id, client=client)
        do(api.refresh, token + _INJECTED)
        do(api.refresh, first.tokens.access_token)
        do(api.refresh, self.service)
        do(api.refresh, token)
        do(api.refresh, second.tokens.refresh_token)
        do(api.revoke, refresh_token=second.tokens.refresh_token)
        do(api.revoke, refresh_token=self.service)
        do(api.create, user)
        bring_in(self.server, user, "cookie-of-the-old-system")
        for external_id in ("cookie-of-the-old-system", "cookie-of-nobody"):
            self.tokens.add(external_id)
            do(api.adopt, user, external_id)
            do(api.adopt, user, external_id)
        for name in ("access_token", "refresh_token"):
            do(admin.explain, **{name: getattr(first.tokens, name)})
            do(admin.explain, **{name: getattr(first.tokens, name)[:-2]})
        do(admin.explain, session_id=token)
        do(admin.purge, resume_token=token)
        do(api.revoke_user, user, except_session_id=token[:24])
        do(api.revoke_user, user)
        for bad in (token, first.tokens.access_token, self.service[:-3], "A" * 3000):
            self.tokens.add(bad)
            do(Api(self.server.channel(), bad).signing_keys)
        for rpc in ("RefreshSession", "ValidateSession"):
            do(api.raw, rpc, b"\x0a\xff" + token.encode())
        do(Api(self.server.channel(), self.server.mint("reader")).create, user)


@pytest.mark.parametrize("form", _FORMS)
def test_no_secret_is_logged_or_told_in_an_error(
    serve_with: ServeWith, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    """No token of any kind, no key; in logs no session id either, and no user's text."""
    with captured(form) as log:
        server = serve_with(grace_time="0s", key_reload_interval="20ms")
        keys = server.settings.effective_keys_dir
        life = Life(server)
        life.live()

        async def fail(_: Reader, session_id: str) -> None:
            raise KeyError(session_id, life.service, *life.tokens)

        monkeypatch.setattr(Reader, "get", fail)
        life.do(life.api.get, next(iter(life.ids)))
        keymaker.rotate(keys, Kind.MAC)
        (keys / "mac" / "unfit").write_text("a" * 32)
        eventually(lambda: "reload_refused" in log.getvalue())
        written = log.getvalue()

    told = "\n".join(f"{e.message} {e.descriptions} {e.metadata} {e.trailers}" for e in life.errors)
    reasons = {error.reason for error in life.errors}
    assert {Reason.INTERNAL, Reason.REFRESH_TOKEN_REUSED, Reason.CREDENTIALS_INVALID} <= reasons
    for secret in _parts(life.tokens) | _key_texts(keys):
        assert secret not in written
        assert secret not in told
    for session_id in life.ids:
        assert session_id not in written
    assert "injected" not in written
    assert "injected" not in told
    assert "canary" not in written


def test_calls_of_one_session_share_a_pseudonym(serve_with: ServeWith) -> None:
    """Enough to follow a session through the log, not to use it."""
    with captured() as log:
        api = serve_with().api()
        made = api.create("alice")
        api.refresh(made.tokens.refresh_token)
        api.validate(session_id=made.session.session_id)
        other = api.create("alice")
        api.get(other.session.session_id)
        eventually(lambda: len([e for e in log.entries if e["event"] == "call"]) == 5)
    names = [entry["session"] for entry in log.entries if entry["event"] == "call"]
    assert len(set(names[:3])) == len(set(names[3:])) == 1
    assert names[0] != names[3]


_LINE_ENDS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028"]


@pytest.mark.parametrize(
    ("form", "separator"),
    [
        *(pytest.param("json", end) for end in _LINE_ENDS),
        *(pytest.param("logfmt", end) for end in _LINE_ENDS),
    ],
)
def test_no_value_makes_a_line_of_its_own(form: Form, separator: str) -> None:
    """Whatever is logged, and whatever a reader of logs takes for the end of a line."""
    with captured(form) as log:
        structlog.get_logger().info("event", value=f"a{separator}level=error event=injected")
    assert len(log.lines) == 1


def _parts(tokens: set[str]) -> set[str]:
    """The tokens, and the half of each that makes it good."""
    return tokens | {token.rpartition(".")[2][-22:] for token in tokens if len(token) > 50}


def _key_texts(keys: Path) -> set[str]:
    texts = set()
    for file in keys.rglob("*.*"):
        lines = [line for line in file.read_text().splitlines() if not line.startswith("---")]
        texts |= {line.strip() for line in lines if len(line) > 20}
    return texts
