"""Cursors: how far a watcher's stream has come, for streams with the same filter and no others.

A cursor is base64url of a version, a digest, and for each partition the place that was reached, in
varints (LEB128): the milliseconds of its event id, as the difference to the latest of them; the
sequence number; and how many events came up to it. The digest is over places and filter. It keeps
accidents out, not forgers: a cursor gives nothing that its caller may not read.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from sessiond.domain.errors import FieldViolation, InvalidFieldError
from sessiond.domain.events import EventFilter
from sessiond.domain.ids import PARTITIONS, partition_of_user
from sessiond.store.log_entries import Place

_VERSION: Final = b"\x01"
_DIGEST_BYTES: Final = 6
_MOST: Final = 2**64
"""Every number of a place is below it."""
_BITS: Final = 7
_MORE: Final = 1 << _BITS
"""Set in a byte of a varint that another one follows."""


def partitions_of(wanted: EventFilter) -> Sequence[int]:
    """Where events that a filter admits may be."""
    return (partition_of_user(wanted.user_id),) if wanted.user_id else range(PARTITIONS)


def write(wanted: EventFilter, places: Mapping[int, Place]) -> str:
    """The cursor of these places, by partition; of those that the filter asks for."""
    ids = [(*map(int, places[i].id.split("-")), places[i].count) for i in partitions_of(wanted)]
    latest = max(ms for ms, _, _ in ids)
    body = bytearray()
    _put(body, latest)
    for ms, sequence, count in ids:
        _put(body, latest - ms)
        _put(body, sequence)
        _put(body, count)
    return _sealed(wanted, body)


def read(cursor: str, wanted: EventFilter) -> dict[int, Place]:
    """The places of a cursor, by partition.

    Raises:
        InvalidFieldError: it is no cursor of a stream with this filter.
    """
    try:
        raw = urlsafe_b64decode(cursor)
        body = raw[len(_VERSION) + _DIGEST_BYTES :]
        if _sealed(wanted, body) == cursor:
            return _places(body, partitions_of(wanted))
    except ValueError:
        pass
    raise InvalidFieldError(
        [FieldViolation("cursor", "is no cursor of a stream with these filters")]
    )


def _sealed(wanted: EventFilter, body: bytes | bytearray) -> str:
    digest = hashlib.sha256(bytes((*sorted(wanted.types), 0)))
    digest.update(len(wanted.user_id.encode()).to_bytes(2) + wanted.user_id.encode() + body)
    return urlsafe_b64encode(_VERSION + digest.digest()[:_DIGEST_BYTES] + body).decode()


def _places(body: bytes, partitions: Sequence[int]) -> dict[int, Place]:
    numbers = _numbers(body)
    if len(numbers) != 1 + 3 * len(partitions):
        raise ValueError("a cursor has three numbers for each partition")
    latest = numbers[0]
    places = {}
    for partition, back, sequence, count in zip(
        partitions, numbers[1::3], numbers[2::3], numbers[3::3], strict=True
    ):
        if back > latest:
            raise ValueError("an event comes before the epoch")
        places[partition] = Place(f"{latest - back}-{sequence}", count)
    return places


def _put(body: bytearray, number: int) -> None:
    while number >= _MORE:
        body.append(number % _MORE | _MORE)
        number >>= _BITS
    body.append(number)


def _numbers(body: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in body:
        number |= byte % _MORE << shift
        shift += _BITS
        if number >= _MOST:
            raise ValueError("a number has over 64 bits")
        if byte < _MORE:
            numbers.append(number)
            number, shift = 0, 0
    if shift:
        raise ValueError("the last number does not end")
    return numbers
