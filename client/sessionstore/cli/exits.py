"""The exit codes of sessionctl, and what leads to which."""

from __future__ import annotations

from enum import IntEnum

from sessionstore import errors


class ExitCode(IntEnum):
    """What a script can tell from how sessionctl ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_PERMITTED = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "refused, or failed",
    ExitCode.USAGE: "wrong usage or settings; nothing was done",
    ExitCode.NOT_FOUND: "not found, or not valid",
    ExitCode.NOT_PERMITTED: "the service token is not accepted, or lacks the role",
    ExitCode.UNAVAILABLE: "the service cannot be reached or has no time; try again",
    ExitCode.INTERRUPTED: "interrupted",
}

_BY_ERROR: tuple[tuple[type[errors.SessionStoreError], ExitCode], ...] = (
    (errors.SessionAlreadyAdopted, ExitCode.FAILED),
    (errors.SessionUnusable, ExitCode.NOT_FOUND),
    (errors.JobNotFound, ExitCode.NOT_FOUND),
    (errors.InvalidRequest, ExitCode.USAGE),
    (errors.CallerNotAuthenticated, ExitCode.NOT_PERMITTED),
    (errors.CallerNotPermitted, ExitCode.NOT_PERMITTED),
    (errors.Unavailable, ExitCode.UNAVAILABLE),
    (errors.Overloaded, ExitCode.UNAVAILABLE),
    (errors.DeadlineExceeded, ExitCode.UNAVAILABLE),
)


class Failure(Exception):  # noqa: N818  as the errors of the SDK
    """A command cannot go on.

    Args:
        message: why, in one sentence for the operator.
        code: what sessionctl exits with.
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: errors.SessionStoreError) -> ExitCode:
    """The exit code for a call that failed."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), ExitCode.FAILED)


def sentence_of(error: errors.SessionStoreError) -> str:
    """A failed call in one sentence, its reason last."""
    fields = "; ".join(f"{bad.field}: {bad.description}" for bad in error.field_violations)
    return f"{fields or error.message} ({error.reason or error.code.name})"
