"""What the integrations read of a request, whatever the framework."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Self

from sessionstore.types import ClientInfo

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request, or the handshake of a WebSocket. Headers that are not there are empty."""

    method: str
    handshake: bool
    client: ClientInfo
    host: str
    origin: str
    fetch_site: str
    authorization: str = field(repr=False)
    cookie: str = field(repr=False)

    @classmethod
    def read(
        cls,
        method: str,
        header: Callable[[str], str | None],
        address: str | None,
        *,
        handshake: bool = False,
    ) -> Self:
        """Read what matters.

        Args:
            method: of HTTP.
            header: gives the value of a header.
            address: of the client, as the server or its trusted proxy tells it.
            handshake: whether it opens a WebSocket.
        """
        return cls(
            method=method,
            handshake=handshake,
            client=ClientInfo(user_agent=header("user-agent") or "", ip_address=address or ""),
            host=header("host") or "",
            origin=header("origin") or "",
            fetch_site=header("sec-fetch-site") or "",
            authorization=header("authorization") or "",
            cookie=header("cookie") or "",
        )

    @property
    def bearer_token(self) -> str | None:
        """The token of the Authorization header (RFC 6750, 2.1); None if it has none."""
        return bearer_token(self.authorization)

    def cookie_named(self, name: str) -> str:
        """The value of a cookie; empty if there is none."""
        for pair in self.cookie.split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                return value
        return ""

    def is_cross_site(self, trusted_origins: Collection[str] = ()) -> bool:
        """Whether a page of another origin sent what may change something here.

        By Sec-Fetch-Site; by Origin against Host where a browser sends only that. What carries
        neither comes from no browser of today. Safe methods pass (RFC 9110, 9.2.1), but not the
        handshake of a WebSocket: it opens a way for all that follows.
        """
        if self.method in _SAFE and not self.handshake:
            return False
        if self.origin and self.origin in trusted_origins:
            return False
        if self.fetch_site:
            return self.fetch_site not in {"same-origin", "none"}
        if not self.origin:
            return False
        origin_host = self.origin.partition("://")[2]
        return not origin_host or origin_host.lower() != self.host.lower()


def bearer_token(authorization: str) -> str | None:
    """The token of an Authorization header (RFC 6750, 2.1); None if it is of another scheme."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
