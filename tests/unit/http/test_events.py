"""History events in JSON: what protobuf's own JSON says, and cut where that is wanted."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.http.events import ERROR_CHARS_MIN, event_json
from services.scheduler.hub.wire import event_slices, events_in, history_chunk
from tests.unit.engine.given import event

SECOND = Timestamp(seconds=1)
TEXTS = st.text(max_size=5)
# To the microsecond, as all of ours are.
STAMPS = st.builds(
    lambda seconds, micros: Timestamp(seconds=seconds, nanos=micros * 1_000),
    st.integers(-62_135_596_800, 253_402_300_799),
    st.integers(0, 999_999),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
VALUES = JSON.map(lambda held: json_format.Parse(json.dumps(held), Value()))


def messages(kind: Any, depth: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    """Any fields of a message, as the arguments of its construction."""
    fields = {
        field.name: one
        for field in kind.fields
        if (one := values(field, depth)) is not None and field.containing_oneof is None
    }
    choices = [
        {field.name: one}
        for field in kind.fields
        if field.containing_oneof is not None and (one := values(field, depth)) is not None
    ]
    if not choices:
        return st.fixed_dictionaries({}, optional=fields)
    return st.sampled_from(choices).flatmap(
        lambda choice: st.fixed_dictionaries(choice, optional=fields)
    )


def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any] | None:
    one = value(field, depth)
    if one is None or not field.is_repeated:
        return one
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        inner = value(field.message_type.fields_by_name["value"], depth)
        return None if inner is None else st.dictionaries(TEXTS, inner, max_size=2)
    return st.lists(one, max_size=2)


def value(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any] | None:
    if field.message_type is None:
        return {
            FieldDescriptor.CPPTYPE_STRING: TEXTS,
            FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
            FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
            FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 7),
        }[field.cpp_type]
    known = {
        "google.protobuf.StringValue": TEXTS.map(lambda text: StringValue(value=text)),
        "google.protobuf.Timestamp": STAMPS,
        "google.protobuf.Value": VALUES,
    }
    if field.message_type.full_name in known:
        return known[field.message_type.full_name]
    return messages(field.message_type, depth - 1) if depth else None


EVENTS = messages(pb.HistoryEvent.DESCRIPTOR).map(lambda fields: pb.HistoryEvent(**fields))


@settings(max_examples=300, deadline=None)
@given(original=EVENTS)
def test_an_event_can_be_read_back_by_protobuf_itself(original: pb.HistoryEvent) -> None:
    shown = json.loads(json.dumps(event_json(7, original, None)))
    assert shown.pop("index") == 7
    assert "cut" not in shown
    read = ParseDict(shown, pb.HistoryEvent())
    assert read == original
    assert contains(shown, MessageToDict(original))


def contains(shown: Any, expected: Any) -> bool:
    """Whether it says all that protobuf's own JSON says; the times may have more digits."""
    if isinstance(expected, dict):
        return all(name in shown and contains(shown[name], v) for name, v in expected.items())
    if isinstance(expected, list):
        return len(shown) == len(expected) and all(map(contains, shown, expected))
    return shown == expected or str(shown)[:19] == str(expected)[:19]


def test_numbers_are_there_even_where_they_are_zero() -> None:
    shown = event_json(0, event(0, taskCompleted=pb.TaskCompletedEvent()), None)
    assert shown["eventId"] == 0
    assert shown["taskCompleted"] == {"taskScheduledId": 0}
    started = event_json(0, event(executionCompleted=pb.ExecutionCompletedEvent()), None)
    assert started["executionCompleted"] == {"orchestrationStatus": "ORCHESTRATION_STATUS_RUNNING"}


@settings(max_examples=200, deadline=None)
@given(original=EVENTS, chars=st.integers(0, 3))
def test_what_is_cut_names_its_place_and_its_whole_length(
    original: pb.HistoryEvent, chars: int
) -> None:
    whole, shown = event_json(0, original, None), event_json(0, original, chars)
    for path, length in shown.get("cut", {}).items():
        before: Any = whole
        after: Any = shown
        for name in path.split("."):
            before, after = before[name], after[name]
        assert len(before) == length > chars
        assert after == before[:chars]


def test_an_errors_message_is_left_and_its_stack_is_cut() -> None:
    inner = pb.TaskFailureDetails(
        errorMessage="m" * (ERROR_CHARS_MIN + 1), stackTrace=StringValue(value="inner")
    )
    details = pb.TaskFailureDetails(
        errorType="E", errorMessage="why", stackTrace=StringValue(value="stack"), innerFailure=inner
    )
    shown = event_json(0, event(taskFailed=pb.TaskFailedEvent(failureDetails=details)), 0)
    told = shown["taskFailed"]["failureDetails"]
    assert (told["errorType"], told["errorMessage"], told["stackTrace"]) == ("E", "why", "")
    assert shown["cut"] == {
        "taskFailed.failureDetails.stackTrace": 5,
        "taskFailed.failureDetails.innerFailure.errorMessage": ERROR_CHARS_MIN + 1,
        "taskFailed.failureDetails.innerFailure.stackTrace": 5,
    }


def test_a_number_that_json_has_not_and_a_time_beyond_any_clock_are_shown_all_the_same() -> None:
    properties = {
        "less than nothing": Value(number_value=-0.0),
        "nan": Value(number_value=float("nan")),
        "one": Value(number_value=1.0),
    }
    details = pb.TaskFailureDetails(properties=properties)
    shown = event_json(0, event(taskFailed=pb.TaskFailedEvent(failureDetails=details)), None)
    read = json.dumps(shown["taskFailed"]["failureDetails"]["properties"], sort_keys=True)
    assert read == '{"less than nothing": -0.0, "nan": "nan", "one": 1}'
    far = pb.TimerCreatedEvent(fireAt=Timestamp(seconds=2**62))
    shown = event_json(0, event(timerCreated=far), None)
    assert shown["timerCreated"]["fireAt"] == "9999-12-31T23:59:59.999999Z"
    json.dumps(shown, allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(originals=st.lists(EVENTS, max_size=6))
def test_events_are_cut_out_of_a_stored_chunk_without_reading_the_others(
    originals: list[pb.HistoryEvent],
) -> None:
    chunk = history_chunk(originals)
    assert [pb.HistoryEvent.FromString(part) for _at, part in event_slices(chunk)] == originals
    assert list(events_in(chunk)) == originals


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_an_event_of_any_size_is_cut_out_whole(size: int) -> None:
    raised = pb.EventRaisedEvent(name="e", input=StringValue(value="x" * size))
    originals = [event(eventRaised=raised), event(3)]
    parts = [
        pb.HistoryEvent.FromString(part) for _at, part in event_slices(history_chunk(originals))
    ]
    assert parts == originals
