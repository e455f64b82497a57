"""What is particular to one framework: how it is set up, and what is said where that is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fastapi
import flask
import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings

from sessionstore import AsyncLocalVerifier, CreatedSession, LocalVerifier, SessionClient
from sessionstore.integrations import SessionCookies
from sessionstore.integrations.asgi import SessionMiddleware as AsgiMiddleware
from sessionstore.integrations.django import SessionMiddleware, visit_of
from sessionstore.integrations.fastapi import CurrentSession
from sessionstore.integrations.flask import SessionStore, current_session, current_visit
from sessionstore.integrations.grpc import AsyncSessionInterceptor, SessionInterceptor
from sessionstore.testing import SessionServer

THREADS = 8
REQUESTS = 25

verifier_of_settings: Any = None
"""What the dotted path of a test names."""


@pytest.fixture
def verifier(sessions: SessionClient) -> Iterator[LocalVerifier]:
    with LocalVerifier(sessions, audience="sessionstore") as verifier:
        assert verifier.wait_ready(10)
        yield verifier


def bearer(login: CreatedSession) -> dict[str, str]:
    return {"Authorization": f"Bearer {login.tokens.access_token}"}


def test_threads_of_flask_keep_their_sessions_apart(
    sessions: SessionClient, verifier: LocalVerifier
) -> None:
    """Each request sees its own user, however many run at once."""
    app = flask.Flask(__name__)
    SessionStore(app, verifier=verifier)
    app.add_url_rule("/me", view_func=lambda: current_session().user_id)

    def ask(user: str) -> set[str]:
        login = sessions.create(user)
        with app.test_client() as browser:
            return {
                browser.get("/me", headers=bearer(login)).get_data(as_text=True)
                for _ in range(REQUESTS)
            }

    users = [f"user-{number}" for number in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(ask, users)) == [{user} for user in users]


def test_a_hook_of_flask_that_answers_first_needs_no_visit(verifier: LocalVerifier) -> None:
    """Such as a page for maintenance."""
    app = flask.Flask(__name__)
    app.before_request(lambda: "closed")
    SessionStore(app, verifier=verifier)
    assert app.test_client().get("/").get_data(as_text=True) == "closed"


def test_flask_without_the_extension_says_so() -> None:
    """Instead of taking everybody for a stranger."""
    app = flask.Flask(__name__)
    with app.test_request_context(), pytest.raises(RuntimeError, match="SessionStore"):
        current_visit()


async def test_an_async_view_of_django_is_guarded(
    server: SessionServer, login: CreatedSession
) -> None:
    """By the same decorator."""
    async with (
        server.async_client() as client,
        AsyncLocalVerifier(client, audience="sessionstore") as verifier,
    ):
        assert await verifier.wait_ready(10)
        with override_settings(SESSIONSTORE={"verifier": verifier}):
            transport = httpx.ASGITransport(ASGIHandler())
            async with httpx.AsyncClient(transport=transport, base_url="https://x") as browser:
                assert (await browser.get("/me-async")).status_code == 401
                answer = await browser.get("/me-async", headers=bearer(login))
                assert answer.json() == {"user": "alice"}


def test_settings_of_django_may_name_the_verifier(
    verifier: LocalVerifier, login: CreatedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its dotted path."""
    monkeypatch.setattr(sys.modules[__name__], "verifier_of_settings", verifier)
    with override_settings(SESSIONSTORE={"verifier": f"{__name__}.verifier_of_settings"}):
        middleware = SessionMiddleware(lambda _: HttpResponse())
    request = HttpRequest()
    request.method = "GET"
    request.META["HTTP_AUTHORIZATION"] = bearer(login)["Authorization"]
    assert middleware(request).status_code == 200
    assert visit_of(request).require().user_id == "alice"


def test_django_without_a_verifier_does_not_start() -> None:
    """Nor does it take one from anywhere else."""
    with pytest.raises(ImproperlyConfigured, match="names no verifier"):
        SessionMiddleware(lambda _: HttpResponse())


async def test_a_verifier_or_client_of_the_other_kind_is_refused_at_the_start(
    server: SessionServer, sessions: SessionClient, verifier: LocalVerifier
) -> None:
    """What an async verifier returns, unawaited, would pass for a session."""
    async with server.async_client() as client:
        aio = AsyncLocalVerifier(client, audience="sessionstore")
        cookies, aio_cookies = SessionCookies(sessions), SessionCookies(client)

        def view(_: Any) -> HttpResponse:
            return HttpResponse()

        wrong: list[Callable[[], object]] = [
            lambda: SessionStore(verifier=aio),  # type: ignore[arg-type]
            lambda: SessionStore(verifier=verifier, cookies=aio_cookies),
            lambda: AsgiMiddleware(view, verifier=verifier),  # type: ignore[arg-type]
            lambda: AsgiMiddleware(view, verifier=aio, cookies=cookies),  # type: ignore[arg-type]
            lambda: SessionMiddleware(view, verifier=aio),
            lambda: SessionMiddleware(view, verifier=verifier, cookies=aio_cookies),
            lambda: SessionInterceptor(aio),  # type: ignore[arg-type]
            lambda: AsyncSessionInterceptor(verifier),  # type: ignore[arg-type]
        ]
        for make in wrong:
            with pytest.raises(TypeError, match="this needs a"):
                make()


def test_django_without_the_middleware_says_so() -> None:
    """Instead of taking everybody for a stranger."""
    with pytest.raises(RuntimeError, match="SessionMiddleware"):
        visit_of(HttpRequest())


async def test_fastapi_without_the_middleware_says_so() -> None:
    """Instead of taking everybody for a stranger."""
    app = fastapi.FastAPI()

    @app.get("/me")
    async def me(session: CurrentSession) -> str:
        return session.user_id

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://x"
    ) as browser:
        with pytest.raises(RuntimeError, match="SessionMiddleware"):
            await browser.get("/me")


@pytest.mark.parametrize(
    "options", [{"name": "a b"}, {"name": ""}, {"name": "x;"}, {"same_site": "None"}]
)
def test_cookies_that_no_browser_would_keep_are_refused(
    sessions: SessionClient, options: dict[str, Any]
) -> None:
    """When they are configured."""
    with pytest.raises(ValueError, match=r"cookie|same_site"):
        SessionCookies(sessions, **options)


def test_trusted_origins_are_several(sessions: SessionClient) -> None:
    """The letters of one would trust nobody."""
    with pytest.raises(TypeError, match="several"):
        SessionCookies(sessions, trusted_origins="https://app.example.com")


@pytest.mark.parametrize("extra", ["fastapi", "django", "flask"])
def test_without_the_extra_its_module_says_what_to_install(extra: str) -> None:
    """And the others do without the framework."""
    program = f"""
import sys
sys.modules[{extra!r}] = None
import sessionstore.integrations.asgi, sessionstore.integrations.grpc
try:
    import sessionstore.integrations.{extra}
except ModuleNotFoundError as error:
    print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"pip install 'sessionstore[{extra}]'" in ran.stdout
