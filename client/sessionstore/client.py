"""The client for threads."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import timedelta

from sessionstore import _calls, types
from sessionstore._base import BaseClient
from sessionstore._course import Course
from sessionstore._paging import pages
from sessionstore._watch import Watch
from sessionstore.errors import SessionStoreError
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub
from sessionstore.watch_types import EventType, Interrupted, WatchUpdate


class SessionClient(BaseClient):
    """A client of the session service. Make one per process and share it between threads.

    It connects with its first call, and stays usable in a process forked from this one (unless
    GRPC_ENABLE_FORK_SUPPORT=0 is set). Every call has a deadline, retries included; UNAVAILABLE,
    and CANCELLED by a server that stops, are retried for about 2 s (but not updates of attributes),
    under the same request id, so nothing is done twice.

    Args:
        address: "host:port", or any target of gRPC's name syntax ("dns:///host:port", "unix:path").
            SESSIONSTORE_ADDRESS if None.
        token: this backend's service token, or a function that gives it; it is asked for each call,
            so it must be quick. SESSIONSTORE_TOKEN if neither this nor `token_file` is given.
        token_file: a file with the token, read again within 1 s of a change.
            SESSIONSTORE_TOKEN_FILE if nothing else names a token.
        tls: True for TLS with the system's roots, or `TLS(...)`. SESSIONSTORE_CA_FILE,
            SESSIONSTORE_CERT_FILE and SESSIONSTORE_KEY_FILE turn TLS on if None, and say what
            True leaves open. With a certificate of its own a backend may do without a token.
        plaintext: send the token in clear text to another machine, on purpose.
        timeout: seconds that a call may take, retries included, unless the call says otherwise.

    Raises:
        ValueError: no address; neither token nor certificate; a token that no header can carry; a
            timeout that is not above 0; a certificate without its key; or a network address with
            neither TLS nor `plaintext`.
        TypeError: both `token` and `token_file`.
        OSError: a file of a token or of certificates cannot be read.

    Every call raises a subclass of `SessionStoreError` if it fails: beside those it names,
    `InvalidRequest`, `CallerNotAuthenticated`, `CallerNotPermitted`, `Unavailable`, `Overloaded`,
    `DeadlineExceeded` or `InternalError`. After `close` it raises RuntimeError.
    """

    _stub = SessionServiceStub

    def create(
        self,
        user_id: str,
        *,
        profile: str | None = None,
        client: types.ClientInfo | None = None,
        attributes: Mapping[str, str] | None = None,
        authentication: types.Authentication | None = None,
        audience: Iterable[str] = (),
        idle_lifetime: timedelta | None = None,
        absolute_lifetime: timedelta | None = None,
        replaces_session_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> types.CreatedSession:
        """Create the session of a login that has just succeeded, and make room at the cap.

        Args:
            user_id: whoever logged in. 1 to 256 bytes of UTF-8.
            profile: the policy to apply; "default" if None.
            client: the browser or device.
            attributes: kept with the session; at most 32, and 480 bytes over all keys and values.
            authentication: how and when the user proved who they are.
            audience: of the access tokens; the server's default if empty. At most 8.
            idle_lifetime: shorter than the profile's; at least 1 s.
            absolute_lifetime: shorter than the profile's; at least 1 s.
            replaces_session_id: a session of the same user that this login replaces.
            request_id: to repeat an earlier call: the same id gives the same session for 10 minutes
                by default (AIP-155). At most 36 bytes of visible ASCII; a random one if None.
            timeout: seconds, retries included; the client's if None.

        Raises:
            SessionLimitReached: the cap is reached, and the profile's policy is to reject.
            SessionUserMismatch: the session to be replaced is another user's.
            RequestIdReused: the request id was used for another request.
            ReplaySuperseded: the request was done before, and its session has moved on.
            StoreFull: the store has no memory left.
            ValueError: a time without a zone.
        """
        call = _calls.create(
            user_id,
            profile=profile,
            client=client,
            attributes=attributes,
            authentication=authentication,
            audience=audience,
            idle_lifetime=idle_lifetime,
            absolute_lifetime=absolute_lifetime,
            replaces_session_id=replaces_session_id,
            request_id=request_id,
        )
        return self._transport.send(call, timeout)

    def refresh(
        self,
        refresh_token: str,
        *,
        client: types.ClientInfo | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> types.RefreshedSession:
        """Extend the session and get fresh tokens; its id stays.

        Args:
            refresh_token: the one last given for this session.
            client: the browser or device as it is now; empty fields leave what is stored.
            request_id: to repeat an earlier call whose answer was lost. At most 36 bytes of visible
                ASCII, never derived from the token; a random one if None.
            timeout: seconds, retries included; the client's if None.

        Raises:
            SessionUnusable: the user has to log in again. Its subclasses say why:
                RefreshTokenInvalid, RefreshTokenReused (the session has been ended: RFC 9700,
                4.14.2), RefreshTokenAhead, SessionEnded, SessionExpired, SessionNotFound.
        """
        call = _calls.refresh(refresh_token, client=client, request_id=request_id)
        return self._transport.send(call, timeout)

    def extend(
        self,
        session_id: str,
        *,
        client: types.ClientInfo | None = None,
        timeout: float | None = None,
    ) -> types.ExtendedSession:
        """Extend the session of a user who has just used it, with only its id at hand.

        Args:
            session_id: 24 characters of base64url.
            client: the browser or device as it is now; empty fields leave what is stored.
            timeout: seconds, retries included; the client's if None.

        Raises:
            SessionUnusable: SessionEnded, SessionExpired or SessionNotFound.
        """
        return self._transport.send(_calls.extend(session_id, client=client), timeout)

    def validate(
        self,
        *,
        access_token: str | None = None,
        session_id: str | None = None,
        refresh_token: str | None = None,
        audience: str = "",
        timeout: float | None = None,
    ) -> types.Validation:
        """Ask whether a session is live. "Not valid" is an answer, not an error.

        Args:
            access_token: one given by this service, at most 4,096 bytes.
            session_id: from a caller that already knows who the user is.
            refresh_token: it is not rotated here.
            audience: with an access token, an audience that it must be meant for (RFC 9068, 4).
            timeout: seconds, retries included; the client's if None.

        Returns:
            A verdict that is true in a condition only if the session is live.

        Raises:
            TypeError: not exactly one of access_token, session_id and refresh_token.
        """
        credential = types.Credential(
            access_token=access_token,
            session_id=session_id,
            refresh_token=refresh_token,
            audience=audience,
        )
        return self._transport.send(_calls.validate(credential), timeout)

    def validate_many(
        self, credentials: Iterable[types.Credential], *, timeout: float | None = None
    ) -> tuple[types.Validation, ...]:
        """Validate any number of credentials, 1,000 to a call.

        Args:
            credentials: what to validate.
            timeout: seconds for all of the calls, retries included; the client's if None.

        Returns:
            One answer for each, in order.
        """
        deadline = time.monotonic() + (self._transport.timeout if timeout is None else timeout)
        answers: list[types.Validation] = []
        for call in _calls.validate_many(credentials):
            batch = self._transport.send(call, deadline - time.monotonic())
            answers.extend(batch)
        return tuple(answers)

    def get(self, session_id: str, *, timeout: float | None = None) -> types.Session:
        """Read a session that is live, ended and still kept, or expired within the hour.

        Args:
            session_id: 24 characters of base64url.
            timeout: seconds, retries included; the client's if None.

        Raises:
            SessionNotFound: there is none, or it is no longer remembered.
        """
        return self._transport.send(_calls.get(session_id), timeout)

    def list(
        self,
        user_id: str,
        *,
        states: Iterable[types.State] = (),
        page_size: int = 50,
        timeout: float | None = None,
    ) -> Iterator[types.Session]:
        """Go over a user's sessions: those not ended first, newest first, then the ended ones.

        Args:
            user_id: 1 to 256 bytes of UTF-8.
            states: only sessions in one of these; all if empty.
            page_size: how many to fetch at once, 1 to 200.
            timeout: seconds for each page, retries included; the client's if None.
        """
        states = tuple(states)

        def page(token: str) -> types.SessionPage:
            return self.list_page(
                user_id, states=states, page_size=page_size, page_token=token, timeout=timeout
            )

        for each in pages(page):
            yield from each.sessions

    def list_page(
        self,
        user_id: str,
        *,
        states: Iterable[types.State] = (),
        page_size: int = 50,
        page_token: str = "",
        timeout: float | None = None,
    ) -> types.SessionPage:
        """Read one page of a user's sessions (AIP-158).

        Args:
            user_id: 1 to 256 bytes of UTF-8.
            states: only sessions in one of these; all if empty.
            page_size: how many at most, 1 to 200.
            page_token: the `next_page_token` of the page before, with the same user and states.
            timeout: seconds, retries included; the client's if None.
        """
        call = _calls.list_page(user_id, states=states, page_size=page_size, page_token=page_token)
        return self._transport.send(call, timeout)

    def set_attributes(
        self,
        session_id: str,
        attributes: Mapping[str, str],
        *,
        remove: Iterable[str] = (),
        etag: str | None = None,
        timeout: float | None = None,
    ) -> types.Session:
        """Set some attributes of a live session, remove some, and leave the others.

        Without an etag a retry may undo what somebody else set while this call lasted.

        Args:
            session_id: 24 characters of base64url.
            attributes: those to set.
            remove: the keys of those to remove. At most 32 with those to set.
            etag: of the session as last read: refuse if it was updated in between (AIP-154).
            timeout: seconds; the client's if None.

        Raises:
            EtagMismatch: another update came between.
            SessionUnusable: SessionEnded, SessionExpired or SessionNotFound.
            ValueError: nothing to set or remove, or one key for both.
        """
        call = _calls.set_attributes(session_id, attributes, remove=remove, etag=etag)
        return self._transport.send(call, timeout)

    def replace_attributes(
        self,
        session_id: str,
        attributes: Mapping[str, str],
        *,
        etag: str | None = None,
        timeout: float | None = None,
    ) -> types.Session:
        """Make these all the attributes of a live session.

        Without an etag a retry may undo what somebody else set while this call lasted.

        Args:
            session_id: 24 characters of base64url.
            attributes: at most 32, and 480 bytes over all keys and values; empty drops them all.
            etag: of the session as last read: refuse if it was updated in between (AIP-154).
            timeout: seconds; the client's if None.

        Raises:
            EtagMismatch: another update came between.
            SessionUnusable: SessionEnded, SessionExpired or SessionNotFound.
        """
        call = _calls.replace_attributes(session_id, attributes, etag=etag)
        return self._transport.send(call, timeout)

    def revoke(
        self,
        *,
        session_id: str | None = None,
        refresh_token: str | None = None,
        reason: types.EndReason | None = None,
        timeout: float | None = None,
    ) -> types.RevokedSession:
        """End a session. An unknown or already ended one is no error.

        Args:
            session_id: 24 characters of base64url.
            refresh_token: of any generation.
            reason: LOGOUT, REVOKED or REVOKED_BY_ADMIN (for admins); REVOKED if None.
            timeout: seconds, retries included; the client's if None.

        Returns:
            The ended session, if it is known, and how many replicas have it, if that was asked.

        Raises:
            RefreshTokenInvalid: the token is forged or damaged.
            TypeError: not exactly one of session_id and refresh_token.
        """
        call = _calls.revoke(session_id=session_id, refresh_token=refresh_token, reason=reason)
        return self._transport.send(call, timeout)

    def revoke_user(
        self,
        user_id: str,
        *,
        except_session_id: str | None = None,
        reason: types.EndReason | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> types.RevokedSessions:
        """End all live sessions of a user, or all but one.

        Args:
            user_id: 1 to 256 bytes of UTF-8.
            except_session_id: the session that stays.
            reason: LOGOUT, REVOKED, REVOKED_OTHERS or REVOKED_BY_ADMIN (for admins). If None:
                REVOKED_OTHERS with `except_session_id`, REVOKED without.
            request_id: to repeat an earlier call: it does not end a login that came after. At most
                36 bytes of visible ASCII; a random one if None.
            timeout: seconds, retries included; the client's if None.

        Returns:
            The ids of the sessions that this request ended, and how many replicas have it, if that
            was asked.

        Raises:
            SessionUserMismatch: the session that stays is another user's.
            RequestIdReused: the request id was used for another request.
        """
        call = _calls.revoke_user(
            user_id,
            except_session_id=except_session_id,
            reason=reason,
            request_id=request_id,
        )
        return self._transport.send(call, timeout)

    def adopt(
        self,
        user_id: str,
        external_id: str,
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> types.AdoptedSession:
        """Give tokens to a session that was imported from another system, once.

        The caller vouches that it has verified the user's credential of that system.

        Args:
            user_id: whose session it is. 1 to 256 bytes of UTF-8.
            external_id: its id in the other system. 1 to 1,024 bytes of UTF-8.
            request_id: to repeat an earlier call: it gives the same tokens, with a fresh access
                token, for 10 minutes by default. At most 36 bytes of visible ASCII; a random one if
                None.
            timeout: seconds, retries included; the client's if None.

        Raises:
            SessionAlreadyAdopted: another request got its tokens.
            SessionUnusable: SessionEnded, SessionExpired or SessionNotFound.
            RequestIdReused: the request id was used for another request.
            ReplaySuperseded: the request was done before, and its session has moved on.
            ImportKeyMissing: the service has no key by which it finds imported sessions.
        """
        call = _calls.adopt(user_id, external_id, request_id=request_id)
        return self._transport.send(call, timeout)

    def signing_keys(self, *, timeout: float | None = None) -> types.SigningKeys:
        """Get the public keys that verify access tokens (RFC 7517).

        Args:
            timeout: seconds, retries included; the client's if None.
        """
        return self._transport.send(_calls.signing_keys(), timeout)

    def watch(
        self,
        cursor: str = "",
        *,
        types: Iterable[EventType] = (),
        user_id: str | None = None,
    ) -> Watch:
        """Hear of creations and endings as they happen, over one stream.

        Without a cursor it begins with a snapshot: every ended session of which an access token may
        still look alive. It ends when the server is done with it, as at its stop and after 30
        minutes by default; `follow` goes on by itself. The request is sent before this returns, and
        there is no deadline: close the stream (`with`, or from any thread) to end it.

        Args:
            cursor: of the last update that was worked off, of a watch with the same filters.
            types: only events of these types; of all if empty. Without ENDED among them the
                snapshot is empty.
            user_id: only events of this user. 1 to 256 bytes of UTF-8.

        Raises, also while it is read:
            CursorTooOld, LogRewound: there would be a gap: watch anew, without a cursor.
            WatcherTooSlow: the updates were not read fast enough: resume at the last cursor.
        """
        stream = _calls.watch(cursor, types=types, user_id=user_id)
        return Watch(self._transport.open(stream, None), stream.read)

    def follow(
        self,
        cursor: str = "",
        *,
        types: Iterable[EventType] = (),
        user_id: str | None = None,
    ) -> Generator[WatchUpdate | Interrupted, None, None]:
        """Hear of creations and endings as they happen, over one stream after another.

        Whenever a stream ends it says so by `Interrupted` and goes on: at the last cursor, or with
        a snapshot where there would be a gap. It tries for ever. Close the generator
        (`contextlib.closing`) to stop.

        Args:
            cursor: see `watch`.
            types: see `watch`.
            user_id: see `watch`.

        Raises, while it is read:
            CallerNotAuthenticated, CallerNotPermitted, InvalidRequest: trying again does not help.
        """
        course = Course(cursor)
        types = tuple(types)
        while True:
            error = None
            try:
                with self.watch(course.cursor, types=types, user_id=user_id) as updates:
                    for update in updates:
                        yield update
                        course.passed(update)
            except SessionStoreError as failure:
                error = failure
            interrupted = course.interrupted(error)
            yield interrupted
            time.sleep(interrupted.retry_delay.total_seconds())
