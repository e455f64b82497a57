"""An extension for Flask (extra `[flask]`).

sessions = SessionStore(app, verifier=verifier)

@app.get("/me")
@session_required
def me():
    return {"user": current_session().user_id}
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from sessionstore import LocalVerifier, VerifiedToken
from sessionstore.errors import SessionStoreError
from sessionstore.integrations._extra import missing
from sessionstore.integrations.arrival import Arrival
from sessionstore.integrations.cookies import SessionCookies
from sessionstore.integrations.gate import Gate, finish
from sessionstore.integrations.refusals import ANSWERED, Refused, refusal_of
from sessionstore.integrations.visit import Visit

try:
    from flask import Flask, Response, current_app, g, request
except ModuleNotFoundError as error:
    raise missing("flask", error) from error

_NAME: Final = "sessionstore"


class SessionStore:
    """Finds the session of each request, and keeps its cookies. It touches no `flask.session`.

    Args:
        app: the application, or None to call `init_app` later.
        verifier: started and closed by whoever made it.
        cookies: with a SessionClient; None where tokens come in headers alone.

    Raises:
        TypeError: verifier or cookies are for asyncio.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        verifier: LocalVerifier,
        cookies: SessionCookies | None = None,
    ) -> None:
        self._gate = Gate.for_threads(verifier, cookies)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Serve an application."""
        app.extensions[_NAME] = self
        app.before_request(self._admit)
        app.after_request(self._answer)
        app.teardown_request(self._leave)
        for kind in ANSWERED:
            app.register_error_handler(kind, _refuse)

    def _admit(self) -> None:
        arrival = Arrival.read(request.method, request.headers.get, request.remote_addr)
        g.sessionstore = finish(self._gate.admit(arrival))

    def _answer(self, response: Response) -> Response:
        # A hook before ours may have answered without a visit.
        visit = g.get(_NAME)
        for cookie in finish(self._gate.answer(visit)) if visit else ():
            response.headers.add("Set-Cookie", cookie.header())
            # No cache may keep these for somebody else.
            response.headers["Cache-Control"] = "no-store"
        return response

    def _leave(self, _: BaseException | None) -> None:
        visit = g.get(_NAME)
        if visit:
            self._gate.leave(visit)


def current_visit() -> Visit:
    """The visit of this request, also `g.sessionstore`.

    Raises:
        RuntimeError: the application has no SessionStore, or there is no request.
    """
    visit: Visit | None = g.get(_NAME)
    if visit is None:
        raise RuntimeError("SessionStore(app, ...) is missing, or there is no request")
    return visit


def current_session() -> VerifiedToken:
    """The session of this request.

    Raises:
        Refused: there is none; the extension answers.
    """
    return current_visit().require()


def session_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse whoever is in no session. For views of both kinds."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        current_visit().require()
        return current_app.ensure_sync(view)(*args, **kwargs)

    return guarded


def _refuse(error: SessionStoreError | Refused) -> Response:
    refusal = refusal_of(error)
    return Response(refusal.body(), refusal.status, refusal.headers())
