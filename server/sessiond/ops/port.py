"""What the ops port answers: health to orchestrators, metrics to Prometheus, keys to verifiers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import orjson
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from sessiond.ops.http import Answer, Handler, plain

HEALTHZ: Final = "/healthz"
READYZ: Final = "/readyz"
METRICS: Final = "/metrics"
JWKS: Final = "/.well-known/jwks.json"


def routes(
    *,
    ready: Callable[[], bool],
    metrics: Callable[[], Awaitable[bytes]],
    jwks: Callable[[], Sequence[Mapping[str, str]]],
    keys_cached: timedelta,
) -> dict[str, Handler]:
    """What is answered, by path.

    Args:
        ready: whether callers are served now.
        metrics: gives all metrics in Prometheus' text format.
        jwks: gives the public keys that verify access tokens.
        keys_cached: for how long they may be kept before they are asked for again.
    """

    async def healthz() -> Answer:
        return plain(HTTPStatus.OK, text="ok")  # the event loop turns, which is all there is to it

    async def readyz() -> Answer:
        if ready():
            return plain(HTTPStatus.OK, text="ready")
        return plain(HTTPStatus.SERVICE_UNAVAILABLE, text="not ready")

    async def shown() -> Answer:
        return Answer(await metrics(), CONTENT_TYPE_PLAIN_0_0_4)

    async def keys() -> Answer:
        """A JWK Set (RFC 7517, 5)."""
        cached = f"public, max-age={int(keys_cached.total_seconds())}"
        body = orjson.dumps({"keys": jwks()})
        return Answer(body, "application/jwk-set+json", headers=(("Cache-Control", cached),))

    return {HEALTHZ: healthz, READYZ: readyz, METRICS: shown, JWKS: keys}
