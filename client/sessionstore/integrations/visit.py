"""One request: whose session it is in, or why in none, and what becomes of its cookies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sessionstore import VerifiedToken
from sessionstore.integrations.arrival import Arrival
from sessionstore.integrations.cookies import SessionCookies
from sessionstore.integrations.refusals import Reason, Refusal, Refused
from sessionstore.integrations.renewals import Flight
from sessionstore.types import ClientInfo, Tokens


@dataclass(slots=True)
class Outcome:
    """What the answer does to the browser's cookies."""

    tokens: Tokens | None = None
    """To be set."""
    clears: bool = False
    due: str = field(default="", repr=False)
    """A refresh token whose access token is near its end."""
    flight: Flight[Any] | None = None
    """The refresh that the tokens are from."""
    sent: bool = False

    def decide(self, tokens: Tokens | None) -> None:
        """Set these tokens, or clear; whatever was due no longer is."""
        self.tokens, self.clears, self.due = tokens, tokens is None, ""


class Visit:
    """What a view may ask and say. A middleware makes one for each request."""

    def __init__(self, arrival: Arrival, cookies: SessionCookies | None) -> None:
        self.session: VerifiedToken | None = None
        """The verified access token; None if nobody is known to be logged in."""
        self.refusal: Refusal | None = None
        """Why there is no session; None if there is one."""
        self.outcome = Outcome()
        """For the middleware."""
        self._arrival = arrival
        self._cookies = cookies

    @property
    def client(self) -> ClientInfo:
        """The browser or device, for `SessionClient.create`."""
        return self._arrival.client

    def require(self) -> VerifiedToken:
        """The session.

        Raises:
            Refused: there is none, or it cannot be known.
        """
        if self.session is None:
            raise Refused(self.refusal or Refusal(Reason.TOKEN_MISSING))
        return self.session

    def find(self) -> VerifiedToken | None:
        """The session, or None for whoever is not logged in.

        Raises:
            Refused: it cannot be known now. To go on would take a user for a stranger.
        """
        if self.refusal and self.refusal.reason == Reason.UNAVAILABLE:
            raise Refused(self.refusal)
        return self.session

    def replaced_by(self, user_id: str) -> str | None:
        """The id of this browser's session if it is the user's: their login replaces it."""
        session = self.session
        return session.session_id if session and session.user_id == user_id else None

    def refuse_cross_site(self) -> None:
        """For a login: no page of another site may log its visitors in as somebody of its choice.

        Every other unsafe request is checked as soon as it comes with a cookie.

        Raises:
            Refused: another origin's page sent the request.
            RuntimeError: no SessionCookies were given.
        """
        if self._with_cookies().refuses(self._arrival):
            raise Refused(Refusal(Reason.CROSS_SITE))

    def log_in(self, tokens: Tokens) -> None:
        """Have the answer hand these tokens to the browser, in cookies.

        Raises:
            RuntimeError: no SessionCookies were given, the answer has begun, or cookies for
                localhost would go elsewhere.
        """
        self._with_cookies().must_serve(self._arrival.host)
        self.outcome.decide(tokens)

    def log_out(self) -> None:
        """Have the answer take the cookies back. The session itself is ended by `revoke`.

        Raises:
            RuntimeError: no SessionCookies were given, or the answer has begun.
        """
        self._with_cookies()
        self.outcome.decide(None)

    def _with_cookies(self) -> SessionCookies:
        if self._cookies is None:
            raise RuntimeError("this needs SessionCookies")
        if self.outcome.sent:
            raise RuntimeError("the answer has begun: its cookies are sent")
        return self._cookies
