"""Dependencies for FastAPI, upon the ASGI middleware (extra `[fastapi]`).

app.add_middleware(SessionMiddleware, verifier=verifier)

@app.get("/me")
async def me(session: CurrentSession) -> str:
    return session.user_id
"""

from typing import Annotated

from sessionstore import VerifiedToken
from sessionstore.integrations._extra import missing
from sessionstore.integrations.asgi import STATE_KEY, SessionMiddleware
from sessionstore.integrations.visit import Visit

try:
    from fastapi import Depends
    from fastapi.openapi.models import HTTPBearer
    from fastapi.requests import HTTPConnection
    from fastapi.security.base import SecurityBase
except ModuleNotFoundError as error:
    raise missing("fastapi", error) from error

__all__ = [
    "CurrentSession",
    "CurrentVisit",
    "OptionalSession",
    "SessionMiddleware",
    "current_session",
    "current_visit",
    "optional_session",
]


async def current_visit(connection: HTTPConnection) -> Visit:
    """The visit of this request or WebSocket.

    Raises:
        RuntimeError: the application has no SessionMiddleware.
    """
    visit: Visit | None = connection.scope.get("state", {}).get(STATE_KEY)
    if visit is None:
        raise RuntimeError("app.add_middleware(SessionMiddleware, ...) is missing")
    return visit


class _RequiredSession(SecurityBase):
    """A bearer token in OpenAPI's terms; a session in ours, from header or cookie."""

    def __init__(self) -> None:
        self.model = HTTPBearer(bearerFormat="JWT")
        self.scheme_name = "session"

    async def __call__(self, connection: HTTPConnection) -> VerifiedToken:
        visit = await current_visit(connection)
        return visit.require()


current_session = _RequiredSession()
"""The session; whoever is in none is refused by the middleware."""


async def optional_session(connection: HTTPConnection) -> VerifiedToken | None:
    """The session, or None; refused only where nobody can tell."""
    visit = await current_visit(connection)
    return visit.find()


CurrentSession = Annotated[VerifiedToken, Depends(current_session)]
OptionalSession = Annotated[VerifiedToken | None, Depends(optional_session)]
CurrentVisit = Annotated[Visit, Depends(current_visit)]
