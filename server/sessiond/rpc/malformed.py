"""Requests that are no message of their type.

Requests are parsed inside the interceptors, not by grpcio: it would parse before anybody has asked
who calls, and answer UNKNOWN to bytes that are no message. Here they are INVALID_ARGUMENT, with the
field named where the bytes tell which.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from sessiond.domain.errors import FieldViolation, InvalidFieldError

_LENGTH_DELIMITED: Final = 2
_MOST_SEARCHED_BYTES: Final = 64 * 1024
"""The search is slow: a larger request is refused without its field."""


def parse(message: type[Message], data: bytes) -> Message:
    """Like `message.FromString`.

    Raises:
        InvalidFieldError: not a message of this type, or text in it is not UTF-8.
    """
    try:
        return message.FromString(data)
    except DecodeError:
        field = ""
        if len(data) <= _MOST_SEARCHED_BYTES:
            field = _field_of_bad_text(data, message.DESCRIPTOR)
        what = "is not UTF-8 text" if field else "is not a message of this type"
        raise InvalidFieldError([FieldViolation(field or "request", what)]) from None


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
