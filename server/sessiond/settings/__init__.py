"""Every setting of sessiond, the only place that defines one. docs/configuration.md lists them.

Each is read from the command line as its flag (`--session-cap`), from the environment as SESSIOND_
and its name, or from a TOML file by its name; the first of them that says something counts.
Durations are a number and a unit (`500ms`, `30s`, `10m`, `12h`, `7d`) or plain seconds.
"""

from sessiond.settings.base import ENV_PREFIX, flag, variable
from sessiond.settings.groups import GROUPS, Group
from sessiond.settings.kinds import milliseconds, parse_duration
from sessiond.settings.loading import (
    CONFIG_FILE,
    DEFAULT,
    Loaded,
    for_keys,
    load,
    load_with_origins,
)
from sessiond.settings.whole import Settings

__all__ = [
    "CONFIG_FILE",
    "DEFAULT",
    "ENV_PREFIX",
    "GROUPS",
    "Group",
    "Loaded",
    "Settings",
    "flag",
    "for_keys",
    "load",
    "load_with_origins",
    "milliseconds",
    "parse_duration",
    "variable",
]
