"""The composition root: builds everything, starts it in order, and stops it in reverse."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import structlog
from grpc_reflection.v1alpha import reflection

from sessiond import devmode
from sessiond.domain.errors import StartupError
from sessiond.jobs.reaper import Reaper
from sessiond.rpc.health import Health
from sessiond.rpc.interceptors.credentials import Credentials
from sessiond.rpc.interceptors.deadline import Deadline
from sessiond.rpc.interceptors.errors import ErrorBoundary
from sessiond.rpc.interceptors.overload import OverloadGuard
from sessiond.rpc.interceptors.request_log import RequestLog
from sessiond.rpc.methods import ROLES, SESSION_SERVICE
from sessiond.rpc.server import Transport, add_service, listening_server
from sessiond.rpc.session_servicer import SessionServicer
from sessiond.service.adoption import Adopter
from sessiond.service.issuing import Issuer
from sessiond.service.judging import Judge
from sessiond.service.lifecycle import Lifecycle
from sessiond.service.policy import Policies
from sessiond.service.readiness import Readiness
from sessiond.service.reading import Reader
from sessiond.service.revocation import Revoker
from sessiond.service.sessions import Sessions
from sessiond.service.validation import Validator
from sessiond.settings import Settings, milliseconds
from sessiond.store import connect
from sessiond.store.connect import EMBEDDED, FAKE, redacted, scheme_of
from sessiond.store.embedded import EmbeddedEngine
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits, OpenLink
from sessiond.store.replies import EndPolicy
from sessiond.store.runner import ScriptRunner
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from sessiond.tokens.access import AccessTokens
from sessiond.tokens.callers import Callers
from sessiond.tokens.external_ids import ExternalIds
from sessiond.tokens.keyring import KeyRing, Lifetimes
from sessiond.tokens.refresh import RefreshTokens
from sessiond.tokens.service import ServiceTokens
from sessionstore.v1 import session_service_pb2

LEEWAY_S: Final = 30
"""How far clocks of token verifiers may be off, in seconds."""


def key_lifetimes(settings: Settings) -> Lifetimes:
    """How long keys must verify for what they signed to live out its life."""
    profiles = settings.all_profiles().values()
    return Lifetimes(
        access_s=settings.access_token_lifetime.total_seconds(),
        service_s=settings.service_token_lifetime.total_seconds(),
        session_s=max(profile.absolute_ms for profile in profiles) / 1000,
        leeway_s=LEEWAY_S,
        publish_s=settings.key_publish_time.total_seconds(),
    )


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
        if settings.dev:
            devmode.prepare(settings)
        ring = KeyRing.load(settings.effective_keys_dir, key_lifetimes(settings))
        callers = Callers.load(settings.effective_callers_file)
        runner, scripts = await self._open_store()
        store = Store(scripts)
        refresh_tokens = RefreshTokens(ring)
        access_tokens = AccessTokens(
            ring,
            settings.issuer,
            settings.audience,
            milliseconds(settings.access_token_lifetime),
            leeway_s=LEEWAY_S,
        )
        transfer = TransferStore(scripts)
        sessions = self._sessions(store, transfer, ring, access_tokens, refresh_tokens)
        server, port = listening_server(self._transport())
        add_service(
            server,
            session_service_pb2.DESCRIPTOR.services_by_name["SessionService"],
            self._servicer(
                sessions, issuer=settings.issuer, keys_cached=settings.key_publish_time / 2
            ),
            ROLES,
            (
                RequestLog(ring.pseudonym),
                ErrorBoundary(),
                OverloadGuard(settings.max_in_flight),
                Deadline(settings.max_call_time.total_seconds()),
                Credentials(ServiceTokens(ring, leeway_s=LEEWAY_S), callers),
            ),
        )
        health = Health(server)
        await health.set(serving=False)
        if settings.reflection if settings.reflection is not None else settings.dev:
            names = (SESSION_SERVICE, "grpc.health.v1.Health", reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        await server.start()
        drain_s = settings.drain_time.total_seconds()
        self._stack.push_async_callback(server.stop, drain_s)
        self._stack.push_async_callback(health.stop)
        self.address = f"{settings.listen.rpartition(':')[0]}:{port}"

        readiness = Readiness(
            runner,
            store,
            scripts.keys,
            settings.all_profiles().values(),
            strict=not settings.dev,
            checked=scheme_of(settings.effective_store_url) != FAKE,
        )

        async def on_change(ready: bool) -> None:
            if ready:
                self.ready.set()
            else:
                self.ready.clear()
            await health.set(serving=ready)

        self._run(readiness.watch(on_change))
        self._run(self._reload(ring.reload_if_changed, "key ring"))
        self._run(self._reload(callers.reload_if_changed, "callers file"))
        if settings.reaper_interval:
            interval_s = settings.reaper_interval.total_seconds()
            reaper = Reaper(store, interval_s=interval_s, batch=settings.reaper_batch)
            self._run(reaper.run())
        self._log.info(
            "serving",
            address=self.address,
            tls=settings.tls_cert_file is not None,
            store=redacted(settings.effective_store_url),
            dev=settings.dev,
        )

    async def _open_store(self) -> tuple[ScriptRunner, ScriptSet]:
        settings = self.settings
        url = settings.effective_store_url
        scheme = scheme_of(url)
        if scheme == EMBEDDED:
            engine = EmbeddedEngine(
                _directory(url),
                appendfsync=settings.embedded_appendfsync,
                maxmemory=settings.embedded_maxmemory,
            )
            await engine.start()
            self._stack.push_async_callback(engine.stop)
            url = engine.url
        limits = LinkLimits(
            connect_s=settings.store_connect_timeout.total_seconds(),
            read_s=settings.store_read_timeout.total_seconds(),
            in_flight=settings.store_max_in_flight,
        )
        ca_file = str(settings.store_ca_file) if settings.store_ca_file else None
        runner = ScriptRunner(self._open_link(url, limits, ca_file))
        self._stack.push_async_callback(runner.close)
        keyspace = Keyspace(settings.key_prefix)
        ends = EndPolicy(
            retention_ms=milliseconds(settings.retention),
            access_ms=milliseconds(settings.access_token_lifetime),
            leeway_ms=LEEWAY_S * 1000,
            log_ms=milliseconds(settings.event_log_time),
            log_most=settings.event_log_max_length,
        )
        return runner, ScriptSet(runner, keyspace, ends, shebang=scheme != FAKE)

    def _sessions(
        self,
        store: Store,
        transfer: TransferStore,
        ring: KeyRing,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
    ) -> Sessions:
        settings = self.settings
        grace_ms = milliseconds(settings.grace_time)
        request_ttl_ms = milliseconds(settings.request_id_lifetime)
        policies = Policies(settings.all_profiles())
        issuer = Issuer(access_tokens, refresh_tokens)
        return Sessions(
            policies=policies,
            lifecycle=Lifecycle(
                store,
                policies,
                issuer,
                refresh_tokens,
                grace_ms=grace_ms,
                request_ttl_ms=request_ttl_ms,
            ),
            adopter=Adopter(
                transfer,
                ExternalIds(ring),
                issuer,
                refresh_tokens,
                request_ttl_ms=request_ttl_ms,
            ),
            validator=Validator(
                store,
                Judge(access_tokens, refresh_tokens, grace_ms=grace_ms),
                activity_ms=milliseconds(settings.activity_interval),
            ),
            reader=Reader(store),
            revoker=Revoker(store, request_ttl_ms=request_ttl_ms),
            refresh_tokens=refresh_tokens,
            ring=ring,
        )

    def _transport(self) -> Transport:
        settings = self.settings
        certificate = None
        if settings.tls_cert_file and settings.tls_key_file:
            certificate = (_read(settings.tls_cert_file), _read(settings.tls_key_file))
            _check_pair(settings.tls_cert_file, settings.tls_key_file)
        return Transport(settings.listen, certificate, settings.max_request_bytes)

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


def _directory(url: str) -> Path:
    parts = urlsplit(url)
    path = parts.netloc + parts.path
    if not path:
        raise StartupError(
            "an embedded:// store URL names a directory: embedded:///var/lib/sessiond"
        )
    return Path(path)


def _check_pair(certificate: Path, key: Path) -> None:
    """Load the pair as gRPC will, which tells on standard error what is wrong, and not us."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: "")
    except ssl.SSLError:
        raise StartupError(
            f"{certificate} and {key} are not a certificate chain and its key: both in PEM, the"
            " key without a password"
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartupError(f"cannot read {path}: {error.strerror}") from None
