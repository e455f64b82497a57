"""The messages of import and export, to and from what the service understands."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from sessiond.domain.errors import InvalidFieldError
from sessiond.domain.session import Client, Cut, State
from sessiond.domain.transfer import Fate
from sessiond.rpc import decode_transfer, encode_transfer
from sessiond.service.exporting import ExportPage
from sessiond.service.importing import ImportOutcome, ImportRecord, InvalidRecord
from sessionstore.v1 import admin_service_pb2 as pb
from sessionstore.v1 import session_pb2
from tests.unit.tokens.forge import new_session


def imported(**changes: Any) -> pb.ImportedSession:
    """A good record, but for the changes."""
    fields: dict[str, Any] = {
        "external_id": "old-1",
        "user_id": "alice",
        "create_time": Timestamp(seconds=1_790_000_000, nanos=123_456_789),
        "expire_time": Timestamp(seconds=1_790_604_800),
    }
    return pb.ImportedSession(**{**fields, **changes})


def decoded(message: pb.ImportedSession) -> ImportRecord | InvalidRecord:
    """The one record of a request."""
    (record,) = decode_transfer.import_records(pb.ImportSessionsRequest(sessions=[message]))
    return record


def test_a_record_is_read_as_it_is() -> None:
    """Creation to the microsecond, expiry to the millisecond; a long user agent is cut."""
    message = imported(
        profile="mobile",
        client=session_pb2.Client(user_agent="x" * 600, device_id="phone"),
        attributes={"a": "1"},
    )
    assert decoded(message) == ImportRecord(
        external_id="old-1",
        user_id="alice",
        create_us=1_790_000_000_123_456,
        expire_ms=1_790_604_800_000,
        profile="mobile",
        client=Client(user_agent="x" * 512, device_id="phone", cut=Cut.USER_AGENT),
        attributes={"a": "1"},
    )


def test_a_record_with_a_revoke_time_is_revoked() -> None:
    """Whenever that was."""
    record = decoded(imported(revoke_time=Timestamp(seconds=1)))
    assert isinstance(record, ImportRecord)
    assert record.is_revoked


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("external_id", "", "is required"),
        ("external_id", "x" * 1025, "has 1025 bytes, at most 1024"),
        ("user_id", "", "is required"),
        ("user_id", "x" * 257, "has 257 bytes, at most 256"),
        ("create_time", None, "is required"),
        ("create_time", Timestamp(seconds=-1), "is not a time"),
        ("expire_time", None, "is required"),
        ("expire_time", Timestamp(nanos=-1), "is not a time"),
        ("attributes", {"a": "x" * 500}, "has 501 bytes"),
        ("attributes", {"": "x"}, "has a key that is not 1 to 64 bytes long"),
    ],
)
def test_a_bad_field_spoils_its_record_alone(field: str, value: Any, words: str) -> None:
    """It is named, with what is wrong; the records around it are read."""
    request = pb.ImportSessionsRequest(
        sessions=[imported(), imported(**{field: value}), imported()]
    )
    first, bad, last = decode_transfer.import_records(request)
    assert isinstance(first, ImportRecord)
    assert first == last
    assert isinstance(bad, InvalidRecord)
    (violation,) = bad.violations
    assert violation.field == field
    assert words in violation.description


def test_a_device_id_is_never_cut() -> None:
    """Two devices could become one."""
    record = decoded(imported(client=session_pb2.Client(device_id="d" * 129)))
    assert isinstance(record, InvalidRecord)
    assert record.violations[0].field == "client.device_id"


@pytest.mark.parametrize("size", [0, 501])
def test_a_request_has_one_to_500_records(size: int) -> None:
    """The whole request is refused otherwise."""
    with pytest.raises(InvalidFieldError) as caught:
        decode_transfer.import_records(pb.ImportSessionsRequest(sessions=[imported()] * size))
    assert [violation.field for violation in caught.value.violations] == ["sessions"]


def test_outcomes_are_written_in_order() -> None:
    """Each fate is the outcome of its name."""
    outcomes = [
        ImportOutcome(Fate.IMPORTED, "new", evicted=("a", "b")),
        ImportOutcome(Fate.EXISTS, "old"),
        ImportOutcome(Fate.INVALID, description="user_id is required"),
        *(ImportOutcome(fate) for fate in Fate),
    ]
    results = encode_transfer.import_outcomes(outcomes).results
    assert (results[0].session_id, list(results[0].evicted_session_ids)) == ("new", ["a", "b"])
    assert results[1].session_id == "old"
    assert results[2].description == "user_id is required"
    names = [pb.ImportResult.Outcome.Name(result.outcome) for result in results[3:]]
    assert names == [f"OUTCOME_{fate.name}" for fate in Fate]
    assert len(pb.ImportResult.Outcome.keys()) == len(Fate) + 1


def test_an_export_is_read_and_its_pages_written() -> None:
    """No user and no states stand for all; a page has all that is known of how far it came."""
    request = pb.ExportSessionsRequest(
        user_id="alice", states=[session_pb2.Session.STATE_ENDED], resume_token="t"
    )
    assert decode_transfer.export_request(request) == decode_transfer.ExportRequest(
        "alice", (State.ENDED,), "t"
    )
    assert decode_transfer.export_request(pb.ExportSessionsRequest()).states == ()
    page = encode_transfer.export_page(ExportPage((new_session(),), 1, 2, "t", done=False))
    assert [session.user_id for session in page.sessions] == ["user-1"]
    assert (page.users_done, page.users_total, page.resume_token, page.done) == (1, 2, "t", False)


def test_a_bad_export_is_refused_by_name() -> None:
    """Every field that is wrong."""
    request = pb.ExportSessionsRequest(user_id="x" * 257, resume_token="t" * 257)
    request.states.extend([9])  # type: ignore[list-item]
    with pytest.raises(InvalidFieldError) as caught:
        decode_transfer.export_request(request)
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["user_id", "states[0]", "resume_token"]
