"""A browser whose tabs share its cookies, at a web application."""

from __future__ import annotations

from collections.abc import Sequence
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Final, Self

import httpx

from tests.faults.backend import Created

ACCESS: Final = "session-access"
REFRESH: Final = "session-refresh"


class Browser:
    """Sends each request over a connection of its own, with the cookies as they are then."""

    def __init__(
        self, login: Created, addresses: Sequence[str], *, timeout_s: float = 30.0
    ) -> None:
        self.session_id = login.session.session_id
        self.cookies = {
            ACCESS: login.tokens.access_token,
            REFRESH: login.tokens.refresh_token,
        }
        self.requests = 0
        self._addresses = addresses
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncClient(timeout=timeout_s, limits=limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def run_out(self) -> None:
        """Drop the access token, as its cookie does at its end."""
        self.cookies.pop(ACCESS, None)

    async def me(self, tab: int = 0) -> str:
        """Whose session the application says the tab is in; else its status and answer.

        Raises:
            httpx.TransportError: no answer came.
        """
        self.requests += 1
        address = self._addresses[tab % len(self._addresses)]
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self._http.get(f"http://{address}/me", headers={"Cookie": cookie})
        for line in answer.headers.get_list("Set-Cookie"):
            for name, morsel in SimpleCookie(line).items():
                self._keep(name, morsel.value, morsel["max-age"])
        if answer.status_code != httpx.codes.OK:
            return f"{answer.status_code} {answer.text}"
        session: str = answer.json()["session"]
        return session

    def _keep(self, name: str, value: str, max_age: str) -> None:
        self.cookies[name] = value
        if max_age == "0":
            del self.cookies[name]
