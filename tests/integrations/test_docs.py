"""What docs/integrations.md tells one to write does what it says, word for word."""

from __future__ import annotations

import re
import sys
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import grpc
import httpx
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import path

from sessionstore import CreatedSession, EndReason
from sessionstore.integrations import SessionCookies, Visit
from sessionstore.integrations.arrival import Arrival
from sessionstore.integrations.fastapi import current_session
from sessionstore.testing import SessionServer

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
CODE: Final = re.findall(r"```python\n(.*?)```", (DOCS / "integrations.md").read_text(), re.DOTALL)

Headers = dict[str, str]


@pytest.fixture(autouse=True)
def _service(server: SessionServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the code finds the service."""
    token_file = tmp_path / "token"
    token_file.write_text(server.token)
    monkeypatch.setenv("SESSIONSTORE_ADDRESS", server.address)
    monkeypatch.setenv("SESSIONSTORE_TOKEN_FILE", str(token_file))


@pytest.fixture
def alice(login: CreatedSession) -> Headers:
    return {"Authorization": f"Bearer {login.tokens.access_token}"}


def run(mark: str, **given: Any) -> ModuleType:
    """The one block of code with this in it, as a module that has what is given."""
    (code,) = (block for block in CODE if mark in block)
    module = ModuleType("mysite")
    vars(module).update(given)
    exec(compile(code, "integrations.md", "exec"), vars(module))
    return module


@pytest.fixture
def mysite(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The Django project."""
    sessions = run("# mysite/sessions.py")
    monkeypatch.setitem(sys.modules, "mysite", ModuleType("mysite"))
    monkeypatch.setitem(sys.modules, "mysite.sessions", sessions)
    views = run("# mysite/views.py")
    urls = ModuleType("mysite.urls")
    vars(urls).update(urlpatterns=[path("me", views.me)])
    monkeypatch.setitem(sys.modules, "mysite.urls", urls)
    yield run("# mysite/settings.py", MIDDLEWARE=[])
    sessions.verifier.close()
    sessions.sessions.close()


async def test_fastapi(alice: Headers) -> None:
    """Also where a test stands in for the session."""
    app = run("app = FastAPI").app
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://x") as browser,
    ):
        assert (await browser.get("/me")).json() == {"reason": "TOKEN_MISSING"}
        assert (await browser.get("/me", headers=alice)).json() == {"user": "alice"}
        bob = SimpleNamespace(user_id="bob")
        app.dependency_overrides[current_session] = lambda: bob
        assert (await browser.get("/me")).json() == {"user": "bob"}


def test_django(mysite: ModuleType, alice: Headers) -> None:
    """In its three files."""
    with override_settings(
        MIDDLEWARE=mysite.MIDDLEWARE, SESSIONSTORE=mysite.SESSIONSTORE, ROOT_URLCONF="mysite.urls"
    ):
        transport = httpx.WSGITransport(WSGIHandler())
        with httpx.Client(transport=transport, base_url="https://x") as browser:
            assert browser.get("/me").json() == {"reason": "TOKEN_MISSING"}
            assert browser.get("/me", headers=alice).json() == {"user": "alice"}


def test_flask(alice: Headers) -> None:
    """By its test client."""
    module = run("app = Flask")
    with module.sessions, module.verifier:
        browser = module.app.test_client()
        assert browser.get("/me").json == {"reason": "TOKEN_MISSING"}
        assert browser.get("/me", headers=alice).json == {"user": "alice"}


def test_grpc(login: CreatedSession) -> None:
    """With what generated code would bring."""
    module = run("grpc.server", Greeting=lambda text: text.encode())
    greet = grpc.unary_unary_rpc_method_handler(module.Greeter().Greet)
    handlers = grpc.method_handlers_generic_handler("test.Greeter", {"Greet": greet})
    module.server.add_generic_rpc_handlers((handlers,))
    port = module.server.add_insecure_port("127.0.0.1:0")
    module.server.start()
    with module.verifier, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/test.Greeter/Greet", None, None)
        metadata = (("authorization", f"Bearer {login.tokens.access_token}"),)
        assert call(b"", metadata=metadata, timeout=10) == b"hello alice"
        with pytest.raises(grpc.RpcError, match="no credential"):
            call(b"", timeout=10)
        module.server.stop(None).wait()


async def test_a_login_and_a_logout(server: SessionServer) -> None:
    """What a view does with its visit."""
    arrival = Arrival.read("POST", {"host": "x"}.get, None)
    async with server.async_client() as sessions:
        ended = await sessions.create("alice")
        visit = Visit(arrival, SessionCookies(sessions))
        visit.settle(SimpleNamespace(session_id=ended.session.id, user_id="alice"))  # type: ignore[arg-type]
        (code,) = (block for block in CODE if "visit.log_in" in block)
        names = {"visit": visit, "sessions": sessions, "user": "alice", "EndReason": EndReason}
        await eval(compile(code, "integrations.md", "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        assert visit.outcome.clears
        assert not await sessions.validate(session_id=ended.session.id)
