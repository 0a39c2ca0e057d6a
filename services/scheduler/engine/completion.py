"""How an execution ends: by its orchestrator, by a termination, or because it cannot go on.

However it ends, its critical sections end with it, and its parent hears of it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from services.scheduler.engine import events, limits
from services.scheduler.engine.draft import Draft
from services.scheduler.engine.effects import AnswerParent, Decision, Effect, Ending, Unlock
from services.scheduler.engine.instance import Instance, fold_all
from services.scheduler.engine.protos import StringValue, copy_optional, pb
from services.scheduler.engine.status import TERMINAL, Status
from services.scheduler.errors import BadRequestError

_CARRIED: Final = ("eventRaised",)
_OF_LOCKS: Final = frozenset({"entityLockRequested", "entityUnlockSent"})


def complete(draft: Draft, action: pb.OrchestratorAction) -> None:
    """Carries out `completeOrchestration`; raises `BadRequestError` where that ends nothing."""
    completion = action.completeOrchestration
    if draft.ending is not None or draft.next_execution:
        raise BadRequestError("An orchestration can complete only once in a turn")
    limits.check_payload("the result of the orchestration", completion.result.value)
    status = completion.orchestrationStatus
    if status == pb.ORCHESTRATION_STATUS_CANCELED:
        status = pb.ORCHESTRATION_STATUS_TERMINATED
    if status == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
        _continue_as_new(draft, completion)
    elif int(status) in TERMINAL:
        limits.check_failure("the failure of the orchestration", completion.failureDetails)
        ending = Ending(
            status=status,
            result=completion.result if completion.HasField("result") else None,
            failure=completion.failureDetails if completion.HasField("failureDetails") else None,
        )
        _end(draft, ending)
    else:
        raise BadRequestError(f"An orchestration cannot complete with status {status}")


def terminate(
    instance: Instance,
    accepted: Iterable[pb.HistoryEvent],
    reason: StringValue | None,
    *,
    recurse: bool,
    now: datetime,
) -> Decision:
    """Ends an execution from outside, whatever its orchestrator is at.

    `accepted` is the start of one that has had no turn yet, folded into `instance` already.
    """
    draft = Draft(instance=instance, history=list(accepted), now=now, ids=str)
    draft.history.append(events.execution_terminated(now, reason, recurse=recurse))
    _end(draft, Ending(status=Status.TERMINATED, result=reason))
    return draft.done()


def refuse(
    instance: Instance,
    accepted: Iterable[pb.HistoryEvent],
    failure: pb.TaskFailureDetails,
    *,
    now: datetime,
) -> Decision:
    """Fails an orchestration whose answer cannot be carried out, so that it does not hang."""
    draft = Draft(instance=instance, history=list(accepted), now=now, ids=str)
    _end(draft, Ending(status=Status.FAILED, failure=failure))
    return draft.done()


def answer_parent(
    started: pb.ExecutionStartedEvent, ending: Ending, *, now: datetime
) -> AnswerParent | None:
    """What the parent of an execution hears at its end; None where it has none."""
    if not started.HasField("parentInstance"):
        return None
    task_id = started.parentInstance.taskScheduledId
    return AnswerParent(event=_outcome(task_id, started, ending, now))


def _outcome(
    task_id: int, started: pb.ExecutionStartedEvent, ending: Ending, now: datetime
) -> pb.HistoryEvent:
    if ending.status == Status.COMPLETED:
        return events.child_completed(now, task_id, ending.result)
    failure = ending.failure or events.failure(
        Status(ending.status).name.title(),
        f"Sub-orchestration {started.name!r} ({started.orchestrationInstance.instanceId})"
        f" was {Status(ending.status).name.lower()}",
    )
    return events.child_failed(now, task_id, failure)


def _end(draft: Draft, ending: Ending) -> None:
    draft.history.append(
        events.execution_completed(draft.now, ending.status, ending.result, ending.failure)
    )
    draft.effects.extend(_releases(draft))
    answer = answer_parent(draft.instance.started, ending, now=draft.now)
    if answer is not None:
        draft.effects.append(answer)
    draft.ending = ending


def _continue_as_new(draft: Draft, completion: pb.CompleteOrchestrationAction) -> None:
    for event in completion.carryoverEvents:
        limits.check_payload("a carried-over event", event.eventRaised.input.value)
    started = pb.ExecutionStartedEvent()
    started.CopyFrom(draft.instance.started)
    started.orchestrationInstance.executionId.value = draft.ids()
    started.ClearField("input")
    started.ClearField("scheduledStartTimestamp")
    if completion.HasField("result"):
        started.input.CopyFrom(completion.result)
    if completion.HasField("newVersion"):
        started.version.CopyFrom(completion.newVersion)
    started.tags.update(completion.tags)
    limits.check_labels(started.version.value, started.tags)
    draft.effects.extend(_releases(draft))
    draft.next_execution = (
        events.execution_started(draft.now, started),
        *(_carried(draft.now, event) for event in completion.carryoverEvents),
    )


def _carried(now: datetime, event: pb.HistoryEvent) -> pb.HistoryEvent:
    if event.WhichOneof("eventType") not in _CARRIED:
        raise BadRequestError("Only external events can be carried over to a new execution")
    carried = pb.HistoryEvent(eventId=events.NO_ID, timestamp=events.stamp(now))
    copy_optional(event, carried, _CARRIED)
    return carried


def _releases(draft: Draft) -> list[Effect]:
    """The unlocks of every section that this turn leaves behind, granted or still waiting."""
    of_locks = (event for event in draft.history if event.WhichOneof("eventType") in _OF_LOCKS)
    left = fold_all(of_locks, onto=draft.instance).sections
    return [
        Unlock(entity_id=entity_id, section_id=section_id)
        for section_id, entities in left.items()
        for entity_id in entities
    ]
