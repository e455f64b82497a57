"""The users of an engine that are shipped, in deploy/redis/users.acl."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.engines import RealEngine, RealName, start_real_engine

SHIPPED = (Path(__file__).parents[1] / "deploy" / "redis" / "users.acl").read_text()
PASSWORD = "of a test"
_NOBODYS_HASH = "0" * 64


def users(key_pattern: str = "ss:*", *, default: str = "off") -> str:
    """The file as an operator completes it, for other keys and with another default user."""
    mine = hashlib.sha256(PASSWORD.encode()).hexdigest()
    text = SHIPPED.replace(_NOBODYS_HASH, mine).replace("~ss:*", f"~{key_pattern}")
    return text.replace("user default off", f"user default {default}")


@contextmanager
def engine_with_users(name: RealName, key_pattern: str) -> Iterator[RealEngine]:
    """An engine that refuses sessiond by these users alone; to tests it is open."""
    with TemporaryDirectory(prefix="ss-") as directory:
        file = Path(directory) / "users.acl"
        file.write_text(users(key_pattern, default="on nopass ~* &* +@all"))
        directives = {"aclfile": str(file), "enable-debug-command": "yes"}
        with start_real_engine(name, config=directives) as engine:
            yield engine


def url_of_master(url: str) -> str:
    """The same place, for whoever may do everything there."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def url_of_sessiond(engine: RealEngine) -> str:
    """Where the engine is, for sessiond's user."""
    return f"unix://sessiond:{PASSWORD.replace(' ', '%20')}@{engine.socket_path}"
