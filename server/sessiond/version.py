"""Which version this is."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

# Not from the client, whose package loads gRPC.
VERSION: Final = version("sessionstore")
