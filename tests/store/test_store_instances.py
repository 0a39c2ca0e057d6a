"""Instances, their histories and their inboxes."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.scheduler.engine import events
from services.scheduler.engine.effects import Ending
from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from services.scheduler.store.rows import InstanceRow, micros, moment
from services.scheduler.store.store import Store
from tests.unit.engine import given
from tests.unit.engine.given import EXECUTION, FAILURE, LATER, NOW, text

THEN = NOW + timedelta(seconds=5)


def added(store: Store, instance_id: str = "order-1", **fields: Any) -> InstanceRow:
    instance = pb.OrchestrationInstance(instanceId=instance_id, executionId=text(EXECUTION))
    started = given.started(orchestrationInstance=instance, **fields)
    return loaded(store, store.add_instance(started, NOW, None).seq)


def loaded(store: Store, seq: int) -> InstanceRow:
    """A row, which is remembered as it is on the disk."""
    known = store.load_instance(seq)
    store.forget()
    row = store.load_instance(seq)
    assert row is not None
    assert row == known
    return row


def fill(store: Store, seq: int) -> int:
    """One of everything that an instance can own; gives its activity."""
    store.append_history(seq, 0, 1, b"chunk")
    store.add_message(seq, given.raised("go"))
    store.add_alarm(LATER, given.raised("later"), instance=seq)
    [activity] = store.add_activities(seq, EXECUTION, [(given.task(1), b"request")])
    return activity.seq


def test_times_are_kept_to_the_microsecond() -> None:
    assert moment(micros(NOW)) == NOW
    assert micros(NOW) % 1_000_000 == 123_456


def test_a_new_instance_is_pending_and_holds_what_its_start_says(store: Store) -> None:
    started = given.started(
        version=text("1.0"), input=text(""), tags={"team": "a"}, parentInstance=given.parent()
    )
    seq = store.add_instance(started, NOW, LATER).seq
    assert loaded(store, seq) == InstanceRow(
        seq=seq,
        instance_id="order-1",
        execution_id=EXECUTION,
        name="main",
        version="1.0",
        status=Status.PENDING,
        parent_id="parent-1",
        parent_execution_id="f" * 32,
        created_at=micros(NOW),
        updated_at=micros(NOW),
        scheduled_at=micros(LATER),
        completed_at=None,
        custom_status=None,
        failure=None,
        tags=pb.ExecutionStartedEvent(tags={"team": "a"}).SerializeToString(),
        trace=None,
        deliveries=0,
    )
    assert store.payloads_of(seq) == ("", None)


def test_what_a_start_does_not_say_is_absent(store: Store) -> None:
    row = added(store)
    assert (row.version, row.parent_id, row.parent_execution_id, row.tags) == (None,) * 4
    assert row.scheduled_at is None
    assert store.payloads_of(row.seq) == (None, None)


def test_an_instance_is_found_by_its_id_and_by_nothing_like_it(store: Store) -> None:
    row = added(store, "Order-1")
    assert store.find_instance("Order-1") == row
    for other in ("order-1", "Order-", "Order-1 ", "%", ""):
        assert store.find_instance(other) is None
    assert store.load_instance(row.seq + 1) is None


def test_an_id_is_had_by_one_instance_at_a_time(store: Store) -> None:
    added(store)
    with pytest.raises(sqlite3.IntegrityError, match=r"instances\.instance_id"):
        added(store)


def test_a_number_is_never_had_by_another_instance(store: Store) -> None:
    first = added(store)
    store.delete_instance(first.seq)
    assert added(store).seq > first.seq


@pytest.mark.parametrize("before", [Status.PENDING, Status.RUNNING, Status.SUSPENDED])
def test_a_turn_ends_pending_and_the_count_of_deliveries_and_no_other_status(
    store: Store, before: Status
) -> None:
    row = added(store)
    store.save_status(row.seq, before, NOW)
    store.count_delivery("instance", row.seq, 0)
    assert loaded(store, row.seq).deliveries == 1
    store.save_turn(replace(loaded(store, row.seq), custom_status="", trace=b"t"), THEN)
    after = loaded(store, row.seq)
    assert after.status is (Status.SUSPENDED if before is Status.SUSPENDED else Status.RUNNING)
    assert (after.custom_status, after.trace, after.deliveries) == ("", b"t", 0)
    assert (after.created_at, after.updated_at) == (micros(NOW), micros(THEN))


def test_an_ending_is_kept_with_output_failure_and_time(store: Store) -> None:
    row = added(store, input=text("in"))
    ending = Ending(status=Status.FAILED, result=text(""), failure=FAILURE)
    store.save_ending(row, ending, THEN)
    after = loaded(store, row.seq)
    assert after.status is Status.FAILED
    assert after.completed_at == after.updated_at == micros(THEN)
    assert after.failure == FAILURE.SerializeToString()
    assert store.payloads_of(row.seq) == ("in", "")


def test_a_rewinding_takes_back_the_ending(store: Store) -> None:
    row = added(store)
    store.save_ending(row, Ending(status=Status.FAILED, failure=FAILURE), NOW)
    store.save_rewinding(row.seq, THEN)
    after = loaded(store, row.seq)
    assert (after.status, after.failure, after.completed_at) == (Status.RUNNING, None, None)
    assert store.payloads_of(row.seq) == (None, None)


def test_a_rewound_execution_has_a_new_id_and_answers_whom_it_did(store: Store) -> None:
    row = added(store, parentInstance=given.parent())
    instance = pb.OrchestrationInstance(instanceId="order-1", executionId=text("e2"))
    store.save_rewound(row.seq, given.started(orchestrationInstance=instance), THEN)
    after = loaded(store, row.seq)
    assert (after.execution_id, after.parent_execution_id) == (
        "e2",
        row.parent_execution_id,
    )
    assert row.parent_execution_id
    store.save_parent_execution(row.seq, "p2")
    assert loaded(store, row.seq).parent_execution_id == "p2"


def test_the_next_execution_takes_the_place_of_the_one_before(store: Store) -> None:
    row = added(store, version=text("1.0"), input=text("old"), tags={"a": "1"})
    store.save_turn(replace(row, custom_status="kept", trace=b"t"), NOW)
    instance = pb.OrchestrationInstance(instanceId="order-1", executionId=text("e2"))
    started = given.started(orchestrationInstance=instance, version=text("2.0"), tags={"b": "2"})
    store.save_next_execution(row.seq, started, THEN)
    after = loaded(store, row.seq)
    assert (after.execution_id, after.version, after.trace) == ("e2", "2.0", None)
    assert after.custom_status == "kept"
    assert after.tags == pb.ExecutionStartedEvent(tags={"b": "2"}).SerializeToString()
    assert store.payloads_of(row.seq) == (None, None)
    assert after.created_at == micros(NOW)


def test_touching_an_instance_changes_when_it_was_changed_and_nothing_else(store: Store) -> None:
    row = added(store)
    store.touch_instance(row.seq, THEN)
    after = loaded(store, row.seq)
    assert after.updated_at == micros(THEN)
    assert after.created_at == row.created_at
    assert after.status is row.status


def test_children_are_those_of_this_parent_in_the_order_of_their_starts(store: Store) -> None:
    other = given.parent()
    other.orchestrationInstance.instanceId = "parent-2"
    first = added(store, "c2", parentInstance=given.parent())
    second = added(store, "c1", parentInstance=given.parent())
    added(store, "c3", parentInstance=other)
    added(store, "c4")
    store.save_status(second.seq, Status.RUNNING, NOW)
    assert store.children_of("parent-1") == [
        (first.seq, "c2", Status.PENDING),
        (second.seq, "c1", Status.RUNNING),
    ]


def test_a_deleted_instance_leaves_nothing_behind_and_touches_nobody_else(
    store: Store, writer: sqlite3.Connection
) -> None:
    gone, kept = added(store, "gone"), added(store, "kept")
    activity = fill(store, gone.seq)
    fill(store, kept.seq)
    assert store.delete_instance(gone.seq) == [activity]
    for table in ("histories", "messages", "alarms", "activities"):
        found = writer.execute(f"SELECT instance FROM {table}").fetchall()  # noqa: S608 - names of our own
        assert found == [(kept.seq,)], table
    assert store.find_instance("gone") is None
    assert store.find_instance("kept") == kept


def test_instances_with_work_are_those_with_a_message_oldest_message_first(store: Store) -> None:
    idle, late, early = added(store, "idle"), added(store, "late"), added(store, "early")
    for row in (early, late, early):
        store.add_message(row.seq, given.raised("go"))
    store.count_delivery("instance", late.seq, 0)
    store.save_status(late.seq, Status.SUSPENDED, NOW)
    assert store.instances_with_work() == [
        (early.seq, "main", None, 0, Status.PENDING),
        (late.seq, "main", None, 1, Status.SUSPENDED),
    ]
    assert not store.count_messages(idle.seq)
    assert store.count_messages(early.seq)


def test_a_history_is_its_chunks_in_the_order_of_its_turns(store: Store) -> None:
    for turn in (2, 0, 1):
        store.append_history(7, turn, turn + 1, b"chunk %d" % turn)
    store.append_history(8, 0, 1, b"other")
    assert store.load_history(7) == [(0, 1, b"chunk 0"), (1, 2, b"chunk 1"), (2, 3, b"chunk 2")]
    store.delete_history(7)
    assert store.load_history(7) == []
    assert store.load_history(8) == [(0, 1, b"other")]


def test_no_turn_of_a_history_is_written_twice(store: Store) -> None:
    store.append_history(7, 0, 1, b"first")
    with pytest.raises(sqlite3.IntegrityError):
        store.append_history(7, 0, 1, b"second")


def test_an_inbox_gives_its_messages_in_the_order_of_their_arrival(store: Store) -> None:
    arrived = [given.raised(name) for name in "cab"]
    for message in arrived:
        store.add_message(7, message)
    store.add_message(8, given.raised("other"))
    found = store.load_messages(7, 10)
    assert [pb.HistoryEvent.FromString(blob) for _seq, blob in found] == arrived
    assert store.load_messages(7, 2) == found[:2]
    assert store.load_messages(7, -1) == found
    store.delete_messages(7, (seq for seq, _blob in found[:2]))
    assert store.load_messages(7, 10) == found[2:]
    assert len(store.load_messages(8, 10)) == 1


def test_a_cleared_inbox_holds_neither_messages_nor_alarms(store: Store) -> None:
    for seq in (7, 8):
        fill(store, seq)
    store.clear_inbox(7)
    assert not store.count_messages(7)
    assert store.alarms_of(7) == []
    assert store.count_messages(8)
    assert len(store.alarms_of(8)) == 1
    assert store.load_history(7) == [(0, 1, b"chunk")]


def test_what_ended_before_a_time_is_found_oldest_end_first(store: Store) -> None:
    rows = [added(store, f"o{number}") for number in range(4)]
    for row, seconds in zip(rows, (3, 1, 5), strict=False):
        ended = NOW + timedelta(seconds=seconds)
        store.save_ending(row, Ending(status=Status.COMPLETED), ended)
    assert store.finished_before(THEN, 10) == [rows[1].seq, rows[0].seq]
    assert store.finished_before(THEN, 1) == [rows[1].seq]
    assert store.finished_before(NOW, 10) == []


def test_an_event_comes_back_as_it_went_in(store: Store) -> None:
    event = events.task_failed(NOW, 3, FAILURE)
    store.add_message(7, event)
    ((_seq, blob),) = store.load_messages(7, 1)
    assert pb.HistoryEvent.FromString(blob) == event
