"""Each method of SessionService: how its request is built and how its answer is read.

Both clients send what is built here, so they cannot come to differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial

from google.protobuf.field_mask_pb2 import FieldMask

from sessionstore import _requests, _results, _watch_results, types, watch_types
from sessionstore._call import Call, Stream
from sessionstore.v1 import session_service_pb2 as pb

BATCH_SIZE = 1000


def create(
    user_id: str,
    *,
    profile: str | None,
    client: types.ClientInfo | None,
    attributes: Mapping[str, str] | None,
    authentication: types.Authentication | None,
    audience: Iterable[str],
    idle_lifetime: timedelta | None,
    absolute_lifetime: timedelta | None,
    replaces_session_id: str | None,
    request_id: str | None,
) -> Call[types.CreatedSession]:
    request = pb.CreateSessionRequest(
        user_id=user_id,
        profile=profile or "",
        client=_requests.client(client),
        attributes=attributes,
        authentication=_requests.authentication(authentication),
        audience=_requests.strings("audience", audience),
        idle_lifetime=_requests.duration(idle_lifetime),
        absolute_lifetime=_requests.duration(absolute_lifetime),
        replaces_session_id=replaces_session_id or "",
        request_id=request_id or _requests.new_request_id(),
    )
    return Call("CreateSession", request, _results.created_session, request.request_id)


def refresh(
    refresh_token: str, *, client: types.ClientInfo | None, request_id: str | None
) -> Call[types.RefreshedSession]:
    request = pb.RefreshSessionRequest(
        refresh_token=_requests.encodable(refresh_token),
        client=_requests.client(client),
        request_id=request_id or _requests.new_request_id(),
    )
    return Call("RefreshSession", request, _results.refreshed_session, request.request_id)


def extend(session_id: str, *, client: types.ClientInfo | None) -> Call[types.ExtendedSession]:
    request = pb.ExtendSessionRequest(session_id=session_id, client=_requests.client(client))
    return Call("ExtendSession", request, _results.extended_session)


def validate(credential: types.Credential) -> Call[types.Validation]:
    return Call("ValidateSession", _requests.credential(credential), _results.validation)


def validate_many(
    credentials: Iterable[types.Credential],
) -> Iterator[Call[tuple[types.Validation, ...]]]:
    """One call for each 1,000 credentials."""
    requests = [_requests.credential(credential) for credential in credentials]
    for start in range(0, len(requests), BATCH_SIZE):
        batch = requests[start : start + BATCH_SIZE]
        yield Call(
            "BatchValidateSessions",
            pb.BatchValidateSessionsRequest(requests=batch),
            partial(_results.validations, expected=len(batch)),
        )


def get(session_id: str) -> Call[types.Session]:
    return Call("GetSession", pb.GetSessionRequest(session_id=session_id), _results.read_session)


def list_page(
    user_id: str, *, states: Iterable[types.State], page_size: int, page_token: str
) -> Call[types.SessionPage]:
    request = pb.ListSessionsRequest(
        user_id=user_id,
        states=_requests.states(states),
        page_size=page_size,
        page_token=page_token,
    )
    return Call("ListSessions", request, _results.session_page)


def set_attributes(
    session_id: str, attributes: Mapping[str, str], *, remove: Iterable[str], etag: str | None
) -> Call[types.Session]:
    removed = _requests.strings("remove", remove)
    if both := attributes.keys() & set(removed):
        raise ValueError(f"to be set and removed at once: {', '.join(sorted(both))}")
    # The service takes an empty mask for "all of them" and would drop every attribute (AIP-134).
    if not attributes and not removed:
        raise ValueError("nothing to set or remove")
    paths = [f"attributes.{key}" for key in (*attributes, *removed)]
    return _update(session_id, attributes, paths, etag)


def replace_attributes(
    session_id: str, attributes: Mapping[str, str], *, etag: str | None
) -> Call[types.Session]:
    return _update(session_id, attributes, ["attributes"], etag)


def _update(
    session_id: str, attributes: Mapping[str, str], paths: list[str], etag: str | None
) -> Call[types.Session]:
    request = pb.UpdateSessionRequest(
        session_id=session_id,
        attributes=attributes,
        update_mask=FieldMask(paths=paths),
        etag=etag or "",
    )
    return Call("UpdateSession", request, _results.updated_session)


def revoke(
    *, session_id: str | None, refresh_token: str | None, reason: types.EndReason | None
) -> Call[types.RevokedSession]:
    if (session_id is None) == (refresh_token is None):
        raise TypeError("give exactly one of session_id and refresh_token")
    request = pb.RevokeSessionRequest(
        **_requests.given(session_id=session_id, refresh_token=refresh_token),
        reason=_requests.end_reason(reason),
    )
    return Call("RevokeSession", request, _results.revoked_session)


def revoke_user(
    user_id: str,
    *,
    except_session_id: str | None,
    reason: types.EndReason | None,
    request_id: str | None,
) -> Call[types.RevokedSessions]:
    request = pb.RevokeUserSessionsRequest(
        user_id=user_id,
        except_session_id=except_session_id or "",
        reason=_requests.end_reason(reason),
        request_id=request_id or _requests.new_request_id(),
    )
    return Call("RevokeUserSessions", request, _results.revoked_sessions, request.request_id)


def adopt(user_id: str, external_id: str, *, request_id: str | None) -> Call[types.AdoptedSession]:
    request = pb.AdoptSessionRequest(
        user_id=user_id,
        external_id=external_id,
        request_id=request_id or _requests.new_request_id(),
    )
    return Call("AdoptSession", request, _results.adopted_session, request.request_id)


def signing_keys() -> Call[types.SigningKeys]:
    return Call("GetSigningKeys", pb.GetSigningKeysRequest(), _results.signing_keys)


def watch(
    cursor: str, *, types: Iterable[watch_types.EventType], user_id: str | None
) -> Stream[watch_types.WatchUpdate]:
    request = pb.WatchSessionsRequest(
        cursor=cursor, types=_requests.event_types(types), user_id=user_id or ""
    )
    return Stream("WatchSessions", request, _watch_results.update)
