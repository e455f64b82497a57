"""Sessions in web frameworks and gRPC servers: who calls, verified in process, or why nobody does.

One module for each: `asgi` (and `fastapi` upon it), `django`, `flask`, `grpc`. They take verifiers
and clients that are made elsewhere, and connect to nothing by themselves.
"""

from sessionstore.integrations.cookies import SessionCookies
from sessionstore.integrations.refusals import Reason, Refusal, Refused
from sessionstore.integrations.visit import Visit

__all__ = ["Reason", "Refusal", "Refused", "SessionCookies", "Visit"]
