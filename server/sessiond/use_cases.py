"""Builds the use cases from the settings, the store and the keys."""

from __future__ import annotations

from sessiond.service.adoption import Adopter
from sessiond.service.issuing import Issuer
from sessiond.service.key_rotation import KeyRotation
from sessiond.service.lifecycle import Lifecycle
from sessiond.service.operators import Operators
from sessiond.service.policy import Policies
from sessiond.service.reading import Reader
from sessiond.service.revocation import Revoker
from sessiond.service.sessions import Sessions
from sessiond.service.validation import Validator
from sessiond.settings import Settings, milliseconds
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from sessiond.tokens.access import AccessTokens
from sessiond.tokens.external_ids import ExternalIds
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.refresh import RefreshTokens


class UseCases:
    """Those of one server; what several need is made once."""

    def __init__(self, settings: Settings, scripts: ScriptSet, ring: KeyRing) -> None:
        self._settings = settings
        self._ring = ring
        self._store = Store(scripts)
        self._transfer = TransferStore(scripts)
        self._policies = Policies(settings.all_profiles())
        self._refresh_tokens = RefreshTokens(ring)
        self._access_tokens = AccessTokens(
            ring,
            settings.issuer,
            settings.audience,
            milliseconds(settings.access_token_lifetime),
            leeway_s=ring.lifetimes.leeway_s,
        )
        self._external_ids = ExternalIds(ring)

    def sessions(self) -> Sessions:
        """What callers do."""
        grace_ms = milliseconds(self._settings.grace_time)
        request_ttl_ms = milliseconds(self._settings.request_id_lifetime)
        issuer = Issuer(self._access_tokens, self._refresh_tokens)
        return Sessions(
            policies=self._policies,
            lifecycle=Lifecycle(
                self._store,
                self._policies,
                issuer,
                self._refresh_tokens,
                grace_ms=grace_ms,
                request_ttl_ms=request_ttl_ms,
            ),
            adopter=Adopter(
                self._transfer,
                self._external_ids,
                issuer,
                self._refresh_tokens,
                request_ttl_ms=request_ttl_ms,
            ),
            validator=Validator(
                self._store,
                self._access_tokens,
                self._refresh_tokens,
                activity_ms=milliseconds(self._settings.activity_interval),
                grace_ms=grace_ms,
            ),
            reader=Reader(self._store),
            revoker=Revoker(self._store, request_ttl_ms=request_ttl_ms),
            refresh_tokens=self._refresh_tokens,
            ring=self._ring,
        )

    def operators(self) -> Operators:
        """What operators do."""
        return Operators(key_rotation=KeyRotation(self._ring))
