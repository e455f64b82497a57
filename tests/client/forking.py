"""Fork, and call from the child. Run on its own: a fork of pytest would copy the fake service.

    python -m tests.client.forking ADDRESS KIND ROUNDS

Prints what each child said, one to a line, then what the parent's own later calls said.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from collections.abc import Callable

from sessionstore import AsyncSessionClient, SessionClient

PATIENCE_S = 20.0


def in_child(call: Callable[[], None], *, exits: bool) -> str:
    """What a call says in a forked child, which is killed if it says nothing."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, said(call).encode())
        if exits:
            sys.exit(0)
        os._exit(0)
    os.close(writer)
    try:
        if not select.select([reader], [], [], PATIENCE_S)[0]:
            os.kill(pid, signal.SIGKILL)
            return "nothing, and was killed"
        return os.read(reader, 4096).decode() or "nothing, and died"
    finally:
        os.close(reader)
        os.waitpid(pid, 0)


def said(call: Callable[[], None]) -> str:
    try:
        call()
    except Exception as error:  # noqa: BLE001  told to the parent
        return f"{type(error).__name__}: {error}"
    return "ok"


def main(address: str, kind: str, rounds: int) -> None:
    sync = SessionClient(address, token="parent")
    aio = AsyncSessionClient(address, token="parent")

    def call_sync() -> None:
        sync.get(str(os.getpid()))

    async def acall() -> None:
        await aio.get(str(os.getpid()))

    def call_aio() -> None:
        asyncio.run(acall())

    def call_both() -> None:
        call_sync()
        call_aio()

    async def fork_inside() -> str:
        await acall()
        return in_child(call_aio, exits=False)

    if kind == "inside-loop":
        print(*[asyncio.run(fork_inside()) for _ in range(rounds)], said(call_aio), sep="\n")  # noqa: T201
        return
    if kind == "open-stream":
        loop = asyncio.new_event_loop()
        stream = aio.watch()
        loop.run_until_complete(anext(stream))
        print(in_child(call_aio, exits=False))  # noqa: T201
        print(said(lambda: loop.run_until_complete(acall())))  # noqa: T201
        loop.run_until_complete(stream.aclose())
        return
    call = {"sync": call_sync, "aio": call_aio, "both": call_both}[kind]
    for round_ in range(rounds):
        call()
        print(in_child(call, exits=round_ % 2 == 0), flush=True)  # noqa: T201
    print(said(call), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
