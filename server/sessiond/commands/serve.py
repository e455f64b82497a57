"""`sessiond serve`: run the server until it is told to stop."""

from __future__ import annotations

import argparse

from sessiond.commands.setting_flags import loaded
from sessiond.running import serving


def run(arguments: argparse.Namespace) -> None:
    """Serve.

    Raises:
        StartupError: the server cannot start, or go on.
    """
    serving.run(lambda: loaded(arguments).settings)
