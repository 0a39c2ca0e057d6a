"""What changes or deletes many orchestration instances at once."""

from typing import Any, Final

from services.scheduler.auth.identity import Access
from services.scheduler.engine.events import stamp
from services.scheduler.engine.protos import pb
from services.scheduler.errors import CallError
from services.scheduler.http import control, replies
from services.scheduler.http.asks import (
    Action,
    Bulk,
    ForceTerminate,
    Purge,
    RaisedEvent,
    Reason,
    Termination,
)
from services.scheduler.http.operations import Ask, Operation, Reply, reply
from services.scheduler.http.orchestrations import text
from services.scheduler.hub.opened import OpenHub
from services.scheduler.hub.purges import purge_by_filter

# One commit for so many; others are served in between.
_DONE_A_COMMIT: Final = 25
# Browsers and proxies wait for an answer, and it says whether to ask again.
_PURGE_SECONDS: Final = 10
_PATH: Final = "/v1/taskhubs/orchestrations"


async def _bulk(ask: Ask) -> Reply:
    body: Bulk = ask.body
    results: list[dict[str, Any]] = []
    for instance_id in body.instance_ids:
        results.append(await _result(ask.hub, body, instance_id))
        if len(results) % _DONE_A_COMMIT == 0:
            await ask.hub.hub.durable()
    await ask.hub.hub.durable()
    return reply({"results": results})


async def _result(hub: OpenHub, body: Bulk, instance_id: str) -> dict[str, Any]:
    new_id, message = None, None
    try:
        new_id = await _done(hub, body, instance_id)
    except CallError as error:
        message = str(error)
    return {
        "instanceId": instance_id,
        "ok": message is None,
        "message": message,
        "newInstanceId": new_id,
    }


async def _done(opened: OpenHub, body: Bulk, instance_id: str) -> str | None:
    """Does it to one; gives the id of what it has started."""
    hub, action = opened.hub, body.action
    if action is Action.RESTART:
        return control.restart(hub, instance_id, under_new_id=body.new_instance_ids)
    if action is Action.PURGE:
        await opened.in_steps(control.purge(hub, instance_id, recursive=body.recursive))
    elif action is Action.TERMINATE:
        asked = Termination(output=body.output, recurse=body.recursive)
        await opened.in_steps(control.terminate(hub, instance_id, asked))
    elif action is Action.RAISE_EVENT:
        event = RaisedEvent(name=body.event_name or "", input=body.input)
        control.raise_event(hub, instance_id, event)
    else:
        use_case = {
            Action.SUSPEND: control.suspend,
            Action.RESUME: control.resume,
            Action.REWIND: control.rewind,
        }[action]
        use_case(hub, instance_id, Reason(reason=body.reason))
    return None


async def _purge(ask: Ask) -> Reply:
    body: Purge = ask.body
    asked = pb.PurgeInstanceFilter(
        runtimeStatus=[status.number for status in body.filter.statuses]  # type: ignore[misc]  # the stubs want the enum's wrapper
    )
    asked.timeout.seconds = _PURGE_SECONDS
    if body.filter.created_from is not None:
        asked.createdTimeFrom.CopyFrom(stamp(body.filter.created_from))
    if body.filter.created_to is not None:
        asked.createdTimeTo.CopyFrom(stamp(body.filter.created_to))
    purged, complete = await purge_by_filter(ask.hub, asked, recursive=body.recursive)
    return reply({"purged": purged, "isComplete": complete})


async def _force_terminate(ask: Ask) -> Reply:
    body: ForceTerminate = ask.body
    request = pb.SkipGracefulOrchestrationTerminationsRequest(
        instanceBatch=pb.InstanceBatch(instanceIds=body.instance_ids), reason=text(body.reason)
    )
    done = ask.hub.hub.skip_graceful_terminations(request)
    await ask.hub.hub.durable()
    return reply({"unterminatedInstanceIds": list(done.unterminatedInstanceIds)})


OPERATIONS: Final = (
    Operation(
        method="POST",
        path=f"{_PATH}/bulk",
        name="bulkOrchestrations",
        access=Access.CHANGE,
        summary="One action on up to 500 orchestrations, with a result for each.",
        takes=Bulk,
        answer=_bulk,
        gives=replies.BulkResults,
    ),
    Operation(
        method="DELETE",
        path=f"{_PATH}/purge",
        name="purgeOrchestrations",
        access=Access.CHANGE,
        summary="Deletes the finished orchestrations that a filter shows.",
        takes=Purge,
        answer=_purge,
        gives=replies.PurgedByFilter,
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/forceterminate",
        name="forceTerminateOrchestrations",
        access=Access.CHANGE,
        summary="Ends up to 500 orchestrations at once, without their sub-orchestrations.",
        takes=ForceTerminate,
        answer=_force_terminate,
        gives=replies.ForceTerminated,
    ),
)
