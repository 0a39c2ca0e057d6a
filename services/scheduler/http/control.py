"""What changes one orchestration instance, or deletes it."""

from collections.abc import Callable
from typing import Any, Final

from services.scheduler.auth.identity import Access
from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from services.scheduler.errors import InstanceNotFoundError, WrongStateError
from services.scheduler.http import replies
from services.scheduler.http.asks import (
    AddHistory,
    PurgeParameters,
    RaisedEvent,
    Reason,
    Restart,
    Termination,
)
from services.scheduler.http.instances import instance_id_of
from services.scheduler.http.models import status_name
from services.scheduler.http.operations import Ask, Operation, Reply, reply
from services.scheduler.http.orchestrations import text
from services.scheduler.hub.hub import Hub, Steps

_PATH: Final = "/v1/taskhubs/orchestrations/{instanceId}"


def status_of(hub: Hub, instance_id: str) -> Status:
    """An instance's status; raises `InstanceNotFoundError`."""
    found = hub.get(pb.GetInstanceRequest(instanceId=instance_id))
    if not found.exists:
        raise InstanceNotFoundError(instance_id)
    return Status(found.orchestrationState.orchestrationStatus)


def _check_unfinished(hub: Hub, instance_id: str) -> None:
    """Over gRPC a late message is no error; here somebody has asked for a change."""
    status = status_of(hub, instance_id)
    if status.is_terminal:
        raise WrongStateError(f"Nothing has changed: it has ended ({status.name})")


def suspend(hub: Hub, instance_id: str, asked: Reason) -> None:
    """No turns from now on."""
    _check_unfinished(hub, instance_id)
    hub.suspend(pb.SuspendRequest(instanceId=instance_id, reason=text(asked.reason)))


def resume(hub: Hub, instance_id: str, asked: Reason) -> None:
    """Turns again."""
    _check_unfinished(hub, instance_id)
    hub.resume(pb.ResumeRequest(instanceId=instance_id, reason=text(asked.reason)))


def terminate(hub: Hub, instance_id: str, asked: Termination) -> Steps[None]:
    """Ends it now. Over gRPC a missing one is no error; here there is a status to give.

    Below one that is terminated some may run yet: of a termination that was interrupted.
    """
    if not asked.recurse or status_of(hub, instance_id) is not Status.TERMINATED:
        _check_unfinished(hub, instance_id)
    return hub.terminate(
        pb.TerminateRequest(
            instanceId=instance_id, output=text(asked.output), recursive=asked.recurse
        )
    )


def rewind(hub: Hub, instance_id: str, asked: Reason) -> None:
    """Sets a failed one going again."""
    hub.rewind(pb.RewindInstanceRequest(instanceId=instance_id, reason=text(asked.reason)))


def raise_event(hub: Hub, instance_id: str, asked: RaisedEvent) -> None:
    """Sends an external event."""
    _check_unfinished(hub, instance_id)
    hub.raise_event(
        pb.RaiseEventRequest(instanceId=instance_id, name=asked.name, input=text(asked.input))
    )


def restart(hub: Hub, instance_id: str, *, under_new_id: bool) -> str:
    """Starts it anew; gives the id."""
    request = pb.RestartInstanceRequest(
        instanceId=instance_id, restartWithNewInstanceId=under_new_id
    )
    return hub.restart(request).instanceId


def purge(hub: Hub, instance_id: str, *, recursive: bool) -> Steps[int]:
    """Deletes a finished one; raises `InstanceNotFoundError`, `WrongStateError`."""
    status = status_of(hub, instance_id)
    if not status.is_terminal:
        raise WrongStateError(
            f"Orchestration instance {instance_id} cannot be purged: it is {status.name};"
            " terminate it first"
        )
    return hub.purge([instance_id], recursive=recursive)


_USE_CASES: Final[dict[str, Callable[[Hub, str, Any], Steps[None] | None]]] = {
    "execution_suspended": suspend,
    "execution_resumed": resume,
    "execution_terminated": terminate,
    "execution_rewound": rewind,
    "event_raised": raise_event,
}


async def _add_history(ask: Ask) -> Reply:
    body: AddHistory = ask.body
    hub, instance_id = ask.hub.hub, instance_id_of(ask)
    for name, use_case in _USE_CASES.items():
        asked = getattr(body, name)
        if asked is not None:
            steps = use_case(hub, instance_id, asked)
            if steps is not None:
                await ask.hub.in_steps(steps)
    status = status_of(hub, instance_id)
    await hub.durable()
    return reply({"instanceId": instance_id, "status": status_name(status)})


async def _restart(ask: Ask) -> Reply:
    body: Restart = ask.body
    hub = ask.hub.hub
    new_id = restart(hub, instance_id_of(ask), under_new_id=body.restart_with_new_instance_id)
    await hub.durable()
    return reply({"instanceId": new_id})


async def _purge(ask: Ask) -> Reply:
    hub = ask.hub.hub
    steps = purge(hub, instance_id_of(ask), recursive=ask.parameters.recursive)
    purged = await ask.hub.in_steps(steps)
    await hub.durable()
    return reply({"purged": purged})


OPERATIONS: Final = (
    Operation(
        method="POST",
        path=f"{_PATH}/history",
        name="addHistory",
        access=Access.CHANGE,
        summary="Suspends, resumes, terminates or rewinds an orchestration, or raises an event.",
        takes=AddHistory,
        answer=_add_history,
        gives=replies.StatusAfter,
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/restart",
        name="restartOrchestration",
        access=Access.CHANGE,
        summary="Starts an orchestration anew, with the same name, input, version and tags.",
        takes=Restart,
        answer=_restart,
        gives=replies.Started,
    ),
    Operation(
        method="DELETE",
        path=_PATH,
        name="purgeOrchestration",
        access=Access.CHANGE,
        summary="Deletes a finished orchestration.",
        parameters=PurgeParameters,
        answer=_purge,
        gives=replies.Purged,
    ),
)
