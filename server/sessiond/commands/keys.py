"""`sessiond keys`: make and rotate the keys of a key ring."""

from __future__ import annotations

import argparse
import sys

from sessiond.tokens import keymaker


def init(arguments: argparse.Namespace) -> None:
    """Make what is missing, and print the files."""
    made = keymaker.create_keys(arguments.dir, algorithm=arguments.algorithm)
    for path in made:
        print(path)
    if not made:
        print(f"{arguments.dir} has a key of every kind", file=sys.stderr)


def rotate(arguments: argparse.Namespace) -> None:
    """Add a key, and print its file."""
    print(keymaker.rotate(arguments.dir, arguments.kind, algorithm=arguments.algorithm))
