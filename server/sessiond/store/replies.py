"""What the scripts answer, by name. Times are milliseconds of the engine's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sessiond.domain.profile import Profile
from sessiond.domain.session import Authentication, Client, Outcome, Session, State
from sessiond.domain.transfer import Fate


@dataclass(frozen=True, slots=True)
class EndPolicy:
    """What every script that ends sessions must know."""

    retention_ms: int
    """How long ended sessions are kept."""
    access_ms: int
    """The longest lifetime of an access token."""
    leeway_ms: int
    """How far past its expiry a verifier still takes an access token."""
    log_ms: int
    """How long events are kept."""
    log_most: int
    """How many events a partition keeps at most."""


@dataclass(frozen=True, slots=True)
class Request:
    """Makes a retry safe (AIP-155). The key is empty when the caller gave no request id."""

    key: str = ""
    digest: str = ""
    ttl_ms: int = 0


@dataclass(frozen=True, slots=True)
class NewSession:
    """What create needs beyond the policies."""

    id: str
    user_id: str
    profile: Profile
    idle_ms: int
    absolute_ms: int
    mac_key_id: int
    client: Client = field(default_factory=Client)
    attributes: Mapping[str, str] = field(default_factory=dict)
    authentication: Authentication = field(default_factory=Authentication)
    audience: Sequence[str] = ()
    replaces_session_id: str = ""
    request: Request = field(default_factory=Request)


@dataclass(frozen=True, slots=True)
class Created:
    """A new session, or the one that the same request made before."""

    now_ms: int
    session: Session
    evicted: tuple[Session, ...]
    replayed: bool


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A session of another system, as import needs it."""

    id: str
    user_id: str
    profile: Profile
    create_us: int
    expire_ms: int
    mac_key_id: int
    client: Client
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a newcomer, and the ids of those that made room for it.

    One that is INVALID says that it was created in the future.
    """

    fate: Fate
    made_room: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Extended:
    """A session with its new expiry, and the expiry before."""

    now_ms: int
    session: Session
    previous_expire_ms: int


@dataclass(frozen=True, slots=True)
class Refreshed(Extended):
    """A session after refresh, and what the refresh did."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Found:
    """A session as of `now_ms`."""

    now_ms: int
    session: Session


@dataclass(frozen=True, slots=True)
class PageAnchor:
    """Where a page of ListSessions ended."""

    section: str
    score: int
    session_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a user's sessions."""

    sessions: tuple[Session, ...]
    next: PageAnchor | None


@dataclass(frozen=True, slots=True)
class Revoked:
    """A session after revoke; `by_this_call` tells whether this call ended it."""

    now_ms: int
    session: Session
    by_this_call: bool


@dataclass(frozen=True, slots=True)
class Swept:
    """How many entries a sweep trimmed from `dead`, and the users that are due for a visit."""

    trimmed: int
    due: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a visit to a user removed, and when the next is due (0: never)."""

    dead: int
    forgotten: int
    next_visit_ms: int


ALL_STATES = (State.ACTIVE, State.ENDED, State.EXPIRED)
