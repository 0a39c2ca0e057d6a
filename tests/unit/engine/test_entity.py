"""An entity: its lock, its batches, and what it sends."""

from typing import Any

import pytest

from services.scheduler.engine import effects, entity, events, limits
from services.scheduler.engine.entity import Entity
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, PayloadTooLargeError
from tests.unit.engine import given
from tests.unit.engine.given import EXECUTION, FAILURE, LATER, NOW, at, event, text

COUNTER = Entity(entity_id="@counter@a", state="1")
HELD = Entity(entity_id="@counter@a", state="1", section="s1", owner="order-1")
TRACE = pb.TraceContext(traceParent="00-1-2-01")
LARGE = "x" * (limits.PAYLOAD_BYTES_MAX + 1)


def request(position: int, *entities: str) -> pb.EntityLockRequestedEvent:
    return pb.EntityLockRequestedEvent(
        criticalSectionId="s1",
        lockSet=entities,
        position=position,
        parentInstanceId=text("order-1"),
    )


def call(request_id: str, execution_id: str = EXECUTION) -> pb.HistoryEvent:
    called = pb.EntityOperationCalledEvent(
        requestId=request_id,
        operation="get",
        parentInstanceId=text("order-1"),
        parentExecutionId=text(execution_id),
    )
    return event(entityOperationCalled=called)


def signal(request_id: str) -> pb.HistoryEvent:
    return event(entityOperationSignaled={"requestId": request_id, "operation": "add"})


def success(value: str | None) -> pb.OperationResult:
    result = None if value is None else text(value)
    return pb.OperationResult(success=pb.OperationResultSuccess(result=result))


def failed() -> pb.OperationResult:
    return pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=FAILURE))


def answered(
    *operations: pb.HistoryEvent, of: Entity = COUNTER, **fields: Any
) -> entity.EntityDecision:
    answer = pb.EntityBatchResult(**fields)
    return entity.decide_batch(of, operations, answer, now=NOW, ids=given.fresh_ids())


def acted(**kind: Any) -> effects.Effect:
    (effect,) = answered(actions=[pb.OperationAction(id=1, **kind)]).effects
    return effect


def to_caller(**kind: Any) -> effects.SendEvent:
    return effects.SendEvent(
        instance_id="order-1", execution_id=EXECUTION, event=event(when=NOW, **kind)
    )


def test_calls_and_lock_requests_have_an_owner_and_signals_have_none() -> None:
    asked = event(entityLockRequested=request(0, "@a@1"))
    assert entity.owner_of(call("r1")) == "order-1"
    assert entity.owner_of(asked) == "order-1"
    assert entity.owner_of(signal("r1")) is None


def test_a_grant_locks_the_entity_for_the_section_and_keeps_its_state() -> None:
    assert entity.grant(COUNTER, request(0, "@counter@a"), now=NOW).entity == HELD


def test_the_last_grant_of_a_section_tells_the_orchestration() -> None:
    decision = entity.grant(COUNTER, request(1, "@a@1", "@counter@a"), now=NOW)
    granted = event(when=NOW, entityLockGranted={"criticalSectionId": "s1"})
    assert decision.effects == (
        effects.SendEvent(instance_id="order-1", execution_id=None, event=granted),
    )


def test_a_grant_before_the_last_asks_for_the_next_entity() -> None:
    asked = request(0, "@counter@a", "@d@1", "@e@1")
    decision = entity.grant(COUNTER, asked, now=NOW)
    passed_on = event(when=NOW, entityLockRequested=request(1, "@counter@a", "@d@1", "@e@1"))
    assert decision.effects == (effects.SendOperation(entity_id="@d@1", event=passed_on),)
    assert asked.position == 0


def test_an_unlock_frees_the_entity_and_keeps_its_state() -> None:
    assert entity.unlock(HELD, "s1") == COUNTER


def test_an_unlock_of_another_section_changes_nothing() -> None:
    assert entity.unlock(HELD, "s2") == HELD
    assert entity.unlock(COUNTER, "s1") == COUNTER


def test_an_answers_state_is_saved_and_the_lock_stays() -> None:
    decision = answered(of=HELD, entityState=text(""))
    assert decision.entity == Entity(
        entity_id="@counter@a", state="", section="s1", owner="order-1"
    )


def test_an_answer_without_a_state_deletes_the_entity() -> None:
    assert answered().entity == Entity(entity_id="@counter@a")


def test_callers_hear_their_results_in_order_and_signals_are_not_answered() -> None:
    decision = answered(
        call("r1"),
        signal("r2"),
        call("r3"),
        call("r4"),
        results=[success("0"), success("9"), success(None), failed()],
    )
    completed = pb.EntityOperationCompletedEvent(requestId="r1", output=text("0"))
    silent = pb.EntityOperationCompletedEvent(requestId="r3")
    failure = pb.EntityOperationFailedEvent(requestId="r4", failureDetails=FAILURE)
    assert decision.effects == (
        to_caller(entityOperationCompleted=completed),
        to_caller(entityOperationCompleted=silent),
        to_caller(entityOperationFailed=failure),
    )


def test_a_call_that_names_no_execution_is_answered_whichever_there_is() -> None:
    (effect,) = answered(call("r1", ""), results=[success(None)]).effects
    assert isinstance(effect, effects.SendEvent)
    assert effect.execution_id is None


def test_a_result_above_the_limit_fails_its_call_and_no_other() -> None:
    decision = answered(call("r1"), call("r2"), results=[success(LARGE), success("1")])
    first, second = decision.effects
    assert isinstance(first, effects.SendEvent)
    details = first.event.entityOperationFailed.failureDetails
    assert details.errorType == "PayloadTooLarge"
    assert "the result of the operation has 1048577 bytes" in details.errorMessage
    assert second == to_caller(entityOperationCompleted={"requestId": "r2", "output": text("1")})


def test_a_state_above_the_limit_is_refused() -> None:
    with pytest.raises(PayloadTooLargeError, match="the state of entity @counter@a"):
        answered(entityState=text(LARGE))


def test_a_refused_batch_fails_its_calls_and_leaves_the_state() -> None:
    decision = entity.refuse_batch(HELD, [call("r1"), signal("r2")], FAILURE, now=NOW)
    failure = pb.EntityOperationFailedEvent(requestId="r1", failureDetails=FAILURE)
    assert decision == entity.EntityDecision(
        entity=HELD, effects=(to_caller(entityOperationFailed=failure),)
    )


def test_an_entity_signals_another_with_a_fresh_request_id() -> None:
    sent = acted(sendSignal={"instanceId": "@d@1", "name": "add", "input": text("0")})
    arrives = events.entity_signaled(NOW, "fresh-1", "@d@1", "add", text("0"))
    assert sent == effects.SendOperation(entity_id="@d@1", event=arrives)


def test_an_entitys_delayed_signal_is_due_later_and_may_have_no_input() -> None:
    sent = acted(sendSignal={"instanceId": "@d@1", "name": "add", "scheduledTime": at(LATER)})
    assert isinstance(sent, effects.SendOperation)
    assert sent.due == LATER
    assert not sent.event.entityOperationSignaled.HasField("input")


def test_an_entity_starts_an_orchestration_that_has_no_parent() -> None:
    begun = acted(
        startNewOrchestration=pb.StartNewOrchestrationAction(
            instanceId="o1",
            name="main",
            version=text("2.0"),
            input=text("0"),
            scheduledTime=at(LATER),
            parentTraceContext=TRACE,
        )
    )
    assert begun == effects.StartInstance(
        started=pb.ExecutionStartedEvent(
            name="main",
            version=text("2.0"),
            input=text("0"),
            orchestrationInstance={"instanceId": "o1", "executionId": text("fresh-1")},
            scheduledStartTimestamp=at(LATER),
            parentTraceContext=TRACE,
        )
    )


def test_an_orchestration_that_an_entity_starts_without_an_id_gets_one() -> None:
    begun = acted(startNewOrchestration={"name": "main"})
    assert isinstance(begun, effects.StartInstance)
    assert begun.started.orchestrationInstance.instanceId == "fresh-1"
    assert begun.started.orchestrationInstance.executionId.value == "fresh-2"


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ({}, r"Unknown entity action \(id 1\)"),
        ({"sendSignal": {"instanceId": "d", "name": "add"}}, "Entity id must be @name@key"),
        ({"sendSignal": {"instanceId": "@d@1", "name": ""}}, "Operation name"),
        (
            {"sendSignal": {"instanceId": "@d@1", "name": "add", "input": text(LARGE)}},
            "PayloadTooLarge",
        ),
        ({"startNewOrchestration": {"name": ""}}, "Orchestration name"),
        ({"startNewOrchestration": {"name": "m", "instanceId": "@a@1"}}, "must not start with"),
        ({"startNewOrchestration": {"name": "m", "input": text(LARGE)}}, "PayloadTooLarge"),
    ],
)
def test_an_action_that_breaks_a_rule_is_refused(kind: dict[str, Any], what: str) -> None:
    with pytest.raises(BadRequestError, match=what):
        acted(**kind)


def test_a_failure_above_the_limit_fails_its_call_with_one_that_says_so() -> None:
    huge = pb.TaskFailureDetails(errorType="ValueError", errorMessage=LARGE)
    result = pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=huge))
    (effect,) = answered(call("r1"), results=[result]).effects
    assert isinstance(effect, effects.SendEvent)
    assert effect.event.entityOperationFailed.failureDetails.errorType == "PayloadTooLarge"
