"""A WSGI application that verifies tokens; its verifier is at work before gunicorn forks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from sessionstore import CredentialRefused, LocalVerifier, SessionClient, WhenStale
from tests.client.forking import PATIENCE_S
from tests.client.verifier.access import AUDIENCE

verifier = LocalVerifier(SessionClient(), audience=AUDIENCE, when_stale=WhenStale.REFUSE)
assert verifier.wait_ready(PATIENCE_S)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """200 or 401, and by which process."""
    verifier.wait_ready(PATIENCE_S)
    status = "200 OK"
    try:
        verifier.verify(environ["HTTP_AUTHORIZATION"].removeprefix("Bearer "))
    except CredentialRefused:
        status = "401 Unauthorized"
    start_response(status, [("Content-Type", "text/plain"), ("Connection", "close")])
    return [str(os.getpid()).encode()]
