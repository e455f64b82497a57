"""The command line of sessiond: serve, token, keys."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from sessiond import serving, settings
from sessiond.domain.errors import StartupError
from sessiond.lifetimes import LEEWAY_S, key_lifetimes
from sessiond.settings import Settings, parse_duration
from sessiond.tokens import keymaker
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.keys import Algorithm
from sessiond.tokens.service import ServiceTokens
from sessiond.version import VERSION


def main() -> None:
    """Run a command; exit 1 with one sentence if it cannot be done."""
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except StartupError as error:
        sys.exit(f"sessiond: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sessiond",
        description="A session service over gRPC, with sessions in Redis or Valkey.",
        epilog="Settings are read from the environment, see docs/configuration.md.",
    )
    parser.add_argument("--version", action="version", version=f"sessiond {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the server until SIGTERM or Ctrl-C")
    serve.add_argument("--dev", action="store_true", default=None, help="development mode")
    serve.add_argument("--listen", metavar="HOST:PORT", help="overrides SESSIOND_LISTEN")
    serve.add_argument("--store-url", metavar="URL", help="overrides SESSIOND_STORE_URL")
    serve.add_argument(
        "--workers", type=int, metavar="N", help="processes to serve with; see SESSIOND_WORKERS"
    )
    serve.set_defaults(run=_serve)

    token = commands.add_parser(
        "token",
        help="mint a service token for a caller and print it",
        description="The caller needs an entry in the callers file, which gives it its roles.",
    )
    token.add_argument("name", help="the caller, as the callers file names it")
    token.add_argument("--lifetime", metavar="DURATION", help="such as 30d; by default the longest")
    token.add_argument("--dev", action="store_true", default=None, help="development mode's keys")
    token.add_argument("--keys-dir", type=Path, help="overrides SESSIOND_KEYS_DIR")
    token.set_defaults(run=_token)

    keys = commands.add_parser("keys", help="make or rotate the keys of a key ring")
    actions = keys.add_subparsers(required=True, metavar="ACTION")
    init = actions.add_parser("init", help="make a key of every kind that has none")
    init.set_defaults(run=_keys_init)
    rotate = actions.add_parser("rotate", help="add a key, which takes over after a while")
    rotate.add_argument("kind", type=Kind, choices=list(Kind), help="which keys")
    rotate.set_defaults(run=_keys_rotate)
    for action in (init, rotate):
        action.add_argument("--dir", type=Path, required=True, help="the key ring's directory")
        action.add_argument(
            "--algorithm",
            type=Algorithm,
            choices=list(Algorithm),
            default=Algorithm.EDDSA,
            help="of token keys (default: EdDSA)",
        )
    return parser


def _serve(arguments: argparse.Namespace) -> None:
    def load() -> Settings:
        return settings.load(
            dev=arguments.dev,
            listen=arguments.listen,
            store_url=arguments.store_url,
            workers=arguments.workers,
        )

    serving.run(load)


def _token(arguments: argparse.Namespace) -> None:
    directory = arguments.keys_dir
    configured = settings.for_keys(directory) if directory else settings.load(dev=arguments.dev)
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


def _keys_init(arguments: argparse.Namespace) -> None:
    made = keymaker.create_keys(arguments.dir, algorithm=arguments.algorithm)
    for path in made:
        print(path)
    if not made:
        print(f"{arguments.dir} has a key of every kind", file=sys.stderr)


def _keys_rotate(arguments: argparse.Namespace) -> None:
    print(keymaker.rotate(arguments.dir, arguments.kind, algorithm=arguments.algorithm))


if __name__ == "__main__":
    main()
