"""The unary calls of the service: each is one call of a hub.

Use cases are plain functions, and their responses leave once all is on the disk; what has to wait
for more than that is a coroutine.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.empty_pb2 import Empty

from services.scheduler.engine import limits
from services.scheduler.engine.protos import BoolValue, pb
from services.scheduler.engine.start import check_start
from services.scheduler.engine.status import Status
from services.scheduler.hub import reads
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.hub.opened import OpenHub
from services.scheduler.hub.purges import purge_by_filter

_CLEANED_A_CALL: Final = 500
_TOKEN: Final = "completionToken"  # noqa: S105 - the name of a field


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call on its way to its hub."""

    hubs: TaskHubs
    task_hub: str
    request: Any
    # Whether a dynamic one is made for it.
    may_make_hub: bool

    def check_hub(self) -> None:
        """Makes nothing; raises where `hub` would."""
        if self.may_make_hub:
            self.hubs.check_findable(self.task_hub)
        else:
            self.hubs.existing(self.task_hub)

    def hub(self) -> OpenHub:
        """The hub that its metadata names; raises `TaskHubNotFoundError`."""
        find = self.hubs.find if self.may_make_hub else self.hubs.existing
        return find(self.task_hub)


UseCase = Callable[[OpenHub, Any], Any]
Answer = Callable[[Call], Awaitable[Any]]


async def _hello(call: Call) -> Empty:
    call.hub()
    return Empty()


def _use_case(name: str) -> UseCase:
    def perform(hub: OpenHub, request: Any) -> Any:  # noqa: ANN401 - any message of the service
        return getattr(hub.hub, name)(request)

    return perform


def _complete(name: str) -> UseCase:
    done = pb.CompleteTaskResponse()

    def perform(hub: OpenHub, request: Any) -> pb.CompleteTaskResponse:  # noqa: ANN401 - any answer
        getattr(hub.desk, name)(request)
        return done

    return perform


def _abandon(response: type[Any]) -> UseCase:
    def perform(hub: OpenHub, request: Any) -> Any:  # noqa: ANN401 - one of each kind of work item
        hub.desk.abandon(request.completionToken)
        return response()

    return perform


def _has_started(row: Any) -> bool:  # noqa: ANN401 - an InstanceRow
    return row.status is not Status.PENDING


def _has_ended(row: Any) -> bool:  # noqa: ANN401 - an InstanceRow
    return bool(row.status.is_terminal)


def _wait(test: Callable[[Any], bool]) -> Answer:
    async def answer(call: Call) -> pb.GetInstanceResponse:
        hub = call.hub().hub
        response = await hub.wait(call.request, test)
        await hub.durable()
        return response

    return answer


def _query(query: Callable[[Any], reads.Query[Any]]) -> Answer:
    async def answer(call: Call) -> Any:  # noqa: ANN401 - any response of the service
        # What cannot be asked makes no hub; one that there is not is told of first.
        call.check_hub()
        asked = query(call.request)
        return await call.hub().read(asked)

    return answer


async def _terminate(call: Call) -> pb.TerminateResponse:
    hub = call.hub()
    await hub.in_steps(hub.hub.terminate(call.request))
    await hub.hub.durable()
    return pb.TerminateResponse()


async def _purge(call: Call) -> pb.PurgeInstancesResponse:
    request: pb.PurgeInstancesRequest = call.request
    hub = call.hub()
    if request.WhichOneof("request") == "purgeInstanceFilter":
        purged, complete = await purge_by_filter(
            hub, request.purgeInstanceFilter, recursive=request.recursive
        )
        return pb.PurgeInstancesResponse(
            deletedInstanceCount=purged, isComplete=BoolValue(value=complete)
        )
    batch = request.instanceBatch.instanceIds
    ids = limits.checked_batch(batch) if batch else [request.instanceId]
    purged = await hub.in_steps(hub.hub.purge(ids, recursive=request.recursive))
    await hub.hub.durable()
    return pb.PurgeInstancesResponse(deletedInstanceCount=purged, isComplete=BoolValue(value=True))


async def _clean_entities(call: Call) -> pb.CleanEntityStorageResponse:
    hub = call.hub().hub
    total = pb.CleanEntityStorageResponse()
    while True:
        step = hub.clean_entities(call.request, _CLEANED_A_CALL)
        await hub.durable()
        total.emptyEntitiesRemoved += step.emptyEntitiesRemoved
        total.orphanedLocksReleased += step.orphanedLocksReleased
        if not step.emptyEntitiesRemoved and not step.orphanedLocksReleased:
            return total


async def _create_hub(call: Call) -> pb.CreateTaskHubResponse:
    call.hubs.create(call.task_hub, anew=call.request.recreateIfExists)
    return pb.CreateTaskHubResponse()


async def _delete_hub(call: Call) -> pb.DeleteTaskHubResponse:
    call.hubs.delete(call.task_hub)
    return pb.DeleteTaskHubResponse()


USE_CASES: Final[Mapping[str, tuple[type[Any], UseCase]]] = {
    "StartInstance": (pb.CreateInstanceRequest, _use_case("start")),
    "GetInstance": (pb.GetInstanceRequest, _use_case("get")),
    "RewindInstance": (pb.RewindInstanceRequest, _use_case("rewind")),
    "RestartInstance": (pb.RestartInstanceRequest, _use_case("restart")),
    "RaiseEvent": (pb.RaiseEventRequest, _use_case("raise_event")),
    "SuspendInstance": (pb.SuspendRequest, _use_case("suspend")),
    "ResumeInstance": (pb.ResumeRequest, _use_case("resume")),
    "CompleteActivityTask": (pb.ActivityResponse, _complete("complete_activity")),
    "CompleteOrchestratorTask": (pb.OrchestratorResponse, _complete("complete_turn")),
    "CompleteEntityTask": (pb.EntityBatchResult, _complete("complete_batch")),
    "SignalEntity": (pb.SignalEntityRequest, _use_case("signal_entity")),
    "GetEntity": (pb.GetEntityRequest, _use_case("get_entity")),
    "AbandonTaskActivityWorkItem": (
        pb.AbandonActivityTaskRequest,
        _abandon(pb.AbandonActivityTaskResponse),
    ),
    "AbandonTaskOrchestratorWorkItem": (
        pb.AbandonOrchestrationTaskRequest,
        _abandon(pb.AbandonOrchestrationTaskResponse),
    ),
    "AbandonTaskEntityWorkItem": (
        pb.AbandonEntityTaskRequest,
        _abandon(pb.AbandonEntityTaskResponse),
    ),
    "SkipGracefulOrchestrationTerminations": (
        pb.SkipGracefulOrchestrationTerminationsRequest,
        _use_case("skip_graceful_terminations"),
    ),
}

WAITING: Final[Mapping[str, tuple[type[Any], Answer]]] = {
    "Hello": (Empty, _hello),
    "WaitForInstanceStart": (pb.GetInstanceRequest, _wait(_has_started)),
    "WaitForInstanceCompletion": (pb.GetInstanceRequest, _wait(_has_ended)),
    "QueryInstances": (pb.QueryInstancesRequest, _query(reads.query_instances)),
    "ListInstanceIds": (pb.ListInstanceIdsRequest, _query(reads.list_instance_ids)),
    "TerminateInstance": (pb.TerminateRequest, _terminate),
    "PurgeInstances": (pb.PurgeInstancesRequest, _purge),
    "CreateTaskHub": (pb.CreateTaskHubRequest, _create_hub),
    "DeleteTaskHub": (pb.DeleteTaskHubRequest, _delete_hub),
    "QueryEntities": (pb.QueryEntitiesRequest, _query(reads.query_entities)),
    "CleanEntityStorage": (pb.CleanEntityStorageRequest, _clean_entities),
}

# What such a request says that no task hub takes, whatever is in it; each raises `BadRequestError`.
CHECKS: Final[Mapping[str, Callable[[Any], None]]] = {
    "StartInstance": check_start,
    "SignalEntity": limits.check_signal,
}

# Where the token stands in an answer: what cannot be read must still end its lease.
TOKEN_FIELDS: Final[Mapping[str, int]] = {
    "CompleteActivityTask": pb.ActivityResponse.DESCRIPTOR.fields_by_name[_TOKEN].number,
    "CompleteOrchestratorTask": pb.OrchestratorResponse.DESCRIPTOR.fields_by_name[_TOKEN].number,
    "CompleteEntityTask": pb.EntityBatchResult.DESCRIPTOR.fields_by_name[_TOKEN].number,
}
