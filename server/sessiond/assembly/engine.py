"""The engine that sessiond runs itself, if the store URL asks for it."""

from __future__ import annotations

from pathlib import Path

from sessiond.settings import Settings
from sessiond.store.embedded import EmbeddedEngine
from sessiond.store.store_url import StoreUrl, Topology


def is_embedded(settings: Settings) -> bool:
    """Whether the store is an engine of our own."""
    return StoreUrl.parse(settings.effective_store_url).topology is Topology.EMBEDDED


def embedded_engine(settings: Settings) -> EmbeddedEngine:
    """That engine; it is not started yet."""
    return EmbeddedEngine(
        Path(StoreUrl.parse(settings.effective_store_url).path),
        appendfsync=settings.embedded_appendfsync,
        maxmemory=settings.embedded_maxmemory,
    )
