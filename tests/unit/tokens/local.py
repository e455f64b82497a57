"""A local verifier in the place of the service's own, so that both are shown the same tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sessiond.domain.errors import AccessTokenExpiredError, AccessTokenInvalidError
from sessiond.tokens.access import AccessTokens
from sessiond.tokens.keyring import KeyRing
from sessionstore import SigningKey, SigningKeys, TokenExpired, TokenInvalid, WhenStale
from sessionstore._verifying.judge import Judge
from sessionstore._verifying.rules import Rules
from tests.unit.tokens.forge import HOUR, ISSUER, NOW


class LocalAccessTokens(AccessTokens):
    """Mints as the service does, and verifies as the SDK does, at NOW."""

    def __init__(self, ring: KeyRing) -> None:
        super().__init__(ring, ISSUER, "api", HOUR * 1000)
        rules = Rules("api", max_age_s=5, when_stale=WhenStale.REFUSE, leeway_s=30, remember=100)
        self._judge = Judge(rules, lambda: 0.0)
        self._judge.feed.freshness.opened(0.0, NOW)
        self._judge.feed.freshness.checkpoint(NOW, 0.0)
        now = datetime.fromtimestamp(NOW, UTC)
        keys = SigningKeys(
            keys=tuple(SigningKey(**{"y": "", **jwk}) for jwk in ring.jwks()),
            issuer=ISSUER,
            read_time=now,
            expire_time=now + timedelta(minutes=5),
        )
        self._judge.keys.took(keys, 0.0, 0.0)

    def verify(self, token: str, *, at_any_age: bool = False) -> None:  # type: ignore[override]
        """Only whether it is good."""
        assert not at_any_age
        try:
            assert self._judge.verify(token)
        except TokenExpired as error:
            raise AccessTokenExpiredError(error.message) from None
        except TokenInvalid as error:
            raise AccessTokenInvalidError(error.message) from None
