"""What the SDK takes and gives. Times are aware UTC datetimes; an empty string means "not set"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sessionstore._enums import EndReason, Outcome, State, Verdict

__all__ = [
    "AdoptedSession",
    "Authentication",
    "ClientInfo",
    "CreatedSession",
    "Credential",
    "EndReason",
    "ExtendedSession",
    "Outcome",
    "RefreshedSession",
    "RevokedSession",
    "RevokedSessions",
    "Session",
    "SessionPage",
    "SigningKey",
    "SigningKeys",
    "State",
    "Tokens",
    "Validation",
    "Verdict",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfo:
    """The browser or device of a session. What is over its limit is cut, never refused."""

    user_agent: str = ""
    """The User-Agent header. Kept to 512 bytes of UTF-8."""
    ip_address: str = ""
    """The address the user came from. Kept to 64 bytes."""
    device_id: str = ""
    """A stable id chosen by the caller, at most 128 bytes; more is refused. A login with the same
    one replaces the session before. Set at creation only."""
    device_name: str = ""
    """A name to show in a list of devices. Kept to 128 bytes of UTF-8."""
    fingerprint: str = ""
    """An opaque hash that recognises it. Kept to 128 bytes; dropped when the session ends."""
    cut_fields: tuple[str, ...] = ()
    """In answers: the fields above that were cut to their limit. Not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """How and when the user proved who they are (RFC 9068, 2.2.1: amr, acr, auth_time)."""

    methods: tuple[str, ...] = ()
    """Such as "pwd" or "otp" (RFC 8176). At most 8 of 1 to 32 characters."""
    acr: str = ""
    """The authentication context class reference. At most 128 bytes."""
    time: datetime | None = None
    """When the user was authenticated. Must be aware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What one browser or device of one user holds. Its id never changes; it carries no token."""

    id: str
    """Names the session; it never authenticates a user. 24 characters of base64url."""
    user_id: str
    profile: str
    """The policy that it was created under."""
    state: State
    """As of this answer."""
    end_reason: EndReason | None
    """None while it is live."""
    client: ClientInfo
    """As of the last refresh."""
    attributes: Mapping[str, str] = field(hash=False)
    """What the caller keeps with the session. Dropped when it ends."""
    authentication: Authentication | None
    audience: tuple[str, ...]
    """Of its access tokens; empty means the server's default."""
    create_time: datetime
    """To the microsecond."""
    expire_time: datetime
    """When it ends unless it is refreshed: the earlier of idle and absolute expiry."""
    absolute_expire_time: datetime
    """Set at creation, never moved."""
    refresh_time: datetime
    """When it was last refreshed or extended; `create_time` if never."""
    last_seen_time: datetime
    """When it was last used, as exact as the server's activity interval (5 min by default)."""
    end_time: datetime | None
    """None while it is live."""
    ended_by: str
    """The caller that ended it; empty if a rule or the expiry did."""
    etag: str
    """A version that only an update of the attributes moves (AIP-154)."""

    @property
    def active(self) -> bool:
        """Whether it was live as of this answer."""
        return self.state == State.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The credentials of a session, for its user. Their values never show in a repr."""

    access_token: str = field(repr=False)
    """A signed JWT (RFC 9068)."""
    access_token_expire_time: datetime
    """Never after the session."""
    refresh_token: str = field(repr=False)
    """An opaque token for `refresh`."""
    refresh_token_expire_time: datetime
    """The session's `expire_time`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedSession:
    """The answer to `create`."""

    session: Session
    tokens: Tokens
    evicted_sessions: tuple[Session, ...]
    """Those that made room or were replaced, in the order they ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshedSession:
    """The answer to `refresh`: the same session, extended."""

    session: Session
    tokens: Tokens
    """Keep the refresh token: it may be a new one."""
    outcome: Outcome
    previous_expire_time: datetime
    """When the session would have expired without this refresh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedSession:
    """The answer to `extend`: the same session, extended."""

    session: Session
    previous_expire_time: datetime
    """When the session would have expired without this call."""
    extended: bool
    """Whether the expiry moved; false at the absolute limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedSession:
    """The answer to `revoke`."""

    session: Session | None
    """As it ended; None if it is unknown."""
    replicas_confirmed: int | None = None
    """How many of the store's replicas have the ending, where the service waits for them
    (SESSIOND_STORE_WAIT_REPLICAS). With fewer than that a failover within moments may bring the
    session back, until the service ends it again. None if it does not wait, or nothing ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedSessions:
    """The answer to `revoke_user`."""

    session_ids: tuple[str, ...]
    """Of the sessions that this request ended."""
    replicas_confirmed: int | None = None
    """As in `RevokedSession`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedSession:
    """The answer to `adopt`: an imported session, with tokens."""

    session: Session
    """Its times are those that it was imported with."""
    tokens: Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage:
    """One page of a user's sessions."""

    sessions: tuple[Session, ...]
    next_page_token: str
    """Empty when this was the last page (AIP-158)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What names a session to validate: exactly one of three.

    Raises:
        TypeError: none of them is given, or more than one.
    """

    access_token: str | None = field(default=None, repr=False)
    session_id: str | None = None
    refresh_token: str | None = field(default=None, repr=False)
    audience: str = ""
    """With an access token: an audience that it must be meant for (RFC 9068, 4)."""

    def __post_init__(self) -> None:
        given = (self.access_token, self.session_id, self.refresh_token)
        if sum(value is not None for value in given) != 1:
            raise TypeError("give exactly one of access_token, session_id and refresh_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The answer to `validate`. True in a condition only if the session is live."""

    verdict: Verdict
    session: Session | None
    """The session, if the verdict is ACTIVE."""
    end_reason: EndReason | None
    """Why it ended, if the verdict is ENDED or EXPIRED."""

    @property
    def active(self) -> bool:
        """Whether the session is live and the credential good."""
        return self.verdict == Verdict.ACTIVE

    def __bool__(self) -> bool:
        """Never let `if client.validate(...)` pass for an ended session."""
        return self.active


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One public key (RFC 7517, 4; RFC 8037, 2; RFC 7518, 6.2)."""

    kid: str
    kty: str
    """"OKP" or "EC"."""
    alg: str
    """"EdDSA" or "ES256"."""
    use: str
    crv: str
    x: str
    y: str
    """Empty for OKP."""

    def as_jwk(self) -> dict[str, str]:
        """The key as a JSON Web Key (RFC 7517, 4)."""
        members = ("kid", "kty", "alg", "use", "crv", "x", "y")
        return {name: value for name in members if (value := getattr(self, name))}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """The public keys that verify access tokens now, or will within minutes."""

    keys: tuple[SigningKey, ...]
    issuer: str
    """The iss claim of the access tokens."""
    read_time: datetime
    expire_time: datetime
    """Until when the set may be cached."""

    def as_jwks(self) -> dict[str, list[dict[str, str]]]:
        """The keys as a JSON Web Key Set (RFC 7517, 5)."""
        return {"keys": [key.as_jwk() for key in self.keys]}
