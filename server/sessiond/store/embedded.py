"""The engine behind `embedded://DIR`: a Valkey of our own, on a Unix socket, with its data in DIR.

DIR holds the append-only file, `engine.log`, `engine.pid`, `lock` (held by the sessiond that owns
DIR) and, if the path is short enough, the socket.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import structlog

from sessiond.domain.backoff import Backoff
from sessiond.domain.errors import StartupError
from sessiond.store import embedded_host as host

_POLL_S: Final = 0.05
_FIRST_BACKOFF_S: Final = 0.1
_LONGEST_BACKOFF_S: Final = 5.0
_STEADY_S: Final = 10.0
"""An engine that served this long was well: its death begins a new backoff."""
_LOG_LINES: Final = 10
_LOG_TAIL_BYTES: Final = 8192

log = structlog.get_logger()


class _StoppedError(StartupError):
    """`stop` was called before the engine was ready."""


class EmbeddedEngine:
    """One engine on one directory, restarted when it dies, ended with this process.

    Args:
        directory: where the data is; created with mode 700. It has one owner at a time.
        appendfsync: `always` keeps an acknowledged write through a crash of the machine;
            `everysec` may lose about its last second, also when only the engine is killed.
        maxmemory: the engine's limit, in its own notation (`256mb`); none by default.
        config: further directives of the engine; they win over the ones above.
        start_timeout: seconds that `start` waits for the data to be loaded.
        stop_timeout: seconds that an engine has to end in order before it is killed.

    Raises:
        StartupError: no path for the socket is short enough.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        appendfsync: Literal["always", "everysec", "no"] = "everysec",
        maxmemory: str | None = None,
        config: Mapping[str, str] | None = None,
        start_timeout: float = 30.0,
        stop_timeout: float = 10.0,
    ) -> None:
        self.directory = Path(directory).resolve()
        self.socket_path = host.socket_path(self.directory)
        self._log_path = self.directory / "engine.log"
        self._pid_path = self.directory / "engine.pid"
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._config = {
            "dir": str(self.directory),
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "daemonize": "no",
            "set-proc-title": "no",  # the command line is what names a leftover
            "logfile": str(self._log_path),
            "appendonly": "yes",
            "appendfsync": appendfsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "hash-max-listpack-value": "512",
            **({} if maxmemory is None else {"maxmemory": maxmemory}),
            **(config or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What a Redis client connects to."""
        return f"unix://{quote(str(self.socket_path))}"

    @property
    def pid(self) -> int | None:
        """The running engine, or None while there is none."""
        process = self._process
        return None if process is None else process.pid

    async def start(self) -> None:
        """Return once the engine answers with its data loaded.

        Raises:
            StartupError: it cannot or must not run; the message ends with its last log lines,
                where there are any. Nothing is left running, and nothing locked.
        """
        if self._thread is not None:
            raise RuntimeError("this engine was started before")
        started: Future[None] = Future()
        started.set_running_or_notify_cancel()  # a cancelled start() must not cancel it
        self._stopping.clear()
        # One thread starts, watches and ends every engine, off the event loop. It has to live as
        # long as they do: the parent-death signal is sent when the thread that forked ends.
        self._thread = threading.Thread(
            target=self._own, args=(started,), name="embedded-engine", daemon=True
        )
        self._thread.start()
        try:
            await asyncio.wrap_future(started)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the engine in order (SIGTERM, then SIGKILL), remove its socket and pid file, unlock.

        A second call, or one before `start`, does nothing.
        """
        thread = self._thread
        if thread is not None:
            self._stopping.set()
            await asyncio.to_thread(thread.join)
            if self._thread is thread:  # and not that of a start() since
                self._thread = None

    def _own(self, started: Future[None]) -> None:
        with ExitStack() as owned:
            try:
                command = self._command()
                host.make_private(self.directory)
                owned.enter_context(host.sole_owner(self.directory))
                self._end_leftover()
                owned.enter_context(host.socket_place(self.socket_path, self.directory))
                owned.callback(self._end)
                self._spawn(command)
                self._wait_until_ready(self._start_timeout)
            except BaseException as error:  # noqa: BLE001 - start() raises it
                try:
                    owned.close()
                finally:
                    started.set_exception(_as_startup_error(error))
                return
            log.info("engine_started", pid=self.pid, directory=str(self.directory))
            started.set_result(None)
            self._supervise(command)
        log.info("engine_stopped", directory=str(self.directory))

    def _command(self) -> list[str]:
        options = (word for name, value in self._config.items() for word in (f"--{name}", value))
        return [str(host.engine_binary()), *options]

    def _spawn(self, command: list[str]) -> None:
        with host.open_private(self._log_path) as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our binary and our options
                host.ends_with_parent(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in a terminal is for sessiond alone
                umask=0o077,
            )
        # Ours, not Valkey's `pidfile`: Valkey removes that before it has removed its socket, and
        # a start in between would lose its new one.
        self._pid_path.write_text(f"{self._process.pid}\n", encoding="ascii")

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not host.answers_ping(self.socket_path):
            status = None if self._process is None else self._process.poll()
            if status is not None:
                raise StartupError(self._with_log(f"the embedded engine {_ending(status)}"))
            if time.monotonic() > deadline:
                sentence = (
                    f"the embedded engine was not ready within {timeout:g} s; a large append-only "
                    "file may need longer"
                )
                raise StartupError(self._with_log(sentence))
            if self._stopping.wait(_POLL_S):
                raise _StoppedError("the embedded engine was stopped while it started")

    def _supervise(self, command: list[str]) -> None:
        backoff = Backoff(_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S, _STEADY_S)
        ready_at = time.monotonic()
        while self._has_died():
            delay = backoff.after(time.monotonic() - ready_at)
            while not self._stopping.wait(delay):
                try:
                    self._spawn(command)
                    self._wait_until_ready(math.inf)
                except _StoppedError:
                    return
                except (StartupError, OSError) as error:
                    # One engine at most on the data: this one may be running, without a pid file.
                    self._end()
                    delay = backoff.after(0)
                    log.warning("engine_restart_failed", error=str(error), retry_s=delay)
                else:
                    ready_at = time.monotonic()
                    log.info("engine_restarted", pid=self.pid)
                    break
            else:
                return

    def _has_died(self) -> bool:
        """Wait until there is no engine (True) or `stop` is called (False)."""
        process = self._process
        while process is not None:
            status = process.poll()
            if status is not None:
                self._process = None
                log.error("engine_died", pid=process.pid, how=_ending(status), log=self._log_tail())
                break
            if self._stopping.wait(_POLL_S):
                return False
        return True

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(self._stop_timeout)
            except subprocess.TimeoutExpired:
                log.warning("engine_killed", pid=process.pid, after_s=self._stop_timeout)
                process.kill()
                process.wait()
        with suppress(OSError):  # a disk gone bad must not end the supervision
            self._pid_path.unlink()

    def _end_leftover(self) -> None:
        try:
            pid = int(self._pid_path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not host.is_engine_of(self.directory, pid):
                return
            log.warning("engine_leftover", pid=pid, signal=number.name)
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + self._stop_timeout
            while host.is_engine_of(self.directory, pid) and time.monotonic() < deadline:
                if self._stopping.wait(_POLL_S):
                    raise _StoppedError("the embedded engine was stopped while it started")
        if host.is_engine_of(self.directory, pid):
            raise StartupError(
                f"an engine that an earlier sessiond left on {self.directory} (pid {pid}) cannot "
                "be stopped: stop it yourself"
            )

    def _log_tail(self) -> list[str]:
        """The last lines of the log since the engine was spawned."""
        try:
            with self._log_path.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_start, end - _LOG_TAIL_BYTES))
                return file.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
        except OSError:
            return []

    def _with_log(self, sentence: str) -> str:
        return "\n  ".join((sentence, *self._log_tail()))


def _ending(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"


def _as_startup_error(error: BaseException) -> BaseException:
    if isinstance(error, OSError):
        return StartupError(f"the embedded engine cannot be started: {error}")
    return error
