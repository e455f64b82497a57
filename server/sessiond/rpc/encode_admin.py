"""From what operators ask for to messages."""

from __future__ import annotations

from sessiond.rpc.encode import timestamp
from sessiond.service.key_rotation import NextKey
from sessionstore.v1 import admin_service_pb2 as pb


def next_key(value: NextKey) -> pb.RotateSigningKeyResponse:
    """A key that waits to sign."""
    return pb.RotateSigningKeyResponse(
        kid=value.kid,
        publish_time=timestamp(value.publish_ms),
        sign_time=timestamp(value.sign_ms),
        created=value.created,
    )
