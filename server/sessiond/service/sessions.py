"""All use cases of sessions, together."""

from __future__ import annotations

from dataclasses import dataclass

from sessiond.service.adoption import Adopter
from sessiond.service.lifecycle import Lifecycle
from sessiond.service.policy import Policies
from sessiond.service.reading import Reader
from sessiond.service.revocation import Revoker
from sessiond.service.validation import Validator
from sessiond.service.watching import Watching
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.refresh import RefreshTokens


@dataclass(frozen=True, slots=True)
class Sessions:
    """What the RPC layer calls."""

    policies: Policies
    lifecycle: Lifecycle
    adopter: Adopter
    validator: Validator
    reader: Reader
    revoker: Revoker
    refresh_tokens: RefreshTokens
    ring: KeyRing
    watching: Watching

    def session_of_token(self, refresh_token: str) -> str:
        """The session id that a refresh token of any generation names.

        Raises:
            RefreshTokenInvalidError: forged or damaged.
        """
        return self.refresh_tokens.parse(refresh_token).session_id

    def jwks(self) -> list[dict[str, str]]:
        """The public keys that verify access tokens (RFC 7517, 5)."""
        return self.ring.jwks()
