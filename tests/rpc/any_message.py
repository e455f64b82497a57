"""Messages with anything in them, and bytes that are no message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

_LENGTH_DELIMITED = 2

_SPECIAL = ("\0", "\r\nfake=line", "\u2028", "a" * 5000, "\U0001f600" * 128, " ", "'\"\\")
# By index: hypothesis prints its strategies, and none of these should be in that.
TEXT = st.one_of(
    st.text(max_size=20),
    st.text(min_size=1, max_size=700),
    st.integers(0, len(_SPECIAL) - 1).map(_SPECIAL.__getitem__),
)


def messages(descriptor: Descriptor, known: st.SearchStrategy[str]) -> st.SearchStrategy[Message]:
    """Any message of a type; its texts are sometimes ones that the server knows."""
    fields = {
        field.name: _values(field, known) for field in descriptor.fields if not _only_output(field)
    }

    def build(values: dict[str, Any]) -> Message:
        message = message_factory.GetMessageClass(descriptor)()
        for name, value in values.items():
            target = getattr(message, name)
            if isinstance(value, Message):
                target.CopyFrom(value)
            elif isinstance(value, dict):
                target.update(value)
            elif isinstance(value, list) and value and isinstance(value[0], Message):
                for item in value:
                    target.add().CopyFrom(item)
            elif isinstance(value, list):
                target.extend(value)
            else:
                setattr(message, name, value)
        return message

    return st.fixed_dictionaries({}, optional=fields).map(build)


def _only_output(field: FieldDescriptor) -> bool:
    return field.name == "cut_fields"


def _values(field: FieldDescriptor, known: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return st.dictionaries(TEXT, TEXT, max_size=4)
    one: st.SearchStrategy[Any]
    if kind is not None:
        one = messages(kind, known)
    elif field.type == FieldDescriptor.TYPE_STRING:
        one = st.one_of(known, TEXT)
    elif field.type == FieldDescriptor.TYPE_INT64:
        one = st.integers(-(2**63), 2**63 - 1)
    else:
        one = st.integers(-(2**31), 2**31 - 1) | st.integers(-2, 12)
    return st.lists(one, max_size=3) if field.is_repeated else one


def not_utf8(descriptor: Descriptor) -> Iterator[tuple[str, bytes]]:
    """For each string field, nested ones too: its path, and a message with bad bytes in it."""
    for field in descriptor.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            yield field.name, delimited(field.number, b"ok\xff\xfe")
        elif field.message_type is not None:
            is_map = field.message_type.GetOptions().map_entry
            for path, data in not_utf8(field.message_type):
                name = field.name if is_map else f"{field.name}.{path}"
                yield name, delimited(field.number, data)


def delimited(number: int, data: bytes) -> bytes:
    """A length-delimited field on the wire."""
    return bytes((number << 3 | _LENGTH_DELIMITED, len(data))) + data
