"""What one can write after `sessiond`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from sessiond.commands.layout import Layout, examples
from sessiond.commands.setting_flags import add_settings
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keys import Algorithm
from sessionstore._version import __version__

_SETTINGS: Final = """\
Each setting is a flag of `sessiond serve` (--session-cap 3), a variable of the environment \
(SESSIOND_SESSION_CAP=3) and a key of a TOML file (session_cap = 3), which --config or \
SESSIOND_CONFIG_FILE names. A flag goes before the environment, and that before the file. What \
is no setting is refused by its name. Secrets belong in files: every user of the machine sees \
flags."""
_ENDING: Final = f"""\
settings:
{_SETTINGS}

exit status:
  0    done; of `serve`: stopped, as it was told to
  1    it cannot be done, or something is wrong: standard error says what
  2    wrong usage; nothing was done
  130  interrupted

See docs/configuration.md for every setting, and docs/operations.md for running it."""
_ALL_SETTINGS: Final = "It takes the flags of all settings, as `sessiond serve --help` lists them."
_Commands = Any
"""What argparse adds commands to; it has no public name."""


def parser() -> argparse.ArgumentParser:
    """The parser; in what it returns, `run` names what runs it, as MODULE:FUNCTION."""
    top = argparse.ArgumentParser(
        prog="sessiond",
        description="A session service over gRPC, with sessions in Redis or Valkey.",
        epilog=_ENDING,
        formatter_class=Layout,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"sessiond {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _add_serve(commands)
    _add_config(commands)
    _add_health(commands)
    _add_token(commands)
    _add_keys(commands)
    return top


def _add_serve(commands: _Commands) -> None:
    serve = _command(
        commands,
        "serve",
        "run the server until SIGTERM or Ctrl-C",
        usage="sessiond serve [--dev] [SETTING ...]",
        description="Serve gRPC until SIGTERM or Ctrl-C, then let calls in flight finish.\n\n"
        "Development mode (--dev) needs nothing. Outside of it, a server needs a store, a key ring,"
        " a callers file, and TLS or something in front that encrypts. The default of a setting"
        " stands in brackets.\n\n"
        "settings:\n" + _SETTINGS,
        epilog=examples(
            "sessiond serve --dev",
            "sessiond serve --config /etc/sessiond/sessiond.toml --log-level debug",
        ),
    )
    serve.set_defaults(run="serve:run")
    add_settings(serve)


def _add_config(commands: _Commands) -> None:
    config = _command(
        commands,
        "config",
        "check settings and what they name, or show them",
        description="Look at the settings without serving.",
    )
    actions = config.add_subparsers(required=True, metavar="ACTION", title="actions")
    check = _command(
        actions,
        "check",
        "find what would stop a server",
        usage="sessiond config check [--store] [SETTING ...]",
        description="Read the settings and every file that they name, as a server would, and say of"
        " each whether it is fit. Run it as the user that serves.\n\n" + _ALL_SETTINGS,
        epilog="exit status:\n  0 if a server could start, else 1\n\n"
        + examples("sessiond config check --store --config /etc/sessiond/sessiond.toml"),
    )
    check.add_argument(
        "--store", action="store_true", help="also connect to the store, and look at its settings"
    )
    check.set_defaults(run="config_check:run")
    add_settings(check, shown=())
    show = _command(
        actions,
        "show",
        "print the settings in force, and where each comes from",
        usage="sessiond config show [SETTING ...]",
        description="Print every setting as TOML, fit for --config, with its origin in a comment:"
        " flag, environment, file or default. Secrets are left out.\n\n" + _ALL_SETTINGS,
        epilog=examples("sessiond config show --dev"),
    )
    show.set_defaults(run="config_show:run")
    add_settings(show, shown=())


def _add_health(commands: _Commands) -> None:
    health = _command(
        commands,
        "health",
        "ask a server whether it serves, for health checks of containers",
        usage="sessiond health [--live] [--address ADDRESS] [SETTING ...]",
        description="Call grpc.health.v1.Health of the server on this machine that has these"
        " settings: at health_listen if it is set, else at listen, over TLS if that serves TLS.\n\n"
        + _ALL_SETTINGS,
        epilog="exit status:\n  0 if it serves, else 1\n\n"
        + examples("sessiond health", "sessiond health --address 127.0.0.1:7701 --live"),
    )
    health.add_argument(
        "--live",
        action="store_true",
        help="ask only whether it runs; by default, whether it can use its store as well",
    )
    health.add_argument(
        "--address", metavar="ADDRESS", help="where to ask in plaintext; no setting is read then"
    )
    health.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=3.0, help="how long to wait [3]"
    )
    health.set_defaults(run="health:run")
    add_settings(health, shown=())


def _add_token(commands: _Commands) -> None:
    token = _command(
        commands,
        "token",
        "mint a service token for a caller and print it",
        usage="sessiond token NAME [--lifetime DURATION] [SETTING ...]",
        description="Mint the token that a backend service calls with. The caller needs an entry in"
        " the callers file, which gives it its roles.\n\n"
        "With --keys-dir no other setting is needed. " + _ALL_SETTINGS,
        epilog=examples(
            "sessiond token login-service --lifetime 30d",
            "sessiond token login-service --keys-dir /etc/sessiond/keys",
        ),
    )
    token.add_argument("name", metavar="NAME", help="the caller, as the callers file names it")
    token.add_argument("--lifetime", metavar="DURATION", help="such as 30d; by default the longest")
    token.set_defaults(run="token:run")
    add_settings(token, shown=("dev", "keys_dir", "service_token_lifetime"))


def _add_keys(commands: _Commands) -> None:
    keys = _command(
        commands,
        "keys",
        "make or rotate the keys of a key ring",
        description="Make the keys that every server of a store shares, each in a file that only"
        " its owner may read.",
    )
    actions = keys.add_subparsers(required=True, metavar="ACTION", title="actions")
    init = _command(
        actions,
        "init",
        "make a key of every kind that has none",
        description="Make a key of every kind that has none, and print the files. Repeated, it does"
        " nothing.",
        epilog=examples("sessiond keys init --dir /etc/sessiond/keys"),
    )
    init.set_defaults(run="keys:init")
    rotate = _command(
        actions,
        "rotate",
        "add a key, which takes over after a while",
        description="Add a key and print its file. Copy it to every server within key_publish_time:"
        " until then it verifies and does not sign. What older keys signed lives out its life.",
        epilog=examples("sessiond keys rotate signing --dir /etc/sessiond/keys"),
    )
    rotate.add_argument("kind", type=Kind, choices=list(Kind), help="which keys")
    rotate.set_defaults(run="keys:rotate")
    for action in (init, rotate):
        action.add_argument(
            "--dir", type=Path, required=True, metavar="DIR", help="the key ring's directory"
        )
        action.add_argument(
            "--algorithm",
            type=Algorithm,
            choices=list(Algorithm),
            default=Algorithm.EDDSA,
            help="of token keys [EdDSA]",
        )


def _command(commands: _Commands, name: str, summary: str, **texts: str) -> argparse.ArgumentParser:
    # Flags go by their whole names: a new one must not change what a shortened one means.
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, formatter_class=Layout, allow_abbrev=False, **texts
    )
    return command
