"""Makes the history events that the scheduler itself writes.

Event ids: what schedules something carries its action's id, all else -1 (the protocol's rule).
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from services.scheduler.engine.protos import StringValue, Timestamp, pb

NO_ID: Final = -1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


@lru_cache(maxsize=16)
def stamp(now: datetime) -> Timestamp:
    """A protocol timestamp, to the microsecond; a turn stamps all its events alike."""
    micros = (now - _EPOCH) // _MICROSECOND
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def moment(timestamp: Timestamp) -> datetime:
    """A protocol timestamp as a time; one beyond any clock is the first or the last there is."""
    try:
        return timestamp.ToDatetime(UTC)
    except (OverflowError, ValueError):
        return _LAST if timestamp.seconds > 0 else _FIRST


def orchestrator_started(now: datetime) -> pb.HistoryEvent:
    """The head of a turn: it sets the orchestration's clock."""
    return pb.HistoryEvent(
        eventId=NO_ID, timestamp=stamp(now), orchestratorStarted=pb.OrchestratorStartedEvent()
    )


def execution_started(now: datetime, started: pb.ExecutionStartedEvent) -> pb.HistoryEvent:
    """The first event of an execution."""
    return pb.HistoryEvent(eventId=NO_ID, timestamp=stamp(now), executionStarted=started)


def execution_completed(
    now: datetime,
    status: int,
    result: StringValue | None,
    failure: pb.TaskFailureDetails | None,
) -> pb.HistoryEvent:
    """The last event of an execution."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        executionCompleted=pb.ExecutionCompletedEvent(
            orchestrationStatus=status,  # type: ignore[arg-type]  # the stubs want the enum's wrapper
            result=result,
            failureDetails=failure,
        ),
    )


def execution_terminated(
    now: datetime, reason: StringValue | None, *, recurse: bool
) -> pb.HistoryEvent:
    """A termination, by a client or an orchestrator."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        executionTerminated=pb.ExecutionTerminatedEvent(input=reason, recurse=recurse),
    )


def execution_suspended(now: datetime, reason: StringValue | None) -> pb.HistoryEvent:
    """No turns from here on."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        executionSuspended=pb.ExecutionSuspendedEvent(input=reason),
    )


def execution_resumed(now: datetime, reason: StringValue | None) -> pb.HistoryEvent:
    """Turns again."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        executionResumed=pb.ExecutionResumedEvent(input=reason),
    )


def execution_rewound(
    now: datetime, reason: StringValue | None, parent_execution_id: str | None = None
) -> pb.HistoryEvent:
    """Asks a worker for a history without its failures."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        executionRewound=pb.ExecutionRewoundEvent(
            reason=reason,
            parentExecutionId=(
                None if parent_execution_id is None else StringValue(value=parent_execution_id)
            ),
        ),
    )


def event_raised(now: datetime, name: str, data: StringValue | None) -> pb.HistoryEvent:
    """An external event."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        eventRaised=pb.EventRaisedEvent(name=name, input=data),
    )


def timer_fired(now: datetime, timer_id: int, fire_at: Timestamp) -> pb.HistoryEvent:
    """A timer's end."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        timerFired=pb.TimerFiredEvent(timerId=timer_id, fireAt=fire_at),
    )


def task_completed(now: datetime, task_id: int, result: StringValue | None) -> pb.HistoryEvent:
    """An activity's result."""
    # Step by step: nested constructors copy, and there are more of these than of any other.
    event = pb.HistoryEvent(eventId=NO_ID)
    event.timestamp.CopyFrom(stamp(now))
    completed = event.taskCompleted
    completed.SetInParent()
    completed.taskScheduledId = task_id
    if result is not None:
        completed.result.CopyFrom(result)
    return event


def task_failed(now: datetime, task_id: int, failure: pb.TaskFailureDetails) -> pb.HistoryEvent:
    """An activity's failure, its details as they came."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        taskFailed=pb.TaskFailedEvent(taskScheduledId=task_id, failureDetails=failure),
    )


def child_completed(now: datetime, task_id: int, result: StringValue | None) -> pb.HistoryEvent:
    """A sub-orchestration's result."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        subOrchestrationInstanceCompleted=pb.SubOrchestrationInstanceCompletedEvent(
            taskScheduledId=task_id, result=result
        ),
    )


def child_failed(now: datetime, task_id: int, failure: pb.TaskFailureDetails) -> pb.HistoryEvent:
    """A sub-orchestration's failure, its details as they came."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        subOrchestrationInstanceFailed=pb.SubOrchestrationInstanceFailedEvent(
            taskScheduledId=task_id, failureDetails=failure
        ),
    )


def entity_signaled(
    now: datetime, request_id: str, entity_id: str, operation: str, data: StringValue | None
) -> pb.HistoryEvent:
    """An operation that nobody waits for."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        entityOperationSignaled=pb.EntityOperationSignaledEvent(
            requestId=request_id,
            operation=operation,
            input=data,
            targetInstanceId=StringValue(value=entity_id),
        ),
    )


def entity_answered(now: datetime, request_id: str, result: pb.OperationResult) -> pb.HistoryEvent:
    """What an entity's operation came to, for the orchestration that called it."""
    event = pb.HistoryEvent(eventId=NO_ID, timestamp=stamp(now))
    if result.HasField("failure"):
        event.entityOperationFailed.requestId = request_id
        event.entityOperationFailed.failureDetails.CopyFrom(result.failure.failureDetails)
        return event
    event.entityOperationCompleted.requestId = request_id
    if result.success.HasField("result"):
        event.entityOperationCompleted.output.CopyFrom(result.success.result)
    return event


def lock_granted(now: datetime, section_id: str) -> pb.HistoryEvent:
    """All entities of a critical section are locked."""
    return pb.HistoryEvent(
        eventId=NO_ID,
        timestamp=stamp(now),
        entityLockGranted=pb.EntityLockGrantedEvent(criticalSectionId=section_id),
    )


def failure(error_type: str, message: str) -> pb.TaskFailureDetails:
    """A failure of the scheduler's own making: to try again would not help."""
    return pb.TaskFailureDetails(errorType=error_type, errorMessage=message, isNonRetriable=True)
