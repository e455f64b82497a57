"""Proves a history against what the service promises: one function an invariant.

    violations = check(history, rules)

An unknown outcome may have taken effect at any time from its begin on, or never: no invariant
counts it as either. Those in `WHILE_NOTHING_IS_LOST` hold while the engine keeps what it
acknowledged: under `appendfsync always`, or with an engine that was not killed. Where a failover is
known to have lost something (`History.losses`) they hold of all else: what was told meanwhile
counts as if there had been no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from tests.faults import invariants_of_answers as answers
from tests.faults import invariants_of_sessions as sessions
from tests.faults import invariants_of_tokens as tokens
from tests.faults.evidence import Story
from tests.faults.history import History
from tests.faults.rules import Rules

Invariant: TypeAlias = Callable[[Story], Iterator[str]]

ALWAYS: Final[tuple[Invariant, ...]] = (
    answers.no_refusal_is_a_surprise,
    answers.no_call_is_answered_long_after_its_deadline,
    answers.an_answer_speaks_of_what_was_asked,
    answers.no_list_shows_more_than_the_cap,
    answers.no_list_shows_two_sessions_of_one_device,
    answers.nothing_is_live_past_its_expiry,
    answers.no_lifetime_is_longer_than_its_profile_allows,
    answers.a_refresh_gives_the_generation_of_its_outcome,
    sessions.what_a_failover_undid_is_ended_again,
)
WHILE_NOTHING_IS_LOST: Final[tuple[Invariant, ...]] = (
    sessions.a_revoked_session_is_never_live_again,
    sessions.revoke_all_ends_every_session_that_was_there,
    sessions.a_session_that_made_room_is_never_live_again,
    sessions.a_reused_token_ends_its_session,
    sessions.what_was_found_dead_is_never_live_again,
    sessions.never_more_are_live_at_once_than_the_cap,
    sessions.the_cap_ends_the_oldest,
    sessions.a_retried_create_makes_one_session,
    sessions.every_session_comes_from_a_create,
    sessions.nothing_ends_without_a_cause,
    sessions.nothing_acknowledged_is_forgotten,
    sessions.no_expiry_moves_back,
    tokens.a_generation_is_rotated_once,
    tokens.a_generation_has_one_token,
    tokens.no_token_of_two_generations_back_is_accepted,
    tokens.a_superseded_token_is_good_in_its_grace_time_or_for_its_request,
    tokens.a_replay_repeats_another_refresh,
    tokens.reuse_is_not_alleged_of_a_retry,
    tokens.no_acknowledged_rotation_is_lost,
)


WHERE_NOTHING_BREAKS: Final[tuple[Invariant, ...]] = (answers.no_call_fails,)


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold, and where."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant.replace('_', ' ')}: {self.what}"


def check(history: History, rules: Rules) -> list[Violation]:
    """Every violation in the history; none if all is well."""
    told = Story(history, rules, history.calls)
    held = [(invariant, told) for invariant in ALWAYS]
    if rules.unbroken:
        held += [(invariant, told) for invariant in WHERE_NOTHING_BREAKS]
    if rules.durable:
        kept = Story(history, rules, history.kept()) if history.losses else told
        held += [(invariant, kept) for invariant in WHILE_NOTHING_IS_LOST]
    return [
        Violation(invariant.__name__, what)
        for invariant, story in held
        for what in invariant(story)
    ]
