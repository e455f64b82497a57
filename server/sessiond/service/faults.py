"""What may be logged of a fault of ours."""

from __future__ import annotations

import traceback


def frames(error: Exception) -> list[str]:
    """The places that an error passed: its text may hold what a request held, these do not."""
    passed = traceback.extract_tb(error.__traceback__)
    return [f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in passed]
