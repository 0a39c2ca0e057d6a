"""Takes over a history without its failures, and sets going again what it still waits for."""

from collections.abc import Mapping
from typing import Final

from services.scheduler.engine import events
from services.scheduler.engine.children import child_started
from services.scheduler.engine.draft import Draft
from services.scheduler.engine.effects import ResumeChild, RunTask, SendOperation, SetTimer
from services.scheduler.engine.instance import Instance, fold_all
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.errors import BadRequestError

_REWOUND: Final = "executionRewound"


def rewind(draft: Draft, action: pb.OrchestratorAction) -> None:
    """Carries out `rewindOrchestration`: the worker's history replaces ours.

    What it schedules and does not resolve is set going again: activities and timers whose rows are
    gone, entity calls and locks, and children, which are rewound too, or created again where they
    have been purged.
    """
    history = list(action.rewindOrchestration.newHistory)
    instance = fold_all(history)
    if instance.instance_id != draft.instance.instance_id or not instance.execution_id:
        raise BadRequestError("A rewound history must start the same instance")
    if instance.completed is not None:
        raise BadRequestError("A rewound history must not have ended")
    draft.history = history
    draft.replaces = True
    draft.instance = instance
    reason = _reason_of(history)
    scheduled: Mapping[int, pb.HistoryEvent] = {
        event.eventId: event for event in history if event.eventId != events.NO_ID
    }
    draft.effects.extend(RunTask(event=scheduled[task]) for task in sorted(instance.open_tasks))
    draft.effects.extend(
        SetTimer(timer_id=timer, fire_at=scheduled[timer].timerCreated.fireAt)
        for timer in sorted(instance.open_timers)
    )
    draft.effects.extend(
        effect for event in history if (effect := _ask_again(instance, event)) is not None
    )
    draft.effects.extend(
        _resume(draft, instance, scheduled[child], reason) for child in instance.open_children
    )


def _ask_again(instance: Instance, event: pb.HistoryEvent) -> SendOperation | None:
    """What entities have yet to answer, and the locks that the failure has given back.

    A call may run twice, as an activity may. A section that was held is asked for again: its calls
    queue up behind that, so no two sections mix, though its orchestrator does not wait for it.
    """
    again = pb.HistoryEvent(eventId=events.NO_ID, timestamp=event.timestamp)
    if event.entityOperationCalled.requestId in instance.open_calls:
        again.entityOperationCalled.CopyFrom(event.entityOperationCalled)
        again.entityOperationCalled.parentExecutionId.value = instance.execution_id
        entity_id = event.entityOperationCalled.targetInstanceId.value
        return SendOperation(entity_id=entity_id, event=again)
    if event.entityLockRequested.criticalSectionId in instance.sections:
        again.entityLockRequested.CopyFrom(event.entityLockRequested)
        left = instance.sections[event.entityLockRequested.criticalSectionId]
        again.entityLockRequested.lockSet[:] = left
        return SendOperation(entity_id=left[0], event=again)
    return None


def _resume(
    draft: Draft, instance: Instance, created: pb.HistoryEvent, reason: StringValue | None
) -> ResumeChild:
    return ResumeChild(
        started=child_started(
            instance, created.eventId, created.subOrchestrationInstanceCreated, draft.ids()
        ),
        rewound=events.execution_rewound(draft.now, reason, instance.execution_id),
    )


def _reason_of(history: list[pb.HistoryEvent]) -> StringValue | None:
    for event in reversed(history):
        if event.WhichOneof("eventType") == _REWOUND:
            rewound = event.executionRewound
            return rewound.reason if rewound.HasField("reason") else None
    return None
