"""The admin client for threads."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from sessionstore import _admin_calls, types
from sessionstore import admin_types as admin
from sessionstore._base import BaseClient
from sessionstore._paging import pages
from sessionstore._upload import Upload
from sessionstore.v1.admin_service_pb2_grpc import AdminServiceStub


class AdminClient(BaseClient):
    """A client of what operators do; its service token needs role admin.

    It is made, shared, forked and closed as a `SessionClient` is, with the same arguments, and
    raises the same errors. Every call is written to the server's audit log.

    Long work is a generator of its progress: close it (`contextlib.closing`) to stop the work.
    Its `timeout` bounds the whole of it, and is none by default. A generator whose progress has a
    `resume_token` goes on by itself when the service goes away for about 3 s; later, call
    again with the same arguments and the token.
    """

    _stub = AdminServiceStub

    def stats(self, *, timeout: float | None = None) -> admin.Stats:
        """Say what the store holds. It costs the same with a thousand sessions and with a million.

        Args:
            timeout: seconds, retries included; the client's if None.
        """
        return self._transport.send(_admin_calls.stats(), timeout)

    def recent(
        self, *, page_size: int = 30, timeout: float | None = None
    ) -> Iterator[types.Session]:
        """Go over the sessions created last, of all users, newest first, in any state.

        The list ends where it would get gaps; of the newest 100, all that are still kept are in it.

        Args:
            page_size: how many to fetch at once, 1 to 200.
            timeout: seconds for each page, retries included; the client's if None.
        """

        def page(token: str) -> types.SessionPage:
            return self.recent_page(page_size=page_size, page_token=token, timeout=timeout)

        for each in pages(page):
            yield from each.sessions

    def recent_page(
        self, *, page_size: int = 30, page_token: str = "", timeout: float | None = None
    ) -> types.SessionPage:
        """Read one page of the sessions created last (AIP-158).

        Args:
            page_size: how many at most, 1 to 200.
            page_token: the `next_page_token` of the page before.
            timeout: seconds, retries included; the client's if None.
        """
        call = _admin_calls.recent_page(page_size=page_size, page_token=page_token)
        return self._transport.send(call, timeout)

    def users(
        self, *, page_size: int = 50, timeout: float | None = None
    ) -> Iterator[admin.UserSessions]:
        """Go over the users, those with the most live sessions first.

        Args:
            page_size: how many to fetch at once, 1 to 200. Every page reads every user once.
            timeout: seconds for each page, retries included; the client's if None.
        """

        def page(token: str) -> admin.UsersPage:
            return self.users_page(page_size=page_size, page_token=token, timeout=timeout)

        for each in pages(page):
            yield from each.users

    def users_page(
        self, *, page_size: int = 50, page_token: str = "", timeout: float | None = None
    ) -> admin.UsersPage:
        """Read one page of the users by number of live sessions (AIP-158).

        Args:
            page_size: how many at most, 1 to 200.
            page_token: the `next_page_token` of the page before.
            timeout: seconds, retries included; the client's if None.
        """
        call = _admin_calls.users_page(page_size=page_size, page_token=page_token)
        return self._transport.send(call, timeout)

    def explain(
        self,
        *,
        session_id: str | None = None,
        access_token: str | None = None,
        refresh_token: str | None = None,
        timeout: float | None = None,
    ) -> admin.Explanation:
        """Say why a session is or is not valid. Nothing is changed by asking.

        Args:
            session_id: 24 characters of base64url.
            access_token: of the session; an expired one too.
            refresh_token: of any generation.
            timeout: seconds, retries included; the client's if None.

        Raises:
            TypeError: not exactly one of the three.
        """
        call = _admin_calls.explain(
            session_id=session_id, access_token=access_token, refresh_token=refresh_token
        )
        return self._transport.send(call, timeout)

    def purge(
        self,
        *,
        older_than: timedelta | None = None,
        cutoff_time: datetime | None = None,
        include_active: bool = False,
        execute: bool = False,
        resume_token: str = "",
        timeout: float | None = None,
    ) -> Generator[admin.PurgeProgress, None, None]:
        """Remove sessions of a certain age, or say which would be removed.

        Age counts from the end for sessions that have ended or expired, and from the last refresh
        for live ones.

        Args:
            older_than: at least this old when the call begins; 0 for all.
            cutoff_time: of a preview, aware: acts on what that has shown.
            include_active: live sessions too; they end as REVOKED_BY_ADMIN.
            execute: remove them; without it nothing is changed.
            resume_token: of earlier progress, to go on there.
            timeout: seconds for all of it; none if None.

        Raises:
            TypeError: not exactly one of older_than and cutoff_time.
            ValueError: a time without a zone.
        """
        stream = _admin_calls.purge(
            older_than=older_than,
            cutoff_time=cutoff_time,
            include_active=include_active,
            execute=execute,
            resume_token=resume_token,
        )
        return self._transport.stream(stream, timeout)

    def delete_user(self, user_id: str, *, timeout: float | None = None) -> admin.DeletedUser:
        """End and erase every session of a user, history included. Idempotent.

        Args:
            user_id: 1 to 256 bytes of UTF-8.
            timeout: seconds, retries included; the client's if None.
        """
        return self._transport.send(_admin_calls.delete_user(user_id), timeout)

    def audit(
        self, *, repair: bool = False, timeout: float | None = None
    ) -> Generator[admin.AuditProgress, None, None]:
        """Compare sessions, indexes, counters and TTLs, and say what disagrees. Not resumable.

        Args:
            repair: repair what can be repaired, as it is found.
            timeout: seconds for all of it; none if None.
        """
        return self._transport.stream(_admin_calls.audit(repair=repair), timeout)

    def jobs(self, *, timeout: float | None = None) -> tuple[admin.Job, ...]:
        """List the background jobs of the fleet, by name.

        Args:
            timeout: seconds, retries included; the client's if None.
        """
        return self._transport.send(_admin_calls.jobs(), timeout)

    def run_job(self, name: str, *, timeout: float | None = None) -> admin.Job:
        """Start a job now, beside its schedule; `jobs` tells how it goes on.

        Not retried, but it waits for a service that is out of reach, and so that is
        `DeadlineExceeded`: `jobs` tells whether it was started.

        Args:
            name: of a job.
            timeout: seconds; the client's if None.

        Raises:
            JobNotFound: there is none of this name.
            JobRunning: it runs already.
        """
        return self._transport.send(_admin_calls.run_job(name), timeout)

    def import_sessions(
        self,
        batches: Iterable[Sequence[admin.ImportedSession]],
        *,
        validate_only: bool = False,
        timeout: float | None = None,
    ) -> Generator[tuple[admin.ImportResult, ...], None, None]:
        """Take over sessions of another system. Idempotent: what is there already stays as it is.

        Args:
            batches: each of 1 to 500 sessions. Read from a thread of its own, a little ahead of the
                results; what it raises is raised here, behind the results of what came before.
            validate_only: say what would come in, and change nothing.
            timeout: seconds for all of it; none if None.

        Yields:
            For each batch, in order, one result for each session, in order.

        Raises:
            ValueError: a time without a zone.
        """
        upload = Upload(batches, partial(_admin_calls.import_request, validate_only=validate_only))
        yield from self._transport.stream(_admin_calls.import_sessions(iter(upload)), timeout)
        upload.check()

    def export(
        self,
        user_id: str = "",
        *,
        states: Iterable[types.State] = (),
        resume_token: str = "",
        timeout: float | None = None,
    ) -> Generator[admin.ExportPage, None, None]:
        """Give sessions out, each at least once, without any credential.

        Args:
            user_id: only of this user; of all if empty.
            states: only sessions in one of these; all if empty.
            resume_token: of an earlier page, to go on there.
            timeout: seconds for all of it; none if None.
        """
        stream = _admin_calls.export(user_id, states=states, resume_token=resume_token)
        return self._transport.stream(stream, timeout)

    def rotate_signing_key(self, *, timeout: float | None = None) -> admin.RotatedKey:
        """Add a key for access tokens; while one waits to sign, that one is given. Idempotent.

        Args:
            timeout: seconds, retries included; the client's if None.

        Raises:
            KeysReadOnly: the server cannot write to its key directory.
        """
        return self._transport.send(_admin_calls.rotate_signing_key(), timeout)
