"""Middleware and a decorator for Django, sync and async (extra `[django]`).

MIDDLEWARE = [..., "sessionstore.integrations.django.SessionMiddleware"]
SESSIONSTORE = {"verifier": "mysite.sessions.verifier", "cookies": "mysite.sessions.cookies"}

@session_required
def me(request):
    return JsonResponse({"user": visit_of(request).require().user_id})

It stands beside Django's own sessions, in `request.sessionstore`, and touches none of theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final

from sessionstore import AsyncLocalVerifier, LocalVerifier
from sessionstore.integrations._extra import missing
from sessionstore.integrations.arrival import Arrival
from sessionstore.integrations.cookies import Cookie, SessionCookies
from sessionstore.integrations.gate import Gate, finish
from sessionstore.integrations.refusals import ANSWERED, refusal_of
from sessionstore.integrations.visit import Visit

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.utils.module_loading import import_string
except ModuleNotFoundError as error:
    raise missing("django", error) from error

_SETTING: Final = "SESSIONSTORE"
_ATTRIBUTE: Final = "sessionstore"

GetResponse = Callable[[HttpRequest], Any]


class SessionMiddleware:
    """Finds the session of each request, and keeps its cookies.

    Under WSGI it takes a LocalVerifier, and cookies with a SessionClient. Under ASGI it takes
    those, and waits for them in a thread, or an AsyncLocalVerifier and cookies with an
    AsyncSessionClient.

    Args:
        get_response: from Django.
        verifier: if None, what `settings.SESSIONSTORE["verifier"]` is or names.
        cookies: if None, what `settings.SESSIONSTORE["cookies"]` is or names, if anything.

    Raises:
        ImproperlyConfigured: there is no verifier.
        TypeError: under WSGI, verifier or cookies are for asyncio; or only one of them is.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: GetResponse,
        *,
        verifier: LocalVerifier | AsyncLocalVerifier | None = None,
        cookies: SessionCookies | None = None,
    ) -> None:
        verifier = verifier or _configured("verifier")
        cookies = cookies or _configured("cookies")
        if not verifier:
            raise ImproperlyConfigured(f"{_SETTING} names no verifier")
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        self._suspends = self._is_async and isinstance(verifier, AsyncLocalVerifier)
        gate_for: Any = Gate.for_asyncio if self._suspends else Gate.for_threads
        self._gate: Gate = gate_for(verifier, cookies)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request, or give the coroutine that does."""
        return self._answer_async(request) if self._is_async else self._answer(request)

    def process_exception(self, _: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn what a view refuses, or asks the service in vain, into the answer."""
        if not isinstance(exception, ANSWERED):
            return None
        refusal = refusal_of(exception)
        return HttpResponse(refusal.body(), status=refusal.status, headers=dict(refusal.headers()))

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        visit = finish(self._gate.admit(_arrival(request)))
        setattr(request, _ATTRIBUTE, visit)
        try:
            response: HttpResponseBase = self._get_response(request)
            _set(response, finish(self._gate.answer(visit)))
        finally:
            self._gate.leave(visit)
        return response

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        visit = await self._run(self._gate.admit(_arrival(request)))
        setattr(request, _ATTRIBUTE, visit)
        try:
            response: HttpResponseBase = await self._get_response(request)
            _set(response, await self._run(self._gate.answer(visit)))
        finally:
            self._gate.leave(visit)
        return response

    async def _run(self, step: Any) -> Any:
        return await (step if self._suspends else asyncio.to_thread(finish, step))


def visit_of(request: HttpRequest) -> Visit:
    """The visit of a request: `request.sessionstore`, typed.

    Raises:
        RuntimeError: SessionMiddleware is not in MIDDLEWARE.
    """
    visit: Visit | None = getattr(request, _ATTRIBUTE, None)
    if visit is None:
        raise RuntimeError("sessionstore.integrations.django.SessionMiddleware is not installed")
    return visit


def session_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse whoever is in no session. For views of both kinds."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            visit_of(request).require()
            return await view(request, *args, **kwargs)

        return guarded_async

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        visit_of(request).require()
        return view(request, *args, **kwargs)

    return guarded


def _configured(name: str) -> Any:
    value = getattr(settings, _SETTING, {}).get(name)
    return import_string(value) if isinstance(value, str) else value


def _arrival(request: HttpRequest) -> Arrival:
    return Arrival.read(request.method, request.headers.get, request.META.get("REMOTE_ADDR"))


def _set(response: HttpResponseBase, cookies: Iterable[Cookie]) -> None:
    for cookie in cookies:
        response.set_cookie(
            cookie.name,
            cookie.value,
            max_age=cookie.max_age,
            secure=cookie.secure,
            httponly=True,
            samesite=cookie.same_site,
        )
        # No cache may keep these for somebody else.
        response.headers["Cache-Control"] = "no-store"
