"""What a create stores, and what it writes beside the session."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessiond.domain.errors import StoreUnavailableError
from sessiond.domain.session import Authentication, Client, Cut, EndReason, State
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    DAY,
    HOUR,
    MAC_KEY,
    MOBILE,
    REMEMBERED,
    WEB,
    create,
    login,
    refresh,
)
from tests.store.walk import walk

CUT = Cut.USER_AGENT | Cut.FINGERPRINT
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
ATTRIBUTES = st.dictionaries(TEXT, TEXT, max_size=5)


async def test_a_new_session_is_active_at_its_first_generation(store: Store) -> None:
    """Its times come from the engine's clock and from the profile."""
    made = await create(store)
    session = made.session
    assert (session.state, session.generation, session.mac_key_id) == (State.ACTIVE, 1, MAC_KEY)
    assert session.create_ms == session.mint_ms == session.refresh_ms == made.now_ms
    assert session.last_seen_ms == made.now_ms
    assert session.expire_ms == made.now_ms + WEB.idle_ms
    assert session.absolute_expire_ms == made.now_ms + WEB.absolute_ms
    assert (session.user_id, session.profile, session.version) == (ALICE, "default", 0)
    assert (session.end_reason, session.end_ms, session.ended_by) == (EndReason.NONE, 0, "")
    assert not made.replayed
    assert made.evicted == ()


async def test_a_new_session_reads_back_as_it_was_answered(store: Store) -> None:
    """The answer of create is what every later read gives."""
    session = await login(
        store,
        client=Client(
            "UA", "1.2.3.4", "device", "phone", "print", Cut.USER_AGENT | Cut.FINGERPRINT
        ),
        attributes={"role": "admin", "tenant/id": "7"},
        authentication=Authentication(("pwd", "otp"), "urn:acr:2", 1_700_000_000_123),
        audience=("orders", "a b"),
    )
    found = await store.get(session.id)
    assert found is not None
    assert found.session == session
    assert session.client.cut == CUT
    assert session.client.device_id == "device"
    assert session.attributes == {"role": "admin", "tenant/id": "7"}
    assert session.authentication == Authentication(("pwd", "otp"), "urn:acr:2", 1_700_000_000_123)
    assert session.audience == ("orders", "a b")


@settings(
    max_examples=rounds(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(user=TEXT, attributes=ATTRIBUTES, audience=st.lists(TEXT, max_size=3), text=TEXT)
async def test_any_text_in_any_field_is_stored_intact(
    store: Store, user: str, attributes: dict[str, str], audience: list[str], text: str
) -> None:
    """NUL, quotes, newlines, emoji: what went in comes out."""
    session = await login(
        store,
        user,
        client=Client(text, text, text, text, text),
        attributes=attributes,
        audience=audience,
        authentication=Authentication(acr=text),
    )
    found = await store.get(session.id)
    assert found is not None
    assert found.session == session
    assert session.user_id == user
    assert session.client == Client(text, text, text, text, text)
    assert session.attributes == attributes
    assert session.audience == tuple(audience)
    assert session.authentication.acr == text


async def test_the_expiry_is_never_past_the_absolute_expiry(store: Store) -> None:
    """An idle lifetime longer than the absolute one is cut to it."""
    session = await login(store, idle_ms=2 * DAY, absolute_ms=DAY)
    assert session.expire_ms == session.absolute_expire_ms == session.create_ms + DAY


async def test_a_session_is_remembered_for_an_hour_past_its_expiry(
    store: Store, inside: Inside
) -> None:
    """The hash's TTL ends exactly then."""
    session = await login(store, idle_ms=HOUR)
    assert await inside.expires_ms(session.id) == session.expire_ms + REMEMBERED


async def test_an_unknown_session_is_none(store: Store) -> None:
    """There is nothing to tell about it."""
    session = await login(store)
    other = session.id[:-4] + ("AAAA" if session.id[-4:] != "AAAA" else "BBBB")
    assert await store.get(other) is None


async def test_creates_are_counted_and_indexed(store: Store, inside: Inside) -> None:
    """Counters, histogram, live sets, next visit: one script writes them all."""
    first = await login(store, idle_ms=HOUR)
    await login(store)
    phone = await login(store, profile=MOBILE)
    counts = await inside.counts(ALICE)
    assert counts == {"created": 3, "live": 3, "w:3": 1}
    assert await inside.scores(ALICE, "users") == {ALICE: first.expire_ms}
    assert await inside.scores(ALICE, f"u:mobile:{ALICE}") == {phone.id: phone.create_us}
    await walk(store, inside)


async def test_recent_holds_the_newest_hundred_creations(store: Store, inside: Inside) -> None:
    """The hundred and first pushes the oldest out."""
    made = await asyncio.gather(*(login(store) for _ in range(102)))
    newest = sorted(made, key=lambda s: s.create_us)[2:]
    assert list(await inside.scores(ALICE, "recent")) == [s.id for s in newest]


async def test_a_session_keeps_the_lifetimes_it_was_created_with(store: Store) -> None:
    """A refresh extends by the session's own idle lifetime, not by the profile's."""
    session = await login(store, idle_ms=HOUR, absolute_ms=DAY)
    again = await refresh(store, session)
    assert again.session.expire_ms == again.now_ms + HOUR


async def test_a_store_that_lost_its_registration_creates_nothing(
    store: Store, inside: Inside
) -> None:
    """A flushed store, or the wrong one, must be looked at before it is used."""
    profiles = inside.keys.of_user(ALICE) + "profiles"
    kept = await inside.hash_of(profiles)
    await inside.ask("DEL", profiles)
    try:
        with pytest.raises(StoreUnavailableError):
            await login(store)
        assert await inside.snapshot() == {}
    finally:
        await inside.ask("HSET", profiles, *[word for pair in kept.items() for word in pair])
