"""A session and its parts. Times are milliseconds of the engine's clock since the Unix epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

MOST_LOST_GENERATIONS: Final = 16
"""How far ahead of the store a refresh token may be and still count as a lost write."""

EXPIRED_REMEMBERED_MS: Final = 3_600_000
"""How long a session says that it expired, after it did."""

RECENT_MOST: Final = 100
"""How many of its newest creations a partition remembers."""


class EndReason(IntEnum):
    """Why a session is no longer live. The number is what the store keeps and the wire carries."""

    NONE = 0
    LOGOUT = 1
    REVOKED = 2
    REVOKED_BY_ADMIN = 3
    REVOKED_OTHERS = 4
    EVICTED_BY_CAP = 5
    REPLACED = 6
    TOKEN_REUSED = 7
    USER_DELETED = 8
    IDLE = 9
    ABSOLUTE = 10
    EXPIRED = 11
    """Visited more than an hour after its expiry: which of the two limits is no longer known."""


class State(IntEnum):
    """ACTIVE while there is no end reason and now < expiry."""

    ACTIVE = 1
    ENDED = 2
    EXPIRED = 3


class Cut(IntFlag):
    """Client details that were longer than their limit and are kept cut."""

    USER_AGENT = 1
    IP_ADDRESS = 2
    DEVICE_NAME = 4
    FINGERPRINT = 8

    @property
    def field(self) -> str:
        """The field of Client that one mark is about."""
        return str(self.name).lower()


NOTHING_CUT: Final = Cut(0)


@dataclass(frozen=True, slots=True)
class Client:
    """The browser or device that holds the session."""

    user_agent: str = ""
    ip_address: str = ""
    device_id: str = ""
    device_name: str = ""
    fingerprint: str = ""
    cut: Cut = NOTHING_CUT


@dataclass(frozen=True, slots=True)
class Authentication:
    """How and when the user proved who they are (OpenID Connect Core 2: amr, acr, auth_time)."""

    methods: tuple[str, ...] = ()
    acr: str = ""
    time_ms: int = 0


NOT_TOLD: Final = Authentication()
"""The caller did not say how the user proved who they are."""


@dataclass(frozen=True, slots=True)
class Session:
    """One browser or device of one user; its id never changes."""

    id: str
    user_id: str
    profile: str
    state: State
    create_us: int
    """Microseconds: the order of creation survives ties."""
    mint_ms: int
    """When the current generation of the refresh token was minted."""
    expire_ms: int
    absolute_expire_ms: int
    refresh_ms: int
    last_seen_ms: int
    generation: int
    mac_key_id: int
    version: int = 0
    audience: tuple[str, ...] = ()
    client: Client = field(default_factory=Client)
    attributes: Mapping[str, str] = field(default_factory=dict)
    authentication: Authentication = NOT_TOLD
    end_reason: EndReason = EndReason.NONE
    end_ms: int = 0
    ended_by: str = ""

    @property
    def create_ms(self) -> int:
        """When the session was created."""
        return self.create_us // 1000

    def accepts(self, generation: int, now_ms: int, grace_ms: int) -> bool:
        """Whether a refresh with this generation would be given tokens, without its request id.

        A generation shortly ahead of the store is one that the store lost in a failover.
        """
        if generation == self.generation - 1:
            return grace_ms > 0 and abs(now_ms - self.mint_ms) <= grace_ms
        return self.generation <= generation <= self.generation + MOST_LOST_GENERATIONS


class Outcome(IntEnum):
    """What a successful refresh did (DESIGN: operations, refresh)."""

    ROTATED = 1
    CURRENT = 2
    REPLAYED = 3
    RECOVERED = 4


class Verdict(IntEnum):
    """What a validation found. "Not valid" is an answer, not an error."""

    ACTIVE = 1
    EXPIRED = 2
    ENDED = 3
    NOT_FOUND = 4
    TOKEN_INVALID = 5
    TOKEN_EXPIRED = 6
