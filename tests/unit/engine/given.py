"""Histories, actions and ids to begin with."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from services.scheduler.engine import events
from services.scheduler.engine.effects import Decision
from services.scheduler.engine.instance import Instance, fold_all
from services.scheduler.engine.protos import StringValue, Timestamp, pb
from services.scheduler.engine.turn import decide

BEFORE: Final = datetime(2026, 3, 1, 11, 0, 0, tzinfo=UTC)
NOW: Final = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER: Final = NOW + timedelta(hours=1)
EXECUTION: Final = "0123456789abcdef0123456789abcdef"
FAILURE: Final = pb.TaskFailureDetails(
    errorType="ValueError",
    errorMessage="no luck",
    stackTrace=StringValue(value="line 1"),
    innerFailure=pb.TaskFailureDetails(errorType="KeyError", errorMessage="deeper"),
)


def text(value: str) -> StringValue:
    return StringValue(value=value)


def at(moment: datetime) -> Timestamp:
    return events.stamp(moment)


def event(event_id: int = -1, *, when: datetime = BEFORE, **kind: Any) -> pb.HistoryEvent:
    return pb.HistoryEvent(eventId=event_id, timestamp=at(when), **kind)


def action(action_id: int, **kind: Any) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(id=action_id, **kind)


def entity_action(action_id: int, **kind: Any) -> pb.OrchestratorAction:
    return action(action_id, sendEntityMessage=pb.SendEntityMessageAction(**kind))


def started(**fields: Any) -> pb.ExecutionStartedEvent:
    whole: dict[str, Any] = {
        "name": "main",
        "orchestrationInstance": pb.OrchestrationInstance(
            instanceId="order-1", executionId=text(EXECUTION)
        ),
    }
    return pb.ExecutionStartedEvent(**{**whole, **fields})


def parent(task_id: int = 7) -> pb.ParentInstanceInfo:
    return pb.ParentInstanceInfo(
        taskScheduledId=task_id,
        name=text("parent"),
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId="parent-1", executionId=text("f" * 32)
        ),
    )


def start(**fields: Any) -> pb.HistoryEvent:
    return event(executionStarted=started(**fields))


def task(task_id: int, name: str = "act") -> pb.HistoryEvent:
    return event(task_id, taskScheduled=pb.TaskScheduledEvent(name=name))


def timer(timer_id: int) -> pb.HistoryEvent:
    return event(timer_id, timerCreated=pb.TimerCreatedEvent(fireAt=at(LATER)))


def child(task_id: int, instance_id: str, name: str = "sub") -> pb.HistoryEvent:
    created = pb.SubOrchestrationInstanceCreatedEvent(instanceId=instance_id, name=name)
    return event(task_id, subOrchestrationInstanceCreated=created)


def call(action_id: int, request_id: str) -> pb.HistoryEvent:
    called = pb.EntityOperationCalledEvent(requestId=request_id, operation="get")
    return event(action_id, entityOperationCalled=called)


def lock(action_id: int, section: str, *entities: str) -> pb.HistoryEvent:
    request = pb.EntityLockRequestedEvent(criticalSectionId=section, lockSet=entities)
    return event(action_id, entityLockRequested=request)


def granted(section: str) -> pb.HistoryEvent:
    return event(entityLockGranted=pb.EntityLockGrantedEvent(criticalSectionId=section))


def unlocked(action_id: int, section: str, entity: str) -> pb.HistoryEvent:
    sent = pb.EntityUnlockSentEvent(criticalSectionId=section, targetInstanceId=text(entity))
    return event(action_id, entityUnlockSent=sent)


def raised(name: str, data: str | None = None) -> pb.HistoryEvent:
    given = None if data is None else text(data)
    return event(eventRaised=pb.EventRaisedEvent(name=name, input=given))


def instance(*history: pb.HistoryEvent) -> Instance:
    return fold_all(history or (start(),))


def fresh_ids() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"fresh-{next(numbers)}"


def decided(
    of: Instance, *actions: pb.OrchestratorAction, accepted: tuple[pb.HistoryEvent, ...] = ()
) -> Decision:
    return decide(of, accepted, actions, now=NOW, ids=fresh_ids())


def complete(action_id: int = 9, **fields: Any) -> pb.OrchestratorAction:
    whole = {"orchestrationStatus": pb.ORCHESTRATION_STATUS_COMPLETED, **fields}
    return action(action_id, completeOrchestration=pb.CompleteOrchestrationAction(**whole))
