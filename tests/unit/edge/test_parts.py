"""What messages become once they are read, which is looked at before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from services.scheduler.edge import parts, salvage
from services.scheduler.edge.parts import has_too_many
from services.scheduler.edge.salvage import text_field
from services.scheduler.engine.protos import pb
from tests.store.loops import on_a_loop
from tests.unit.auth.callers import CONTRIBUTOR
from tests.unit.edge.test_access import scheduler

ANSWER = pb.OrchestratorResponse(
    instanceId="a",
    actions=[pb.OrchestratorAction(scheduleTask=pb.ScheduleTaskAction(name="n", tags={"k": ""}))],
)


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has so many fields be the most, however small a message is."""

    def set_it(most: int) -> None:
        monkeypatch.setattr(parts, "COUNTED_BYTES_MIN", 0)
        monkeypatch.setattr(parts, "PARTS_MAX", most)

    return set_it


def is_refused(message: Message) -> bool:
    return has_too_many(message.SerializeToString(), message.DESCRIPTOR)


def fields_of(message: Any) -> int:
    """All that stand in a message as it is sent, at any depth."""
    count = 0
    for field, value in message.ListFields():
        if field.message_type is None:
            count += len(value) if isinstance(value, list) else 1
        elif field.message_type.GetOptions().map_entry:
            # Each is a message of a key and a value.
            count += 3 * len(value)
        else:
            each = value if not isinstance(value, Message) else [value]
            count += sum(1 + fields_of(one) for one in each)
    return count


def test_the_fields_of_a_message_are_counted_at_any_depth(bound: Callable[[int], None]) -> None:
    count = fields_of(ANSWER)
    assert count == 7
    bound(count)
    assert not is_refused(ANSWER)
    bound(count - 1)
    assert is_refused(ANSWER)


def test_numbers_of_every_kind_are_passed_over(bound: Callable[[int], None]) -> None:
    event = pb.HistoryEvent(eventId=-1, executionStarted=pb.ExecutionStartedEvent(name="n"))
    event.timestamp.FromSeconds(2**33)
    # Of a later version: eight bytes, and four.
    message = event.SerializeToString() + b"\xf9\x3f" + b"8" * 8 + b"\xfd\x3f" + b"4444"
    bound(fields_of(event) + 2)
    assert not has_too_many(message, event.DESCRIPTOR)
    bound(fields_of(event) + 1)
    assert has_too_many(message, event.DESCRIPTOR)


@pytest.mark.parametrize(
    "message", [b"\x80", b"\x12\x80", b"\xff" * 20, b"\x12\x7f", b"\x12\x05\x80"]
)
def test_what_is_no_message_is_left_to_who_reads_it(
    bound: Callable[[int], None], message: bytes
) -> None:
    bound(100)
    assert not has_too_many(message, ANSWER.DESCRIPTOR)


def test_a_message_that_is_not_large_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PARTS_MAX", 0)
    monkeypatch.setattr(parts, "COUNTED_BYTES_MIN", ANSWER.ByteSize() + 1)
    assert not is_refused(ANSWER)
    monkeypatch.setattr(parts, "COUNTED_BYTES_MIN", ANSWER.ByteSize())
    assert is_refused(ANSWER)


@on_a_loop
async def test_a_request_of_too_many_fields_is_refused_unread(
    tmp_path: Path, bound: Callable[[int], None]
) -> None:
    bound(5)
    start = pb.CreateInstanceRequest(instanceId="a", name="n", tags={"one": "1"})
    async with scheduler(tmp_path) as test:
        message = start.SerializeToString()
        assert (await test.call("StartInstance", CONTRIBUTOR, message=message))[0].name == "OK"
        start.tags["two"] = "2"
        code, text = await test.call(
            "StartInstance", CONTRIBUTOR, message=start.SerializeToString()
        )
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert text == "The StartInstance request cannot be read: it has more than 5 fields"


def test_a_token_is_not_looked_for_behind_more_than_an_answer_may_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = pb.OrchestratorResponse(actions=[pb.OrchestratorAction()] * 9, completionToken="t")
    number = answer.DESCRIPTOR.fields_by_name["completionToken"].number
    monkeypatch.setattr(salvage, "FIELDS_MAX", 10)
    assert text_field(answer.SerializeToString(), number) == "t"
    monkeypatch.setattr(salvage, "FIELDS_MAX", 9)
    assert text_field(answer.SerializeToString(), number) is None
