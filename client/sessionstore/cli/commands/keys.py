"""`sessionctl keys`."""

from __future__ import annotations

from sessionstore.cli.asking import confirm
from sessionstore.cli.command import Cli
from sessionstore.cli.durations import when
from sessionstore.cli.options import Yes
from sessionstore.cli.tables import fields, table


def show_keys(cli: Cli) -> None:
    """Show the public keys that verify access tokens now, or will within minutes.

    With -o json they are a JSON Web Key Set (RFC 7517).
    """
    found = cli.sessions.signing_keys()
    made = table("KEY", "ALGORITHM", "CURVE", whole=("KEY",))
    for key in found.keys:
        made.add_row(key.kid, key.alg, key.crv)
    cli.output.show(found.as_jwks(), made, f"\nissuer {found.issuer}")


def rotate_key(cli: Cli, *, yes: Yes = False) -> None:
    """Add a key for access tokens, which is published at once and signs after a while.

    While one waits to sign, that one is shown and none is added.
    """
    confirm(cli, "add a key for access tokens", yes=yes)
    key = cli.admin.rotate_signing_key()
    cli.output.show(
        key,
        fields(
            [
                ("key", key.kid),
                ("published", when(key.publish_time)),
                ("signs from", when(key.sign_time)),
                ("added", "now" if key.created else "before, and waits to sign"),
            ]
        ),
    )
