"""What a history comes to, and which of the messages that arrive are taken in."""

import pytest

from services.scheduler.engine import events
from services.scheduler.engine.instance import Instance, fold_all, receive
from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from tests.unit.engine import given
from tests.unit.engine.given import EXECUTION, FAILURE, NOW, start

TASK_DONE = events.task_completed(NOW, 1, None)
TASK_FAILED = events.task_failed(NOW, 1, FAILURE)
TIMER_FIRED = events.timer_fired(NOW, 1, given.at(NOW))
CHILD_DONE = events.child_completed(NOW, 1, None)
CHILD_FAILED = events.child_failed(NOW, 1, FAILURE)
CALL_DONE = events.entity_answered(NOW, "r1", pb.OperationResult())
CALL_FAILED = events.entity_answered(
    NOW,
    "r1",
    pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=FAILURE)),
)
GRANTED = given.granted("s1")
OPENINGS = {
    "a task and its result": (given.task(1), TASK_DONE),
    "a task and its failure": (given.task(1), TASK_FAILED),
    "a timer and its end": (given.timer(1), TIMER_FIRED),
    "a child and its result": (given.child(1, "c1"), CHILD_DONE),
    "a child and its failure": (given.child(1, "c1"), CHILD_FAILED),
    "an entity call and its answer": (given.call(1, "r1"), CALL_DONE),
    "an entity call and its failure": (given.call(1, "r1"), CALL_FAILED),
    "a lock request and its grant": (given.lock(1, "s1", "@a@1"), GRANTED),
}
PAIRS = pytest.mark.parametrize(("opening", "answer"), OPENINGS.values(), ids=OPENINGS)
# Scheduled under the same id, they are answered by different events.
STRANGERS = [TASK_DONE, TIMER_FIRED, CHILD_DONE, CALL_DONE, GRANTED]


def test_nothing_folds_to_an_instance_that_waits_for_nothing() -> None:
    assert fold_all(()) == Instance()
    assert fold_all(()).instance_id == ""
    assert fold_all(()).execution_id == ""


def test_its_start_says_what_it_is() -> None:
    instance = fold_all([start(input=given.text("0"))])
    assert instance.instance_id == "order-1"
    assert instance.execution_id == EXECUTION
    assert instance.started.input.value == "0"
    assert instance.completed is None


def test_its_end_says_how_it_ended() -> None:
    end = events.execution_completed(NOW, Status.COMPLETED, given.text("1"), None)
    assert fold_all([start(), end]).completed == end.executionCompleted


def test_what_is_scheduled_is_open() -> None:
    instance = fold_all(
        [
            start(),
            given.task(1),
            given.timer(2),
            given.child(3, "c3"),
            given.call(4, "r4"),
            given.lock(5, "s5", "@a@1", "@b@2"),
        ]
    )
    assert instance.open_tasks == {1}
    assert instance.open_timers == {2}
    assert instance.open_children == {3: "c3"}
    assert instance.open_calls == {"r4"}
    assert instance.asked_sections == {"s5"}
    assert instance.sections == {"s5": ("@a@1", "@b@2")}


@PAIRS
def test_an_answer_is_taken_in_and_closes_what_was_open(
    opening: pb.HistoryEvent, answer: pb.HistoryEvent
) -> None:
    after, accepted = receive(fold_all([start(), opening]), [answer])
    assert accepted == (answer,)
    assert not after.open_tasks
    assert not after.open_timers
    assert not after.open_children
    assert not after.open_calls
    assert not after.asked_sections


@PAIRS
def test_a_second_answer_is_dropped(opening: pb.HistoryEvent, answer: pb.HistoryEvent) -> None:
    instance = fold_all([start(), opening])
    after, accepted = receive(instance, [answer, answer])
    assert accepted == (answer,)
    assert receive(after, [answer]) == (after, ())


@PAIRS
def test_an_answer_to_nothing_is_dropped(opening: pb.HistoryEvent, answer: pb.HistoryEvent) -> None:
    assert opening.eventId == 1
    instance = fold_all([start()])
    assert receive(instance, [answer]) == (instance, ())


@PAIRS
def test_an_answer_of_another_kind_closes_nothing(
    opening: pb.HistoryEvent, answer: pb.HistoryEvent
) -> None:
    instance = fold_all([start(), opening])
    kind = answer.WhichOneof("eventType") or ""
    others = [
        stranger
        for stranger in STRANGERS
        if (stranger.WhichOneof("eventType") or "")[:8] != kind[:8]
        and not (kind == "taskFailed" and stranger is TASK_DONE)
    ]
    assert others
    assert receive(instance, others) == (instance, ())


@PAIRS
def test_what_is_scheduled_again_under_its_id_is_answered_again(
    opening: pb.HistoryEvent, answer: pb.HistoryEvent
) -> None:
    instance = fold_all([start(), opening, answer, opening])
    _after, accepted = receive(instance, [answer, answer])
    assert accepted == (answer,)


def test_a_failure_after_a_result_is_dropped() -> None:
    _after, accepted = receive(fold_all([start(), given.task(1)]), [TASK_DONE, TASK_FAILED])
    assert accepted == (TASK_DONE,)


def test_markers_and_external_events_are_always_taken_in_in_order() -> None:
    instance = fold_all([start()])
    arrived = [
        given.raised("go", ""),
        events.execution_suspended(NOW, None),
        events.execution_resumed(NOW, None),
        given.raised("go", ""),
        events.execution_rewound(NOW, None),
    ]
    assert receive(instance, arrived) == (instance, tuple(arrived))


def test_a_granted_section_stays_locked_until_all_its_entities_are_unlocked() -> None:
    held = fold_all([start(), given.lock(1, "s1", "@a@1", "@b@2"), GRANTED])
    assert held.asked_sections == frozenset()
    assert held.sections == {"s1": ("@a@1", "@b@2")}
    half = fold_all([given.unlocked(2, "s1", "@a@1")], onto=held)
    assert half.sections == {"s1": ("@b@2",)}
    assert fold_all([given.unlocked(3, "s1", "@b@2")], onto=half).sections == {}


def test_a_grant_after_the_end_of_its_section_is_dropped() -> None:
    left = fold_all(
        [start(), given.lock(1, "s1", "@a@1"), given.unlocked(2, "s1", "@a@1")],
    )
    assert left.sections == {}
    assert receive(left, [GRANTED]) == (left, ())


def test_an_unlock_ends_no_other_section() -> None:
    sections = [given.lock(1, "s1", "@a@1"), given.lock(2, "s2", "@a@1")]
    left = fold_all([start(), *sections, given.unlocked(3, "s1", "@a@1")])
    assert left.sections == {"s2": ("@a@1",)}
    assert left.asked_sections == {"s2"}


def test_folding_changes_nothing_of_what_it_folds_onto() -> None:
    before = fold_all([start(), given.task(1), given.child(2, "c2"), given.lock(3, "s3", "@a@1")])
    fold_all([TASK_DONE, given.timer(4), given.unlocked(5, "s3", "@a@1")], onto=before)
    receive(before, [TASK_DONE])
    assert before.open_tasks == {1}
    assert before.open_timers == frozenset()
    assert before.open_children == {2: "c2"}
    assert before.sections == {"s3": ("@a@1",)}
