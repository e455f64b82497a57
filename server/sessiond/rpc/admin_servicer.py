"""AdminService: each method decodes, calls the service, and encodes.

What the audit log should know is noted in `call.act`: before the work on what, after it how many.
"""

from __future__ import annotations

from google.protobuf.message import Message

from sessiond.rpc import encode_admin
from sessiond.rpc.call import Call
from sessiond.service.operators import Operators


class AdminServicer:
    """The handlers, by the names of their RPCs."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    async def RotateSigningKey(self, call: Call) -> Message:
        key = await self._operators.key_rotation.rotate_signing_key()
        call.act.update(kid=key.kid, created=key.created)
        return encode_admin.next_key(key)
