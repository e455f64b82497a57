"""Every setting of sessiond, the only place that defines one. docs/configuration.md lists them.

Each is read from the environment as SESSIOND_ and its name. Durations are a number and a unit
(`500ms`, `30s`, `10m`, `12h`, `7d`) or plain seconds.
"""

from sessiond.settings.base import ENV_PREFIX
from sessiond.settings.kinds import milliseconds, parse_duration
from sessiond.settings.loading import for_keys, load
from sessiond.settings.whole import Settings

__all__ = [
    "ENV_PREFIX",
    "Settings",
    "for_keys",
    "load",
    "milliseconds",
    "parse_duration",
]
