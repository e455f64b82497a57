"""What systemd is told of this process, where it asks to be told (sd_notify(3), Type=notify)."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import Final

SOCKET_VARIABLE: Final = "NOTIFY_SOCKET"


def ready() -> None:
    """The start, or a reload, is over."""
    _notify("READY=1")


def reloading() -> None:
    """A reload has begun; `ready` ends it."""
    now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    _notify("RELOADING=1", f"MONOTONIC_USEC={now_us}")


def stopping() -> None:
    """The stop has begun."""
    _notify("STOPPING=1")


def _notify(*assignments: str) -> None:
    address = os.environ.get(SOCKET_VARIABLE)
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    # A server is not to fail for want of somebody who listens.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto("\n".join(assignments).encode(), address)
