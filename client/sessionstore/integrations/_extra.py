"""What to say where a framework is not installed."""

from __future__ import annotations


def missing(extra: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error that says which extra brings the module."""
    return ModuleNotFoundError(
        f"{error.name} is missing: pip install 'sessionstore[{extra}]'", name=error.name
    )
