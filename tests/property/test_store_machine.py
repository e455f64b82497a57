"""Any sequence of operations and of time passing, against the model, on every engine.

Time passes by making what is stored older, in steps that never meet a limit to the second; so the
little time that the test itself takes decides nothing.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from sessiond.domain import ids
from sessiond.domain.errors import (
    RefreshTokenReusedError,
    SessionStoreError,
    SessionUserMismatchError,
)
from sessiond.domain.profile import AtCap, Profile
from sessiond.domain.session import Client, EndReason, Outcome, Session
from sessiond.store.replies import EndPolicy, NewSession, Request
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.engines import Engine
from tests.property.model import Model, Seen
from tests.store.inside import Inside, open_store
from tests.store.kit import all_pages, neighbour_of, stranger_to
from tests.store.walk import walk

MINUTE: Final = 60_000
# Time passes in tens of minutes; every limit is five minutes off them.
STEPS: Final = st.sampled_from([10, 20, 60, 180, 1_500]).map(lambda minutes: minutes * MINUTE)
GRACE: Final = 15 * MINUTE
ACTIVITY: Final = 25 * MINUTE
ENDS: Final = EndPolicy(
    retention_ms=(24 * 60 + 5) * MINUTE,
    access_ms=60 * MINUTE,
    leeway_ms=30_000,
    log_ms=10**9,
    log_most=10_000,
)
WEB: Final = Profile("default", 55 * MINUTE, 175 * MINUTE, 3, AtCap.EVICT_OLDEST)
MOBILE: Final = Profile("mobile", 115 * MINUTE, 355 * MINUTE, 2, AtCap.EVICT_IDLE)
KIOSK: Final = Profile("kiosk", 175 * MINUTE, 175 * MINUTE, 2, AtCap.REJECT)
PROFILES: Final = (WEB, MOBILE, KIOSK)
USERS: Final = ("alice", neighbour_of("alice"), stranger_to("alice"))

users = st.sampled_from(USERS)
profiles = st.sampled_from(PROFILES)
caps = st.sampled_from([1, 2, 3, 4])
clients = st.builds(
    Client,
    st.sampled_from(["", "UA/1", "UA/2"]),
    st.sampled_from(["", "1.1.1.1"]),
    st.sampled_from(["", "", "laptop", "phone"]),
    fingerprint=st.sampled_from(["", "print"]),
)
requests = st.builds(
    lambda key, digest: Request(key, digest if key else "", 85 * MINUTE),
    st.sampled_from(["", "", "a", "b"]),
    st.sampled_from(["one", "one", "other"]),
)
attributes = st.dictionaries(
    st.sampled_from("abc"), st.sampled_from(["", "1", "\x00é", "x" * 200]), max_size=3
)
reasons = st.sampled_from([EndReason.LOGOUT, EndReason.REVOKED_BY_ADMIN])
UNKNOWN: Final = 12
picks = st.integers(0, UNKNOWN)


class StoreMachine(RuleBasedStateMachine):
    """Each rule does one call to the store and the same to the model."""

    def __init__(self, runner: asyncio.Runner, store: Store, inside: Inside) -> None:
        super().__init__()
        self._runner, self._store, self._inside = runner, store, inside
        self._model = Model(ENDS.retention_ms, [p.name for p in PROFILES])
        self._known: list[str] = []

    @initialize()
    def empty(self) -> None:
        """Each example starts with nothing stored."""
        self._run(self._inside.wipe())

    @rule(
        user=users,
        profile=profiles,
        cap=caps,
        client=clients,
        attributes=attributes,
        request=requests,
        replaces=st.none() | picks,
    )
    def create(  # noqa: PLR0917  a rule is called by name
        self,
        user: str,
        profile: Profile,
        cap: int,
        client: Client,
        attributes: dict[str, str],
        request: Request,
        replaces: int | None,
    ) -> None:
        model = self._model
        profile = Profile(profile.name, profile.idle_ms, profile.absolute_ms, cap, profile.at_cap)
        new = NewSession(
            ids.new_session_id(user), user, profile, profile.idle_ms, profile.absolute_ms, 77,
            client, attributes,
            replaces_session_id="" if replaces is None else self._pick(replaces),
            request=self._of("create", user, request),
        )  # fmt: skip
        before = self._now()
        made = self._try(self._store.create(new))
        if self._is_of_another_partition(user, new.replaces_session_id):
            assert made is SessionUserMismatchError
            return
        seen = model.recall(user, new.request, before)
        if isinstance(seen, Seen):
            expected = model.replayed(seen, before)
            if not isinstance(expected, Session):
                assert made is expected
                return
            assert (made.session, made.replayed) == (expected, True)
            known = [i for i in seen.ids[1:] if model.get(i, made.now_ms)]
            assert [s.id for s in made.evicted] == known
            return
        refused = seen or model.create_is_refused(new, before)
        if refused:
            assert made is refused
            return
        session, ended = model.create(new, made.session.create_us, made.now_ms)
        assert (made.session, made.replayed) == (session, False)
        assert list(made.evicted) == [model.get(i, made.now_ms) for i in ended]
        assert made.session.create_ms >= before
        self._known.append(new.id)

    @rule(
        pick=picks,
        offset=st.sampled_from([0, 0, 0, -1, -1, -2, 1, 16, 17]),
        client=clients,
        request=st.sampled_from(["", "q1", "q2"]),
        grace=st.sampled_from([0, GRACE]),
        key_id=st.sampled_from([77, 78]),
    )
    def refresh(  # noqa: PLR0917  a rule is called by name
        self, pick: int, offset: int, client: Client, request: str, grace: int, key_id: int
    ) -> None:
        model, session_id = self._model, self._pick(pick)
        record = model.records.get(session_id)
        generation = max(1, (record.session.generation if record else 1) + offset)
        before = self._now()
        expected = model.refresh_outcome(session_id, generation, request, grace, before)
        answer = self._try(
            self._store.refresh(
                session_id, generation, client, request=request, grace_ms=grace, mac_key_id=key_id
            )
        )
        if not isinstance(expected, Outcome):
            assert answer is expected
            known = model.get(session_id, before)
            live = known is not None and known.end_reason is EndReason.NONE
            if expected is RefreshTokenReusedError and live:
                model.reuse(session_id, self._end_time(session_id, before))
            return
        assert answer.outcome is expected
        previous = model.records[session_id].session.expire_ms
        session = model.refresh(
            session_id,
            expected,
            answer.now_ms,
            generation=generation,
            request=request,
            client=client,
            key_id=key_id,
        )
        assert (answer.session, answer.previous_expire_ms) == (session, previous)

    @rule(pick=picks, client=clients)
    def extend(self, pick: int, client: Client) -> None:
        session_id = self._pick(pick)
        expected = self._model.usable(session_id, self._now())
        answer = self._try(self._store.extend(session_id, client))
        if not isinstance(expected, Session):
            assert answer is expected
            return
        assert answer.previous_expire_ms == expected.expire_ms
        assert answer.session == self._model.extend(session_id, client, answer.now_ms)

    @rule(pick=picks)
    def validate(self, pick: int) -> None:
        session_id = self._pick(pick)
        found = self._run(self._store.validate(session_id, ACTIVITY))
        now = found.now_ms if found else self._now()
        expected = self._model.validate(session_id, ACTIVITY, now)
        assert (found.session if found else None) == expected

    @rule(
        pick=picks,
        changes=attributes,
        remove=st.sets(st.sampled_from("abcd"), max_size=2),
        replace_all=st.booleans(),
        etag=st.sampled_from(["", "", "0", "1"]),
    )
    def update(
        self, pick: int, changes: dict[str, str], remove: set[str], replace_all: bool, etag: str
    ) -> None:
        session_id, removed = self._pick(pick), sorted(remove - set(changes))
        expected = self._model.update(
            session_id, changes, removed, etag, self._now(), replace_all=replace_all
        )
        answer = self._try(
            self._store.update(
                session_id, changes, remove=removed, replace_all=replace_all, etag=etag
            )
        )
        assert (answer if isinstance(answer, type) else answer.session) == expected

    @rule(pick=picks, reason=reasons)
    def revoke(self, pick: int, reason: EndReason) -> None:
        session_id = self._pick(pick)
        answer = self._run(self._store.revoke(session_id, reason, "app"))
        now = answer.now_ms if answer else self._now()
        session, by_this_call = self._model.revoke(session_id, reason, "app", now)
        assert (answer.session if answer else None) == session
        assert (answer.by_this_call if answer else False) == by_this_call

    @rule(user=users, reason=reasons, request=requests, staying=st.none() | picks)
    def revoke_user(
        self, user: str, reason: EndReason, request: Request, staying: int | None
    ) -> None:
        model, request = self._model, self._of("revoke", user, request)
        except_id = "" if staying is None else self._pick(staying)
        before = self._now()
        answer = self._try(self._store.revoke_user(user, reason, "app", request, except_id))
        if self._is_of_another_partition(user, except_id):
            assert answer is SessionUserMismatchError
            return
        seen = model.recall(user, request, before)
        if isinstance(seen, Seen):
            assert list(answer) == seen.ids
            return
        other = model.get(except_id, before)
        refused = seen or (SessionUserMismatchError if other and other.user_id != user else None)
        if refused:
            assert answer is refused
            return
        now = self._end_time(answer[0], before) if answer else before
        assert set(answer) == model.revoke_user(user, reason, "app", except_id, now)
        model.remember(user, request, answer, now)

    @rule(user=users)
    def prune(self, user: str) -> None:
        now = self._now()
        pruned = self._run(self._store.prune_user(user))
        expected = self._model.prune(user, now)
        assert (pruned.dead, pruned.forgotten, pruned.next_visit_ms) == expected

    @rule(user=users, size=st.integers(1, 4))
    def list(self, user: str, size: int) -> None:
        now = self._now()
        found = self._run(all_pages(self._store, user, size))
        assert len({s.id for s in found}) == len(found)
        assert {s.id for s in found} == self._model.listed(user, now)
        assert all(s == self._model.get(s.id, now) for s in found)
        for profile in PROFILES:
            order = self._model.in_order(profile, user)
            listed = [s.id for s in found if s.id in order]
            assert listed == [i for i in reversed(order) if i in listed]

    @rule(ms=STEPS)
    def let_pass(self, ms: int) -> None:
        self._run(self._inside.let_pass(ms))
        self._model.let_pass(ms)

    def teardown(self) -> None:
        """Counters and indexes are those of the model, and agree with every key."""
        now = self._now()
        for user in USERS:
            self._run(self._store.prune_user(user))
            self._model.prune(user, now)
        stored: dict[str, int] = {}
        for user in {ids.partition_of_user(u): u for u in USERS}.values():
            for name, number in self._run(self._inside.counts(user)).items():
                if not name.startswith("w:"):
                    stored[name] = stored.get(name, 0) + number
        expected = self._model.counts
        assert {n: c for n, c in stored.items() if c} == {n: c for n, c in expected.items() if c}
        self._run(walk(self._store, self._inside, ENDS))

    def _run(self, call: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await call

        return self._runner.run(wait())

    def _try(self, call: Awaitable[Any]) -> Any:
        try:
            return self._run(call)
        except SessionStoreError as refused:
            return type(refused)

    def _now(self) -> int:
        return int(self._run(self._inside.now_ms()))

    def _end_time(self, session_id: str, before: int) -> int:
        """When a call that does not tell ended the session."""
        end_ms = self._run(self._store.get(session_id)).session.end_ms
        assert before <= end_ms <= self._now()
        return int(end_ms)

    def _pick(self, pick: int) -> str:
        """One of the sessions created last, or, rarely, one that never was."""
        latest = self._known[-4:]
        if not latest or pick == UNKNOWN:
            return ids.new_session_id(USERS[0])
        return latest[pick % len(latest)]

    def _of(self, method: str, user: str, request: Request) -> Request:
        key = f"{method}/{user}/{request.key}" if request.key else ""
        return Request(key, request.digest, request.ttl_ms)

    def _is_of_another_partition(self, user: str, session_id: str) -> bool:
        return bool(session_id) and (
            ids.partition_of_session(session_id) != ids.partition_of_user(user)
        )


def test_the_store_keeps_the_rules_of_the_model(engine: Engine) -> None:
    """Answers, refusals, counters and indexes, whatever was done in whatever order."""
    with asyncio.Runner() as runner:

        def machine() -> StoreMachine:
            return StoreMachine(runner, store, inside)

        async def opened() -> tuple[Store, Inside]:
            store, inside = open_store(engine, f"m{uuid.uuid4().hex[:12]}", ENDS)
            await store.register(PROFILES)
            return store, inside

        store, inside = runner.run(opened())
        try:
            run_state_machine_as_test(
                machine,  # type: ignore[arg-type]  # any factory will do
                settings=settings(
                    max_examples=rounds(10),
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(inside.wipe())
            runner.run(inside.runner.close())
