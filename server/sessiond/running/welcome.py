"""What development mode prints once it can be used."""

from __future__ import annotations

import sys
from pathlib import Path

from sessiond import devmode
from sessiond.assembly.lifetimes import key_lifetimes
from sessiond.settings import Settings
from sessiond.version import VERSION


def welcome(settings: Settings, address: str) -> None:
    """Write the token of the development caller, and print how to go on."""
    path = devmode.write_token(settings, key_lifetimes(settings))
    example = Path("examples/quickstart.py")
    attempts = [f"{sys.executable} {example}" if example.exists() else "the snippet of the README"]
    sessionctl = Path(sys.executable).with_name("sessionctl")
    if sessionctl.exists():
        attempts.append(f"{sessionctl} demo")
    print(
        f"\nsessiond {VERSION} serves on {address} (development mode, loopback only)\n"
        f"caller's token, also in {path}:\n\n"
        f"  {path.read_text().strip()}\n\n"
        f"try, in another terminal:\n\n" + "".join(f"  {attempt}\n" for attempt in attempts),
        flush=True,
    )
