"""Brings about every reason that a call can fail with, over the wire."""

from __future__ import annotations

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from sessiond.assembly.lifetimes import key_lifetimes
from sessiond.domain.errors import Reason, StartupError
from sessiond.domain.ids import new_session_id
from sessiond.service.reading import Reader
from sessiond.service.statistics import Statistician
from sessiond.tokens import keymaker
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.refresh import RefreshTokens
from sessionstore.v1 import session_service_pb2 as pb
from tests.engines import start_real_engine
from tests.rpc.calls import Api, Refused, outcome, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.engines import silent_engine
from tests.rpc.importing import bring_in
from tests.rpc.serving import Server, eventually
from tests.rpc.watching import Logs, cut_off, watched


class Provoker:
    """Brings about each reason, on the shared server or on one of its own."""

    def __init__(self, server: Server, serve_with: ServeWith, running: ExitStack) -> None:
        self.server = server
        self.api = server.api()
        self.serve_with = serve_with
        self.running = running

    def refresh_token(self, session_id: str, generation: int) -> str:
        settings = self.server.settings
        ring = KeyRing.load(settings.effective_keys_dir, key_lifetimes(settings))
        return RefreshTokens(ring).mint(session_id, generation)

    def api_on(self, url: str, **settings: Any) -> Api:
        return self.serve_with(url=url, ready=False, **settings).api()

    def invalid_field(self) -> Refused:
        return refused(self.api.get, "nonsense")

    def credentials_missing(self) -> Refused:
        return refused(Api(self.server.channel(), None).signing_keys)

    def credentials_invalid(self) -> Refused:
        return refused(Api(self.server.channel(), "a.b.c").signing_keys)

    def credentials_expired(self) -> Refused:
        token = self.server.mint("admin", lifetime_s=10, now=1_700_000_000)
        return refused(Api(self.server.channel(), token).signing_keys)

    def role_required(self) -> Refused:
        return refused(self.server.api("reader").create, "alice")

    def refresh_token_invalid(self) -> Refused:
        return refused(self.api.refresh, "srt1_" + "A" * 56)

    def refresh_token_reused(self) -> Refused:
        api = self.serve_with(grace_time="0s").api()
        token = api.create("alice").tokens.refresh_token
        api.refresh(token)
        return refused(api.refresh, token)

    def refresh_token_ahead(self) -> Refused:
        made = self.api.create("alice").session
        return refused(self.api.refresh, self.refresh_token(made.session_id, 18))

    def session_not_found(self) -> Refused:
        return refused(self.api.get, new_session_id("alice"))

    def session_ended(self) -> Refused:
        session_id = self.api.create("alice").session.session_id
        self.api.revoke(session_id=session_id)
        return refused(self.api.extend, session_id)

    def session_expired(self) -> Refused:
        request = pb.CreateSessionRequest(user_id="alice")
        request.idle_lifetime.FromSeconds(1)
        session_id = self.api.call(request).session.session_id
        eventually(lambda: self.api.validate(session_id=session_id).verdict != pb.VERDICT_ACTIVE)
        return refused(self.api.extend, session_id)

    def session_limit_reached(self) -> Refused:
        api = self.serve_with(session_cap=1, at_cap="reject").api()
        api.create("alice")
        return refused(api.create, "alice")

    def session_user_mismatch(self) -> Refused:
        other = self.api.create("bob").session.session_id
        assert refused(self.api.revoke_user, "alice", except_session_id=other).metadata
        return refused(self.api.create, "alice", replaces_session_id=other)

    def request_id_reused(self) -> Refused:
        self.api.create("alice", request_id="mine")
        return refused(self.api.create, "alice", request_id="mine", attributes={"a": "1"})

    def replay_superseded(self) -> Refused:
        made = self.api.create("alice", request_id="over")
        self.api.revoke(session_id=made.session.session_id)
        return refused(self.api.create, "alice", request_id="over")

    def etag_mismatch(self) -> Refused:
        session_id = self.api.create("alice").session.session_id
        return refused(self.api.update, session_id, etag="another")

    def session_already_adopted(self) -> Refused:
        bring_in(self.server, "alice", "old-1")
        self.api.adopt("alice", "old-1")
        return refused(self.api.adopt, "alice", "old-1")

    def import_key_missing(self) -> Refused:
        server = self.serve_with(key_reload_interval="20ms")
        api = server.api()
        shutil.rmtree(server.settings.effective_keys_dir / "import")
        eventually(lambda: outcome(api.adopt, "alice", "old-1") == Reason.IMPORT_KEY_MISSING)
        return refused(api.adopt, "alice", "old-1")

    def store_unavailable(self) -> Refused:
        return refused(self.api_on("unix:///nonexistent").create, "alice")

    def store_full(self) -> Refused:
        engine = self.running.enter_context(start_real_engine("valkey"))
        api = self.serve_with(url=engine.url).api()
        with redis.Redis(unix_socket_path=str(engine.socket_path)) as client:
            client.config_set("maxmemory", "1")
        return refused(api.create, "alice")

    def overloaded(self) -> Refused:
        url = self.running.enter_context(silent_engine())
        api = self.api_on(url, max_in_flight=1, max_call_time="1s")
        pool = self.running.enter_context(ThreadPoolExecutor(1))
        pool.submit(outcome, api.create, "alice")
        eventually(lambda: outcome(api.signing_keys) == Reason.OVERLOADED)
        return refused(api.signing_keys)

    def deadline_exceeded(self) -> Refused:
        url = self.running.enter_context(silent_engine())
        return refused(self.api_on(url, max_call_time="200ms").create, "alice")

    def job_not_found(self) -> Refused:
        return refused(self.server.admin().run_job, "stat")

    def job_running(self) -> Refused:
        async def hang(*_: object) -> None:
            await asyncio.Event().wait()

        patch = self.running.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(Statistician, "survey", hang)
        admin = self.serve_with().admin()
        admin.run_job("stats")
        return refused(admin.run_job, "stats")

    def keys_read_only(self) -> Refused:
        def fail(*_: object, **__: object) -> None:
            raise StartupError("an inner text")

        admin = self.serve_with().admin()
        patch = self.running.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(keymaker, "rotate", fail)
        return refused(admin.rotate)

    def cursor_too_old(self) -> Refused:
        # All watchers share a reader, which hears of it too: nobody else may watch this server.
        server = self.serve_with()
        watch = watched(server)
        Logs.behind(server).write("alice", 3)
        Logs.behind(server).trim("alice", 2)
        return refused(watched, server, cursor=watch.cursor)

    def log_rewound(self) -> Refused:
        server = self.serve_with()
        Logs.behind(server).write("alice", 3)
        watch = watched(server)
        Logs.behind(server).drop("alice")
        return refused(watched, server, cursor=watch.cursor)

    def watcher_too_slow(self) -> Refused:
        server = self.serve_with(watch_backlog=500, ops_listen="127.0.0.1:0")
        watch, logs = watched(server), Logs.behind(server)

        def is_cut_off() -> bool:
            logs.write("alice", 1_000)
            return cut_off(server) > 0

        eventually(is_cut_off, within_s=30)
        return refused(watch.until, lambda _: False)

    def caller_limit_reached(self) -> Refused:
        server = self.serve_with(caller_max_watchers=1)
        watching = watched(server)
        error = refused(watched, server)
        watching.call.cancel()
        return error

    def internal(self) -> Refused:
        async def fail(*_: object) -> None:
            raise KeyError("an inner text")

        patch = self.running.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(Reader, "get", fail)
        return refused(self.api.get, new_session_id("alice"))
