"""How long sessions live, how many a user holds, and what is remembered of them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from sessiond.domain.profile import DEFAULT_PROFILE, AtCap, Profile
from sessiond.settings.base import CommonSettings
from sessiond.settings.kinds import Duration, milliseconds

Lifetime = Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=3660))]
Cap = Annotated[int, Field(ge=1, le=1000)]
_PROFILE_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class ProfileSettings(BaseModel):
    """A named policy; what it leaves out is as in the default profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idle_lifetime: Lifetime | None = None
    absolute_lifetime: Lifetime | None = None
    session_cap: Cap | None = None
    at_cap: AtCap | None = None


class SessionSettings(CommonSettings):
    """The default profile, the named ones, and what all share."""

    idle_lifetime: Lifetime = Field(
        default=timedelta(days=7),
        description="A session that is not refreshed for this long expires (default profile).",
    )

    absolute_lifetime: Lifetime = Field(
        default=timedelta(days=90),
        description="A session expires this long after its creation, however much it is used.",
    )

    session_cap: Cap = Field(default=10, description="Live sessions of one user, 1 to 1000.")

    at_cap: AtCap = Field(
        default=AtCap.EVICT_OLDEST,
        description="At the cap: evict_oldest, evict_idle (the one not refreshed the longest) or"
        " reject the new one. Cannot change between evict_idle and the others once in use.",
    )

    profiles: dict[str, ProfileSettings] = Field(
        default_factory=dict,
        description="Further profiles, as JSON: {NAME: {idle_lifetime, absolute_lifetime,"
        " session_cap, at_cap}}.",
    )

    grace_time: Duration = Field(
        default=timedelta(seconds=10),
        ge=timedelta(0),
        le=timedelta(minutes=10),
        description="How long a superseded refresh token is still answered with the current one;"
        " 0 is strict rotation.",
    )

    activity_interval: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        description="A validation records the session as seen at most this often.",
    )

    retention: Duration = Field(
        default=timedelta(days=30),
        ge=timedelta(hours=1),
        le=timedelta(days=3660),
        description="How long ended sessions are kept.",
    )

    request_id_lifetime: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=1),
        description="How long a request id is remembered.",
    )

    def all_profiles(self) -> dict[str, Profile]:
        """The default profile and the named ones, complete."""
        named = {DEFAULT_PROFILE: ProfileSettings(), **self.profiles}
        for name in named:
            if not _PROFILE_NAME.fullmatch(name):
                raise ValueError(
                    f"SESSIOND_PROFILES: {name!r} is not a name: a-z, then a-z, 0-9, _ and -"
                )
        return {
            name: Profile(
                name=name,
                idle_ms=milliseconds(p.idle_lifetime or self.idle_lifetime),
                absolute_ms=milliseconds(p.absolute_lifetime or self.absolute_lifetime),
                cap=p.session_cap or self.session_cap,
                at_cap=p.at_cap or self.at_cap,
            )
            for name, p in named.items()
        }
