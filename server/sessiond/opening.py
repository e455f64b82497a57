"""What the settings say of the way to the store."""

from __future__ import annotations

from sessiond.settings import Settings
from sessiond.store.access import Access
from sessiond.store.link import LinkLimits


def link_limits(settings: Settings) -> LinkLimits:
    """How long the store is waited for."""
    return LinkLimits(
        connect_s=settings.store_connect_timeout.total_seconds(),
        read_s=settings.store_read_timeout.total_seconds(),
        in_flight=settings.store_max_in_flight,
    )


def store_access(settings: Settings) -> Access:
    """As whom the store is asked, and how it is verified."""
    return Access(ca_file=settings.store_ca_file)
