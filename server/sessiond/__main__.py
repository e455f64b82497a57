"""The command line of sessiond."""

from __future__ import annotations

import importlib
import os
import sys

from sessiond.commands.grammar import parser
from sessiond.domain.errors import StartupError


def main() -> None:
    """Run a command; exit 1 with one sentence if it cannot be done."""
    arguments = parser().parse_args()
    # gRPC's own lines have what peers say in them, who need no credentials for it, line ends too.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Loaded when it runs: a health check runs often, and needs next to nothing of a server.
    module, _, function = arguments.run.partition(":")
    command = getattr(importlib.import_module(f"sessiond.commands.{module}"), function)
    try:
        command(arguments)
    except StartupError as error:
        sys.exit(f"sessiond: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
