"""SessionService: each method decodes, calls the service, and encodes."""

from __future__ import annotations

import time
from datetime import timedelta

from google.protobuf.message import Message

from sessiond.domain.session import EndReason
from sessiond.rpc import decode, encode
from sessiond.rpc.call import Call
from sessiond.rpc.encode_watch import WatchParts
from sessiond.service.sessions import Sessions
from sessionstore.v1 import session_service_pb2 as pb


class SessionServicer:
    """The handlers, by the names of their RPCs."""

    def __init__(self, sessions: Sessions, *, issuer: str, keys_cached: timedelta) -> None:
        self._sessions = sessions
        self._issuer = issuer
        self._keys_cached = keys_cached
        self._watch_parts = WatchParts()

    async def CreateSession(self, call: Call) -> Message:
        login, request_id = decode.login(call.request, self._sessions.policies)
        created = await self._sessions.lifecycle.create(call.caller, login, request_id)
        call.session_id = created.session.id
        return pb.CreateSessionResponse(
            session=encode.session(created.session),
            tokens=encode.tokens(created.tokens),
            evicted_sessions=encode.sessions(created.evicted),
        )

    async def RefreshSession(self, call: Call) -> Message:
        call.by_refresh_token = True
        token, client, request_id = decode.refresh(call.request)
        refreshed = await self._sessions.lifecycle.refresh(call.caller, token, client, request_id)
        call.session_id = refreshed.session.id
        call.outcome = refreshed.outcome.name
        return pb.RefreshSessionResponse(
            session=encode.session(refreshed.session),
            tokens=encode.tokens(refreshed.tokens),
            outcome=pb.RefreshSessionResponse.Outcome.ValueType(refreshed.outcome),
            previous_expire_time=encode.timestamp(refreshed.previous_expire_ms),
        )

    async def ExtendSession(self, call: Call) -> Message:
        call.session_id, client = decode.extend(call.request)
        extended = await self._sessions.lifecycle.extend(call.session_id, client)
        return pb.ExtendSessionResponse(
            session=encode.session(extended.session),
            previous_expire_time=encode.timestamp(extended.previous_expire_ms),
            extended=extended.session.expire_ms > extended.previous_expire_ms,
        )

    async def ValidateSession(self, call: Call) -> Message:
        credential = decode.credential(call.request)
        validation = await self._sessions.validator.validate(credential)
        if validation.session:
            call.session_id = validation.session.id
        return encode.validation(validation)

    async def BatchValidateSessions(self, call: Call) -> Message:
        credentials = decode.credentials(call.request)
        validations = await self._sessions.validator.validate_many(credentials)
        return pb.BatchValidateSessionsResponse(
            results=[encode.validation(validation) for validation in validations]
        )

    async def GetSession(self, call: Call) -> Message:
        call.session_id = decode.session_id(call.request)
        session = await self._sessions.reader.get(call.session_id)
        return pb.GetSessionResponse(session=encode.session(session))

    async def ListSessions(self, call: Call) -> Message:
        wanted = decode.listing(call.request)
        page = await self._sessions.reader.list(
            wanted.user_id, wanted.states, wanted.page_size, wanted.page_token
        )
        return pb.ListSessionsResponse(
            sessions=encode.sessions(page.sessions), next_page_token=page.next_page_token
        )

    async def UpdateSession(self, call: Call) -> Message:
        change = decode.change(call.request)
        call.session_id = change.session_id
        session = await self._sessions.reader.update(
            call.caller,
            change.session_id,
            change.attributes,
            remove=change.remove,
            replace_all=change.replace_all,
            etag=change.etag,
            request_id=call.request_id,
        )
        return pb.UpdateSessionResponse(session=encode.session(session))

    async def RevokeSession(self, call: Call) -> Message:
        call.session_id, call.by_refresh_token, reason = decode.revocation(
            call.request, self._sessions.session_of_token
        )
        _note_if_by_admin(call, reason)
        ended = await self._sessions.revoker.revoke(call.caller, call.session_id, reason)
        return pb.RevokeSessionResponse(
            session=encode.session(ended.session) if ended.session else None,
            replicas_confirmed=ended.replicas_confirmed,
        )

    async def RevokeUserSessions(self, call: Call) -> Message:
        what, request_id = decode.user_revocation(call.request)
        _note_if_by_admin(call, what.reason, user_id=what.user_id)
        ended = await self._sessions.revoker.revoke_user(call.caller, what, request_id)
        if call.act:
            call.act["ended_sessions"] = len(ended.session_ids)
        return pb.RevokeUserSessionsResponse(
            session_ids=ended.session_ids, replicas_confirmed=ended.replicas_confirmed
        )

    async def AdoptSession(self, call: Call) -> Message:
        what, request_id = decode.adoption(call.request)
        adopted = await self._sessions.adopter.adopt(call.caller, what, request_id)
        call.session_id = adopted.session.id
        return pb.AdoptSessionResponse(
            session=encode.session(adopted.session), tokens=encode.tokens(adopted.tokens)
        )

    async def WatchSessions(self, call: Call) -> None:
        wanted, cursor = decode.watch(call.request)
        async with self._sessions.watching.watch(wanted, cursor) as parts:
            async for part in parts:
                if not call.is_welcome():
                    return  # well: whoever resumes it is told why, and a new token goes on
                await call.send(self._watch_parts.encode(part))

    async def GetSigningKeys(self, _: Call) -> Message:
        now_ms = time.time_ns() // 1_000_000
        return pb.GetSigningKeysResponse(
            keys=[pb.JsonWebKey(**key) for key in self._sessions.jwks()],
            issuer=self._issuer,
            read_time=encode.timestamp(now_ms),
            expire_time=encode.timestamp(now_ms + int(self._keys_cached.total_seconds() * 1000)),
        )


def _note_if_by_admin(call: Call, reason: EndReason, **target: str) -> None:
    """Tell the audit log of what an operator ends."""
    if reason is EndReason.REVOKED_BY_ADMIN:
        call.act.update(end_reason=reason.name, **target)
