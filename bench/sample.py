"""The sessions that are measured: three of each user, with few facts or with all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sessiond.domain.session import Authentication, Client

PER_USER: Final = 3
USER_AGENT: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.7339.2080 Safari/537.36"
)
"""117 bytes: what a desktop browser sends."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a caller tells of one login."""

    user_id: str
    client: Client
    attributes: Mapping[str, str] = field(default_factory=dict)
    authentication: Authentication = field(default_factory=Authentication)
    audience: tuple[str, ...] = ()


def user_id(number: int) -> str:
    """A user id of 12 characters."""
    return f"user-{number:07}"


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def small(number: int) -> Facts:
    """The login `number`, with user agent and address alone."""
    client = Client(user_agent=USER_AGENT, ip_address=_address(number))
    return Facts(user_id(number // PER_USER), client)


def full(number: int) -> Facts:
    """The login `number`, with every fact there can be; its attributes take 100 bytes."""
    return Facts(
        user_id(number // PER_USER),
        Client(
            user_agent=USER_AGENT,
            ip_address=_address(number),
            device_id=f"{number:08x}-7d1c-4f0e-9a53-2b6c8e5d4f10",
            device_name="Chrome on Windows",
            fingerprint=f"{number:08x}c0ffee00deadbeef00112233",
        ),
        attributes={
            "tenant": "acme-industry",
            "plan": "business+",
            "locale": "en-GB",
            "theme": "dark",
            "roles": "editor,review,billing",
            "time_zone": "Europe/London",
        },
        authentication=Authentication(("pwd", "otp"), "urn:example:aal2", 1_780_000_000_000),
        audience=("api.example.com",),
    )
