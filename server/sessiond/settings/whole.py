"""All settings together, and what must hold between them."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from sessiond.settings.base import variable
from sessiond.settings.events import EventSettings
from sessiond.settings.jobs import JobSettings
from sessiond.settings.ops import OpsSettings
from sessiond.settings.serving import ServingSettings
from sessiond.settings.sessions import SessionSettings
from sessiond.settings.store import StoreSettings
from sessiond.settings.tokens import TokenSettings


# pydantic takes the fields of the last base first.
class Settings(
    OpsSettings,
    JobSettings,
    EventSettings,
    SessionSettings,
    TokenSettings,
    StoreSettings,
    ServingSettings,
):
    """The settings of one server."""

    @model_validator(mode="after")
    def _check_completeness(self) -> Self:
        if not self.dev:
            required = ("store_url", "keys_dir", "callers_file")
            missing = [name for name in required if getattr(self, name) is None]
            if missing:
                raise ValueError(
                    f"{', '.join(variable(name) for name in missing)}: required outside"
                    " development mode, which `sessiond serve --dev` starts"
                )
        if (self.store_url or "").startswith("fakeredis") and not self.dev:
            raise ValueError("SESSIOND_STORE_URL: fakeredis is for tests")
        return self

    @model_validator(mode="after")
    def _check_lifetimes(self) -> Self:
        if self.event_log_time < self.access_token_lifetime:
            raise ValueError(
                "SESSIOND_EVENT_LOG_TIME: must not be under SESSIOND_ACCESS_TOKEN_LIFETIME"
            )
        for profile in self.all_profiles().values():
            if profile.idle_ms > profile.absolute_ms:
                raise ValueError(f"profile {profile.name}: idle_lifetime is over absolute_lifetime")
        return self
