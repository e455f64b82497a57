"""The composition root: builds everything, starts it in order, and stops it in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import structlog

from sessiond import devmode
from sessiond.assembly.background import background
from sessiond.assembly.engine import embedded_engine
from sessiond.assembly.front import Front
from sessiond.assembly.lifetimes import LEEWAY_S, key_lifetimes
from sessiond.assembly.opening import link_limits, load_callers, store_access, wait_policy
from sessiond.assembly.tracing import Tracing, open_tracing
from sessiond.assembly.use_cases import UseCases
from sessiond.domain.errors import StartupError
from sessiond.jobs.reaper import Reaper
from sessiond.ops.census import Census
from sessiond.ops.http import HttpServer
from sessiond.ops.metrics import Metrics
from sessiond.ops.port import routes
from sessiond.rpc.admin_servicer import AdminServicer
from sessiond.rpc.health import HealthPort
from sessiond.rpc.session_servicer import SessionServicer
from sessiond.service.live_feed import Tail
from sessiond.service.readiness import Readiness
from sessiond.service.statistics import Statistician
from sessiond.settings import Settings, milliseconds
from sessiond.store import connect
from sessiond.store.connect import OpenLink
from sessiond.store.keyspace import Keyspace
from sessiond.store.replica_wait import ReplicaWait
from sessiond.store.replies import EndPolicy
from sessiond.store.runner import ScriptRunner
from sessiond.store.script_set import ScriptSet
from sessiond.store.store_url import StoreUrl, Topology, redacted
from sessiond.tokens.keyring import KeyRing
from sessiond.version import VERSION


class App:
    """One server. As an async context manager it is serving inside and stopped after."""

    def __init__(
        self,
        settings: Settings,
        *,
        open_link: OpenLink = connect.open_link,
        servicer: type[SessionServicer] = SessionServicer,
    ) -> None:
        """Set what is served.

        Args:
            settings: of this server.
            open_link: how the store is reached.
            servicer: what answers the RPCs.
        """
        self.settings = settings
        self._open_link = open_link
        self._servicer = servicer
        self.address = ""
        """Where it serves, once it does."""
        self.ops_address = ""
        """Where its ops port is, if it has one."""
        self.health_address = ""
        """Where it answers health checks in plaintext, if it does."""
        self.ready = asyncio.Event()
        """Set while the store can be used."""
        self._stack = AsyncExitStack()
        self._background: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger("sessiond")

    async def start(self) -> None:
        """Start serving; whether the store can be used is `ready`.

        Raises:
            StartupError: the settings, keys, callers, engine or address cannot be used. Nothing is
                left running.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Not serving, drain, disconnect, end the engine. Once stopped, does nothing."""
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        """Start; see `start`."""
        await self.start()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Stop; see `stop`."""
        await self.stop()

    async def failed(self) -> None:
        """Wait until a part of the server cannot go on.

        Raises:
            StartupError: why.
        """
        done, _ = await asyncio.wait(self._background, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _start(self) -> None:
        settings = self.settings
        self._stack.callback(self._log.info, "stopped")
        tracing = self._trace()
        if settings.dev:
            devmode.prepare(settings)
        ring = KeyRing.load(settings.effective_keys_dir, key_lifetimes(settings))
        callers = load_callers(settings)
        runner, scripts, make_tail, replicas = await self._open_store(tracing)
        use_cases = UseCases(settings, scripts, make_tail, replicas, ring)
        self._stack.push_async_callback(use_cases.watching.close)
        jobs = background(
            settings,
            use_cases.ledger,
            use_cases.statistician,
            use_cases.orphans,
            self.ready.wait,
        )
        front = Front(settings, ring, callers, tracing.interceptors if tracing else ())
        front.add_services(
            self._servicer(
                use_cases.sessions(),
                issuer=settings.issuer,
                keys_cached=settings.key_publish_time / 2,
            ),
            AdminServicer(use_cases.operators(jobs.jobs)),
        )
        if settings.ops_listen:
            metrics = Metrics(VERSION)
            metrics.show_calls(front.figures)
            metrics.show_sessions(use_cases.figures)
            metrics.show_store(runner.figures, scripts.name_of)
            metrics.show_jobs(jobs.figures)
            metrics.show_failovers(lambda: use_cases.reassertion.figures)
            metrics.show_watching(use_cases.watching.figures)
            await self._serve_ops(settings.ops_listen, metrics, use_cases.statistician, ring)
        await self._serve_calls(front)
        # Before the drain: watchers are to go on elsewhere at once.
        self._stack.callback(use_cases.watching.stop)
        readiness = Readiness(
            runner,
            use_cases.store,
            scripts.keys,
            settings.all_profiles().values(),
            on_histories=use_cases.reassertion.notice,
            strict=not settings.dev,
            checked=StoreUrl.parse(settings.effective_store_url).topology is not Topology.FAKE,
        )

        async def on_change(ready: bool) -> None:
            if ready:
                self.ready.set()
            else:
                self.ready.clear()
            front.health.set(serving=ready)

        self._run(front.ended())
        self._run(readiness.watch(on_change))
        self._run(use_cases.reassertion.run())
        self._run(self._reload(ring.reload_if_changed, "key ring"))
        self._run(self._reload(callers.reload_if_changed, "callers file"))
        if front.tls:
            self._run(self._reload(front.tls.reload_if_changed, "certificates"))
        if settings.reaper_interval:
            interval_s = settings.reaper_interval.total_seconds()
            reaper = Reaper(use_cases.store, interval_s=interval_s, batch=settings.reaper_batch)
            self._run(reaper.run())
        self._run(jobs.scheduler.run())
        # First of all at a stop: who asks the ops port sends nobody here any more.
        self._stack.callback(self.ready.clear)
        self._log.info(
            "serving",
            address=self.address,
            transport=settings.transport,
            tls=settings.tls_cert_file is not None,
            client_certificates=settings.tls_client_ca_file is not None,
            store=redacted(settings.effective_store_url),
            dev=settings.dev,
        )

    async def _serve_calls(self, front: Front) -> None:
        health_port = None
        if listen := self.settings.health_listen:
            shared = self.settings.workers is not None
            health_port = HealthPort(listen, front.health, shared_port=shared)
            self._stack.push_async_callback(health_port.stop)
        await front.start()
        self._stack.push_async_callback(front.stop)
        if health_port and self.settings.workers is not None:
            # Before the drain: the workers that go on are to be asked, and serve.
            self._stack.push_async_callback(health_port.stop)
        self.address = front.address
        if health_port:
            await health_port.start()
            self.health_address = health_port.address
            self._run(health_port.ended())
            self._log.info("serving_health", address=self.health_address)

    async def _serve_ops(
        self, listen: str, metrics: Metrics, statistician: Statistician, ring: KeyRing
    ) -> None:
        census = Census(statistician.stats, self.ready)
        metrics.show_readiness(self.ready.is_set)
        metrics.show_fleet(census.latest)
        server = HttpServer(
            routes(
                ready=self.ready.is_set,
                metrics=metrics.text,
                jwks=ring.jwks,
                keys_cached=self.settings.key_publish_time / 2,
            )
        )
        self.ops_address = await server.start(listen)
        self._stack.push_async_callback(server.stop)
        self._run(census.run())
        self._log.info("serving_ops", address=self.ops_address)

    def _trace(self) -> Tracing | None:
        """What traces calls, if they are."""
        if not self.settings.otlp_endpoint:
            return None
        tracing = open_tracing(self.settings.otlp_endpoint, self.settings.trace_ratio)
        self._stack.push_async_callback(tracing.close)
        return tracing

    async def _open_store(
        self, tracing: Tracing | None
    ) -> tuple[ScriptRunner, ScriptSet, Callable[[], Tail], ReplicaWait | None]:
        settings = self.settings
        url = settings.effective_store_url
        topology = StoreUrl.parse(url).topology
        if topology is Topology.EMBEDDED:
            engine = embedded_engine(settings)
            await engine.start()
            self._stack.push_async_callback(engine.stop)
            url = engine.url
        limits, access = link_limits(settings), store_access(settings)
        link = self._open_link(url, limits, access)
        runner = tracing.runner(link) if tracing else ScriptRunner(link)
        self._stack.push_async_callback(runner.close)
        keyspace = Keyspace(settings.key_prefix)
        ends = EndPolicy(
            retention_ms=milliseconds(settings.retention),
            access_ms=milliseconds(settings.access_token_lifetime),
            leeway_ms=LEEWAY_S * 1000,
            log_ms=milliseconds(settings.event_log_time),
            log_most=settings.event_log_max_length,
        )
        scripts = ScriptSet(runner, keyspace, ends, shebang=topology is not Topology.FAKE)
        replicas = None
        if policy := wait_policy(settings):
            finder = connect.node_finder(url, limits, access)
            replicas = ReplicaWait(finder, limits, scripts, policy)
            self._stack.push_async_callback(replicas.close)
        return runner, scripts, connect.tails(url, limits, access, scripts), replicas

    async def _reload(self, reload_if_changed: Callable[[], bool], what: str) -> None:
        """Look at a file or directory for changes, until cancelled. A bad one changes nothing."""
        while True:
            await asyncio.sleep(self.settings.key_reload_interval.total_seconds())
            try:
                if await asyncio.to_thread(reload_if_changed):
                    self._log.info("reloaded", what=what)
            except StartupError as error:
                self._log.error("reload_refused", what=what, problem=str(error))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a background task until the server stops."""
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._background.append(task)

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        self._stack.push_async_callback(end)
