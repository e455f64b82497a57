"""What the trailing metadata of a failed call says: google.rpc.Status and its details (AIP-193)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

DOMAIN = "sessionstore.v1"

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Details:
    """A status with its reason read, and the rest left for whoever asks."""

    status: Status
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def retry_after(self) -> timedelta | None:
        return next((i.retry_delay.ToTimedelta() for i in _of(self.status, RetryInfo)), None)

    def field_violations(self) -> Iterator[tuple[str, str]]:
        for bad_request in _of(self.status, BadRequest):
            for violation in bad_request.field_violations:
                yield violation.field, violation.description


def serialized(
    code: grpc.StatusCode,
    reason: str,
    metadata: Mapping[str, str],
    *,
    domain: str = DOMAIN,
    message: str = "",
    retry_after: timedelta | None = None,
) -> bytes:
    """A google.rpc.Status (AIP-193); without more as the service would send it."""
    status = Status(code=code.value[0], message=message)
    status.details.add().Pack(ErrorInfo(reason=reason, domain=domain, metadata=metadata))
    if retry_after is not None:
        delay = Duration()
        delay.FromTimedelta(retry_after)
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    data: bytes = status.SerializeToString()
    return data


def parse(serialized: bytes) -> Details:
    """Read a google.rpc.Status; a damaged or foreign one has no reason."""
    try:
        status = Status.FromString(serialized)
        for info in _of(status, ErrorInfo):
            if info.domain == DOMAIN:
                return Details(status, info.reason, dict(info.metadata))
    except DecodeError:
        return Details(Status())
    return Details(status)


def _of(status: Status, kind: type[M]) -> Iterator[M]:
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            yield detail
