"""`sessiond token`: mint a caller's service token."""

from __future__ import annotations

import argparse
import time

from sessiond import settings
from sessiond.assembly.lifetimes import LEEWAY_S, key_lifetimes
from sessiond.commands.setting_flags import given
from sessiond.domain.errors import StartupError
from sessiond.settings import parse_duration
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.service import ServiceTokens


def run(arguments: argparse.Namespace) -> None:
    """Print the token.

    Raises:
        StartupError: the settings, the keys, the name or the lifetime are wrong.
    """
    flags = given(arguments)
    load = settings.for_keys if "keys_dir" in flags else settings.load
    configured = load(arguments.config, **flags)
    lifetimes = key_lifetimes(configured)
    try:
        lifetime_s = (
            int(parse_duration(arguments.lifetime).total_seconds())
            if arguments.lifetime
            else int(lifetimes.service_s)
        )
        ring = KeyRing.load(configured.effective_keys_dir, lifetimes)
        tokens = ServiceTokens(ring, leeway_s=LEEWAY_S)
        print(tokens.mint(arguments.name, lifetime_s, time.time()))
    except ValueError as error:
        raise StartupError(str(error)) from None
