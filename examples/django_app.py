"""A login on Django, in one file: cookies for browsers, bearer tokens for whoever has no cookies.

    POST /login    name and password as a form; sets the cookies
    GET  /me       who is logged in
    POST /logout   this browser

Run it beside a development server (`make run`): .venv/bin/python examples/django_app.py, then

    curl -c jar -b jar -d 'name=alice&password=wonderland' localhost:8080/login
    curl -c jar -b jar localhost:8080/me
"""

from __future__ import annotations

import hmac
import os

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from sessionstore import EndReason, LocalVerifier, SessionClient
from sessionstore.integrations import SessionCookies
from sessionstore.integrations.django import session_required, visit_of

sessions = SessionClient(
    os.environ.get("SESSIONSTORE_ADDRESS", "127.0.0.1:7700"),
    token_file=os.environ.get("SESSIONSTORE_TOKEN_FILE", ".sessiond/dev.token"),
)
verifier = LocalVerifier(sessions, audience="sessionstore")
cookies = SessionCookies(sessions, http_on_localhost=True)  # in production: without

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    MIDDLEWARE=["sessionstore.integrations.django.SessionMiddleware"],
    ROOT_URLCONF=__name__,
    SESSIONSTORE={"verifier": verifier, "cookies": cookies},
)


def password_is_right(name: str, password: str) -> bool:
    """Yours to write: your users, a slow hash, a limit on tries."""
    return name == "alice" and hmac.compare_digest(password.encode(), b"wonderland")


def log_in(request: HttpRequest) -> JsonResponse:
    """Make the session of this browser."""
    visit = visit_of(request)
    visit.refuse_cross_site()
    name = request.POST.get("name", "")
    if not password_is_right(name, request.POST.get("password", "")):
        return JsonResponse({"error": "wrong name or password"}, status=401)
    replaced = visit.replaced_by(name)
    if visit.session and not replaced:  # somebody else was logged in here
        sessions.revoke(session_id=visit.session.session_id, reason=EndReason.LOGOUT)
    created = sessions.create(name, client=visit.client, replaces_session_id=replaced)
    visit.log_in(created.tokens)
    return JsonResponse({"user": name})


@session_required
def me(request: HttpRequest) -> JsonResponse:
    """Answer whoever is logged in."""
    session = visit_of(request).require()
    return JsonResponse({"user": session.user_id, "session": session.session_id})


@session_required
def log_out(request: HttpRequest) -> JsonResponse:
    """End the session, and take the cookies back."""
    visit = visit_of(request)
    session = visit.require()
    sessions.revoke(session_id=session.session_id, reason=EndReason.LOGOUT)
    visit.log_out()
    return JsonResponse({"user": session.user_id})


urlpatterns = [
    path("login", require_POST(log_in)),
    path("me", me),
    path("logout", require_POST(log_out)),
]
application = get_wsgi_application()

if __name__ == "__main__":
    with sessions, verifier:
        port = os.environ.get("PORT", "8080")
        execute_from_command_line(["", "runserver", "--noreload", f"127.0.0.1:{port}"])
