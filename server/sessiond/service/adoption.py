"""Going on with a session of another system."""

from __future__ import annotations

from dataclasses import dataclass

from sessiond.domain.callers import Caller
from sessiond.domain.session import Session
from sessiond.service import idempotency
from sessiond.service.issuing import Issuer, Tokens
from sessiond.store.transfer import TransferStore
from sessiond.tokens.external_ids import ExternalIds
from sessiond.tokens.refresh import RefreshTokens


@dataclass(frozen=True, slots=True)
class Adoption:
    """Which session goes on: whose it is, and its id in the system that it was imported from."""

    user_id: str
    external_id: str


@dataclass(frozen=True, slots=True)
class AdoptedSession:
    """An imported session with its credentials."""

    session: Session
    tokens: Tokens


class Adopter:
    """Gives tokens to imported sessions."""

    def __init__(
        self,
        store: TransferStore,
        external_ids: ExternalIds,
        issuer: Issuer,
        refresh_tokens: RefreshTokens,
        *,
        request_ttl_ms: int,
    ) -> None:
        self._store = store
        self._external_ids = external_ids
        self._issuer = issuer
        self._refresh_tokens = refresh_tokens
        self._request_ttl_ms = request_ttl_ms

    async def adopt(self, caller: Caller, what: Adoption, request_id: str) -> AdoptedSession:
        """Give the session its tokens, once; see `TransferStore.adopt` for the refusals.

        Raises:
            ImportKeyMissingError: the key ring cannot tell which session it is.
        """
        found = await self._store.adopt(
            self._external_ids.session_id(what.user_id, what.external_id),
            what.user_id,
            mac_key_id=self._refresh_tokens.key_id,
            request=idempotency.request(
                caller.name,
                request_id,
                method="adopt",
                user_id=what.user_id,
                command=what,
                ttl_ms=self._request_ttl_ms,
            ),
        )
        tokens = self._issuer.tokens(found.session, client_id=caller.name, now_ms=found.now_ms)
        return AdoptedSession(found.session, tokens)
