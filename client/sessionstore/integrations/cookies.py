"""Access and refresh token in cookies: how they are named, set, cleared and kept fresh."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sessionstore.aio import AsyncSessionClient
from sessionstore.client import SessionClient
from sessionstore.integrations.arrival import Arrival
from sessionstore.integrations.renewals import AsyncRenewals, Renewals
from sessionstore.types import Tokens

SameSite = Literal["Lax", "Strict"]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_VALUE: Final = re.compile(r"[A-Za-z0-9._~-]+")
_LOCALHOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """One cookie to be set (RFC 6265bis): out of reach of scripts, for all paths of this host."""

    name: str
    value: str = field(repr=False)
    max_age: int
    """In seconds; 0 takes it back."""
    secure: bool
    same_site: SameSite

    def header(self) -> str:
        """The value of its Set-Cookie header."""
        secure = "; Secure" if self.secure else ""
        return (
            f"{self.name}={self.value}; Max-Age={self.max_age}; Path=/{secure}; HttpOnly"
            f"; SameSite={self.same_site}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTokens:
    """What a browser sent; empty where it sent none."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


class SessionCookies:
    """Keeps a browser logged in by two cookies, and refreshes them on the way.

    They are named `__Host-<name>-access` and `__Host-<name>-refresh`: Secure, HttpOnly, for this
    host alone and all its paths. Make one per process; it may be shared by threads.

    Args:
        client: refreshes tokens: an AsyncSessionClient for ASGI, else a SessionClient. Whoever
            made it closes it.
        name: of the cookies, in letters, digits, "-" and "_".
        same_site: "Lax", or "Strict" where no link from elsewhere needs to find the user logged in.
        refresh_within: the access token is refreshed when less than this is left of it. Should be
            well below its lifetime (60 min by default).
        check_origin: refuse unsafe requests and WebSockets by cookie that another origin's page
            sent.
        trusted_origins: origins such as "https://app.example.com" whose pages may.
        http_on_localhost: for development without HTTPS: leave out Secure and the prefix, and
            raise RuntimeError for any host but localhost.

    Raises:
        ValueError: a name or same_site that is none of these.
    """

    def __init__(
        self,
        client: SessionClient | AsyncSessionClient,
        *,
        name: str = "session",
        same_site: SameSite = "Lax",
        refresh_within: timedelta = timedelta(minutes=5),
        check_origin: bool = True,
        trusted_origins: Collection[str] = (),
        http_on_localhost: bool = False,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError("the name of a cookie is letters, digits, - and _")
        if same_site not in {"Lax", "Strict"}:
            raise ValueError('same_site is "Lax" or "Strict"')
        if isinstance(trusted_origins, str):
            raise TypeError("trusted_origins takes several strings, not one")
        self.renewals: Renewals | AsyncRenewals = (
            AsyncRenewals(client) if isinstance(client, AsyncSessionClient) else Renewals(client)
        )
        prefix = "" if http_on_localhost else "__Host-"
        self.access_name = f"{prefix}{name}-access"
        self.refresh_name = f"{prefix}{name}-refresh"
        self._same_site: SameSite = same_site
        self._refresh_within = refresh_within
        self._check_origin = check_origin
        self._trusted_origins = frozenset(trusted_origins)
        self._http_on_localhost = http_on_localhost

    def read(self, arrival: Arrival) -> HeldTokens | None:
        """The tokens that came in cookies; None if there is neither."""
        held = HeldTokens(
            access=arrival.cookie_named(self.access_name),
            refresh=arrival.cookie_named(self.refresh_name),
        )
        if not held.access and not held.refresh:
            return None
        self.must_serve(arrival.host)
        return held

    def must_serve(self, host: str) -> None:
        """Keep cookies without Secure to the developer's machine.

        Raises:
            RuntimeError: cookies are for HTTP on localhost, and this is another host.
        """
        if self._http_on_localhost and not _LOCALHOST.fullmatch(host):
            raise RuntimeError("SessionCookies(http_on_localhost=True) serves only localhost")

    def refuses(self, arrival: Arrival) -> bool:
        """Whether cookies alone do not make this request the user's own (CSRF)."""
        return self._check_origin and arrival.is_cross_site(self._trusted_origins)

    def is_due(self, expire_time: datetime) -> bool:
        """Whether an access token is near its end."""
        return expire_time - datetime.now(UTC) < self._refresh_within

    def holding(self, tokens: Tokens) -> tuple[Cookie, ...]:
        """The cookies that hand tokens to the browser, each for as long as its token is good."""
        return (
            self._until(self.access_name, tokens.access_token, tokens.access_token_expire_time),
            self._until(self.refresh_name, tokens.refresh_token, tokens.refresh_token_expire_time),
        )

    def cleared(self) -> tuple[Cookie, ...]:
        """The cookies that take both tokens back."""
        return self._cookie(self.access_name, "", 0), self._cookie(self.refresh_name, "", 0)

    def _until(self, name: str, token: str, expire_time: datetime) -> Cookie:
        if not _VALUE.fullmatch(token):
            raise ValueError("a token that no cookie can carry")
        left = expire_time - datetime.now(UTC)
        return self._cookie(name, token, max(0, int(left.total_seconds())))

    def _cookie(self, name: str, value: str, max_age: int) -> Cookie:
        return Cookie(
            name=name,
            value=value,
            max_age=max_age,
            secure=not self._http_on_localhost,
            same_site=self._same_site,
        )
