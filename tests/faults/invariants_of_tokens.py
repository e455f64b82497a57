"""What holds of the refresh tokens of a session, generation by generation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.evidence import Life, Story
from tests.faults.history import Call, Op, Outcome


def a_generation_is_rotated_once(story: Story) -> Iterator[str]:
    """Of all who present it at once, one rotates it."""
    for life in story.lives.values():
        rotated = Counter(c.generation for c in life.refreshes if c.answer.rotation == "ROTATED")
        for generation, times in rotated.items():
            if times > 1:
                yield f"{life.session_id}: generation {generation} was rotated {times} times"


def a_generation_has_one_token(story: Story) -> Iterator[str]:
    """Two successors of one generation would be two tokens of the next."""
    for life in story.lives.values():
        tokens: dict[int, set[int]] = defaultdict(set)
        for call, _ in life.shown:
            if call.answer.token and call.answer.sessions[0].session_id == life.session_id:
                tokens[call.answer.generation].add(call.answer.token)
        for generation, known in tokens.items():
            if len(known) > 1:
                yield f"{life.session_id}: {len(known)} tokens of generation {generation}"


def no_token_of_two_generations_back_is_accepted(story: Story) -> Iterator[str]:
    """Neither refreshed, not even as a replay, nor validated."""
    for life in story.lives.values():
        for call in _accepted(life):
            newest = life.known_generation(call.began)
            if newest >= call.generation + 2:
                yield f"{call} was accepted, though generation {newest} had been given"


def a_superseded_token_is_good_in_its_grace_time_or_for_its_request(
    story: Story,
) -> Iterator[str]:
    """And then it is only replayed."""
    grace_s = (story.rules.grace_ms + story.rules.slack_ms) / 1000
    for life in story.lives.values():
        for call in _accepted(life):
            superseded_at = life.minted_by(call.generation + 1)
            if superseded_at >= call.began:
                continue
            if call.op is Op.REFRESH and call.answer.rotation != "REPLAYED":
                yield f"{call} was accepted as the current token, which it was not"
            in_grace = story.rules.grace_ms > 0 and call.began - superseded_at <= grace_s
            if not in_grace and not _is_retry(life, call):
                yield f"{call} was accepted {call.began - superseded_at:.3f} s too late"


def _accepted(life: Life) -> Iterator[Call]:
    """The calls by refresh token that took it for good."""
    for call in (*life.refreshes, *life.tried):
        if call.ok and (call.op is Op.REFRESH or call.answer.verdict == "ACTIVE"):
            yield call


def _is_retry(life: Life, call: Call) -> bool:
    """Whether another refresh presented the same token under the same request id."""
    return call.request_id != "" and any(
        other.request_id == call.request_id for other in _others(life, call)
    )


def _others(life: Life, call: Call) -> list[Call]:
    """Other refreshes with the same token that may have taken effect before this one's answer."""
    return [
        other
        for other in life.refreshes
        if other is not call
        and other.generation == call.generation
        and other.began < call.answered
        and other.outcome is not Outcome.REFUSED
    ]


def a_replay_repeats_another_refresh(story: Story) -> Iterator[str]:
    """Of its own only under a request id, which lets the server send it to the store again."""
    for life in story.lives.values():
        for call in life.refreshes:
            replayed = call.answer.rotation == "REPLAYED" and not call.request_id
            if replayed and not _others(life, call):
                yield f"{call} was told that its token was rotated before, and by nobody"


def reuse_is_not_alleged_of_a_retry(story: Story) -> Iterator[str]:
    """Nor of a token that nobody rotated, nor of one still in its grace time."""
    grace_ms = story.rules.grace_ms - story.rules.slack_ms
    for life in story.lives.values():
        for call in life.refreshes:
            if call.reason != "REFRESH_TOKEN_REUSED" or _is_in_danger(life, call):
                continue
            # Somebody must have rotated it, under another request id, and not just now.
            rotators = _possible_rotators(life, call)
            rivals = [o for o in rotators if not call.request_id or o.request_id != call.request_id]
            if not rivals:
                yield f"{call} ended its session, and nobody else had rotated its token"
            elif (call.answered - min(o.began for o in rivals)) * 1000 < grace_ms:
                yield f"{call} ended its session in the grace time of its token"


def _possible_rotators(life: Life, call: Call) -> list[Call]:
    """Who may have superseded the token that a call presented: the one who was told so, if any."""
    others = _others(life, call)
    return [other for other in others if other.answer.rotation == "ROTATED"] or others


def _is_in_danger(life: Life, call: Call) -> bool:
    """Whether another refresh may have rotated the token's successor, or ended the session."""
    return any(
        _may_have_rotated_later(other, call) or _may_have_ended_it(other, call)
        for other in life.refreshes
        if other is not call and other.began < call.answered
    )


def _may_have_rotated_later(other: Call, call: Call) -> bool:
    unknown = other.outcome is Outcome.UNKNOWN
    rotated = unknown or other.answer.rotation in ("ROTATED", "RECOVERED")
    return other.generation > call.generation and rotated


def _may_have_ended_it(other: Call, call: Call) -> bool:
    """Whoever ended it with an older token, or with this one under another request id."""
    stranger = not call.request_id or other.request_id != call.request_id
    older = other.generation < call.generation + stranger
    return (other.outcome is Outcome.UNKNOWN and older) or other.reason == "REFRESH_TOKEN_REUSED"


def no_acknowledged_rotation_is_lost(story: Story) -> Iterator[str]:
    """No refresh finds that the store is behind the token that it was given."""
    for life in story.lives.values():
        for call in life.refreshes:
            ahead = call.answer.rotation == "RECOVERED" or call.reason == "REFRESH_TOKEN_AHEAD"
            if ahead and life.known_generation(call.began) >= call.generation:
                yield f"{call} was ahead of the store"
