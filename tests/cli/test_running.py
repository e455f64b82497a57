"""The commands that keep the service clean, against a real server."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import grpc
import redis

from sessionstore import AdminClient, SessionClient, State
from sessionstore.v1 import admin_service_pb2 as pb
from tests.cli.sessionctl import Sessionctl, fits
from tests.cli.test_reading import log_in
from tests.client import messages
from tests.client.fake_service import FakeService, failing
from tests.rpc.serving import Server
from tests.store_users import url_of_master


def test_a_purge_previews_and_prints_the_command_that_does_just_that(
    ctl: Sessionctl, sessions: SessionClient
) -> None:
    """The preview changes nothing; its command spares what ended after it."""
    first, second, kept = log_in(sessions, "alice", 3)
    sessions.revoke(session_id=first)

    preview = ctl("purge", "--older-than", "0")
    sessions.revoke(session_id=second)
    command = shlex.split(preview.out.splitlines()[-1])
    done = ctl(*command[1:], "--yes")

    assert "1 session would be removed: 1 ended, 0 expired, 0 active" in preview.out
    assert first in preview.out
    assert fits(preview.out)
    assert command[:2] == ["sessionctl", "purge"]
    assert "1 session removed" in done.out
    left = {session.id for session in sessions.list("alice")}
    assert left == {second, kept}


def test_a_purge_removes_all_revoked_sessions_now(ctl: Sessionctl, sessions: SessionClient) -> None:
    """What the old script did; live sessions stay."""
    kept, *revoked = log_in(sessions, "alice", 3)
    for session_id in revoked:
        sessions.revoke(session_id=session_id)

    lines = ctl("purge", "--older-than", "0", "--execute", "--yes", "-o", "json").lines

    assert lines[-1]["done"]
    assert lines[-1]["ended_sessions"] == 2
    samples = [session["session_id"] for line in lines for session in line["samples"]]
    assert sorted(samples) == sorted(revoked)
    assert [session.id for session in sessions.list("alice")] == [kept]


def test_a_purge_spares_what_is_younger(ctl: Sessionctl, sessions: SessionClient) -> None:
    """What the old script did with thirty days."""
    sessions.revoke(session_id=log_in(sessions, "alice", 1)[0])

    done = ctl("purge", "--older-than", "30d", "--execute", "--yes")

    assert "0 sessions removed" in done.out
    assert len(list(sessions.list("alice"))) == 1


def test_a_purge_takes_live_sessions_only_if_told(ctl: Sessionctl, sessions: SessionClient) -> None:
    """They are shown by the preview, whose command includes them."""
    log_in(sessions, "alice", 2)

    preview = ctl("purge", "--older-than", "0", "--include-active")
    command = shlex.split(preview.out.splitlines()[-1])
    ctl(*command[1:], "--yes")

    assert "2 active" in preview.out
    assert "--include-active" in command
    assert list(sessions.list("alice")) == []


def test_the_printed_command_goes_to_the_same_place(
    server: Server, sessions: SessionClient
) -> None:
    """Whatever flags named the service are in it."""
    sessions.revoke(session_id=log_in(sessions, "alice", 1)[0])
    ctl = Sessionctl(SESSIONSTORE_TOKEN=server.mint("admin"))

    preview = ctl("purge", "--older-than", "0", "--address", server.app.address)

    assert preview.out.splitlines()[-1].endswith(f"--address {server.app.address}")


def test_a_purge_that_is_stopped_says_how_to_go_on(
    service: FakeService, scripted: Sessionctl
) -> None:
    """The resume token of the last progress is told, and sent if it is given."""

    def refused(
        request: pb.PurgeSessionsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.PurgeSessionsResponse]:
        yield pb.PurgeSessionsResponse(
            cutoff_time=messages.stamp(messages.at(1)), resume_token=f"{request.resume_token}+"
        )
        failing(grpc.StatusCode.INTERNAL)(request, context)

    service.answer("PurgeSessions", refused)

    stopped = scripted("purge", "--older-than", "0", "--resume", "r1", code=1)

    assert "go on with --resume r1+" in stopped.err
    assert stopped.err.splitlines()[-1].startswith("sessionctl: ")


def test_a_purge_needs_one_age(ctl: Sessionctl) -> None:
    """None, two, or one that cannot be read are refused unsent."""
    for options in ([], ["--older-than", "0", "--cutoff", "2026-01-31T12:00:00Z"]):
        assert "say how old" in ctl("purge", *options, code=2).err
    assert "no duration" in ctl("purge", "--older-than", "30 days", code=2).err
    assert "no time" in ctl("purge", "--cutoff", "2026-01-31", code=2).err


def test_an_audit_of_a_sound_store_finds_nothing(ctl: Sessionctl, sessions: SessionClient) -> None:
    """0, and as JSON a line for each message of progress."""
    log_in(sessions, "alice", 3)

    assert "nothing disagrees" in ctl("audit").out
    lines = ctl("audit", "-o", "json").lines
    assert (lines[-1]["done"], lines[-1]["drifts"]) == (True, [])


def test_an_audit_names_drift_and_repairs_it(
    ctl: Sessionctl, sessions: SessionClient, server: Server
) -> None:
    """1 while something disagrees; 0 once it is repaired."""
    (session_id,) = log_in(sessions, "alice", 1)
    drop_live_entry(server, session_id)

    found = ctl("audit", code=1)
    repaired = ctl("audit", "--repair", "--yes")

    assert "LIVE_ENTRY_MISSING" in found.out
    assert session_id in found.out
    assert fits(found.out)
    assert "LIVE_ENTRY_MISSING" in repaired.out
    assert "nothing disagrees" in ctl("audit").out


def test_jobs_list_tells_when_jobs_are_due(ctl: Sessionctl) -> None:
    """Both jobs with their schedules."""
    table = ctl("jobs", "list")
    jobs = {job["name"]: job for job in ctl("jobs", "list", "-o", "json").json["jobs"]}

    assert jobs.keys() == {"orphans", "stats"}
    assert jobs["stats"]["schedule"] == "0 * * * *"
    assert "never ran" in table.out
    assert fits(table.out)


def test_jobs_run_starts_a_job_and_may_wait_for_it(
    ctl: Sessionctl, sessions: SessionClient
) -> None:
    """The outcome is told, and kept for the list; an unknown job is 3."""
    log_in(sessions, "alice", 2)

    waited = ctl("jobs", "run", "stats", "--wait", "-o", "json").json
    started = ctl("jobs", "run", "stats")
    listed = ctl("jobs", "list")
    unknown = ctl("jobs", "run", "stat", code=3)

    assert waited["outcome"] == "SUCCEEDED"
    assert "stats runs on" in started.out
    assert waited["message"][:20] in " ".join(listed.out.split())
    assert fits(listed.out)
    assert unknown.err.endswith("(JOB_NOT_FOUND)\n")


def test_a_job_that_does_not_succeed_is_a_failure(
    service: FakeService, scripted: Sessionctl
) -> None:
    """Whoever waits is told by 1, once the run that was started has ended."""
    earlier, failed = messages.job(), messages.job()
    earlier.last_run.message = "of the hour before"
    failed.running = False
    failed.last_run.outcome = pb.JobRun.OUTCOME_REFUSED
    failed.last_run.message = "the directory misses too many users"
    service.answer("RunJob", pb.RunJobResponse(job=earlier))
    service.answer_once("ListJobs", pb.ListJobsResponse(jobs=[earlier]))
    service.answer("ListJobs", pb.ListJobsResponse(jobs=[failed]))

    ended = scripted("jobs", "run", "stats", "--wait", code=1)

    assert "the directory misses too many users" in ended.out
    assert len(service.received["ListJobs"]) == 2


def test_keys_rotate_adds_a_key_that_waits_to_sign(
    ctl: Sessionctl, sessions: SessionClient
) -> None:
    """A second time the one that waits is shown."""
    before = {key.kid for key in sessions.signing_keys().keys}

    added = ctl("keys", "rotate", "--yes", "-o", "json").json
    again = ctl("keys", "rotate", "--yes")

    assert added["created"]
    assert added["kid"] not in before
    assert added["kid"] in again.out
    assert "waits to sign" in again.out
    assert fits(again.out)


def test_the_demo_tells_its_story_and_cleans_up(
    ctl: Sessionctl, sessions: SessionClient, admin: AdminClient
) -> None:
    """Logins, eviction, refresh, theft, revocation, in this order, and nothing is left."""
    log_in(sessions, "alice", 1)

    told = ctl("demo")
    steps = [line["step"] for line in ctl("demo", "-o", "json").lines]

    for fact in ("made room", "ROTATED", "the same session", "REFRESH_TOKEN_REUSED", "LOGOUT"):
        assert fact in told.out
    assert "ACTIVE before, ENDED after" in told.out
    assert fits(told.out)
    assert list(dict.fromkeys(steps)) == [
        "login",
        "eviction",
        "refresh",
        "theft",
        "revocation",
        "explanation",
        "clean_up",
    ]
    assert steps.count("login") == 11
    assert [user.user_id for user in admin.users()] == ["alice"]
    assert not list(sessions.list("alice", states=[State.ENDED]))


def test_the_demo_waits_for_the_grace_time(
    serving: Callable[..., AbstractContextManager[Server]],
) -> None:
    """Where a token may come back for a while, the story says so and goes on after it."""
    with serving(grace_time="1s") as server:
        ctl = Sessionctl(
            SESSIONSTORE_ADDRESS=server.app.address, SESSIONSTORE_TOKEN=server.mint("admin")
        )
        told = ctl("demo")

    assert "A refresh at once is CURRENT" in told.out
    assert "One in its time is ROTATED" in told.out
    assert "REFRESH_TOKEN_REUSED" in told.out


def test_the_demo_stays_on_this_machine(scripted: Sessionctl, service: FakeService) -> None:
    """A server of another machine is refused unsent, unless told otherwise."""
    refused = scripted("demo", "--address", "192.0.2.1:7700", "--plaintext", code=2)

    assert "--anywhere" in refused.err


def drop_live_entry(server: Server, session_id: str) -> None:
    """Drift by hand: the session leaves its user's set, and nothing else changes."""
    with redis.Redis.from_url(url_of_master(server.settings.effective_store_url)) as engine:
        (live,) = engine.keys(f"{server.settings.key_prefix}:*:u:default:*")
        assert engine.zrem(live, session_id) == 1
