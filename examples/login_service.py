"""A login service with cookies, on the standard library's HTTP server.

    POST /login    name and password as a form; sets the cookies
    GET  /me       who is logged in; refreshes by itself when the access token has run out
    GET  /devices  where else
    POST /logout   this device; with ?everywhere=1 all the others

Run it beside a development server (`make run`): python examples/login_service.py, then

    curl -c jar -b jar -d 'name=alice&password=wonderland' localhost:8080/login
    curl -c jar -b jar localhost:8080/me
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sessionstore import (
    ClientInfo,
    EndReason,
    Session,
    SessionClient,
    SessionStoreError,
    SessionUnusable,
    State,
    Tokens,
)

SALT = b"an example's salt; a real service keeps one per user"
MOST_FORM_BYTES = 4096
USERS = {"alice": hashlib.scrypt(b"wonderland", salt=SALT, n=2**14, r=8, p=1)}

# A browser sends Secure cookies over HTTPS only, and to localhost; curl -b sends them as they are.
COOKIE = "; HttpOnly; SameSite=Lax; Path=/" + ("; Secure" if os.environ.get("HTTPS") else "")

sessions = SessionClient(
    os.environ.get("SESSIONSTORE_ADDRESS", "127.0.0.1:7700"),
    token_file=os.environ.get("SESSIONSTORE_TOKEN_FILE", ".sessiond/dev.token"),
)


def password_is_right(name: str, password: str) -> bool:
    """Compare in constant time, for unknown users too."""
    given = hashlib.scrypt(password.encode(), salt=SALT, n=2**14, r=8, p=1)
    return hmac.compare_digest(given, USERS.get(name, bytes(64)))


class LoginService(BaseHTTPRequestHandler):
    """One request."""

    timeout = 10  # seconds without a byte from the browser

    def do_POST(self) -> None:
        """Log in or out."""
        url = urlsplit(self.path)
        if url.path == "/login":
            self.guarded(self.login)
        elif url.path == "/logout":
            self.guarded(lambda: self.logout(everywhere="everywhere" in parse_qs(url.query)))
        else:
            self.answer(404, {"error": "no such page"})

    def do_GET(self) -> None:
        """Answer whoever is logged in."""
        if self.path == "/me":
            self.guarded(lambda: self.answer(200, {"user": self.session().user_id}))
        elif self.path == "/devices":
            self.guarded(self.devices)
        else:
            self.answer(404, {"error": "no such page"})

    def guarded(self, work: Any) -> None:
        """Turn what the session service refuses into what a browser understands."""
        self.set_cookies: list[str] = []
        try:
            work()
        except RefusedError as error:
            self.answer(error.status, {"error": error.status.phrase, "reason": str(error)})
        except SessionUnusable as error:
            self.clear()
            self.answer(401, {"error": "Unauthorized", "reason": error.reason})
        except SessionStoreError as error:
            # This may pass: the browser keeps its cookies.
            self.answer(503, {"error": "try again", "reason": error.reason})

    def login(self) -> None:
        """Check the password, then make the session of this browser."""
        form = self.form()
        name, password = form.get("name", [""])[0], form.get("password", [""])[0]
        if not password_is_right(name, password):
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "wrong name or password")
        created = sessions.create(
            name, client=self.client(), replaces_session_id=self.session_to_replace(name)
        )
        self.keep(created.tokens)
        ended = [session.client.user_agent for session in created.evicted_sessions]
        self.answer(200, {"user": name, "logged_out": ended})

    def form(self) -> dict[str, list[str]]:
        """The fields of the form that was sent."""
        try:
            size = int(self.headers.get("Content-Length", "0"))
        except ValueError:
            size = -1
        if size < 0:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "not a Content-Length")
        if size > MOST_FORM_BYTES:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the form is too long")
        return parse_qs(self.rfile.read(size).decode(errors="replace"))

    def session_to_replace(self, name: str) -> str | None:
        """The session that this browser has of the user; another user's is ended here."""
        session = None
        if token := self.cookie("refresh"):
            session = sessions.validate(refresh_token=token).session
        if not session and (token := self.cookie("access")):
            session = sessions.validate(access_token=token).session
        if session and session.user_id != name:
            sessions.revoke(session_id=session.id, reason=EndReason.LOGOUT)
            return None
        return session.id if session else None

    def session(self) -> Session:
        """The live session of this browser; its access token is renewed once it has run out."""
        if access := self.cookie("access"):
            validation = sessions.validate(access_token=access)
            if validation.session:
                return validation.session
        refresh = self.cookie("refresh")
        if not refresh:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "no cookie")
        refreshed = sessions.refresh(refresh, client=self.client())
        self.keep(refreshed.tokens)
        return refreshed.session

    def devices(self) -> None:
        """Where the user is logged in."""
        here = self.session()
        found = [
            {
                "device": session.client.user_agent,
                "address": session.client.ip_address,
                "since": session.create_time.isoformat(),
                "this_one": session.id == here.id,
            }
            for session in sessions.list(here.user_id, states=[State.ACTIVE])
        ]
        self.answer(200, {"devices": found})

    def logout(self, *, everywhere: bool) -> None:
        """End this session, or all the user's others."""
        here = self.session()
        if everywhere:
            ended = sessions.revoke_user(here.user_id, except_session_id=here.id)
            self.answer(200, {"logged_out": len(ended.session_ids)})
            return
        sessions.revoke(session_id=here.id, reason=EndReason.LOGOUT)
        self.clear()
        self.answer(200, {"logged_out": 1})

    def cookie(self, name: str) -> str:
        """What the browser sent under a name; empty if nothing."""
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        return cookies[name].value if name in cookies else ""

    def client(self) -> ClientInfo:
        """The browser as it is now."""
        return ClientInfo(
            user_agent=self.headers.get("User-Agent", ""), ip_address=self.client_address[0]
        )

    def keep(self, tokens: Tokens) -> None:
        """Hand the tokens to the browser, out of reach of its scripts."""
        for name, value, until in (
            ("access", tokens.access_token, tokens.access_token_expire_time),
            ("refresh", tokens.refresh_token, tokens.refresh_token_expire_time),
        ):
            age = int((until - datetime.now(UTC)) / timedelta(seconds=1))
            self.set_cookies.append(f"{name}={value}; Max-Age={age}{COOKIE}")

    def clear(self) -> None:
        """Take the cookies back."""
        self.set_cookies = [f"{name}=; Max-Age=0{COOKIE}" for name in ("access", "refresh")]

    def answer(self, status: int, body: dict[str, Any]) -> None:
        """Send JSON."""
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        for cookie in getattr(self, "set_cookies", []):
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(data)


class RefusedError(Exception):
    """The browser gets an error of its own making, and keeps its cookies."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def main() -> None:
    """Serve until Ctrl-C."""
    port = int(os.environ.get("PORT", "8080"))
    with ThreadingHTTPServer(("127.0.0.1", port), LoginService) as server:
        print(f"login service on http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
