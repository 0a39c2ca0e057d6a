"""Decides what one turn of an orchestrator changes: a worker's actions become events and effects.

`decide` is pure: the time and the fresh ids are its arguments.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from services.scheduler.engine import events, limits
from services.scheduler.engine.children import child_started
from services.scheduler.engine.completion import complete
from services.scheduler.engine.draft import Draft
from services.scheduler.engine.effects import (
    Decision,
    RunTask,
    SendEvent,
    SendOperation,
    SetTimer,
    StartInstance,
    Terminate,
    Unlock,
)
from services.scheduler.engine.instance import Instance
from services.scheduler.engine.protos import copy_optional, pb, text_of
from services.scheduler.engine.rewind import rewind
from services.scheduler.errors import BadRequestError

Ids = Callable[[], str]


def decide(
    instance: Instance,
    accepted: Sequence[pb.HistoryEvent],
    actions: Iterable[pb.OrchestratorAction],
    *,
    now: datetime,
    ids: Ids,
) -> Decision:
    """What a turn's actions come to.

    `instance` has `accepted`, the turn's new events, folded in already. Raises `BadRequestError`
    (`PayloadTooLargeError` among them) for an action that cannot be carried out; `refuse` then
    says what becomes of the orchestration.
    """
    draft = Draft(instance=instance, history=list(accepted), now=now, ids=ids)
    # Whatever order they come in, nothing is done by an execution that has ended.
    for action in sorted(actions, key=_completes):
        kind = action.WhichOneof("orchestratorActionType")
        act = _ACTIONS.get(kind or "")
        if act is None or draft.is_done:
            raise BadRequestError(f"Unknown or second completing action (id {action.id})")
        act(draft, action)
    if instance.completed is not None and not draft.replaces and draft.ending is None:
        raise BadRequestError("A rewind must be answered with the history to go on with")
    return draft.done()


def _completes(action: pb.OrchestratorAction) -> bool:
    return action.HasField("completeOrchestration")


def _schedule_task(draft: Draft, action: pb.OrchestratorAction) -> None:
    task = action.scheduleTask
    limits.check_name("Activity", task.name)
    limits.check_payload(f"the input of activity {task.name!r}", task.input.value)
    limits.check_labels(task.version.value, task.tags)
    event = draft.scheduling(action.id)
    scheduled = event.taskScheduled
    scheduled.name = task.name
    copy_optional(task, scheduled, ("version", "input", "parentTraceContext"))
    # An activity inherits its orchestration's tags, its own coming first.
    draft.tag(scheduled, task)
    draft.effects.append(RunTask(event=event))


def _create_timer(draft: Draft, action: pb.OrchestratorAction) -> None:
    if not action.createTimer.HasField("fireAt"):
        raise BadRequestError(f"Timer {action.id} has no fireAt")
    draft.scheduling(action.id).timerCreated.fireAt.CopyFrom(action.createTimer.fireAt)
    draft.effects.append(SetTimer(timer_id=action.id, fire_at=action.createTimer.fireAt))


def _create_child(draft: Draft, action: pb.OrchestratorAction) -> None:
    child = action.createSubOrchestration
    limits.check_name("Sub-orchestration", child.name)
    limits.check_payload(f"the input of sub-orchestration {child.name!r}", child.input.value)
    limits.check_labels(child.version.value, child.tags)
    instance_id = child.instanceId or f"{draft.instance.instance_id}:{action.id:04x}"
    limits.check_instance_id(instance_id)
    created = draft.scheduling(action.id).subOrchestrationInstanceCreated
    created.instanceId = instance_id
    created.name = child.name
    copy_optional(child, created, ("version", "input", "parentTraceContext"))
    draft.tag(created, child)
    draft.effects.append(
        StartInstance(started=child_started(draft.instance, action.id, created, draft.ids()))
    )


def _send_event(draft: Draft, action: pb.OrchestratorAction) -> None:
    sent = action.sendEvent
    limits.check_name("Event", sent.name)
    limits.check_payload(f"the data of event {sent.name!r}", sent.data.value)
    data = sent.data if sent.HasField("data") else None
    event = draft.scheduling(action.id)
    event.eventSent.instanceId = sent.instance.instanceId
    event.eventSent.name = sent.name
    if data is not None:
        event.eventSent.input.CopyFrom(data)
    draft.effects.append(
        SendEvent(
            instance_id=sent.instance.instanceId,
            execution_id=text_of(sent.instance, "executionId") or None,
            event=events.event_raised(draft.now, sent.name, data),
        )
    )


def _terminate(draft: Draft, action: pb.OrchestratorAction) -> None:
    asked = action.terminateOrchestration
    limits.check_payload("the reason", asked.reason.value)
    draft.effects.append(
        Terminate(
            instance_id=asked.instanceId,
            reason=asked.reason if asked.HasField("reason") else None,
            recurse=asked.recurse,
        )
    )


def _send_entity_message(draft: Draft, action: pb.OrchestratorAction) -> None:
    kind = action.sendEntityMessage.WhichOneof("EntityMessageType")
    send = _ENTITY_MESSAGES.get(kind or "")
    if send is None:
        raise BadRequestError(f"Unknown entity message (action {action.id})")
    send(draft, action)


def _signal(draft: Draft, action: pb.OrchestratorAction) -> None:
    signal = action.sendEntityMessage.entityOperationSignaled
    _check_operation(signal)
    draft.scheduling(action.id).entityOperationSignaled.CopyFrom(signal)
    message = pb.HistoryEvent(
        eventId=events.NO_ID, timestamp=events.stamp(draft.now), entityOperationSignaled=signal
    )
    due = events.moment(signal.scheduledTime) if signal.HasField("scheduledTime") else None
    draft.effects.append(
        SendOperation(entity_id=signal.targetInstanceId.value, event=message, due=due)
    )


def _call(draft: Draft, action: pb.OrchestratorAction) -> None:
    call = action.sendEntityMessage.entityOperationCalled
    _check_operation(call)
    event = draft.scheduling(action.id)
    called = event.entityOperationCalled
    called.CopyFrom(call)
    # An answer finds its way back by these, and never to a later execution.
    called.parentInstanceId.value = draft.instance.instance_id
    called.parentExecutionId.value = draft.instance.execution_id
    message = pb.HistoryEvent(
        eventId=events.NO_ID, timestamp=event.timestamp, entityOperationCalled=called
    )
    due = events.moment(call.scheduledTime) if call.HasField("scheduledTime") else None
    draft.effects.append(
        SendOperation(entity_id=call.targetInstanceId.value, event=message, due=due)
    )


def _check_operation(
    operation: pb.EntityOperationSignaledEvent | pb.EntityOperationCalledEvent,
) -> None:
    limits.check_entity_id(operation.targetInstanceId.value)
    limits.check_name("Operation", operation.operation)
    limits.check_payload(f"the input of operation {operation.operation!r}", operation.input.value)


def _request_lock(draft: Draft, action: pb.OrchestratorAction) -> None:
    request = pb.EntityLockRequestedEvent()
    request.CopyFrom(action.sendEntityMessage.entityLockRequested)
    if not request.lockSet:
        raise BadRequestError(f"Lock request {action.id} names no entity")
    for entity_id in request.lockSet:
        limits.check_entity_id(entity_id)
    # Sorted and each once, whoever asks: two sections can then never wait for one another.
    entities = sorted(set(request.lockSet))
    del request.lockSet[:]
    request.lockSet.extend(entities)
    request.position = 0
    request.parentInstanceId.value = draft.instance.instance_id
    event = draft.scheduling(action.id)
    event.entityLockRequested.CopyFrom(request)
    message = pb.HistoryEvent(
        eventId=events.NO_ID, timestamp=event.timestamp, entityLockRequested=request
    )
    draft.effects.append(SendOperation(entity_id=entities[0], event=message))


def _unlock(draft: Draft, action: pb.OrchestratorAction) -> None:
    unlock = action.sendEntityMessage.entityUnlockSent
    draft.scheduling(action.id).entityUnlockSent.CopyFrom(unlock)
    draft.effects.append(
        Unlock(entity_id=unlock.targetInstanceId.value, section_id=unlock.criticalSectionId)
    )


_ENTITY_MESSAGES: Final[Mapping[str, Callable[[Draft, pb.OrchestratorAction], None]]] = {
    "entityOperationSignaled": _signal,
    "entityOperationCalled": _call,
    "entityLockRequested": _request_lock,
    "entityUnlockSent": _unlock,
}
_ACTIONS: Final[Mapping[str, Callable[[Draft, pb.OrchestratorAction], None]]] = {
    "scheduleTask": _schedule_task,
    "createTimer": _create_timer,
    "createSubOrchestration": _create_child,
    "sendEvent": _send_event,
    "sendEntityMessage": _send_entity_message,
    "terminateOrchestration": _terminate,
    "completeOrchestration": complete,
    "rewindOrchestration": rewind,
}
