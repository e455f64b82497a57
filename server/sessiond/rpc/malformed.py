"""Requests that are no message of their type.

grpcio answers UNKNOWN when a deserializer raises. Ours never does: it returns `Malformed`, and the
call is refused as INVALID_ARGUMENT with the field named where the bytes tell which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from sessiond.domain.errors import FieldViolation, InvalidFieldError

_LENGTH_DELIMITED = 2


@dataclass(frozen=True, slots=True)
class Malformed:
    """What came instead of a message."""

    error: InvalidFieldError


def deserializer(message: type[Message]) -> Callable[[bytes], Message | Malformed]:
    """Like `message.FromString`, without its exceptions."""

    def deserialize(data: bytes) -> Message | Malformed:
        try:
            return message.FromString(data)
        except DecodeError:
            field = _field_of_bad_text(data, message.DESCRIPTOR) or "request"
            what = "is not UTF-8 text" if field != "request" else "is not a message of this type"
            return Malformed(InvalidFieldError([FieldViolation(field, what)]))

    return deserialize


def _field_of_bad_text(data: bytes, descriptor: Any) -> str:
    """The path of the first string field that is not UTF-8; empty if there is none to be found."""
    try:
        unknown: Any = UnknownFieldSet(Empty.FromString(data))
    except DecodeError:
        return ""
    for raw in unknown:
        field = descriptor.fields_by_number.get(raw.field_number)
        if field is None or raw.wire_type != _LENGTH_DELIMITED:
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            try:
                raw.data.decode()
            except UnicodeDecodeError:
                return str(field.name)
        elif field.message_type is not None:
            inner = _field_of_bad_text(raw.data, field.message_type)
            if inner:
                is_map = field.message_type.GetOptions().map_entry
                return str(field.name) if is_map else f"{field.name}.{inner}"
    return ""
