"""Whether an access token is good, and whether that can be known."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Final

from sessionstore._verifying import access_token, claims, refusals
from sessionstore._verifying.expiring import Expiring
from sessionstore._verifying.feed import Feed
from sessionstore._verifying.freshness import Freshness
from sessionstore._verifying.keys import Keys, PublicKey
from sessionstore._verifying.rules import KeyNotKnownError, Rules
from sessionstore.types import Validation, Verdict
from sessionstore.verifier_types import VerifiedToken, VerifierState, WhenStale
from sessionstore.watch_types import Checkpoint, WatchUpdate


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature was good."""

    token: VerifiedToken
    key: PublicKey
    leave_s: float


class Judge:
    """Decides over tokens by keys, by what has ended, and by its own age. Threads may share it."""

    def __init__(self, rules: Rules, clock: Callable[[], float]) -> None:
        self.keys: Final = Keys()
        self.feed: Final = Feed(Freshness(clock(), time.time()), rules.max_age_s, clock)
        self.last_error: Exception | None = None
        self._rules = rules
        self._clock = clock
        self._remembered: Expiring[bytes, _Verified] = Expiring(rules.remember)

    def verify(self, token: str, *, keys_are_new: bool = False) -> VerifiedToken | None:
        """What a good token says; None if it cannot be known here whether its session has ended.

        Raises:
            CredentialRefused: it is not good, or its session has ended.
            KeyNotKnownError: fetch the keys, and come again with `keys_are_new`.
        """
        if len(token) > access_token.MAX_LENGTH or not token.isascii():
            raise refusals.token_invalid()
        now_s = self._clock()
        # Asked before keys and ended sessions: the feed's thread may make it young meanwhile.
        stale = self._is_stale(now_s)
        digest = hashlib.sha256(token.encode()).digest()
        verified = self._remembered.get(digest)
        known = verified is not None and self.keys.holds(verified.key)
        if verified is None or not known:
            verified = self._verified(token, now_s, keys_are_new=keys_are_new)
        if self.feed.freshness.store_s(now_s) >= verified.leave_s:
            raise refusals.token_expired()
        if not known:
            self._remembered.put(digest, verified)
        if ended := self.feed.ended.get(verified.token.session_id):
            raise refusals.session_ended(verified.token.session_id, ended.reason)
        if stale and self._rules.when_stale is not WhenStale.ACCEPT:
            return None
        return verified.token

    def asking(self) -> str:
        """The service is about to be asked, for the audience that is given.

        Raises:
            Unavailable: it is not to be.
        """
        if self._rules.when_stale is not WhenStale.ASK:
            raise refusals.unavailable("it cannot be known whether the session has ended")
        return self._rules.audience

    def verdict(self, token: str, answer: Validation) -> VerifiedToken:
        """What the service says of a token that it was asked about.

        Raises:
            CredentialRefused: it is not good, or its session is not live.
        """
        try:
            said = claims.read(access_token.parse(token).claims())
        except access_token.REFUSED:
            raise refusals.token_invalid() from None
        if answer.verdict == Verdict.ACTIVE:
            return said
        raise refusals.of_verdict(answer, said.session_id)

    def received(self, update: WatchUpdate) -> bool:
        """Take in what a stream tells; False if another one should be opened instead."""
        good = self.feed.received(update)
        if isinstance(update, Checkpoint):
            self._remembered.prune(self.feed.freshness.store_s(self._clock()))
        return good

    @property
    def stale(self) -> bool:
        """Whether it may lack an ending, or a key's end, that is longer ago than its bound."""
        return self._is_stale(self._clock())

    def state(self) -> VerifierState:
        """How it is doing."""
        now_s = self._clock()
        age_s = self.feed.freshness.age_s(now_s)
        return VerifierState(
            age=timedelta(seconds=age_s) if isfinite(age_s) else None,
            stale=self._is_stale(now_s),
            connected=self.feed.connected,
            ended_sessions=len(self.feed.ended),
            remembered_tokens=len(self._remembered),
            last_error=self.last_error,
        )

    def _is_stale(self, now_s: float) -> bool:
        late = self.feed.freshness.age_s(now_s) > self._rules.max_age_s
        return late or self.keys.are_stale(now_s)

    def _verified(self, token: str, now_s: float, *, keys_are_new: bool) -> _Verified:
        try:
            parsed = access_token.parse(token)
            key = self.keys.find(parsed.kid)
            if key is None and not (keys_are_new or self.keys.are_recent(now_s)):
                raise KeyNotKnownError
            if key is None:
                raise ValueError("no such key")
            said = claims.read(parsed.verified(key))
            self._check(said, now_s)
        except access_token.REFUSED:
            raise refusals.token_invalid() from None
        return _Verified(said, key, said.expire_time.timestamp() + self._rules.leeway_s)

    def _check(self, said: VerifiedToken, now_s: float) -> None:
        if said.claims["iss"] != self.keys.issuer:
            raise ValueError("another issuer")
        if self._rules.audience not in said.audience:
            raise ValueError("meant for others")
        if claims.good_from_s(said) > self.feed.freshness.store_s(now_s) + self._rules.leeway_s:
            raise ValueError("not good yet")
