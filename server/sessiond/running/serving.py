"""How a server is run: as this process alone, or by workers that this process looks after."""

from __future__ import annotations

from sessiond.ops import logging
from sessiond.supervisor.supervisor import Load, supervise


def run(load: Load) -> None:
    """Serve until told to stop, by the settings that `load` gives: at the start and at each reload.

    Raises:
        StartupError: the server cannot start, or go on.
    """
    settings = load()
    logging.configure(settings.log_level, settings.effective_log_format)
    if settings.workers is None:
        # gRPC is for who serves: it takes as much memory as all the rest of a supervisor.
        from sessiond.running import process  # noqa: PLC0415

        process.run(settings)
    else:
        supervise(settings, load)
