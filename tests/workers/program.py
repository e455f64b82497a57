"""`sessiond serve` by settings from a JSON file, which a reload reads anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sessiond.domain.errors import StartupError
from sessiond.running import serving
from sessiond.settings import Settings, load


def settings() -> Settings:
    """What the file says now."""
    return load(**json.loads(Path(sys.argv[1]).read_text()))


if __name__ == "__main__":
    try:
        serving.run(settings)
    except StartupError as error:
        sys.exit(f"sessiond: {error}")
