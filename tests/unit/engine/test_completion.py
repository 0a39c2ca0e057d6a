"""How an execution ends, and what ends with it."""

import pytest

from services.scheduler.engine import effects, events, limits
from services.scheduler.engine.completion import answer_parent, refuse, terminate
from services.scheduler.engine.effects import AnswerParent, Ending, Unlock
from services.scheduler.engine.instance import Instance
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.engine.status import TERMINAL, Status
from services.scheduler.errors import BadRequestError, PayloadTooLargeError
from tests.unit.engine import given
from tests.unit.engine.given import FAILURE, NOW, complete, decided, event, start, text

CONTINUED = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
LOCKED = (given.lock(1, "s1", "@a@1", "@b@2"), given.granted("s1"))
WAITING = given.lock(2, "s2", "@c@3")


def of_parent(*history: pb.HistoryEvent) -> Instance:
    return given.instance(start(parentInstance=given.parent(7)), *history)


def next_start(decision: effects.Decision) -> pb.ExecutionStartedEvent:
    return decision.next_execution[0].executionStarted


@pytest.mark.parametrize("result", [None, "", "0", "null"])
def test_a_completion_is_recorded_and_is_the_end(result: str | None) -> None:
    value = None if result is None else text(result)
    decision = decided(given.instance(), complete(result=value))
    assert decision.history == (events.execution_completed(NOW, Status.COMPLETED, value, None),)
    assert decision.ending == Ending(status=Status.COMPLETED, result=value)
    assert decision.effects == ()


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_an_orchestrator_may_complete_with_any_terminal_status(status: Status) -> None:
    decision = decided(given.instance(), complete(orchestrationStatus=int(status)))
    assert decision.ending == Ending(status=status)
    assert int(decision.history[0].executionCompleted.orchestrationStatus) == int(status)


def test_who_cancels_itself_has_terminated_itself() -> None:
    canceled = complete(orchestrationStatus=pb.ORCHESTRATION_STATUS_CANCELED, result=text("x"))
    terminated = complete(orchestrationStatus=pb.ORCHESTRATION_STATUS_TERMINATED, result=text("x"))
    assert decided(of_parent(), canceled) == decided(of_parent(), terminated)


@pytest.mark.parametrize("status", sorted(set(Status) - TERMINAL))
def test_a_completion_that_ends_nothing_is_refused(status: Status) -> None:
    with pytest.raises(BadRequestError, match="cannot complete with status"):
        decided(given.instance(), complete(orchestrationStatus=int(status)))


def test_a_failure_is_copied_with_all_that_is_in_it() -> None:
    failed = complete(orchestrationStatus=int(Status.FAILED), failureDetails=FAILURE)
    decision = decided(of_parent(), failed)
    assert decision.history[0].executionCompleted.failureDetails == FAILURE
    assert decision.ending == Ending(status=Status.FAILED, failure=FAILURE)
    assert decision.effects == (AnswerParent(event=events.child_failed(NOW, 7, FAILURE)),)


def test_a_failure_above_the_limit_is_refused() -> None:
    huge = pb.TaskFailureDetails(errorMessage="x" * limits.PAYLOAD_BYTES_MAX)
    failed = complete(orchestrationStatus=int(Status.FAILED), failureDetails=huge)
    with pytest.raises(PayloadTooLargeError, match="the failure of the orchestration"):
        decided(given.instance(), failed)


def test_a_parent_hears_the_result() -> None:
    decision = decided(of_parent(), complete(result=text("")))
    assert decision.effects == (AnswerParent(event=events.child_completed(NOW, 7, text(""))),)


def test_a_parent_hears_of_an_end_without_a_failure_as_a_failure() -> None:
    begun = given.started(parentInstance=given.parent(7))
    answer = answer_parent(begun, Ending(status=Status.TERMINATED, result=text("x")), now=NOW)
    details = pb.TaskFailureDetails(
        errorType="Terminated",
        errorMessage="Sub-orchestration 'main' (order-1) was terminated",
        isNonRetriable=True,
    )
    assert answer == AnswerParent(event=events.child_failed(NOW, 7, details))


def test_who_has_no_parent_answers_nobody() -> None:
    assert answer_parent(given.started(), Ending(status=Status.COMPLETED), now=NOW) is None


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_every_section_ends_with_the_execution_granted_or_not(status: Status) -> None:
    of = given.instance(start(), *LOCKED, WAITING)
    decision = decided(of, complete(orchestrationStatus=int(status)))
    assert decision.effects == (
        Unlock(entity_id="@a@1", section_id="s1"),
        Unlock(entity_id="@b@2", section_id="s1"),
        Unlock(entity_id="@c@3", section_id="s2"),
    )


def test_what_the_turn_has_unlocked_itself_is_not_unlocked_twice() -> None:
    sent = pb.EntityUnlockSentEvent(criticalSectionId="s1", targetInstanceId=text("@a@1"))
    unlock = given.entity_action(3, entityUnlockSent=sent)
    decision = decided(given.instance(start(), *LOCKED), unlock, complete())
    assert decision.effects == (
        Unlock(entity_id="@a@1", section_id="s1"),
        Unlock(entity_id="@b@2", section_id="s1"),
    )


def test_what_the_turn_has_asked_for_itself_is_unlocked_too() -> None:
    request = pb.EntityLockRequestedEvent(criticalSectionId="s9", lockSet=["@z@9"])
    lock = given.entity_action(3, entityLockRequested=request)
    decision = decided(given.instance(), lock, complete())
    assert decision.effects[1:] == (Unlock(entity_id="@z@9", section_id="s9"),)


@pytest.mark.parametrize("recurse", [True, False])
@pytest.mark.parametrize("reason", [None, text(""), text("enough")])
def test_a_termination_carries_its_output_and_ends_everything(
    reason: StringValue | None, *, recurse: bool
) -> None:
    decision = terminate(of_parent(*LOCKED), (), reason, recurse=recurse, now=NOW)
    assert decision.history == (
        events.execution_terminated(NOW, reason, recurse=recurse),
        events.execution_completed(NOW, Status.TERMINATED, reason, None),
    )
    assert decision.ending == Ending(status=Status.TERMINATED, result=reason)
    unlocks, answer = decision.effects[:2], decision.effects[2]
    assert unlocks == (
        Unlock(entity_id="@a@1", section_id="s1"),
        Unlock(entity_id="@b@2", section_id="s1"),
    )
    assert isinstance(answer, AnswerParent)
    failed = answer.event.subOrchestrationInstanceFailed
    assert failed.taskScheduledId == 7
    assert failed.failureDetails.errorType == "Terminated"


def test_a_termination_before_the_first_turn_keeps_the_start_in_the_history() -> None:
    decision = terminate(given.instance(start()), (start(),), None, recurse=False, now=NOW)
    kinds = [one.WhichOneof("eventType") for one in decision.history]
    assert kinds == ["executionStarted", "executionTerminated", "executionCompleted"]


def test_a_refusal_fails_the_orchestration_keeps_what_arrived_and_frees_its_locks() -> None:
    accepted = (events.orchestrator_started(NOW), given.raised("go"))
    decision = refuse(of_parent(WAITING), accepted, FAILURE, now=NOW)
    ended = events.execution_completed(NOW, Status.FAILED, None, FAILURE)
    assert decision.history == (*accepted, ended)
    assert decision.ending == Ending(status=Status.FAILED, failure=FAILURE)
    assert decision.effects == (
        Unlock(entity_id="@c@3", section_id="s2"),
        AnswerParent(event=events.child_failed(NOW, 7, FAILURE)),
    )


def test_continue_as_new_starts_the_same_orchestration_anew() -> None:
    trace = pb.TraceContext(traceParent="00-1-2-01")
    of = given.instance(
        start(
            parentInstance=given.parent(7),
            version=text("1.0"),
            input=text("old"),
            tags={"team": "a", "cost": "1"},
            parentTraceContext=trace,
            scheduledStartTimestamp=given.at(NOW),
        )
    )
    again = complete(
        orchestrationStatus=CONTINUED, result=text(""), newVersion=text("2.0"), tags={"team": "b"}
    )
    decision = decided(of, again)
    expected = given.started(
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId="order-1", executionId=text("fresh-1")
        ),
        parentInstance=given.parent(7),
        version=text("2.0"),
        input=text(""),
        tags={"team": "b", "cost": "1"},
        parentTraceContext=trace,
    )
    assert decision.next_execution == (event(when=NOW, executionStarted=expected),)
    assert decision.ending is None
    assert decision.effects == ()


def test_continue_as_new_without_input_or_version_has_no_input_and_the_same_version() -> None:
    of = given.instance(start(version=text("1.0"), input=text("old")))
    begun = next_start(decided(of, complete(orchestrationStatus=CONTINUED)))
    assert not begun.HasField("input")
    assert begun.version.value == "1.0"


def test_continue_as_new_leaves_the_start_of_before_as_it_was() -> None:
    first = start(input=text("old"), tags={"a": "1"})
    before = first.SerializeToString(deterministic=True)
    decided(given.instance(first), complete(orchestrationStatus=CONTINUED, tags={"b": "2"}))
    assert first.SerializeToString(deterministic=True) == before


def test_events_are_carried_over_in_order_and_as_new() -> None:
    carried = [given.raised("b", "2"), given.raised("a")]
    again = complete(orchestrationStatus=CONTINUED, carryoverEvents=carried)
    decision = decided(given.instance(), again)
    assert decision.next_execution[1:] == (
        event(when=NOW, eventRaised=pb.EventRaisedEvent(name="b", input=text("2"))),
        event(when=NOW, eventRaised=pb.EventRaisedEvent(name="a")),
    )


def test_only_external_events_are_carried_over() -> None:
    carried = [events.task_completed(NOW, 1, None)]
    again = complete(orchestrationStatus=CONTINUED, carryoverEvents=carried)
    with pytest.raises(BadRequestError, match="Only external events can be carried over"):
        decided(given.instance(), again)


def test_continue_as_new_carries_out_what_stands_before_it_and_frees_the_locks() -> None:
    sent = pb.EntityUnlockSentEvent(criticalSectionId="s1", targetInstanceId=text("@a@1"))
    decision = decided(
        of_parent(*LOCKED, WAITING),
        given.entity_action(3, entityUnlockSent=sent),
        complete(orchestrationStatus=CONTINUED),
    )
    assert decision.effects == (
        Unlock(entity_id="@a@1", section_id="s1"),
        Unlock(entity_id="@b@2", section_id="s1"),
        Unlock(entity_id="@c@3", section_id="s2"),
    )
