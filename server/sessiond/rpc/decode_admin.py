"""From messages of operators to what the service understands, by the rules of rules.py."""

from __future__ import annotations

from typing import Any, Final

from sessiond.domain import limits
from sessiond.rpc.decode import named_session
from sessiond.rpc.rules import Rules
from sessiond.service.judging import Credential
from sessiond.service.purging import Purge
from sessionstore.v1 import admin_service_pb2 as pb

_MOST_TOKEN: Final = 4_096
"""Of a page or resume token, in bytes: some hold a user id."""
_MOST_JOB_NAME: Final = 64


def page(message: Any, default: int = limits.DEFAULT_PAGE_SIZE) -> tuple[int, str]:
    """The size of a page, and where it begins."""
    with Rules() as rules:
        page_size = rules.page_size(message.page_size, default)
        return page_size, rules.text("page_token", message.page_token, _MOST_TOKEN)


def credential(message: pb.ExplainSessionRequest) -> Credential:
    """How a session is named."""
    with Rules() as rules:
        return named_session(message, rules)


def purge(message: pb.PurgeSessionsRequest) -> tuple[Purge, str]:
    """Which sessions go, and the resume token."""
    with Rules() as rules:
        age = message.WhichOneof("age")
        if age is None:
            rules.refuse("age", "one of older_than or cutoff_time is required")
        found = Purge(
            older_than_ms=(
                rules.duration("older_than", message.older_than) if age == "older_than" else None
            ),
            cutoff_ms=(
                rules.time("cutoff_time", message.cutoff_time) if age == "cutoff_time" else None
            ),
            include_active=message.include_active,
            execute=message.execute,
        )
        return found, rules.text("resume_token", message.resume_token, _MOST_TOKEN)


def user_id(message: pb.DeleteUserRequest) -> str:
    """The user of a request that needs one."""
    with Rules() as rules:
        return rules.user_id(message.user_id)


def job_name(message: pb.RunJobRequest) -> str:
    """The name of a job, of one that there is or not."""
    with Rules() as rules:
        return rules.text("name", message.name, _MOST_JOB_NAME, least=1)
