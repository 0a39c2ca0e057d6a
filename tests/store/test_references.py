"""Whatever bytes are stored, what they name is held, and let go of with them."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from services.scheduler.engine.effects import Ending
from services.scheduler.engine.entity import Entity
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.engine.status import Status
from services.scheduler.hub.wire import history_chunk
from services.scheduler.store.database import open_writer
from services.scheduler.store.entity_store import EntityStore
from services.scheduler.store.references import Condemned, Holder, digest_of
from services.scheduler.store.rows import InstanceRow
from services.scheduler.store.store import Store
from tests.store.payload_names import digest, held, holders, named, token
from tests.unit.engine import given
from tests.unit.engine.given import LATER, NOW, text

LARGE = "a large payload"


def row_of(store: Store, seq: int) -> InstanceRow:
    row = store.load_instance(seq)
    assert row is not None
    return row


def signal(payload: str = LARGE) -> pb.HistoryEvent:
    sent = pb.EntityOperationSignaledEvent(operation="set", input=text(token(payload)))
    return given.event(entityOperationSignaled=sent)


def raised(payload: str = LARGE) -> pb.HistoryEvent:
    return given.event(eventRaised=pb.EventRaisedEvent(name="e", input=text(token(payload))))


def with_failure(store: Store, seq: int) -> None:
    failure = pb.TaskFailureDetails(errorType="E", stackTrace=text(token(LARGE)))
    store.save_ending(row_of(store, seq), Ending(status=Status.FAILED, failure=failure), NOW)


def with_activity(store: Store, seq: int) -> None:
    request = pb.ActivityRequest(name="act", input=text(token(LARGE)), taskId=1)
    scheduled = pb.TaskScheduledEvent(name="act")
    store.add_activities(
        seq, "e1", [(given.event(1, taskScheduled=scheduled), request.SerializeToString())]
    )


WRITES: dict[str, Callable[[Store, int], object]] = {
    "output": lambda store, seq: store.save_ending(
        row_of(store, seq), Ending(status=Status.COMPLETED, result=text(token(LARGE))), NOW
    ),
    "failure": with_failure,
    "custom status": lambda store, seq: store.save_turn(
        replace(row_of(store, seq), custom_status=token(LARGE)), NOW
    ),
    "custom status of the last turn": lambda store, seq: store.save_ending(
        replace(row_of(store, seq), custom_status=token(LARGE)),
        Ending(status=Status.COMPLETED),
        NOW,
    ),
    "history": lambda store, seq: store.append_history(seq, 0, 1, history_chunk([raised()])),
    "message": lambda store, seq: store.add_message(seq, raised()),
    "alarm": lambda store, seq: store.add_alarm(LATER, raised(), instance=seq),
    "activity": with_activity,
    "next execution": lambda store, seq: store.save_next_execution(
        seq, given.started(input=text(token(LARGE))), NOW
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_an_instance_stores_is_held_until_the_instance_is_deleted(
    store: Store, writer: sqlite3.Connection, write: Callable[[Store, int], object]
) -> None:
    seq = store.add_instance(given.started(), NOW, None).seq
    write(store, seq)
    assert holders(writer) == [("instance", seq, digest(LARGE))]
    store.delete_instance(seq)
    assert holders(writer) == []


def test_an_input_is_held_and_held_once_however_often_it_is_named(
    store: Store, writer: sqlite3.Connection
) -> None:
    seq = store.add_instance(given.started(input=text(token(LARGE))), NOW, None).seq
    store.add_message(seq, raised())
    store.append_history(seq, 0, 2, history_chunk([raised(), raised("another")]))
    expected = sorted([digest(LARGE), digest("another")])
    assert holders(writer) == [("instance", seq, one) for one in expected]


@pytest.mark.parametrize(
    "value",
    [
        "file:v1:",
        "file:v1:" + "a" * 63,
        "file:v1:" + "A" * 64,
        "file:v2:" + "a" * 64,
        "blob:v1:payloads:" + "a" * 64,
        "file:v1:../../" + "a" * 58,
    ],
)
def test_what_is_no_token_is_not_held(store: Store, writer: sqlite3.Connection, value: str) -> None:
    seq = store.add_instance(given.started(input=text(value)), NOW, None).seq
    store.add_message(seq, given.event(eventRaised=pb.EventRaisedEvent(input=text(value))))
    assert holders(writer) == []


def test_a_token_is_found_whatever_byte_follows_it(
    store: Store, writer: sqlite3.Connection
) -> None:
    """The tag of the next field may look like one more digit of the token."""
    seq = store.add_instance(given.started(), NOW, None).seq
    for following in range(256):
        store.append_history(seq, following, 1, token(LARGE).encode() + bytes([following]))
    assert held(writer) == {digest(LARGE)}


def test_an_instance_that_goes_on_as_new_holds_what_it_still_has(
    store: Store, writer: sqlite3.Connection
) -> None:
    seq = store.add_instance(given.started(input=text(token("first"))), NOW, None).seq
    store.append_history(seq, 0, 1, history_chunk([raised("old")]))
    store.add_message(seq, raised("taken"))
    with_activity(store, seq)
    store.delete_history(seq)
    store.clear_inbox(seq)
    store.save_next_execution(seq, given.started(input=text(token("second"))), NOW)
    store.add_message(seq, raised("kept"))
    store.add_alarm(LATER, raised("later"), instance=seq)
    store.references.count_again(seq)
    kept = {digest(payload) for payload in ("second", "kept", "later", LARGE)}
    assert held(writer) == named(writer) == kept


def test_a_history_that_is_deflated_names_what_it_did(
    store: Store, writer: sqlite3.Connection
) -> None:
    seq = store.add_instance(given.started(), NOW, None).seq
    store.append_history(seq, 0, 40, history_chunk([given.raised("e" * 50)] * 40 + [raised()]))
    (stored,) = writer.execute("SELECT chunk FROM histories").fetchone()
    assert token(LARGE).encode() not in stored
    store.references.count_again(seq)
    assert held(writer) == named(writer) == {digest(LARGE)}


def test_a_rolled_back_use_case_holds_nothing(store: Store, writer: sqlite3.Connection) -> None:
    seq = store.add_instance(given.started(), NOW, None).seq
    writer.execute("BEGIN")
    writer.execute("SAVEPOINT use_case")
    store.add_message(seq, raised())
    writer.execute("ROLLBACK TO use_case")
    writer.execute("COMMIT")
    assert held(writer) == set()


def test_an_entity_holds_its_state_and_no_earlier_one(
    entities: EntityStore, writer: sqlite3.Connection
) -> None:
    seq = entities.add_entity("@a@1", NOW)
    entity = Entity(entity_id="@a@1")
    for payload in ("one", "two"):
        entities.save_entity(seq, replace(entity, state=token(payload)), NOW)
        assert holders(writer) == [("entity", seq, digest(payload))]
    entities.save_entity(seq, entity, NOW)
    assert holders(writer) == []
    entities.save_entity(seq, replace(entity, state=token(LARGE)), NOW)
    entities.delete_entity(seq)
    assert holders(writer) == []


def test_an_operation_holds_its_input_until_it_is_answered(
    entities: EntityStore, writer: sqlite3.Connection
) -> None:
    seq = entities.add_entity("@a@1", NOW)
    for payload in ("one", "two"):
        entities.add_operation(seq, None, None, signal(payload))
    first, second = (row[0] for row in entities.load_operations(seq, 10))
    assert held(writer) == {digest("one"), digest("two")}
    entities.delete_operations(seq, [first])
    assert holders(writer) == [(Holder.OPERATION, second, digest("two"))]


def test_a_lock_request_lets_go_of_what_its_ids_seem_to_name(
    entities: EntityStore, writer: sqlite3.Connection
) -> None:
    seq = entities.add_entity("@a@1", NOW)
    request = pb.EntityLockRequestedEvent(
        criticalSectionId="s", parentInstanceId=StringValue(value=token("an id"))
    )
    entities.add_operation(seq, "o", "s", given.event(entityLockRequested=request))
    assert len(holders(writer)) == 1
    assert entities.delete_lock_requests("s", "o") == [seq]
    assert holders(writer) == []


def test_a_delayed_signal_holds_its_input_until_it_is_due(
    store: Store, writer: sqlite3.Connection
) -> None:
    store.add_alarm(LATER, signal("late"), entity_id="@a@1")
    store.add_alarm(NOW, signal("soon"), entity_id="@a@1")
    store.take_due_alarms(NOW, 10)
    assert [(holder, one) for holder, _seq, one in holders(writer)] == [("signal", digest("late"))]
    store.take_due_alarms(LATER + timedelta(seconds=1), 10)
    assert holders(writer) == []


def test_a_reopened_file_still_lets_go(file: Path) -> None:
    with closing(open_writer(file)) as connection:
        seq = (
            Store(connection, NOW)
            .add_instance(given.started(input=text(token(LARGE))), NOW, None)
            .seq
        )
    with closing(open_writer(file)) as connection:
        assert held(connection) == {digest(LARGE)}
        Store(connection, NOW).delete_instance(seq)
        assert held(connection) == set()


def test_a_token_says_its_digest_and_nothing_else_does() -> None:
    assert digest_of(token(LARGE)) == digest(LARGE)
    with pytest.raises(ValueError, match="no token of a payload"):
        digest_of("file:v1:..")


def test_a_condemned_payload_that_is_named_anew_stays(writer: sqlite3.Connection) -> None:
    condemned = Condemned()
    store = Store(writer, NOW, condemned)
    condemned.replace([digest(LARGE), digest("other")])
    store.add_instance(given.started(input=text(token(LARGE))), NOW, None)
    assert not condemned.remove(digest(LARGE), lambda: True)
    assert condemned.remove(digest("other"), lambda: True)
    assert not condemned.remove(digest("other"), lambda: True)


def test_who_names_a_payload_that_is_being_removed_comes_after_the_removal() -> None:
    condemned = Condemned()
    condemned.replace([digest(LARGE)])
    removing, go_on = Event(), Event()
    order: list[str] = []

    def remove() -> bool:
        removing.set()
        go_on.wait()
        order.append("removed")
        return True

    def spare() -> None:
        condemned.spare(digest(LARGE))
        order.append("named")

    remover = Thread(target=lambda: condemned.remove(digest(LARGE), remove))
    remover.start()
    removing.wait()
    # Another one does not wait.
    condemned.spare(digest("other"))
    namer = Thread(target=spare)
    namer.start()
    go_on.set()
    remover.join()
    namer.join()
    assert order == ["removed", "named"]
