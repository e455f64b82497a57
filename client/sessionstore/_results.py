"""Messages of the contract to what the SDK gives; shared by the sync and the async client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import grpc
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from sessionstore import types
from sessionstore._enums import EndReason, OpenEnum, Outcome, State, Verdict
from sessionstore.errors import InternalError
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb

E = TypeVar("E", bound=OpenEnum)


def created_session(message: pb.CreateSessionResponse) -> types.CreatedSession:
    return types.CreatedSession(
        session=session(message.session),
        tokens=_tokens(message.tokens),
        evicted_sessions=tuple(map(session, message.evicted_sessions)),
    )


def refreshed_session(
    message: pb.RefreshSessionResponse,
) -> types.RefreshedSession:
    wire = pb.RefreshSessionResponse.Outcome.DESCRIPTOR
    return types.RefreshedSession(
        session=session(message.session),
        tokens=_tokens(message.tokens),
        outcome=named(Outcome, wire, "OUTCOME_", message.outcome),
        previous_expire_time=time(message.previous_expire_time),
    )


def extended_session(message: pb.ExtendSessionResponse) -> types.ExtendedSession:
    return types.ExtendedSession(
        session=session(message.session),
        previous_expire_time=time(message.previous_expire_time),
        extended=message.extended,
    )


def validation(message: pb.ValidateSessionResponse) -> types.Validation:
    return types.Validation(
        verdict=named(Verdict, pb.Verdict.DESCRIPTOR, "VERDICT_", message.verdict),
        session=session(message.session) if message.HasField("session") else None,
        end_reason=end_reason(message.end_reason),
    )


def validations(
    message: pb.BatchValidateSessionsResponse, *, expected: int
) -> tuple[types.Validation, ...]:
    # One answer too few would give every later session the verdict of its neighbour.
    if len(message.results) != expected:
        raise InternalError(
            grpc.StatusCode.INTERNAL, f"{len(message.results)} answers to {expected} credentials"
        )
    return tuple(map(validation, message.results))


def read_session(message: pb.GetSessionResponse) -> types.Session:
    return session(message.session)


def updated_session(message: pb.UpdateSessionResponse) -> types.Session:
    return session(message.session)


def session_page(message: pb.ListSessionsResponse) -> types.SessionPage:
    return types.SessionPage(
        sessions=tuple(map(session, message.sessions)),
        next_page_token=message.next_page_token,
    )


def revoked_session(message: pb.RevokeSessionResponse) -> types.RevokedSession:
    return types.RevokedSession(
        session=session(message.session) if message.HasField("session") else None,
        replicas_confirmed=_replicas_confirmed(message),
    )


def adopted_session(message: pb.AdoptSessionResponse) -> types.AdoptedSession:
    return types.AdoptedSession(session=session(message.session), tokens=_tokens(message.tokens))


def revoked_sessions(message: pb.RevokeUserSessionsResponse) -> types.RevokedSessions:
    return types.RevokedSessions(
        session_ids=tuple(message.session_ids), replicas_confirmed=_replicas_confirmed(message)
    )


def _replicas_confirmed(
    message: pb.RevokeSessionResponse | pb.RevokeUserSessionsResponse,
) -> int | None:
    return message.replicas_confirmed if message.HasField("replicas_confirmed") else None


def signing_keys(message: pb.GetSigningKeysResponse) -> types.SigningKeys:
    return types.SigningKeys(
        keys=tuple(
            types.SigningKey(
                kid=key.kid,
                kty=key.kty,
                alg=key.alg,
                use=key.use,
                crv=key.crv,
                x=key.x,
                y=key.y,
            )
            for key in message.keys
        ),
        issuer=message.issuer,
        read_time=time(message.read_time),
        expire_time=time(message.expire_time),
    )


def session(message: session_pb2.Session) -> types.Session:
    return types.Session(
        id=message.session_id,
        user_id=message.user_id,
        profile=message.profile,
        state=named(State, session_pb2.Session.State.DESCRIPTOR, "STATE_", message.state),
        end_reason=end_reason(message.end_reason),
        client=_client(message.client),
        attributes=dict(message.attributes),
        authentication=(
            _authentication(message.authentication) if message.HasField("authentication") else None
        ),
        audience=tuple(message.audience),
        create_time=time(message.create_time),
        expire_time=time(message.expire_time),
        absolute_expire_time=time(message.absolute_expire_time),
        refresh_time=time(message.refresh_time),
        last_seen_time=time(message.last_seen_time),
        end_time=time(message.end_time) if message.HasField("end_time") else None,
        ended_by=message.ended_by,
        etag=message.etag,
    )


def _client(message: session_pb2.Client) -> types.ClientInfo:
    return types.ClientInfo(
        user_agent=message.user_agent,
        ip_address=message.ip_address,
        device_id=message.device_id,
        device_name=message.device_name,
        fingerprint=message.fingerprint,
        cut_fields=tuple(message.cut_fields),
    )


def _authentication(message: session_pb2.Authentication) -> types.Authentication:
    return types.Authentication(
        methods=tuple(message.methods),
        acr=message.acr,
        time=time(message.time) if message.HasField("time") else None,
    )


def _tokens(message: session_pb2.Tokens) -> types.Tokens:
    return types.Tokens(
        access_token=message.access_token,
        access_token_expire_time=time(message.access_token_expire_time),
        refresh_token=message.refresh_token,
        refresh_token_expire_time=time(message.refresh_token_expire_time),
    )


def end_reason(number: int) -> EndReason | None:
    if not number:
        return None
    return named(EndReason, session_pb2.EndReason.DESCRIPTOR, "END_REASON_", number)


def named(kind: type[E], wire: EnumDescriptor, prefix: str, number: int) -> E:
    value = wire.values_by_number.get(number)
    return kind(value.name.removeprefix(prefix) if value else f"UNRECOGNIZED_{number}")


def time(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)
