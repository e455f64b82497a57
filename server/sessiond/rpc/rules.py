"""The rules for what a request may hold, and the only place that checks them.

A `Rules` collects every violation of one request, so that a caller learns of all at once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from sessiond.domain import limits
from sessiond.domain.errors import FieldViolation, InvalidFieldError
from sessiond.domain.ids import partition_of_session

_VISIBLE_ASCII: Final = re.compile(r"[\x21-\x7e]*")
_PLAIN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]*")
_METHOD: Final = re.compile(r"[A-Za-z0-9._:-]+")
_MAX_SECONDS: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, the last second of a Timestamp."""
_MAX_NANOS: Final = 999_999_999
_MOST_VIOLATIONS: Final = 20
"""More would not fit into the 8 KiB of trailers that gRPC clients accept."""


class Rules:
    """Checks the fields of one request; as a context manager it raises at the end."""

    def __init__(self) -> None:
        self.violations: list[FieldViolation] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        """Raise InvalidFieldError if a rule was broken."""
        if kind is None and self.violations:
            raise InvalidFieldError(self.violations)

    def refuse(self, field: str, description: str) -> None:
        """Note a violation, one of the first few."""
        if len(self.violations) < _MOST_VIOLATIONS:
            self.violations.append(FieldViolation(field, description))

    def text(self, field: str, value: str, most: int, *, least: int = 0) -> str:
        """Text of `least` to `most` bytes of UTF-8."""
        size = len(value.encode())
        if size < least:
            self.refuse(field, "is required" if not value else f"has under {least} bytes")
        elif size > most:
            self.refuse(field, f"has {size} bytes, at most {most} are allowed")
        return value

    def user_id(self, value: str) -> str:
        """A user id."""
        return self.text("user_id", value, limits.MAX_USER_ID, least=1)

    def external_id(self, value: str) -> str:
        """The id of a session in another system."""
        return self.text("external_id", value, limits.MAX_EXTERNAL_ID, least=1)

    def session_id(self, field: str, value: str, *, required: bool = True) -> str:
        """A session id."""
        if not value:
            if required:
                self.refuse(field, "is required")
            return ""
        try:
            partition_of_session(value)
        except ValueError as error:
            self.refuse(field, str(error))
        return value

    def request_id(self, value: str) -> str:
        """A request id."""
        self.text("request_id", value, limits.MAX_REQUEST_ID)
        if not _VISIBLE_ASCII.fullmatch(value):
            self.refuse("request_id", "must be visible ASCII")
        return value

    def attributes(self, value: Mapping[str, str]) -> dict[str, str]:
        """A session's attributes."""
        if len(value) > limits.MAX_ATTRIBUTES:
            most = limits.MAX_ATTRIBUTES
            self.refuse("attributes", f"has {len(value)} entries, at most {most} are allowed")
            return {}
        size = 0
        for key, text in value.items():
            self.attribute_key("attributes", key)
            size += len(key.encode()) + len(text.encode())
        if size > limits.MAX_ATTRIBUTE_BYTES:
            most = limits.MAX_ATTRIBUTE_BYTES
            self.refuse("attributes", f"has {size} bytes, at most {most} are allowed")
        return dict(value)

    def attribute_key(self, field: str, key: str) -> str:
        """The key of one attribute."""
        most = limits.MAX_ATTRIBUTE_KEY
        if not 0 < len(key.encode()) <= most:
            self.refuse(field, f"has a key that is not 1 to {most} bytes long")
        return key

    def texts(self, field: str, values: Sequence[str], most: int, size: int) -> tuple[str, ...]:
        """At most `most` texts of 1 to `size` bytes each."""
        if len(values) > most:
            self.refuse(field, f"has {len(values)} entries, at most {most} are allowed")
            return ()
        for i, value in enumerate(values):
            self.text(f"{field}[{i}]", value, size, least=1)
        return tuple(values)

    def audience(self, values: Sequence[str]) -> tuple[str, ...]:
        """The audience of a session's access tokens."""
        found = self.texts("audience", values, limits.MAX_AUDIENCES, limits.MAX_AUDIENCE)
        for i, value in enumerate(found):
            self._plain(f"audience[{i}]", value)
        if sum(map(len, found)) > limits.MAX_AUDIENCE_BYTES:
            most = limits.MAX_AUDIENCE_BYTES
            self.refuse("audience", f"has over {most} bytes in all")
        return found

    def acr(self, field: str, value: str) -> str:
        """An authentication context class reference."""
        self._plain(field, value)
        return self.text(field, value, limits.MAX_ACR)

    def _plain(self, field: str, value: str) -> None:
        # These go into tokens, where quotes and control characters would take up to six times the
        # room; names and URIs have none.
        if not _PLAIN.fullmatch(value):
            self.refuse(field, "may hold visible ASCII other than quotes and backslashes only")

    def methods(self, field: str, values: Sequence[str]) -> tuple[str, ...]:
        """Authentication method references (RFC 8176)."""
        found = self.texts(field, values, limits.MAX_METHODS, limits.MAX_METHOD)
        for i, value in enumerate(found):
            if value and not _METHOD.fullmatch(value):
                self.refuse(f"{field}[{i}]", "may hold letters, digits, '.', '_', '-' and ':'")
        return found

    def time(self, field: str, value: Timestamp) -> int:
        """A time, in milliseconds."""
        return self.time_us(field, value) // 1000

    def time_us(self, field: str, value: Timestamp) -> int:
        """A time, in microseconds."""
        good = 0 <= value.seconds <= _MAX_SECONDS and 0 <= value.nanos <= _MAX_NANOS
        if not good:
            self.refuse(field, "is not a time from 1970 to 9999")
        return value.seconds * 1_000_000 + value.nanos // 1000

    def duration(self, field: str, value: Duration) -> int:
        """A duration that is not negative, in milliseconds."""
        if not (0 <= value.seconds <= _MAX_SECONDS and 0 <= value.nanos <= _MAX_NANOS):
            self.refuse(field, "is not a positive duration")
        return value.seconds * 1000 + value.nanos // 1_000_000

    def lifetime(self, field: str, value: Duration) -> int:
        """A lifetime, in milliseconds."""
        ms = self.duration(field, value)
        if 0 <= ms < limits.MIN_LIFETIME_MS:
            self.refuse(field, "is under one second")
        return ms

    def one_of(self, field: str, value: int, allowed: Collection[int], names: str) -> int:
        """An enum value out of those that make sense here."""
        if value not in allowed:
            self.refuse(field, f"must be one of {names}")
        return value

    def page_size(self, value: int, default: int = limits.DEFAULT_PAGE_SIZE) -> int:
        """A page size (AIP-158): 0 is the default, too many are as many as there may be."""
        if value < 0:
            self.refuse("page_size", "is negative")
        return min(value or default, limits.MAX_PAGE_SIZE)

    def merge(self, prefix: str, violations: Iterable[FieldViolation]) -> None:
        """Note the violations of a part of the request."""
        for violation in violations:
            self.refuse(f"{prefix}.{violation.field}", violation.description)
