"""How an orchestration begins, and what becomes of one that had its id before."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from services.scheduler.engine import events, limits
from services.scheduler.engine.protos import StringValue, copy_optional, pb
from services.scheduler.engine.status import Status
from services.scheduler.errors import BadRequestError, InstanceExistsError

_ACTIVE: Final = frozenset({Status.PENDING, Status.RUNNING, Status.SUSPENDED})


def check_start(request: pb.CreateInstanceRequest) -> None:
    """Raises `BadRequestError` for what cannot start in any task hub; an id may be missing yet."""
    if request.instanceId:
        limits.check_instance_id(request.instanceId)
    _check(request)
    replaceable_statuses(
        request.orchestrationIdReusePolicy
        if request.HasField("orchestrationIdReusePolicy")
        else None
    )


def _check(request: pb.CreateInstanceRequest) -> None:
    limits.check_name("Orchestration", request.name)
    limits.check_payload(f"the input of orchestration {request.name!r}", request.input.value)
    limits.check_labels(request.version.value, request.tags)


def started_by(request: pb.CreateInstanceRequest, execution_id: str) -> pb.ExecutionStartedEvent:
    """The first event of what a client starts; raises `BadRequestError` for what cannot start."""
    limits.check_instance_id(request.instanceId)
    _check(request)
    started = pb.ExecutionStartedEvent(
        name=request.name,
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId=request.instanceId, executionId=StringValue(value=execution_id)
        ),
        tags=request.tags,
    )
    copy_optional(request, started, ("version", "input", "parentTraceContext"))
    # JavaScript always sends one, the epoch for "now".
    if request.scheduledStartTimestamp.seconds > 0:
        started.scheduledStartTimestamp.CopyFrom(request.scheduledStartTimestamp)
    return started


def restarted(
    before: pb.ExecutionStartedEvent, instance_id: str, execution_id: str
) -> pb.ExecutionStartedEvent:
    """The first event of a restart: the same orchestration, input, version and tags; no parent."""
    started = pb.ExecutionStartedEvent(
        name=before.name,
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId=instance_id, executionId=StringValue(value=execution_id)
        ),
        tags=before.tags,
    )
    copy_optional(before, started, ("version", "input", "parentTraceContext"))
    return started


def start_time(started: pb.ExecutionStartedEvent, now: datetime) -> datetime | None:
    """When a scheduled start is due; None where it is due already."""
    if not started.HasField("scheduledStartTimestamp"):
        return None
    due = events.moment(started.scheduledStartTimestamp)
    return due if due > now else None


def check_reuse(
    instance_id: str, existing: Status, policy: pb.OrchestrationIdReusePolicy | None
) -> None:
    """Raises unless the policy allows an instance in this status to be replaced."""
    replaceable = replaceable_statuses(policy)
    if existing not in replaceable:
        raise InstanceExistsError(instance_id, existing.name)


def replaceable_statuses(policy: pb.OrchestrationIdReusePolicy | None) -> Collection[Status]:
    """The statuses that a request allows to be replaced; raises `BadRequestError` for a bad one."""
    if policy is None:
        return ()
    # No instance is ever canceled, but a policy may name it.
    asked = set(policy.replaceableStatus) - {pb.ORCHESTRATION_STATUS_CANCELED}
    unknown = sorted(asked - set(Status))
    if unknown:
        raise BadRequestError(f"Invalid reusable statuses: unknown status {unknown[0]}")
    statuses = {Status(number) for number in asked}
    if statuses & _ACTIVE and Status.TERMINATED not in statuses:
        # To replace a running instance is to terminate it first.
        raise BadRequestError(
            "Invalid reusable statuses: cannot exclude 'Terminated' while also allowing reuse of"
            " running instances"
        )
    return statuses
