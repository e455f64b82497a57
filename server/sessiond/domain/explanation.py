"""What is known of a session, for an operator who is asked why it is or is not valid."""

from __future__ import annotations

from dataclasses import dataclass

from sessiond.domain.session import EndReason, Session, Verdict


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known. Times are milliseconds since the Unix epoch; 0 if unset or not known."""

    verdict: Verdict
    """What a validation would answer."""
    summary: str = ""
    """The whole story in a few sentences, for people."""
    session_id: str = ""
    """Empty if the token is none of ours."""
    session: Session | None = None
    """In any state; None if it is no longer kept."""
    end_reason: EndReason = EndReason.NONE
    end_ms: int = 0
    ended_by: str = ""
    access_tokens_dead_ms: int = 0
    """Until when services that verify by themselves may take its access tokens, if it has ended."""
    forget_ms: int = 0
    """Until when the store keeps the session."""
    indexed: bool = False
    """Whether the index that its state asks for, if any, has it."""
    generation: int = 0
    """Of the refresh token, as the session has it."""
    token_generation: int = 0
    """Of the refresh token that was given."""
