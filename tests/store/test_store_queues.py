"""Alarms, activities, entities and their queues."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from services.scheduler.engine.effects import Ending
from services.scheduler.engine.entity import Entity
from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from services.scheduler.store.entity_store import EntityStore
from services.scheduler.store.rows import ActivityRow, EntityRow, micros
from services.scheduler.store.store import Store
from tests.unit.engine import given
from tests.unit.engine.given import LATER, NOW, text

THEN = NOW + timedelta(seconds=5)


def activity(store: Store, instance: int = 7, execution: str = "e1", task: int = 1) -> int:
    request = pb.ActivityRequest(
        name="act",
        version=text("1.0"),
        taskId=task,
        orchestrationInstance=pb.OrchestrationInstance(instanceId=f"order-{instance}"),
    )
    scheduled = pb.TaskScheduledEvent(name="act", version=text("1.0"))
    event = given.event(task, taskScheduled=scheduled)
    [row] = store.add_activities(instance, execution, [(event, request.SerializeToString())])
    return row.seq


def names(store: Store, now: datetime, limit: int = 10) -> list[str]:
    taken = store.take_due_alarms(now, limit)
    return [pb.HistoryEvent.FromString(blob).eventRaised.name for _i, _e, blob in taken]


def test_alarms_are_taken_once_when_they_are_due_in_the_order_of_their_times(store: Store) -> None:
    for name, due in (("c", LATER), ("b", THEN), ("a", NOW), ("b2", THEN)):
        store.add_alarm(due, given.raised(name), instance=7)
    assert store.next_alarm() == micros(NOW)
    assert names(store, NOW - timedelta(microseconds=1)) == []
    assert names(store, THEN) == ["a", "b", "b2"]
    assert store.next_alarm() == micros(LATER)
    assert names(store, THEN) == []
    assert names(store, LATER) == ["c"]
    assert store.next_alarm() is None


def test_alarms_beyond_the_limit_stay(store: Store) -> None:
    for name in "abc":
        store.add_alarm(NOW, given.raised(name), instance=7)
    assert names(store, NOW, 2) == ["a", "b"]
    assert names(store, NOW, 2) == ["c"]


def test_an_alarm_knows_whose_it_is(store: Store) -> None:
    store.add_alarm(NOW, given.raised("i"), instance=7)
    store.add_alarm(NOW, given.raised("e"), entity_id="@a@1")
    taken = store.take_due_alarms(NOW, 10)
    assert [(instance, entity) for instance, entity, _blob in taken] == [(7, None), (None, "@a@1")]


def test_the_last_time_of_all_can_be_waited_for(store: Store) -> None:
    last = datetime.max.replace(tzinfo=UTC)
    store.add_alarm(last, given.raised("never"), instance=7)
    assert store.next_alarm() == micros(last)


def test_an_instances_alarms_are_read_without_being_taken(store: Store) -> None:
    for name, seq in (("a", 7), ("b", 8), ("c", 7)):
        store.add_alarm(NOW, given.raised(name), instance=seq)
    found = [pb.HistoryEvent.FromString(blob).eventRaised.name for blob in store.alarms_of(7)]
    assert found == ["a", "c"]
    assert names(store, NOW) == ["a", "b", "c"]


@pytest.mark.parametrize("is_remembered", [True, False])
def test_an_activity_stays_until_its_result_takes_it(
    store: Store,
    is_remembered: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    seq = activity(store)
    if not is_remembered:
        store.forget()
    assert store.task_of(7, seq) == 1
    assert store.take_activity(7, seq, 2) is None
    assert store.take_activity(8, seq, 1) is None
    assert store.take_activity(7, seq, 1) == ActivityRow(
        seq=seq,
        instance=7,
        execution_id="e1",
        task_id=1,
        name="act",
        version="1.0",
        deliveries=0,
    )
    assert store.take_activity(7, seq, 1) is None
    assert store.task_of(7, seq) is None


def test_what_a_worker_is_sent_is_read_as_often_as_it_is_sent(store: Store) -> None:
    seq = activity(store)
    for _ in range(2):
        request = pb.ActivityRequest.FromString(store.request_of(7, seq) or b"")
        assert (request.name, request.taskId) == ("act", 1)
    store.delete_activities(7)
    assert store.request_of(7, seq) is None


def test_a_number_is_never_had_by_another_activity_not_even_after_a_restart(
    store: Store, writer: sqlite3.Connection
) -> None:
    first = activity(store)
    store.take_activity(7, first, 1)
    assert activity(store) > first
    assert activity(Store(writer, THEN)) > first + 1


def test_a_task_that_is_scheduled_again_has_a_row_of_its_own(store: Store) -> None:
    assert activity(store) != activity(store)
    assert store.tasks_of(7, "e1") == {1}


def test_the_open_activities_come_oldest_first_with_their_deliveries(store: Store) -> None:
    first, second = activity(store, 8), activity(store, 7)
    store.count_delivery("activity", second, 7)
    assert list(store.open_activities()) == [
        (8, first, "act", "1.0", 0),
        (7, second, "act", "1.0", 1),
    ]


def test_activities_move_to_another_execution_of_their_instance_only(store: Store) -> None:
    moved = activity(store, 7, "e1", 1)
    others = [activity(store, 7, "e0", 2), activity(store, 8, "e1", 3)]
    store.move_activities(7, "e1", "e2")
    assert store.tasks_of(7, "e2") == {1}
    assert store.tasks_of(7, "e1") == set()
    assert store.tasks_of(7, "e0") == {2}
    assert store.tasks_of(8, "e1") == {3}
    assert store.delete_activities(7) == [moved, others[0]]
    assert [row[1] for row in store.open_activities()] == [others[1]]


def entity(entities: EntityStore, entity_id: str = "@a@1") -> int:
    return entities.add_entity(entity_id, NOW)


def test_a_new_entity_has_no_state_and_no_lock(entities: EntityStore) -> None:
    seq = entity(entities)
    expected = EntityRow(
        seq=seq, entity=Entity(entity_id="@a@1"), modified_at=micros(NOW), deliveries=0
    )
    assert entities.load_entity(seq) == expected
    assert entities.find_entity("@a@1") == expected
    assert entities.find_entity("@A@1") is None
    assert entities.load_entity(seq + 1) is None


def test_there_is_one_entity_of_an_id(entities: EntityStore) -> None:
    entity(entities)
    with pytest.raises(sqlite3.IntegrityError):
        entity(entities)


@pytest.mark.parametrize("state", [None, "", "0"])
def test_a_batch_saves_state_and_lock_and_ends_the_count_of_deliveries(
    store: Store, entities: EntityStore, state: str | None
) -> None:
    seq = entity(entities)
    store.count_delivery("entity", seq, 0)
    after = Entity(entity_id="@a@1", state=state, section="s1", owner="order-1")
    entities.save_entity(seq, after, THEN)
    assert entities.load_entity(seq) == EntityRow(
        seq=seq, entity=after, modified_at=micros(THEN), deliveries=0
    )


def test_a_lock_changes_neither_state_nor_time_nor_deliveries(
    store: Store, entities: EntityStore
) -> None:
    seq = entity(entities)
    entities.save_entity(seq, Entity(entity_id="@a@1", state="1"), NOW)
    store.count_delivery("entity", seq, 0)
    locked = Entity(entity_id="@a@1", state="1", section="s1", owner="order-1")
    entities.save_lock(seq, locked)
    assert entities.load_entity(seq) == EntityRow(
        seq=seq, entity=locked, modified_at=micros(NOW), deliveries=1
    )


def queued(
    entities: EntityStore, seq: int, owner: str | None = None
) -> list[tuple[str | None, str]]:
    return [
        (section, pb.HistoryEvent.FromString(blob).eventRaised.name)
        for _seq, section, blob in entities.load_operations(seq, 10, owner)
    ]


def test_a_queue_is_in_the_order_of_arrival_and_under_a_lock_only_its_owners(
    entities: EntityStore,
) -> None:
    seq, other = entity(entities), entity(entities, "@a@2")
    entities.add_operation(seq, None, None, given.raised("signal"))
    entities.add_operation(seq, "o1", None, given.raised("call 1"))
    entities.add_operation(seq, "o2", "s2", given.raised("lock"))
    entities.add_operation(seq, "o1", "s3", given.raised("lock 3"))
    entities.add_operation(seq, "o2", None, given.raised("call 2"))
    entities.add_operation(other, "o1", None, given.raised("elsewhere"))
    assert queued(entities, seq) == [
        (None, "signal"),
        (None, "call 1"),
        ("s2", "lock"),
        ("s3", "lock 3"),
        (None, "call 2"),
    ]
    assert queued(entities, seq, "o1") == [(None, "call 1")]
    assert queued(entities, seq, "o3") == []
    assert entities.count_operations(seq) == 5
    assert len(entities.load_operations(seq, 2)) == 2


def test_answered_operations_leave_the_queue(entities: EntityStore) -> None:
    seq = entity(entities)
    for name in "abc":
        entities.add_operation(seq, None, None, given.raised(name))
    first, second, _third = entities.load_operations(seq, 10)
    entities.delete_operations(seq, [first[0], second[0]])
    assert queued(entities, seq) == [(None, "c")]


def test_the_lock_requests_of_a_section_go_from_every_queue_and_no_others(
    entities: EntityStore,
) -> None:
    first, second = entity(entities), entity(entities, "@a@2")
    for seq in (first, second):
        entities.add_operation(seq, "o1", "s1", given.raised("lock 1"))
        entities.add_operation(seq, "o2", "s2", given.raised("lock 2"))
    assert sorted(entities.delete_lock_requests("s1")) == [first, second]
    assert entities.delete_lock_requests("s1") == []
    assert queued(entities, first) == [("s2", "lock 2")]


def test_entities_with_work_are_those_with_a_queue(entities: EntityStore) -> None:
    _idle, busy = entity(entities), entity(entities, "@a@2")
    for _ in range(2):
        entities.add_operation(busy, None, None, given.raised("x"))
    assert entities.entities_with_work() == [busy]


def test_an_empty_entity_has_no_state_no_queue_and_no_lock(entities: EntityStore) -> None:
    empty, stated, locked, busy, second = (entity(entities, f"@a@{number}") for number in range(5))
    entities.save_entity(stated, Entity(entity_id="@a@1", state=""), NOW)
    entities.save_lock(locked, Entity(entity_id="@a@2", section="s", owner="o"))
    entities.add_operation(busy, None, None, given.raised("x"))
    assert entities.empty_entities(10) == [empty, second]
    assert entities.empty_entities(1) == [empty]
    entities.delete_entity(empty)
    assert entities.find_entity("@a@0") is None


def test_a_lock_is_orphaned_when_its_orchestration_is_gone_or_has_ended(
    store: Store, entities: EntityStore
) -> None:
    held, ended, gone, _free = (entity(entities, f"@a@{number}") for number in range(4))
    for seq, owner in ((held, "runs"), (ended, "ended"), (gone, "missing")):
        entities.save_lock(seq, Entity(entity_id="", section=f"s-{owner}", owner=owner))
    for instance_id in ("runs", "ended"):
        instance = pb.OrchestrationInstance(instanceId=instance_id)
        row = store.add_instance(given.started(orchestrationInstance=instance), NOW, None)
        if instance_id == "ended":
            store.save_ending(row, Ending(status=Status.COMPLETED), NOW)
    assert entities.orphaned_locks(10) == [(ended, "s-ended"), (gone, "s-missing")]
    assert entities.orphaned_locks(1) == [(ended, "s-ended")]
