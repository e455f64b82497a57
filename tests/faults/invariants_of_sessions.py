"""What holds over the life of a session, and of a user's sessions together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.answers import Seen
from tests.faults.evidence import Ending, Life, Story, Why, by_request, is_in_doubt
from tests.faults.history import Call, Op


def a_revoked_session_is_never_live_again(story: Story) -> Iterator[str]:
    """By no call that began after the revoke was acknowledged."""
    yield from _live_again(story, Why.REVOKED)


def revoke_all_ends_every_session_that_was_there(story: Story) -> Iterator[str]:
    """Those it names, and those known before it was first asked for."""
    yield from _live_again(story, Why.REVOKED_WITH_ALL)


def a_session_that_made_room_is_never_live_again(story: Story) -> Iterator[str]:
    """Evicted by the cap, or replaced."""
    yield from _live_again(story, Why.MADE_ROOM)


def a_reused_token_ends_its_session(story: Story) -> Iterator[str]:
    """For every call that began after the answer."""
    yield from _live_again(story, Why.REUSED)


def what_was_found_dead_is_never_live_again(story: Story) -> Iterator[str]:
    """Ended, expired, unknown, or missing from its user's list."""
    yield from _live_again(story, Why.FOUND_DEAD)
    yield from _live_again(story, Why.ABSENT)


def _live_again(story: Story, why: Why) -> Iterator[str]:
    for life in story.lives.values():
        endings = [ending for ending in life.endings if ending.why is why]
        if not endings:
            continue
        first = min(endings, key=lambda ending: ending.at)
        for call in life.lived:
            if call.began > first.at:
                yield f"{call} found it live, after {first.call}: {why.value}"


def what_a_failover_undid_is_ended_again(story: Story) -> Iterator[str]:
    """By the servers that acknowledged it, before the loss is settled: a revoke, or a reuse."""
    for again in undone(story):
        for loss in story.history.losses:
            for call in again.lived:
                if loss.covers(again.ending.call) and call.began >= loss.settled:
                    yield f"{call} found it live, after {again.ending.call} and a failover"


@dataclass(frozen=True, slots=True)
class LivedAgain:
    """A session that was found live after its acknowledged end."""

    ending: Ending
    """The first."""
    lived: list[Call]
    """Those that found it."""


def undone(story: Story) -> Iterator[LivedAgain]:
    """Sessions that a caller had ended, by name, and that were found live after all."""
    for life in story.lives.values():
        ended = [ending for ending in life.endings if _names(ending, life)]
        if ended:
            first = min(ended, key=lambda ending: ending.at)
            if lived := [call for call in life.lived if call.began > first.at]:
                yield LivedAgain(first, lived)


def _names(ending: Ending, life: Life) -> bool:
    if ending.why is Why.REVOKED_WITH_ALL:
        return life.session_id in ending.call.answer.ended
    return ending.why in (Why.REVOKED, Why.REUSED)


def never_more_are_live_at_once_than_the_cap(story: Story) -> Iterator[str]:
    """One is live from the first answer that shows it so to the last call that finds it so."""
    moments: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for life in story.lives.values():
        if life.live_from <= life.live_until:
            # At the same moment a begin counts ahead of an end.
            moments[life.user, life.profile] += [(life.live_from, -1), (life.live_until, 1)]
    for (user, profile), steps in moments.items():
        live = most = 0
        for _, step in sorted(steps):
            live -= step
            most = max(most, live)
        if most > story.rules.profiles[profile].cap:
            yield f"{user} had {most} live sessions of profile {profile} at once"


def the_cap_ends_the_oldest(story: Story) -> Iterator[str]:
    """None older stays, and one makes room for one."""
    for call in story.calls:
        evicted = [s for s in call.answer.made_room if s.end_reason == "EVICTED_BY_CAP"]
        if len(evicted) > 1:
            yield f"{call} evicted {len(evicted)}"
        for seen in evicted:
            if story.rules.profiles[seen.profile].at_cap != "evict_oldest":
                continue
            for life in story.lives_of[call.user]:
                older = life.profile == seen.profile and life.create_us < seen.create_us
                # The clock may have stepped back: then what came later looks older.
                older = older and life.known_from < call.began
                if older and life.live_until > call.answered:
                    yield f"{call} evicted {seen.session_id}, {life.session_id} is older and stayed"


def a_retried_create_makes_one_session(story: Story) -> Iterator[str]:
    """Every answer under one request id names the same."""
    for requests in _creates(story):
        made = {seen.session_id for call in requests for seen in call.answer.sessions}
        if len(made) > 1:
            yield f"{requests[0]} and its retries made {len(made)} sessions"


def every_session_comes_from_a_create(story: Story) -> Iterator[str]:
    """No more turn up than creates were answered, or may have made one unanswered."""
    unanswered: dict[str, int] = defaultdict(int)
    made: set[str] = set()
    for requests in _creates(story):
        answered = {seen.session_id for call in requests for seen in call.answer.sessions}
        made |= answered
        if not answered and any(map(is_in_doubt, requests)):
            # Without a request id each of them may have.
            unanswered[requests[0].user] += 1
    for user, lives in story.lives_of.items():
        strange = [life for life in lives if life.session_id not in made]
        if len(strange) > unanswered[user]:
            yield (
                f"{user} has {len(strange)} sessions that no answered create made;"
                f" {unanswered[user]} creates were not answered"
            )


def _creates(story: Story) -> Iterator[list[Call]]:
    for calls in story.users.values():
        yield from by_request(call for call in calls if call.op is Op.CREATE)


def nothing_ends_without_a_cause(story: Story) -> Iterator[str]:
    """A session is found dead only after somebody may have ended it, or its time had come."""
    for life in story.lives.values():
        for ending in life.endings:
            found = ending.why in (Why.FOUND_DEAD, Why.ABSENT)
            if found and _is_too_early(story, life, ending):
                yield f"{ending.call} found {life.session_id} dead: {ending.why.value}"


def _is_too_early(story: Story, life: Life, ending: Ending) -> bool:
    call = ending.call
    may_have_ended = life.threatened_from < call.answered and not _says_expired(life, call)
    return not may_have_ended and story.surely_ahead(life.expires_ms(call.began), call.answered)


def _says_expired(life: Life, call: Call) -> bool:
    shown = any(
        seen.state == "EXPIRED" and seen.session_id == life.session_id
        for seen in call.answer.sessions
    )
    return shown or call.answer.verdict == "EXPIRED" or call.reason == "SESSION_EXPIRED"


def nothing_acknowledged_is_forgotten(story: Story) -> Iterator[str]:
    """A session that an answer showed is known for the rest of the history."""
    for call in story.calls:
        missing = "NOT_FOUND" in (call.answer.verdict, call.reason.removeprefix("SESSION_"))
        missing |= call.op is Op.REVOKE and call.ok and not call.answer.sessions
        life = story.lives.get(call.session_id)
        if missing and life and life.known_from < call.began:
            yield f"{call} did not find {call.session_id}"


def no_expiry_moves_back(story: Story) -> Iterator[str]:
    """Nor does anything move that a create settles."""
    for life in story.lives.values():
        settled = _settled_by_create(life.shown[0][1])
        for call, seen in life.shown:
            known_ms = life.expires_ms(call.began)
            if seen.expire_ms < known_ms:
                yield f"{call} shows expiry {seen.expire_ms}, which was {known_ms} before"
            if _settled_by_create(seen) != settled:
                yield f"{call} shows {seen}, which was {settled} before"


def _settled_by_create(seen: Seen) -> tuple[str, str, str, int, int]:
    return seen.user, seen.profile, seen.device, seen.create_us, seen.absolute_ms
