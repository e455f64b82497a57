"""The scripts as files, and as the engine knows them."""

from __future__ import annotations

import asyncio
import re
from importlib import resources

import pytest

from sessiond.domain.session import Client, State
from sessiond.store import loader
from sessiond.store.scripts import Store
from tests.engines import Engine
from tests.store.inside import Inside
from tests.store.kit import login, refresh
from tests.store.walk import walk

LUA = resources.files("sessiond.store") / "lua"
FILES = {path.name: path.read_text("utf-8") for path in LUA.iterdir() if path.name.endswith(".lua")}
PARTS = {path.name: path.read_text("utf-8") for path in (LUA / "lib").iterdir()}
EVERY = {**FILES, **PARTS}
CALL = re.compile(r"redis\.p?call\(\s*'(\w+)'")


def flags_of(source: str) -> set[str]:
    """The flags that the script asks the engine for."""
    found = re.search(r"^-- flags: (.*)$", source, re.MULTILINE)
    return set(found[1].split()) if found else set()


def test_every_script_has_a_typed_call() -> None:
    """No file is without its name in the loader, and the other way round."""
    assert {f"{name}.lua" for name in loader.SCRIPT_NAMES} == set(FILES)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_script_states_keys_arguments_and_returns(name: str) -> None:
    """In its header, down to the last argument that it reads."""
    header = "\n".join(line for line in FILES[name].splitlines() if line.startswith("--"))
    assert FILES[name].startswith("-- ")
    arguments = ("ARGV[1",) if "ARGV" in FILES[name] else ()
    for part in ("KEYS[1]", *arguments, "Returns ", "-- include:"):
        assert part in header
    stated = {int(n) for n in re.findall(r"ARGV\[(?:1-)?(\d+)\]", header)}
    read = {int(n) for n in re.findall(r"ARGV\[(\d+)\]", FILES[name])}
    assert read <= stated | set(range(1, 7)) if "lib/ending.lua" in header else read <= stated


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_part_says_what_it_is_for(name: str) -> None:
    """It starts with a sentence."""
    assert re.match(r"-- [A-Z].*", PARTS[name]) is not None or PARTS[name].startswith("-- '")


@pytest.mark.parametrize("name", sorted(EVERY))
def test_no_script_walks_the_keyspace(name: str) -> None:
    """KEYS and the SCANs take as long as the store is large."""
    walking = {"KEYS", "SCAN", "SSCAN", "HSCAN", "ZSCAN", "RANDOMKEY", "SORT"}
    assert not walking & set(CALL.findall(EVERY[name]))


def test_every_call_is_by_a_literal_name() -> None:
    """So that the test above sees them all."""
    for source in EVERY.values():
        assert len(CALL.findall(source)) == len(re.findall(r"redis\.p?call", source))


def test_only_what_brings_data_in_is_refused_at_the_memory_limit() -> None:
    """Everything else is allowed there, so that logout works with the memory full."""
    refused = {name for name, source in FILES.items() if not flags_of(source)}
    assert refused == {"create.lua", "import.lua", "update.lua"}


def test_scripts_that_write_nothing_say_so() -> None:
    """A replica, or a store at its memory limit, may run them."""
    reading = {"EXISTS", "GET", "HEXISTS", "HGET", "HGETALL", "HKEYS", "HMGET", "TIME", "ZRANGE"}
    reading |= {"PEXPIRETIME", "XLEN", "XREVRANGE", "ZCARD", "ZCOUNT", "ZREVRANGE", "ZSCORE"}
    reading |= {"XINFO", "XRANGE"}
    for name, source in FILES.items():
        included = re.findall(r"^-- include: *(.*)$", source, re.MULTILINE)
        whole = source + "".join(PARTS[f"{part}.lua"] for part in " ".join(included).split())
        assert ("no-writes" in flags_of(source)) == (set(CALL.findall(whole)) <= reading), name


async def test_an_engine_that_forgot_the_scripts_is_given_them_again(
    store: Store, inside: Inside, engine: Engine
) -> None:
    """Also for many calls of one tick, of which each runs once."""
    if engine.name == "fakeredis":
        pytest.skip("fakeredis hangs up at any error reply, NOSCRIPT too")
    session = await login(store)
    await inside.everywhere("SCRIPT", "FLUSH")
    batch = asyncio.create_task(store.validate_many([session.id] * 3, 0))
    answers = await asyncio.gather(
        *(login(store) for _ in range(5)),
        *(refresh(store, session, grace_ms=0, request="r1") for _ in range(1)),
        *(login(store, "bob") for _ in range(5)),
    )
    assert len(answers) == 11
    found = await batch
    assert [f.session.id for f in found if f] == [session.id] * 3
    assert (await inside.counts("alice"))["created"] == 6
    assert (await inside.counts("bob"))["created"] == 5
    await walk(store, inside)


async def test_a_session_with_all_details_stays_small(
    store: Store, inside: Inside, engine: Engine
) -> None:
    """A listpack, where the engine lets values be as long as the longest detail."""
    if engine.name == "fakeredis":
        pytest.skip("fakeredis has no OBJECT ENCODING")
    client = Client("u" * 512, "i" * 64, "d" * 128, "n" * 128, "f" * 128)
    session = await login(store, client=client, attributes={"a": "v" * 479})
    assert await inside.ask("OBJECT", "ENCODING", inside.key(session.id)) == b"listpack"
    await refresh(store, session, client=client, request="r" * 43)
    await store.validate(session.id, 0)
    assert await inside.ask("OBJECT", "ENCODING", inside.key(session.id)) == b"listpack"
    found = await store.get(session.id)
    assert found is not None
    assert found.session.state is State.ACTIVE
