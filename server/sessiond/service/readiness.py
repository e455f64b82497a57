"""Whether the store can be used: checked at the start, and again whenever it was away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from sessiond.domain.errors import OverloadedError, SessionStoreError, StartupError
from sessiond.domain.profile import Profile
from sessiond.store.checks import MAX_SKEW_S, check_engine, clock_skew_s
from sessiond.store.keyspace import Keyspace
from sessiond.store.replication import replication
from sessiond.store.runner import ScriptRunner
from sessiond.store.scripts import Store

_INTERVAL_S: Final = 0.5
_PATIENCE_S: Final = 2.0

OnChange = Callable[[bool], Awaitable[None]]
OnHistories = Callable[[frozenset[str]], None]


class Readiness:
    """Watches the store. Not ready until it has answered, agreed and been checked."""

    def __init__(
        self,
        runner: ScriptRunner,
        store: Store,
        keyspace: Keyspace,
        profiles: Iterable[Profile],
        *,
        on_histories: OnHistories,
        strict: bool,
        checked: bool,
    ) -> None:
        """Set what is watched.

        Args:
            runner: leads to the store.
            store: registers this server.
            keyspace: holds the probe key.
            profiles: what this server has configured.
            on_histories: told again and again which histories the store's nodes have.
            strict: whether a fault of the engine stops the start (outside development mode).
            checked: whether the engine's settings are looked at; fakeredis has none.
        """
        self._runner = runner
        self._store = store
        self._keyspace = keyspace
        self._profiles = tuple(profiles)
        self._on_histories = on_histories
        self._strict = strict
        self._checked = checked
        self._admitted = False
        self._was_admitted = False
        self._emptied = False
        self._reported: set[str] = set()
        self._log = structlog.get_logger("sessiond.store")
        self.ready = False

    async def watch(self, on_change: OnChange) -> None:
        """Watch until cancelled, and tell of every change.

        Raises:
            StartupError: the store must not be used by this server, found before it was ever used.
        """
        last_problem = ""
        while True:
            problem = await self._problem()
            if problem != last_problem:
                if problem:
                    self._log.warning("store_not_ready", problem=problem)
                last_problem = problem
            if self.ready == bool(problem):
                self.ready = not problem
                await on_change(self.ready)
                if self.ready:
                    self._log.info("store_ready")
            await asyncio.sleep(_INTERVAL_S)

    async def _problem(self) -> str:
        """Why the store cannot be used now; empty if it can."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                skew = await clock_skew_s(self._runner, self._keyspace)
                if self._checked and not await self._takes_writes():
                    self._admitted = False
                    return "the store is a replica, and takes no writes"
                if self._was_admitted and not await self._store.is_registered():
                    if not self._emptied:
                        self._log.error("store_emptied")
                    self._emptied, self._admitted = True, False
                if not self._admitted:
                    await self._admit()
        except StartupError as error:
            if not self._was_admitted:
                raise
            return str(error)
        except Exception as error:  # noqa: BLE001  whatever it is, the store cannot be used
            return self._hindrance(error)
        if skew > MAX_SKEW_S:
            return f"this machine's clock is over {MAX_SKEW_S:g} s off the store's"
        return ""

    def _hindrance(self, error: Exception) -> str:
        """What an error says of the store."""
        if isinstance(error, OverloadedError) and self._admitted:
            return ""  # it answers others: what it was before, it still is
        self._admitted = False
        if isinstance(error, SessionStoreError):
            return error.message
        if isinstance(error, TimeoutError):
            return "the store does not answer"
        return f"the store refuses a command: {type(error).__name__}"

    async def _takes_writes(self) -> bool:
        """Whether nodes are not all replicas, and tell of the histories of those that are none.

        In a cluster one may be for a moment: calls are sent on to who has taken its place.
        """
        nodes = await replication(self._runner, self._keyspace)
        histories = frozenset(node.history for node in nodes if node.is_primary)
        if histories:
            self._on_histories(histories)
        return bool(histories) or not nodes

    async def _admit(self) -> None:
        """Look at the store's settings, and agree with it."""
        if self._checked:
            findings = await check_engine(self._runner, self._keyspace)
            if findings.faults and self._strict:
                raise StartupError("; ".join(findings.faults))
            for finding in (*findings.warnings, *findings.faults):
                if finding not in self._reported:
                    self._log.warning("store_check", finding=finding, engine=findings.engine)
                    self._reported.add(finding)
        await self._store.register(self._profiles, complete=not self._was_admitted)
        self._admitted = self._was_admitted = True
        self._emptied = False
