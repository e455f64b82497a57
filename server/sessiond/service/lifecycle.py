"""Creating, refreshing and extending sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sessiond.domain.callers import Caller
from sessiond.domain.errors import RefreshTokenReusedError, SessionStoreError
from sessiond.domain.ids import new_session_id
from sessiond.domain.session import Authentication, Client, EndReason, Outcome, Session
from sessiond.service import idempotency
from sessiond.service.figures import SessionFigures
from sessiond.service.issuing import Issuer, Tokens
from sessiond.service.policy import Policies
from sessiond.service.reassertion import Reassertion
from sessiond.store.replies import Extended, NewSession
from sessiond.store.script_set import A_RULE
from sessiond.store.scripts import Store
from sessiond.tokens.refresh import RefreshTokens


@dataclass(frozen=True, slots=True)
class Login:
    """What a caller says of a login. Lifetimes are milliseconds; None is the profile's."""

    user_id: str
    profile: str = ""
    client: Client = field(default_factory=Client)
    attributes: Mapping[str, str] = field(default_factory=dict)
    authentication: Authentication = field(default_factory=Authentication)
    audience: tuple[str, ...] = ()
    idle_ms: int | None = None
    absolute_ms: int | None = None
    replaces_session_id: str = ""


@dataclass(frozen=True, slots=True)
class CreatedSession:
    """A new session with its credentials, and those that made room for it."""

    session: Session
    tokens: Tokens
    evicted: tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class RefreshedSession:
    """The same session, extended, with its credentials."""

    session: Session
    tokens: Tokens
    outcome: Outcome
    previous_expire_ms: int


class Lifecycle:
    """The use cases that make sessions live, and live longer."""

    def __init__(
        self,
        store: Store,
        policies: Policies,
        issuer: Issuer,
        refresh_tokens: RefreshTokens,
        *,
        reassertion: Reassertion,
        figures: SessionFigures,
        grace_ms: int,
        request_ttl_ms: int,
    ) -> None:
        self._store = store
        self._policies = policies
        self._issuer = issuer
        self._refresh_tokens = refresh_tokens
        self._reassertion = reassertion
        self._figures = figures
        self._grace_ms = grace_ms
        self._request_ttl_ms = request_ttl_ms

    async def create(self, caller: Caller, login: Login, request_id: str) -> CreatedSession:
        """Create the session of a login; see `Store.create` for the refusals."""
        profile, idle_ms, absolute_ms = self._policies.resolve(
            login.profile, login.idle_ms, login.absolute_ms
        )
        created = await self._store.create(
            NewSession(
                id=new_session_id(login.user_id),
                user_id=login.user_id,
                profile=profile,
                idle_ms=idle_ms,
                absolute_ms=absolute_ms,
                mac_key_id=self._refresh_tokens.key_id,
                client=login.client,
                attributes=login.attributes,
                authentication=login.authentication,
                audience=login.audience,
                replaces_session_id=login.replaces_session_id,
                request=idempotency.request(
                    caller.name,
                    request_id,
                    method="create",
                    user_id=login.user_id,
                    command=login,
                    ttl_ms=self._request_ttl_ms,
                ),
            )
        )
        for made_room in created.evicted:
            self._reassertion.remember((made_room.id,), made_room.end_reason, made_room.ended_by)
        tokens = self._issuer.tokens(created.session, client_id=caller.name, now_ms=created.now_ms)
        return CreatedSession(created.session, tokens, created.evicted)

    async def refresh(
        self, caller: Caller, refresh_token: str, client: Client, request_id: str
    ) -> RefreshedSession:
        """Present a refresh token; see `Store.refresh` for the refusals.

        Raises:
            RefreshTokenInvalidError: forged or damaged; the store is not asked.
        """
        try:
            claims = self._refresh_tokens.parse(refresh_token)
            refreshed = await self._store.refresh(
                claims.session_id,
                claims.generation,
                client,
                request=idempotency.mark(caller.name, request_id),
                grace_ms=self._grace_ms,
                mac_key_id=self._refresh_tokens.key_id,
            )
        except SessionStoreError as error:
            self._figures.refused(error.reason)
            if isinstance(error, RefreshTokenReusedError):
                self._reassertion.remember((claims.session_id,), EndReason.TOKEN_REUSED, A_RULE)
            raise
        self._figures.refreshed(refreshed.outcome)
        tokens = self._issuer.tokens(
            refreshed.session, client_id=caller.name, now_ms=refreshed.now_ms
        )
        return RefreshedSession(
            refreshed.session, tokens, refreshed.outcome, refreshed.previous_expire_ms
        )

    async def extend(self, session_id: str, client: Client) -> Extended:
        """Extend a session for a caller that holds only its id; see `Store.extend`."""
        return await self._store.extend(session_id, client)
