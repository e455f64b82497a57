"""Which profile and lifetimes apply to a new session."""

from __future__ import annotations

from collections.abc import Mapping

from sessiond.domain.errors import FieldViolation, InvalidFieldError
from sessiond.domain.profile import DEFAULT_PROFILE, Profile


class Policies:
    """The configured profiles."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._profiles = profiles

    def check(
        self, name: str, idle_ms: int | None, absolute_ms: int | None
    ) -> list[FieldViolation]:
        """What is wrong with the profile and lifetimes that a login asks for."""
        profile = self._profiles.get(name or DEFAULT_PROFILE)
        if profile is None:
            known = ", ".join(sorted(self._profiles))
            return [FieldViolation("profile", f"is not one of: {known}")]
        return [
            FieldViolation(field, f"is longer than the profile's {limit / 1000:g} s")
            for field, asked, limit in (
                ("idle_lifetime", idle_ms, profile.idle_ms),
                ("absolute_lifetime", absolute_ms, profile.absolute_ms),
            )
            if asked is not None and asked > limit
        ]

    def resolve(
        self, name: str, idle_ms: int | None, absolute_ms: int | None
    ) -> tuple[Profile, int, int]:
        """The profile, and idle and absolute lifetime: its own, or the shorter ones asked for.

        Raises:
            InvalidFieldError: there is no such profile, or a lifetime is longer than its own.
        """
        violations = self.check(name, idle_ms, absolute_ms)
        if violations:
            raise InvalidFieldError(violations)
        profile = self._profiles[name or DEFAULT_PROFILE]
        return profile, idle_ms or profile.idle_ms, absolute_ms or profile.absolute_ms
