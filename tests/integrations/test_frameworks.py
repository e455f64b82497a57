"""What is particular to one framework: how it is set up, and what is said where that is wrong."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import fastapi
import flask
import httpx
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings

from sessionstore import AsyncLocalVerifier, CreatedSession, LocalVerifier, SessionClient
from sessionstore.integrations import SessionCookies
from sessionstore.integrations.asgi import SessionMiddleware as AsgiMiddleware
from sessionstore.integrations.django import SessionMiddleware, visit_of
from sessionstore.integrations.fastapi import CurrentSession
from sessionstore.integrations.flask import SessionStore, current_session, current_visit
from sessionstore.integrations.grpc import AsyncSessionInterceptor, SessionInterceptor
from sessionstore.testing import SessionServer

Headers = dict[str, str]

THREADS = 8
REQUESTS = 25

verifier_of_settings: Any = None
"""What the dotted path of a test names."""


@pytest.fixture
def verifier(sessions: SessionClient) -> Iterator[LocalVerifier]:
    with LocalVerifier(sessions, audience="sessionstore") as verifier:
        assert verifier.wait_ready(10)
        yield verifier


def bearer(login: CreatedSession) -> Headers:
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


def test_a_hook_of_flask_that_fails_after_ours_loses_no_fresh_token(
    sessions: SessionClient, verifier: LocalVerifier, login: CreatedSession
) -> None:
    """The error page carries it in place of the answer."""
    app = flask.Flask(__name__)
    faults = [ZeroDivisionError]

    @app.after_request
    def fails_once(response: flask.Response) -> flask.Response:
        if faults:
            raise faults.pop()
        return response

    SessionStore(app, verifier=verifier, cookies=SessionCookies(sessions))
    browser = app.test_client(use_cookies=False)
    cookie = f"__Host-session-refresh={login.tokens.refresh_token}"
    answer = browser.get("/", headers={"Cookie": cookie})
    assert answer.status_code == 500
    assert len(answer.headers.getlist("Set-Cookie")) == 2


async def test_a_request_that_is_never_answered_holds_no_refresh(
    server: SessionServer, sessions: SessionClient, verifier: LocalVerifier
) -> None:
    """Whoever comes with its old token later would share what is long superseded."""

    def fail(_: Any = None) -> HttpResponse:
        raise ZeroDivisionError

    async def never(*_: Any) -> None:
        raise asyncio.CancelledError

    def with_fresh_login() -> Headers:
        token = sessions.create("alice").tokens.refresh_token
        return {"Host": "x", "Cookie": f"__Host-session-refresh={token}"}

    cookies = SessionCookies(sessions)
    app = flask.Flask(__name__)
    app.testing = True
    app.add_url_rule("/", view_func=fail)
    SessionStore(app, verifier=verifier, cookies=cookies)
    with pytest.raises(ZeroDivisionError):
        app.test_client(use_cookies=False).get("/", headers=with_fresh_login())

    request = RequestFactory(headers=with_fresh_login()).get("/")
    with pytest.raises(ZeroDivisionError):
        SessionMiddleware(fail, verifier=verifier, cookies=cookies)(request)
    assert cookies.renewals._flights == {}

    async with server.async_client() as client:
        aio_cookies = SessionCookies(client)
        async with AsyncLocalVerifier(client, audience="sessionstore") as aio:
            assert await aio.wait_ready(10)
            guarded = AsgiMiddleware(never, verifier=aio, cookies=aio_cookies)
            transport = httpx.ASGITransport(guarded)
            async with httpx.AsyncClient(transport=transport, base_url="https://x") as browser:
                with pytest.raises(asyncio.CancelledError):
                    await browser.get("/", headers=with_fresh_login())
        assert aio_cookies.renewals._flights == {}


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


def test_a_misspelt_setting_of_django_does_not_start(verifier: LocalVerifier) -> None:
    """Its cookies would not be seen, without a word."""
    with (
        override_settings(SESSIONSTORE={"verifier": verifier, "cookie": None}),
        pytest.raises(ImproperlyConfigured, match="has no cookie"),
    ):
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
            lambda: SessionCookies(verifier),  # type: ignore[arg-type]
            lambda: SessionInterceptor(aio),  # type: ignore[arg-type]
            lambda: AsyncSessionInterceptor(verifier),  # type: ignore[arg-type]
        ]
        for make in wrong:
            with pytest.raises(TypeError, match="this needs a"):
                make()


async def test_before_synchronous_middleware_django_wants_a_verifier_for_threads(
    server: SessionServer, verifier: LocalVerifier
) -> None:
    """Whatever comes before one that is not async is called without a loop, under ASGI too."""
    middleware = [*settings.MIDDLEWARE, f"{__name__}.synchronous"]
    async with server.async_client() as client:
        aio = AsyncLocalVerifier(client, audience="sessionstore")
        with (
            override_settings(MIDDLEWARE=middleware, SESSIONSTORE={"verifier": aio}),
            pytest.raises(TypeError, match="synchronous middleware"),
        ):
            ASGIHandler()
    with override_settings(MIDDLEWARE=middleware, SESSIONSTORE={"verifier": verifier}):
        transport = httpx.ASGITransport(ASGIHandler())
        async with httpx.AsyncClient(transport=transport, base_url="https://x") as browser:
            assert (await browser.get("/maybe")).json() == {"user": None}


def synchronous(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Middleware that is not async."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    return middleware


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


@pytest.mark.parametrize(
    "origin", ["*", "null", "a.example", "https://a.example/", "https://A.example", "https://*.b.c"]
)
def test_what_is_no_origin_is_not_trusted(sessions: SessionClient, origin: str) -> None:
    """No browser writes it so: it would match nothing, without a word."""
    with pytest.raises(ValueError, match="matches nothing"):
        SessionCookies(sessions, trusted_origins=[origin])


def test_a_token_too_long_for_a_cookie_is_a_fault(
    sessions: SessionClient, login: CreatedSession
) -> None:
    """Browsers drop a cookie of over 4,096 bytes without a word: nobody would be logged in."""
    cookies = SessionCookies(sessions)
    name = len("__Host-session-access")
    fits = replace(login.tokens, access_token="x" * (4096 - name))
    assert len(cookies.holding(fits)) == 2
    with pytest.raises(ValueError, match="no cookie can carry"):
        cookies.holding(replace(fits, access_token=f"{fits.access_token}x"))


def test_what_is_several_is_not_one_string(
    sessions: SessionClient, verifier: LocalVerifier
) -> None:
    """Its letters would match nothing."""
    with pytest.raises(TypeError, match="several"):
        SessionCookies(sessions, trusted_origins="https://app.example.com")
    with pytest.raises(TypeError, match="several"):
        SessionInterceptor(verifier, open_methods="/grpc.health.v1.Health/Check")


@pytest.mark.parametrize("method", ["grpc.health.v1.Health/Check", "/grpc.health.v1.Health", ""])
def test_what_is_no_method_is_not_open(verifier: LocalVerifier, method: str) -> None:
    """Nor would it ever be."""
    with pytest.raises(ValueError, match="matches nothing"):
        SessionInterceptor(verifier, open_methods=[method])


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
