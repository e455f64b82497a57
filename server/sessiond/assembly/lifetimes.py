"""How long keys live, by the settings."""

from __future__ import annotations

from typing import Final

from sessiond.settings import Settings
from sessiond.tokens.keyring import Lifetimes

LEEWAY_S: Final = 30
"""How far clocks of token verifiers may be off, in seconds."""


def key_lifetimes(settings: Settings) -> Lifetimes:
    """How long keys must verify for what they signed to live out its life."""
    profiles = settings.all_profiles().values()
    return Lifetimes(
        access_s=settings.access_token_lifetime.total_seconds(),
        service_s=settings.service_token_lifetime.total_seconds(),
        session_s=max(profile.absolute_ms for profile in profiles) / 1000,
        leeway_s=LEEWAY_S,
        publish_s=settings.key_publish_time.total_seconds(),
    )
