"""A login on FastAPI: cookies for browsers, bearer tokens for whoever has no cookies.

    POST /login    {"name": ..., "password": ...}; sets the cookies
    GET  /me       who is logged in
    WS   /clock    the time, for whoever is
    POST /logout   this browser

Run it beside a development server (`make run`): .venv/bin/python examples/fastapi_app.py, then

    curl -c jar -b jar --json '{"name": "alice", "password": "wonderland"}' localhost:8080/login
    curl -c jar -b jar localhost:8080/me
"""

from __future__ import annotations

import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI, HTTPException, WebSocket
from pydantic import BaseModel

from sessionstore import AsyncLocalVerifier, AsyncSessionClient, EndReason
from sessionstore.integrations import SessionCookies
from sessionstore.integrations.fastapi import CurrentSession, CurrentVisit, SessionMiddleware

sessions = AsyncSessionClient(
    os.environ.get("SESSIONSTORE_ADDRESS", "127.0.0.1:7700"),
    token_file=os.environ.get("SESSIONSTORE_TOKEN_FILE", ".sessiond/dev.token"),
)
verifier = AsyncLocalVerifier(sessions, audience="sessionstore")
cookies = SessionCookies(sessions, http_on_localhost=True)  # in production: without


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Listen for ended sessions for as long as the application runs."""
    async with sessions, verifier:
        yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(SessionMiddleware, verifier=verifier, cookies=cookies)


class Login(BaseModel):
    """What a login form sends."""

    name: str
    password: str


def password_is_right(login: Login) -> bool:
    """Yours to write: your users, a slow hash, a limit on tries."""
    return login.name == "alice" and hmac.compare_digest(login.password.encode(), b"wonderland")


@app.post("/login")
async def log_in(login: Login, visit: CurrentVisit) -> dict[str, str]:
    """Make the session of this browser."""
    visit.refuse_cross_site()
    if not password_is_right(login):
        raise HTTPException(401, "wrong name or password")
    replaced = visit.replaced_by(login.name)
    if visit.session and not replaced:  # somebody else was logged in here
        await sessions.revoke(session_id=visit.session.session_id, reason=EndReason.LOGOUT)
    created = await sessions.create(login.name, client=visit.client, replaces_session_id=replaced)
    visit.log_in(created.tokens)
    return {"user": login.name}


@app.get("/me")
async def me(session: CurrentSession) -> dict[str, str]:
    """Answer whoever is logged in."""
    return {"user": session.user_id, "session": session.session_id}


@app.websocket("/clock")
async def clock(socket: WebSocket, session: CurrentSession) -> None:
    """Greet, and tell the time to whoever asks."""
    await socket.accept()
    await socket.send_text(f"hello {session.user_id}")
    async for _ in socket.iter_text():
        await socket.send_text(f"{datetime.now(UTC):%X}")


@app.post("/logout")
async def log_out(session: CurrentSession, visit: CurrentVisit) -> dict[str, str]:
    """End the session, and take the cookies back."""
    await sessions.revoke(session_id=session.session_id, reason=EndReason.LOGOUT)
    visit.log_out()
    return {"user": session.user_id}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
