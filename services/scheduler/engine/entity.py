"""An entity: its state, its lock, and the rules of its queue.

Operations wait in one queue in the order of their arrival. A lock request waits in it too: once it
is at the head, the entity is locked, and only its section's orchestration is served until the
unlock. A section locks its entities one after the other, in sorted order.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.scheduler.engine import events, limits
from services.scheduler.engine.effects import Effect, SendEvent, SendOperation, StartInstance
from services.scheduler.engine.protos import StringValue, copy_optional, pb, text_of
from services.scheduler.errors import BadRequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """An entity as it is stored: `section` and `owner` (an instance id) while it is locked."""

    entity_id: str
    state: str | None = None
    section: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityDecision:
    """Everything that one batch of operations changes."""

    entity: Entity
    effects: tuple[Effect, ...]


def owner_of(event: pb.HistoryEvent) -> str | None:
    """The orchestration that waits for a call or a lock; None for a signal."""
    kind = event.WhichOneof("eventType")
    if kind == "entityOperationCalled":
        return event.entityOperationCalled.parentInstanceId.value
    if kind == "entityLockRequested":
        return event.entityLockRequested.parentInstanceId.value
    return None


def grant(entity: Entity, request: pb.EntityLockRequestedEvent, *, now: datetime) -> EntityDecision:
    """Locks an entity whose queue a lock request heads, and asks for the next lock, or is done."""
    locked = replace(
        entity, section=request.criticalSectionId, owner=request.parentInstanceId.value
    )
    following = request.position + 1
    if following >= len(request.lockSet):
        granted = events.lock_granted(now, request.criticalSectionId)
        effect: Effect = SendEvent(
            instance_id=request.parentInstanceId.value, execution_id=None, event=granted
        )
        return EntityDecision(entity=locked, effects=(effect,))
    passed_on = pb.HistoryEvent(eventId=events.NO_ID, timestamp=events.stamp(now))
    passed_on.entityLockRequested.CopyFrom(request)
    passed_on.entityLockRequested.position = following
    effect = SendOperation(entity_id=request.lockSet[following], event=passed_on)
    return EntityDecision(entity=locked, effects=(effect,))


def unlock(entity: Entity, section: str) -> Entity:
    """The entity without this section's lock; another section's stays."""
    return replace(entity, section=None, owner=None) if entity.section == section else entity


def decide_batch(
    entity: Entity,
    operations: Sequence[pb.HistoryEvent],
    answer: pb.EntityBatchResult,
    *,
    now: datetime,
    ids: Callable[[], str],
) -> EntityDecision:
    """What a worker's answer to a batch comes to: state, answers to callers, actions.

    `operations` are those that the answer has results for. Raises `BadRequestError`
    (`PayloadTooLargeError` among them) where it cannot be carried out: `refuse_batch` then says
    what the callers hear.
    """
    state = text_of(answer, "entityState")
    limits.check_payload(f"the state of entity {entity.entity_id}", state or "")
    effects = _answers(zip(operations, answer.results, strict=True), now)
    for action in answer.actions:
        effects.append(_act(action, now=now, ids=ids))
    return EntityDecision(entity=replace(entity, state=state), effects=tuple(effects))


def refuse_batch(
    entity: Entity,
    operations: Iterable[pb.HistoryEvent],
    failure: pb.TaskFailureDetails,
    *,
    now: datetime,
) -> EntityDecision:
    """Fails every operation of a batch; the entity's state stays as it was."""
    failed = pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=failure))
    effects = _answers(((operation, failed) for operation in operations), now)
    return EntityDecision(entity=entity, effects=tuple(effects))


def _answers(
    outcomes: Iterable[tuple[pb.HistoryEvent, pb.OperationResult]], now: datetime
) -> list[Effect]:
    """To who called, by our own record: what a worker echoes of it need not be right."""
    effects: list[Effect] = []
    for operation, result in outcomes:
        if operation.WhichOneof("eventType") != "entityOperationCalled":
            continue
        call = operation.entityOperationCalled
        effects.append(
            SendEvent(
                instance_id=call.parentInstanceId.value,
                execution_id=text_of(call, "parentExecutionId") or None,
                event=events.entity_answered(now, call.requestId, _within_limits(result)),
            )
        )
    return effects


def _within_limits(result: pb.OperationResult) -> pb.OperationResult:
    """The result, or, of one that is too large, a failure that says so."""
    try:
        limits.check_payload("the result of the operation", result.success.result.value)
        limits.check_failure("the failure of the operation", result.failure.failureDetails)
    except BadRequestError as error:
        failure = events.failure("PayloadTooLarge", str(error))
        return pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=failure))
    return result


def _act(action: pb.OperationAction, *, now: datetime, ids: Callable[[], str]) -> Effect:
    if action.HasField("sendSignal"):
        return _signal(action.sendSignal, now=now, ids=ids)
    if action.HasField("startNewOrchestration"):
        return _start(action.startNewOrchestration, ids=ids)
    raise BadRequestError(f"Unknown entity action (id {action.id})")


def _signal(signal: pb.SendSignalAction, *, now: datetime, ids: Callable[[], str]) -> SendOperation:
    limits.check_entity_id(signal.instanceId)
    limits.check_name("Operation", signal.name)
    limits.check_payload(f"the input of operation {signal.name!r}", signal.input.value)
    return SendOperation(
        entity_id=signal.instanceId,
        event=events.entity_signaled(
            now,
            ids(),
            signal.instanceId,
            signal.name,
            signal.input if signal.HasField("input") else None,
        ),
        due=events.moment(signal.scheduledTime) if signal.HasField("scheduledTime") else None,
    )


def _start(start: pb.StartNewOrchestrationAction, *, ids: Callable[[], str]) -> StartInstance:
    instance_id = start.instanceId or ids()
    limits.check_instance_id(instance_id)
    limits.check_name("Orchestration", start.name)
    limits.check_labels(start.version.value, {})
    limits.check_payload(f"the input of orchestration {start.name!r}", start.input.value)
    started = pb.ExecutionStartedEvent(
        name=start.name,
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId=instance_id, executionId=StringValue(value=ids())
        ),
    )
    copy_optional(start, started, ("version", "input", "parentTraceContext"))
    if start.HasField("scheduledTime"):
        started.scheduledStartTimestamp.CopyFrom(start.scheduledTime)
    return StartInstance(started=started)
