"""What both logs say of a call that is over. Never a token, never a session id in clear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sessiond.rpc.call import Call

Pseudonym = Callable[[str], str]
"""A session's name in logs: enough to follow it, not to use it."""


def identity(call: Call) -> dict[str, str]:
    """What tells a call from others: its request id, and where it is in which trace."""
    if call.trace_id:
        return {
            "request_id": call.request_id,
            "trace_id": call.trace_id,
            "span_id": call.span_id,
        }
    return {"request_id": call.request_id}


def described(call: Call, pseudonym: Pseudonym) -> dict[str, Any]:
    """Who called what, and how it ended."""
    fields = {
        "method": call.method.name.rpartition("/")[2],
        "caller": call.caller.name,
        "code": call.code,
        **identity(call),
    }
    if call.reason:
        fields["reason"] = call.reason
    if call.session_id:
        fields["session"] = pseudonym(call.session_id)
    return fields
