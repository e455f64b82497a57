"""What a store URL says, and which are refused in which words."""

from __future__ import annotations

import pytest

from sessiond.domain.errors import StartupError
from sessiond.store.store_url import StoreUrl, Topology


def test_one_node_over_tcp() -> None:
    """Port and database have defaults, as in every Redis client."""
    url = StoreUrl.parse("redis://store.internal")
    assert url.topology is Topology.NODE
    assert (url.addresses, url.database, url.tls) == ((("store.internal", 6379),), 0, False)
    assert (url.username, url.password) == (None, None)


def test_user_and_password_are_unquoted() -> None:
    """A password may hold what a URL may not."""
    url = StoreUrl.parse("rediss://me:p%40ss%2F@[::1]:6380/3")
    assert (url.username, url.password, url.database) == ("me", "p@ss/", 3)
    assert (url.addresses, url.tls) == ((("::1", 6380),), True)


def test_a_password_needs_no_user() -> None:
    """It is then that of the engine's default user."""
    url = StoreUrl.parse("redis://:secret@h/1")
    assert (url.username, url.password) == (None, "secret")


def test_a_socket_has_its_database_in_the_query() -> None:
    """All else of such a URL is the path."""
    url = StoreUrl.parse("unix:///run/redis.sock?db=2")
    assert (url.topology, url.path, url.database) == (Topology.NODE, "/run/redis.sock", 2)


def test_sentinels_and_the_group_they_watch() -> None:
    """Each sentinel may have a port of its own."""
    url = StoreUrl.parse("redis+sentinel://u:p@a:26380,b,[::1]:1/main/4")
    assert url.topology is Topology.SENTINEL
    assert url.addresses == (("a", 26380), ("b", 26379), ("::1", 1))
    assert (url.group, url.database, url.username) == ("main", 4, "u")


def test_some_nodes_of_a_cluster() -> None:
    """The others are found through them."""
    url = StoreUrl.parse("rediss+cluster://a:7000,b:7001")
    assert (url.topology, url.tls) == (Topology.CLUSTER, True)
    assert url.addresses == (("a", 7000), ("b", 7001))


def test_the_embedded_engine_has_a_directory() -> None:
    """Relative ones too."""
    assert StoreUrl.parse("embedded:///var/lib/sessiond").path == "/var/lib/sessiond"
    assert StoreUrl.parse("embedded://here/store").path == "here/store"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://h", "must start with one of embedded://, redis://"),
        ("redis://", "lacks a host"),
        ("redis://a,b", "names one node"),
        ("redis://a:p/w@h/0", "must be percent-encoded"),
        ("redis://a:p?w@h/0", "must be percent-encoded"),
        ("redis://h/x", "'x' is not the number of a database"),
        ("redis://h/1/2", "too many parts"),
        ("redis://h:99999", "Port out of range"),
        ("redis://h?timeout=1", "takes no 'timeout'"),
        ("redis://h#1", "takes no #fragment"),
        ("redis+sentinel://h", "names the primary's group"),
        ("redis+cluster://h/1", "database 0 alone"),
        ("unix://", "names a path"),
        ("unix:///s?password=x", "takes no 'password'"),
        ("embedded://", "names a path"),
    ],
)
def test_a_url_that_says_too_little_or_too_much_is_refused(url: str, problem: str) -> None:
    """With what is wrong."""
    with pytest.raises(StartupError, match=problem):
        StoreUrl.parse(url)


@pytest.mark.parametrize(
    "url", ["redis://me:secret@h/x?y=secret", "redis://me:secret@h\u2100", "redis://me:secret@[h"]
)
def test_a_refusal_shows_no_password(url: str) -> None:
    """It goes into logs."""
    with pytest.raises(StartupError) as caught:
        StoreUrl.parse(url)
    assert "secret" not in str(caught.value)
