"""From messages to what the service understands, by the rules of rules.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sessiond.domain import limits
from sessiond.domain.events import EVERYTHING, EventFilter, EventType
from sessiond.domain.session import Authentication, Client, Cut, EndReason, State
from sessiond.rpc.rules import Rules
from sessiond.service.adoption import Adoption
from sessiond.service.judging import Credential, CredentialKind
from sessiond.service.lifecycle import Login
from sessiond.service.policy import Policies
from sessiond.service.revocation import UserRevocation
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb

_ATTRIBUTES: Final = "attributes"

_KINDS: Final = {
    "access_token": CredentialKind.ACCESS_TOKEN,
    "session_id": CredentialKind.SESSION_ID,
    "refresh_token": CredentialKind.REFRESH_TOKEN,
}
_CUTTABLE: Final = tuple(
    (mark, mark.field, most)
    for mark, most in (
        (Cut.USER_AGENT, limits.MAX_USER_AGENT),
        (Cut.IP_ADDRESS, limits.MAX_IP_ADDRESS),
        (Cut.DEVICE_NAME, limits.MAX_DEVICE_NAME),
        (Cut.FINGERPRINT, limits.MAX_FINGERPRINT),
    )
)
_REVOKE_REASONS: Final = {
    EndReason.NONE,
    EndReason.LOGOUT,
    EndReason.REVOKED,
    EndReason.REVOKED_BY_ADMIN,
}


def client(message: session_pb2.Client, rules: Rules) -> Client:
    """A client's details, cut to their limits; only its device id can be refused."""
    cut = Cut(0)
    kept: dict[str, str] = {}
    for mark, field, most in _CUTTABLE:
        value: str = getattr(message, field)
        raw = value.encode()
        if len(raw) > most:
            value = raw[:most].decode(errors="ignore")
            cut |= mark
        kept[field] = value
    device_id = rules.text("client.device_id", message.device_id, limits.MAX_DEVICE_ID)
    return Client(device_id=device_id, cut=cut, **kept)


def login(message: pb.CreateSessionRequest, policies: Policies) -> tuple[Login, str]:
    """A login, and its request id."""
    with Rules() as rules:
        authentication = message.authentication
        has = message.HasField
        found = Login(
            user_id=rules.user_id(message.user_id),
            profile=message.profile,
            client=client(message.client, rules),
            attributes=rules.attributes(message.attributes),
            authentication=Authentication(
                methods=rules.methods("authentication.methods", authentication.methods),
                acr=rules.acr("authentication.acr", authentication.acr),
                time_ms=rules.time("authentication.time", authentication.time),
            ),
            audience=rules.audience(message.audience),
            idle_ms=(
                rules.lifetime("idle_lifetime", message.idle_lifetime)
                if has("idle_lifetime")
                else None
            ),
            absolute_ms=(
                rules.lifetime("absolute_lifetime", message.absolute_lifetime)
                if has("absolute_lifetime")
                else None
            ),
            replaces_session_id=rules.session_id(
                "replaces_session_id", message.replaces_session_id, required=False
            ),
        )
        rules.violations += policies.check(found.profile, found.idle_ms, found.absolute_ms)
        return found, rules.request_id(message.request_id)


def refresh(message: pb.RefreshSessionRequest) -> tuple[str, Client, str]:
    """A refresh token, the client's details, and the request id."""
    with Rules() as rules:
        if not message.refresh_token:
            rules.refuse("refresh_token", "is required")
        return (
            message.refresh_token,
            client(message.client, rules),
            rules.request_id(message.request_id),
        )


def extend(message: pb.ExtendSessionRequest) -> tuple[str, Client]:
    """A session id and the client's details."""
    with Rules() as rules:
        session_id = rules.session_id("session_id", message.session_id)
        return session_id, client(message.client, rules)


def session_id(message: Any) -> str:
    """The session id of a request that needs one."""
    with Rules() as rules:
        return rules.session_id("session_id", message.session_id)


def credential(message: pb.ValidateSessionRequest) -> Credential:
    """How a session is named. A token's form is for its verdict, not for the rules."""
    with Rules() as rules:
        return _credential(message, rules)


def credentials(message: pb.BatchValidateSessionsRequest) -> list[Credential]:
    """Many of them."""
    with Rules() as rules:
        size = len(message.requests)
        if not 1 <= size <= limits.MAX_BATCH:
            rules.refuse("requests", f"has {size} entries, 1 to {limits.MAX_BATCH} are allowed")
            return []
        found: list[Credential] = []
        for i, request in enumerate(message.requests):
            part = Rules()
            found.append(_credential(request, part))
            rules.merge(f"requests[{i}]", part.violations)
        return found


def _credential(message: pb.ValidateSessionRequest, rules: Rules) -> Credential:
    audience = rules.text("audience", message.audience, limits.MAX_AUDIENCE)
    return named_session(message, rules, audience)


def named_session(message: Any, rules: Rules, audience: str = "") -> Credential:
    """What the `credential` of a message names, if it is there."""
    field = message.WhichOneof("credential")
    if field is None:
        rules.refuse("credential", "one of access_token, session_id or refresh_token is required")
        return Credential(CredentialKind.SESSION_ID, "")
    value: str = getattr(message, field)
    if field == "session_id":
        rules.session_id(field, value)
    elif not value:
        rules.refuse(field, "is required")
    return Credential(_KINDS[field], value, audience)


@dataclass(frozen=True, slots=True)
class Listing:
    """Which page of whose sessions."""

    user_id: str
    states: tuple[State, ...]
    page_size: int
    page_token: str


def listing(message: pb.ListSessionsRequest) -> Listing:
    """Which sessions to list."""
    with Rules() as rules:
        wanted = states(message.states, rules)
        page_token = rules.text("page_token", message.page_token, limits.MAX_PAGE_TOKEN)
        user_id = rules.user_id(message.user_id)
        page_size = rules.page_size(message.page_size)
    return Listing(user_id, wanted, page_size, page_token)


def states(values: Sequence[int], rules: Rules) -> tuple[State, ...]:
    """States to filter by; none of them, or STATE_UNSPECIFIED, is no filter."""
    if len(values) > len(State):
        rules.refuse("states", f"has {len(values)} entries, at most 3 are allowed")
    for i, state in enumerate(values[: len(State)]):
        rules.one_of(f"states[{i}]", state, {0, *State}, "ACTIVE, ENDED, EXPIRED")
    return () if 0 in values else tuple(state for state in State if state in values)


@dataclass(frozen=True, slots=True)
class Change:
    """Attributes to set and to remove."""

    session_id: str
    attributes: dict[str, str]
    remove: tuple[str, ...]
    replace_all: bool
    etag: str


def change(message: pb.UpdateSessionRequest) -> Change:
    """What an update changes. A mask path is `attributes`, or `attributes.KEY` for one of them."""
    with Rules() as rules:
        session_id = rules.session_id("session_id", message.session_id)
        attributes = rules.attributes(message.attributes)
        etag = rules.text("etag", message.etag, 20)
        paths = list(message.update_mask.paths)
        if len(paths) > limits.MAX_ATTRIBUTES:
            most = limits.MAX_ATTRIBUTES
            rules.refuse("update_mask", f"has {len(paths)} paths, at most {most} are allowed")
            paths = []
        if not paths or _ATTRIBUTES in paths or "*" in paths:
            return Change(session_id, attributes, (), replace_all=True, etag=etag)
        keys: list[str] = []
        for path in paths:
            name, _, key = path.partition(".")
            if name != _ATTRIBUTES:
                rules.refuse("update_mask", "may name 'attributes' and 'attributes.KEY' only")
                break
            keys.append(rules.attribute_key("update_mask", key))
        unnamed = attributes.keys() - set(keys)
        if unnamed and not rules.violations:
            rules.refuse("attributes", "has keys that update_mask does not name")
        return Change(
            session_id,
            attributes,
            tuple(key for key in keys if key not in attributes),
            replace_all=False,
            etag=etag,
        )


def revocation(
    message: pb.RevokeSessionRequest, session_of_token: Callable[[str], str]
) -> tuple[str, bool, EndReason]:
    """Which session ends, whether a refresh token named it, and why it ends."""
    field = message.WhichOneof("credential")
    with Rules() as rules:
        names = "LOGOUT, REVOKED, REVOKED_BY_ADMIN"
        rules.one_of("reason", message.reason, _REVOKE_REASONS, names)
        if field is None:
            rules.refuse("credential", "one of session_id or refresh_token is required")
        elif field == "session_id":
            rules.session_id(field, message.session_id)
    reason = EndReason(message.reason)
    if field == "refresh_token":
        return session_of_token(message.refresh_token), True, reason
    return message.session_id, False, reason


def user_revocation(message: pb.RevokeUserSessionsRequest) -> tuple[UserRevocation, str]:
    """Which sessions of a user end, and the request id."""
    with Rules() as rules:
        rules.one_of(
            "reason",
            message.reason,
            _REVOKE_REASONS | {EndReason.REVOKED_OTHERS},
            "LOGOUT, REVOKED, REVOKED_BY_ADMIN, REVOKED_OTHERS",
        )
        user_id = rules.user_id(message.user_id)
        stays = rules.session_id("except_session_id", message.except_session_id, required=False)
        request_id = rules.request_id(message.request_id)
    return UserRevocation(user_id, stays, EndReason(message.reason)), request_id


def watch(message: pb.WatchSessionsRequest) -> tuple[EventFilter, str]:
    """What to tell of, and the cursor, if any, to begin at."""
    with Rules() as rules:
        if len(message.types) > len(EventType):
            rules.refuse("types", f"has {len(message.types)} entries, at most 3 are allowed")
        for i, value in enumerate(message.types[: len(EventType)]):
            rules.one_of(f"types[{i}]", value, set(EventType), "CREATED, ENDED, EXPIRED")
        cursor = rules.text("cursor", message.cursor, limits.MAX_CURSOR)
        user_id = rules.text("user_id", message.user_id, limits.MAX_USER_ID)
    types = frozenset(map(EventType, message.types)) or EVERYTHING.types
    return EventFilter(types, user_id), cursor


def adoption(message: pb.AdoptSessionRequest) -> tuple[Adoption, str]:
    """Which imported session goes on, and the request id."""
    with Rules() as rules:
        user_id = rules.user_id(message.user_id)
        external_id = rules.external_id(message.external_id)
        return Adoption(user_id, external_id), rules.request_id(message.request_id)
