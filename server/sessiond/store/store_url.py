"""What a store URL says: what kind of store, where, and as whom."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, NamedTuple, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sessiond.domain.errors import StartupError


class Topology(Enum):
    """What a store is made of."""

    EMBEDDED = auto()
    FAKE = auto()
    NODE = auto()
    SENTINEL = auto()
    CLUSTER = auto()


class Address(NamedTuple):
    """Where something listens over TCP."""

    host: str
    port: int


class _Scheme(NamedTuple):
    topology: Topology
    tls: bool = False
    port: int = 6379
    """Where the field expects it, if the URL names none."""


_SCHEMES: Final = {
    "embedded": _Scheme(Topology.EMBEDDED),
    "redis": _Scheme(Topology.NODE),
    "rediss": _Scheme(Topology.NODE, tls=True),
    "unix": _Scheme(Topology.NODE),
    "redis+sentinel": _Scheme(Topology.SENTINEL, port=26379),
    "rediss+sentinel": _Scheme(Topology.SENTINEL, tls=True, port=26379),
    "redis+cluster": _Scheme(Topology.CLUSTER),
    "rediss+cluster": _Scheme(Topology.CLUSTER, tls=True),
    "fakeredis": _Scheme(Topology.FAKE),
}
_WITH_PATH: Final = ("embedded", "unix")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A store URL, taken apart."""

    scheme: str
    topology: Topology
    tls: bool = False
    addresses: tuple[Address, ...] = ()
    """Of the one node, the sentinels, or some nodes of the cluster."""
    path: str = ""
    """The socket of unix://, the directory of embedded://."""
    group: str = ""
    """What sentinels call the primary and its replicas."""
    database: int = 0
    username: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart.

        Raises:
            StartupError: it is none; the message shows no password.
        """
        try:
            return cls._parse(_split(url))
        except ValueError as error:
            raise StartupError(f"the store URL {redacted(url)!r} is wrong: {error}") from None

    @classmethod
    def _parse(cls, parts: SplitResult) -> Self:
        scheme = _SCHEMES.get(parts.scheme)
        if scheme is None:
            known = ", ".join(f"{name}://" for name in _SCHEMES if name != "fakeredis")
            raise ValueError(f"it must start with one of {known}")
        if parts.scheme not in _WITH_PATH and "@" in parts.path + parts.query + parts.fragment:
            raise ValueError("its user and password must be percent-encoded")
        if parts.fragment:
            raise ValueError("it takes no #fragment")
        username, password, place = _credentials(parts.netloc)
        start = cls(parts.scheme, scheme.topology, scheme.tls, username=username, password=password)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
        if parts.scheme in _WITH_PATH:
            return start._with_path(place + parts.path, options)
        _refuse(options)
        addresses = tuple(_address(each, scheme.port) for each in place.split(","))
        return start._with_segments(addresses, parts.path.strip("/").split("/"))

    def _with_path(self, quoted: str, options: dict[str, str]) -> Self:
        path = unquote(quoted)
        if not path:
            raise ValueError(f"it names a path: {self.scheme}:///var/lib/sessiond")
        database = _database(options.pop("db", "")) if self.topology is Topology.NODE else 0
        _refuse(options)
        return replace(self, path=path, database=database)

    def _with_segments(self, addresses: tuple[Address, ...], segments: list[str]) -> Self:
        group = ""
        if self.topology is Topology.SENTINEL:
            group = unquote(segments.pop(0))
            if not group:
                raise ValueError("it names the primary's group: redis+sentinel://HOST:PORT/GROUP")
        elif self.topology is not Topology.CLUSTER and len(addresses) > 1:
            raise ValueError("it names one node")
        database = _database(segments.pop(0)) if segments else 0
        if segments:
            raise ValueError("its path has too many parts")
        if database and self.topology is Topology.CLUSTER:
            raise ValueError("a cluster has database 0 alone")
        return replace(self, addresses=addresses, group=group, database=database)


def redacted(url: str) -> str:
    """The URL without user, password and query, fit for a log."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    if scheme not in _WITH_PATH:
        # Also of a password that is not quoted, and looks like a path or a query.
        place, slash, path = rest.rpartition("@")[2].partition("/")
    shown = place.rpartition("@")[2] + slash + path
    return f"{scheme}://{re.split('[?#]', shown)[0]}"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        # It would quote user and password.
        raise ValueError("its host is malformed, or its password not percent-encoded") from None


def _credentials(netloc: str) -> tuple[str | None, str | None, str]:
    """User, password and the rest."""
    user_info, at, place = netloc.rpartition("@")
    if not at:
        return None, None, place
    username, _, password = user_info.partition(":")
    return unquote(username) or None, unquote(password) or None, place


def _address(text: str, default_port: int) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("it lacks a host")
    return Address(parts.hostname, default_port if parts.port is None else parts.port)


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not the number of a database")
    return int(text or 0)


def _refuse(options: dict[str, str]) -> None:
    if options:
        raise ValueError(f"it takes no {next(iter(options))!r}; SESSIOND_STORE_... settings do")
