"""The story of `sessionctl demo`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sessionstore.admin import AdminClient
from sessionstore.cli.durations import short
from sessionstore.cli.exits import Failure
from sessionstore.cli.output import Output
from sessionstore.cli.tables import counted
from sessionstore.client import SessionClient
from sessionstore.errors import RefreshTokenReused
from sessionstore.types import ClientInfo, CreatedSession, EndReason, Outcome, RefreshedSession

T = TypeVar("T")

_LOGINS = 11
_BROWSERS = ("Firefox", "Chrome", "Safari")
_POLL_S = 0.5
_LONGEST_GRACE_S = 60.0


class Story:
    """What one user's sessions go through.

    Args:
        sessions: a client with role writer.
        admin: a client with role admin.
        user: nobody else's.
        output: where it is told.
    """

    def __init__(
        self, sessions: SessionClient, admin: AdminClient, user: str, output: Output
    ) -> None:
        self._sessions = sessions
        self._admin = admin
        self._user = user
        self._output = output

    def tell(self) -> None:
        """Tell it from the first login to the revocation."""
        logins = self._log_in()
        self._evict(logins)
        laptop, phone = logins[-1], logins[-2]
        refreshed = self._refresh(laptop)
        self._steal(laptop, refreshed)
        self._revoke(phone)

    def clean_up(self) -> None:
        """Erase the user."""
        erased = self._admin.delete_user(self._user)
        count = erased.ended_sessions + erased.erased_sessions
        self._say("clean_up", f"{self._user} and {counted(count, 'session')} are erased.")

    def _log_in(self) -> list[CreatedSession]:
        logins = []
        for number in range(1, _LOGINS + 1):
            browser = _BROWSERS[number % len(_BROWSERS)]
            created = self._sessions.create(self._user, client=ClientInfo(user_agent=browser))
            self._say("login", f"login {number:2} with {browser:7} is {created.session.id}")
            logins.append(created)
        return logins

    def _evict(self, logins: list[CreatedSession]) -> None:
        evicted = [session for login in logins for session in login.evicted_sessions]
        if not evicted:
            self._say("eviction", f"All {len(logins)} live: the cap of this server is higher.")
        for session in evicted:
            self._say("eviction", f"The cap is reached: {session.id}, the oldest, made room.")

    def _refresh(self, login: CreatedSession) -> RefreshedSession:
        token = login.tokens.refresh_token
        refreshed = self._sessions.refresh(token)
        if refreshed.outcome == Outcome.CURRENT:
            self._say("refresh", f"A refresh at once is {refreshed.outcome}: the token stays.")
            refreshed = self._until("the token may rotate", lambda: self._rotate(token))
        same = "the same" if refreshed.session.id == login.session.id else "ANOTHER"
        moved = refreshed.session.expire_time - login.session.expire_time
        self._say(
            "refresh",
            f"One in its time is {refreshed.outcome}: a new token, {same} session, "
            f"and {short(moved)} more to live.",
        )
        return refreshed

    def _steal(self, login: CreatedSession, refreshed: RefreshedSession) -> None:
        token = login.tokens.refresh_token
        reused = self._until("the old token is refused", lambda: self._use_stolen(token))
        self._say("theft", f"A thief comes with the token from before: {reused.reason}.")
        answer = self._sessions.validate(refresh_token=refreshed.tokens.refresh_token)
        self._say("theft", f"So the session is {answer.verdict}, for the thief and the user.")

    def _rotate(self, token: str) -> RefreshedSession | None:
        refreshed = self._sessions.refresh(token)
        return refreshed if refreshed.outcome == Outcome.ROTATED else None

    def _use_stolen(self, token: str) -> RefreshTokenReused | None:
        try:
            self._sessions.refresh(token)
        except RefreshTokenReused as error:
            return error
        return None

    def _revoke(self, login: CreatedSession) -> None:
        token = login.tokens.access_token
        before = self._sessions.validate(access_token=token).verdict
        self._sessions.revoke(session_id=login.session.id, reason=EndReason.LOGOUT)
        after = self._sessions.validate(access_token=token).verdict
        self._say("revocation", f"{login.session.id} logs out: {before} before, {after} after.")
        summary = self._admin.explain(session_id=login.session.id).summary
        self._say("explanation", summary)

    def _until(self, what: str, ask: Callable[[], T | None]) -> T:
        """Ask until there is an answer; that takes as long as the server's grace time."""
        deadline = time.monotonic() + _LONGEST_GRACE_S
        with self._output.waiting(f"until {what}"):
            while (answer := ask()) is None:
                if time.monotonic() > deadline:
                    raise Failure(f"{_LONGEST_GRACE_S:g} s were not enough until {what}")
                time.sleep(_POLL_S)
        return answer

    def _say(self, step: str, sentence: str) -> None:
        if self._output.json:
            self._output.line({"step": step, "text": sentence})
        else:
            self._output.print(sentence)
