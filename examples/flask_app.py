"""A login on Flask: cookies for browsers, bearer tokens for whoever has no cookies.

    POST /login    name and password as a form; sets the cookies
    GET  /me       who is logged in
    POST /logout   this browser

Run it beside a development server (`make run`): .venv/bin/python examples/flask_app.py, then

    curl -c jar -b jar -d 'name=alice&password=wonderland' localhost:8080/login
    curl -c jar -b jar localhost:8080/me
"""

from __future__ import annotations

import hmac
import os
from http import HTTPStatus

from flask import Flask, abort, request

from sessionstore import EndReason, LocalVerifier, SessionClient
from sessionstore.integrations import SessionCookies
from sessionstore.integrations.flask import (
    SessionStore,
    current_session,
    current_visit,
    session_required,
)

sessions = SessionClient(
    os.environ.get("SESSIONSTORE_ADDRESS", "127.0.0.1:7700"),
    token_file=os.environ.get("SESSIONSTORE_TOKEN_FILE", ".sessiond/dev.token"),
)
verifier = LocalVerifier(sessions, audience="sessionstore")
cookies = SessionCookies(sessions, http_on_localhost=True)  # in production: without

app = Flask(__name__)
SessionStore(app, verifier=verifier, cookies=cookies)


def password_is_right(name: str, password: str) -> bool:
    """Yours to write: your users, a slow hash, a limit on tries."""
    return name == "alice" and hmac.compare_digest(password.encode(), b"wonderland")


@app.post("/login")
def log_in() -> dict[str, str]:
    """Make the session of this browser."""
    visit = current_visit()
    visit.refuse_cross_site()
    name = request.form.get("name", "")
    if not password_is_right(name, request.form.get("password", "")):
        abort(HTTPStatus.UNAUTHORIZED, "wrong name or password")
    replaced = visit.replaced_by(name)
    if visit.session and not replaced:  # somebody else was logged in here
        sessions.revoke(session_id=visit.session.session_id, reason=EndReason.LOGOUT)
    created = sessions.create(name, client=visit.client, replaces_session_id=replaced)
    visit.log_in(created.tokens)
    return {"user": name}


@app.get("/me")
@session_required
def me() -> dict[str, str]:
    """Answer whoever is logged in."""
    session = current_session()
    return {"user": session.user_id, "session": session.session_id}


@app.post("/logout")
@session_required
def log_out() -> dict[str, str]:
    """End the session, and take the cookies back."""
    session = current_session()
    sessions.revoke(session_id=session.session_id, reason=EndReason.LOGOUT)
    current_visit().log_out()
    return {"user": session.user_id}


if __name__ == "__main__":
    with sessions, verifier:
        app.run(port=int(os.environ.get("PORT", "8080")))
