"""The groups of settings, as help and documentation show them."""

from __future__ import annotations

from typing import Final, NamedTuple

from sessiond.settings.base import CommonSettings
from sessiond.settings.events import EventSettings
from sessiond.settings.jobs import JobSettings
from sessiond.settings.ops import OpsSettings
from sessiond.settings.serving import ServingSettings
from sessiond.settings.sessions import SessionSettings
from sessiond.settings.store import StoreSettings
from sessiond.settings.tokens import TokenSettings

_CLASSES: Final[dict[str, type[CommonSettings]]] = {
    "mode": CommonSettings,
    "serving": ServingSettings,
    "store": StoreSettings,
    "tokens": TokenSettings,
    "sessions": SessionSettings,
    "events": EventSettings,
    "jobs": JobSettings,
    "operations": OpsSettings,
}


class Group(NamedTuple):
    """Settings that have to do with each other."""

    name: str
    meaning: str
    settings: tuple[str, ...]


def _group(name: str, settings: type[CommonSettings]) -> Group:
    inherited = () if settings is CommonSettings else CommonSettings.model_fields
    own = tuple(field for field in settings.model_fields if field not in inherited)
    return Group(name, settings.__doc__ or "", own)


GROUPS: Final = tuple(_group(name, settings) for name, settings in _CLASSES.items())
"""Every setting is in one of them."""
