"""The same small application on every web framework, so that each behaviour is tested on all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import django
import fastapi
import flask
import httpx
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from sessionstore import Tokens
from sessionstore.integrations import SessionCookies
from sessionstore.integrations import flask as for_flask
from sessionstore.integrations.fastapi import (
    CurrentSession,
    CurrentVisit,
    OptionalSession,
    SessionMiddleware,
)

HOST: Final = "app.example.com"

_SOON_S: Final = 10.0
_POLL_S: Final = 0.01

_MIDDLEWARE: Final = "sessionstore.integrations.django.SessionMiddleware"

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="tests.integrations.django_urls",
    MIDDLEWARE=[_MIDDLEWARE],
    LOGGING_CONFIG=None,
)
django.setup()


class Site:
    """An application and how browsers reach it."""

    tokens: Tokens | None = None
    """What POST /login hands out; None takes cookies back."""

    def __init__(self) -> None:
        self.transport: Any = None

    def browser(self, **options: Any) -> Browser:
        return Browser(self.transport, **options)


class Browser:
    """Keeps cookies, and sends them where a browser would: Secure ones over HTTPS only."""

    def __init__(self, transport: Any, host: str = HOST, scheme: str = "https") -> None:
        kind = (
            httpx.AsyncClient if isinstance(transport, httpx.AsyncBaseTransport) else httpx.Client
        )
        self._client: Any = kind(transport=transport, base_url=f"{scheme}://{host}")

    @property
    def cookies(self) -> dict[str, str]:
        return dict(self._client.cookies)

    def hold(self, **cookies: str) -> None:
        """Have these cookies and no others, by the end of their name."""
        self._client.cookies.clear()
        for name, value in cookies.items():
            self._client.cookies.set(f"__Host-session-{name}", value, domain=HOST, path="/")

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.send("GET", path, **headers)

    async def post(self, path: str, **headers: str) -> httpx.Response:
        return await self.send("POST", path, **headers)

    async def until(self, status: int, path: str, **headers: str) -> httpx.Response:
        """The answer, once it has this status."""
        async with asyncio.timeout(_SOON_S):
            while (answer := await self.get(path, **headers)).status_code != status:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
            return answer

    async def send(self, method: str, path: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(self._client, httpx.AsyncClient):
            return await self._client.request(method, path, headers=named)
        answer: httpx.Response = await asyncio.to_thread(
            self._client.request, method, path, headers=named
        )
        return answer


Build = Callable[[Site, Any, SessionCookies | None], AbstractContextManager[None]]


@dataclass(frozen=True)
class Kind:
    """A framework, and whether it takes a verifier and a client for asyncio."""

    name: str
    is_async: bool
    build: Build


def _act(site: Site, visit: Any) -> None:
    if site.tokens:
        visit.log_in(site.tokens)
    else:
        visit.log_out()


def _fastapi(site: Site, verifier: Any, cookies: SessionCookies | None) -> Any:
    app = fastapi.FastAPI()
    app.add_middleware(SessionMiddleware, verifier=verifier, cookies=cookies)

    @app.get("/me")
    @app.post("/me")
    async def me(session: CurrentSession) -> dict[str, str]:
        return {"user": session.user_id}

    @app.get("/maybe")
    async def maybe(session: OptionalSession) -> dict[str, str | None]:
        return {"user": session.user_id if session else None}

    @app.get("/crash")
    async def crash() -> None:
        raise ZeroDivisionError

    @app.get("/cached")
    async def cached(response: fastapi.Response) -> None:
        response.headers["Cache-Control"] = "public"

    @app.post("/login")
    async def act(visit: CurrentVisit) -> None:
        visit.refuse_cross_site()
        _act(site, visit)

    site.transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return nullcontext()


def _flask(site: Site, verifier: Any, cookies: SessionCookies | None) -> Any:
    app = flask.Flask(__name__)
    extension = for_flask.SessionStore(verifier=verifier, cookies=cookies)
    extension.init_app(app)

    @app.route("/me", methods=["GET", "POST"])
    @for_flask.session_required
    async def me() -> dict[str, str]:
        return {"user": for_flask.current_session().user_id}

    @app.get("/maybe")
    def maybe() -> dict[str, str | None]:
        session = for_flask.current_visit().find()
        return {"user": session.user_id if session else None}

    @app.get("/crash")
    def crash() -> str:
        raise ZeroDivisionError

    @app.get("/cached")
    def cached() -> flask.Response:
        return flask.Response("", headers={"Cache-Control": "public"})

    @app.post("/login")
    def act() -> str:
        for_flask.current_visit().refuse_cross_site()
        _act(site, for_flask.current_visit())
        return ""

    site.transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    return nullcontext()


def _django(site: Site, verifier: Any, cookies: SessionCookies | None) -> Any:
    with _django_settings(verifier, cookies):
        site.transport = httpx.WSGITransport(WSGIHandler(), raise_app_exceptions=False)
    return _django_settings(verifier, cookies, site=site)


def _django_asgi(site: Site, verifier: Any, cookies: SessionCookies | None) -> Any:
    with _django_settings(verifier, cookies):
        site.transport = httpx.ASGITransport(ASGIHandler(), raise_app_exceptions=False)
    return _django_settings(verifier, cookies, site=site)


def _django_settings(
    verifier: Any, cookies: SessionCookies | None, **more: Any
) -> AbstractContextManager[None]:
    overridden: AbstractContextManager[None] = override_settings(
        SESSIONSTORE={"verifier": verifier, "cookies": cookies, **more}
    )
    return overridden


KINDS: Final = (
    Kind("fastapi", True, _fastapi),
    Kind("flask", False, _flask),
    Kind("django", False, _django),
    Kind("django-asgi", True, _django_asgi),
    Kind("django-asgi-threads", False, _django_asgi),
)
