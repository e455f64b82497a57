"""AdminService: each method decodes, calls the service, and encodes.

What the audit log should know is noted in `call.act`: on what before the work, how many after it.
"""

from __future__ import annotations

from collections import Counter

from google.protobuf.message import Message

from sessiond.domain import limits
from sessiond.domain.session import Session
from sessiond.rpc import (
    decode_admin,
    decode_transfer,
    encode,
    encode_admin,
    encode_statistics,
    encode_transfer,
)
from sessiond.rpc.call import Call
from sessiond.rpc.pace import Pace
from sessiond.service.operators import Operators
from sessionstore.v1 import admin_service_pb2 as pb


class AdminServicer:
    """The handlers, by the names of their RPCs."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    async def GetStats(self, _: Call) -> Message:
        return encode_statistics.stats(await self._operators.statistician.stats())

    async def ListRecentSessions(self, call: Call) -> Message:
        page_size, page_token = decode_admin.page(call.request, limits.DEFAULT_RECENT)
        page = await self._operators.statistician.recent(page_size, page_token)
        call.act["sessions"] = len(page.sessions)
        return pb.ListRecentSessionsResponse(
            sessions=encode.sessions(page.sessions), next_page_token=page.next_page_token
        )

    async def ListUsers(self, call: Call) -> Message:
        page_size, page_token = decode_admin.page(call.request)
        page = await self._operators.statistician.users(page_size, page_token)
        call.act["users"] = len(page.users)
        return pb.ListUsersResponse(
            users=encode_statistics.users(page.users), next_page_token=page.next_page_token
        )

    async def ExplainSession(self, call: Call) -> Message:
        credential = decode_admin.credential(call.request)
        explanation = await self._operators.explainer.explain(credential)
        call.session_id = explanation.session_id
        call.act["verdict"] = explanation.verdict.name
        return encode_admin.explanation(explanation)

    async def PurgeSessions(self, call: Call) -> None:
        what, resume_token = decode_admin.purge(call.request)
        call.act.update(
            execute=what.execute, include_active=what.include_active, resumed=bool(resume_token)
        )
        pace, samples = Pace(), list[Session]()
        async for progress in self._operators.purger.purge(call.caller, what, resume_token):
            call.act.update(
                cutoff_ms=progress.cutoff_ms,
                ended_sessions=progress.ended,
                expired_sessions=progress.expired,
                active_sessions=progress.active,
            )
            samples += progress.samples
            if progress.done or pace.due():
                await call.send(encode_admin.purged(progress, samples))
                samples.clear()

    async def DeleteUser(self, call: Call) -> Message:
        user_id = decode_admin.user_id(call.request)
        call.act["user_id"] = user_id
        deleted = await self._operators.deletion.delete_user(call.caller, user_id)
        call.act.update(ended_sessions=deleted.ended, erased_sessions=deleted.erased)
        return pb.DeleteUserResponse(ended_sessions=deleted.ended, erased_sessions=deleted.erased)

    async def AuditIndex(self, call: Call) -> None:
        repair = call.request.repair
        call.act["repair"] = repair
        pace = Pace()
        async for progress in self._operators.index_audit.audit(repair=repair):
            call.act.update(
                found=sum(drift.found for drift in progress.drifts),
                repaired=sum(drift.repaired for drift in progress.drifts),
            )
            if progress.done or pace.due():
                await call.send(encode_admin.audited(progress))

    async def ListJobs(self, _: Call) -> Message:
        return pb.ListJobsResponse(jobs=encode_admin.jobs(await self._operators.jobs.list()))

    async def RunJob(self, call: Call) -> Message:
        name = decode_admin.job_name(call.request)
        call.act["job"] = name
        return pb.RunJobResponse(job=encode_admin.job(await self._operators.jobs.run(name)))

    async def ImportSessions(self, call: Call) -> None:
        fates = Counter[str]()
        async for request in call.requests:
            records = decode_transfer.import_records(request)
            call.act["validate_only"] = request.validate_only
            outcomes = await self._operators.importer.import_many(
                records, validate_only=request.validate_only
            )
            fates.update(outcome.fate.name.lower() for outcome in outcomes)
            call.act |= fates
            await call.send(encode_transfer.import_outcomes(outcomes))

    async def ExportSessions(self, call: Call) -> None:
        what = decode_transfer.export_request(call.request)
        call.act.update(user_id=what.user_id, resumed=bool(what.resume_token), sessions=0)
        pages = self._operators.exporter.export(what.user_id, what.states, what.resume_token)
        pace = Pace()
        async for page in pages:
            if page.sessions or page.done or pace.due():
                await call.send(encode_transfer.export_page(page))
            call.act["sessions"] += len(page.sessions)

    async def RotateSigningKey(self, call: Call) -> Message:
        key = await self._operators.key_rotation.rotate_signing_key()
        call.act.update(kid=key.kid, created=key.created)
        return encode_admin.next_key(key)
