"""A valid request for every method, and more for those that can say much."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp

from services.scheduler.edge.methods import USE_CASES, WAITING
from services.scheduler.engine.protos import StringValue, pb
from services.shared.payload_files import token_of
from tests.fuzz.messages import STORED

_PAST: Final = Timestamp(seconds=1_700_000_000)
# The next century: nothing becomes due by itself.
LATER: Final = Timestamp(seconds=4_200_000_000)
_TEXT: Final = StringValue(value='{"a":1}')
_FAILURE: Final = pb.TaskFailureDetails(
    errorType="ValueError", errorMessage="bad", innerFailure=pb.TaskFailureDetails(errorType="E")
)
# Those that answer with a stream.
STREAMED: Final = {
    "GetWorkItems": pb.GetWorkItemsRequest,
    "StreamInstanceHistory": pb.StreamInstanceHistoryRequest,
}
# Every method with the type of its request.
METHODS: Final[Mapping[str, type[Any]]] = {
    name: request for name, (request, _serve) in (*USE_CASES.items(), *WAITING.items())
} | STREAMED


def _action(number: int, **kind: Any) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(id=number, **kind)


def _turn(*actions: pb.OrchestratorAction) -> pb.OrchestratorResponse:
    return pb.OrchestratorResponse(instanceId="a", actions=actions, customStatus=_TEXT)


def _completed(status: pb.OrchestrationStatus, **fields: Any) -> pb.OrchestratorAction:
    ending = pb.CompleteOrchestrationAction(orchestrationStatus=status, result=_TEXT, **fields)
    return _action(9, completeOrchestration=ending)


def _message(**kind: Any) -> pb.OrchestratorAction:
    return _action(5, sendEntityMessage=pb.SendEntityMessageAction(**kind))


_SIGNAL: Final = pb.EntityOperationSignaledEvent(
    requestId="s", operation="add", input=_TEXT, targetInstanceId=StringValue(value="@e@1")
)
_CALL: Final = pb.EntityOperationCalledEvent(
    requestId="r",
    operation="get",
    parentInstanceId=StringValue(value="a"),
    targetInstanceId=StringValue(value="@e@1"),
)
_LOCK: Final = pb.EntityLockRequestedEvent(
    criticalSectionId="c", lockSet=["@counter@k", "@e@1"], parentInstanceId=StringValue(value="a")
)
_UNLOCK: Final = pb.EntityUnlockSentEvent(
    criticalSectionId="c",
    parentInstanceId=StringValue(value="a"),
    targetInstanceId=StringValue(value="@e@1"),
)
_TURNS: Final = (
    _turn(
        _action(1, scheduleTask=pb.ScheduleTaskAction(name="echo", input=_TEXT, tags={"k": "v"})),
        _action(2, createTimer=pb.CreateTimerAction(fireAt=LATER)),
        _action(
            3,
            createSubOrchestration=pb.CreateSubOrchestrationAction(
                instanceId="a:0001", name="main", input=_TEXT
            ),
        ),
        _action(
            4,
            sendEvent=pb.SendEventAction(
                instance=pb.OrchestrationInstance(instanceId="b"), name="event", data=_TEXT
            ),
        ),
    ),
    _turn(_message(entityOperationSignaled=_SIGNAL), _message(entityOperationCalled=_CALL)),
    _turn(_message(entityLockRequested=_LOCK)),
    _turn(_message(entityUnlockSent=_UNLOCK)),
    _turn(_action(6, terminateOrchestration=pb.TerminateOrchestrationAction(instanceId="b"))),
    _turn(_completed(pb.ORCHESTRATION_STATUS_COMPLETED)),
    _turn(_completed(pb.ORCHESTRATION_STATUS_FAILED, failureDetails=_FAILURE)),
    _turn(
        _completed(
            pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW,
            carryoverEvents=[
                pb.HistoryEvent(eventRaised=pb.EventRaisedEvent(name="event", input=_TEXT))
            ],
        )
    ),
    pb.OrchestratorResponse(instanceId="a", isPartial=True, chunkIndex={"value": 0}),
    pb.OrchestratorResponse(
        actions=[
            _action(
                0,
                rewindOrchestration=pb.RewindOrchestrationAction(
                    newHistory=[
                        pb.HistoryEvent(
                            executionStarted=pb.ExecutionStartedEvent(
                                name="main",
                                orchestrationInstance=pb.OrchestrationInstance(instanceId="a"),
                            )
                        )
                    ]
                ),
            )
        ]
    ),
)
_BATCHES: Final = (
    pb.EntityBatchResult(
        results=[pb.OperationResult(success=pb.OperationResultSuccess(result=_TEXT))],
        entityState=_TEXT,
        actions=[
            pb.OperationAction(
                id=1, sendSignal=pb.SendSignalAction(instanceId="@counter@k", name="add")
            ),
            pb.OperationAction(
                id=2,
                startNewOrchestration=pb.StartNewOrchestrationAction(instanceId="c", name="main"),
            ),
        ],
    ),
    pb.EntityBatchResult(
        results=[pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=_FAILURE))]
    ),
)
_SEEDS: Final[Mapping[str, Sequence[Any]]] = {
    "StartInstance": (
        *(
            pb.CreateInstanceRequest(instanceId=key, name="main", input=_TEXT, tags={"k": "v"})
            for key in ("a", "b", "c")
        ),
        pb.CreateInstanceRequest(
            instanceId="a",
            name="main",
            orchestrationIdReusePolicy=pb.OrchestrationIdReusePolicy(
                replaceableStatus=[
                    pb.ORCHESTRATION_STATUS_RUNNING,
                    pb.ORCHESTRATION_STATUS_COMPLETED,
                    pb.ORCHESTRATION_STATUS_FAILED,
                    pb.ORCHESTRATION_STATUS_TERMINATED,
                ]
            ),
        ),
        pb.CreateInstanceRequest(instanceId="c", name="main", scheduledStartTimestamp=LATER),
        pb.CreateInstanceRequest(
            instanceId="b", name="main", input=StringValue(value=token_of(STORED))
        ),
    ),
    "RaiseEvent": (pb.RaiseEventRequest(instanceId="a", name="event", input=_TEXT),),
    "CompleteActivityTask": (
        pb.ActivityResponse(instanceId="a", taskId=1, result=_TEXT),
        pb.ActivityResponse(instanceId="a", taskId=1, failureDetails=_FAILURE),
    ),
    "CompleteOrchestratorTask": _TURNS,
    "CompleteEntityTask": _BATCHES,
    "SignalEntity": (
        *(pb.SignalEntityRequest(instanceId=e, name="add") for e in ("@e@1", "@counter@k")),
        pb.SignalEntityRequest(instanceId="@e@1", name="add", input=_TEXT, scheduledTime=LATER),
    ),
    "GetEntity": (pb.GetEntityRequest(instanceId="@e@1", includeState=True),),
    "SkipGracefulOrchestrationTerminations": (
        pb.SkipGracefulOrchestrationTerminationsRequest(
            instanceBatch=pb.InstanceBatch(instanceIds=["a", "b"]), reason=_TEXT
        ),
    ),
    "QueryInstances": (
        pb.QueryInstancesRequest(query=pb.InstanceQuery(fetchInputsAndOutputs=True)),
        pb.QueryInstancesRequest(
            query=pb.InstanceQuery(
                runtimeStatus=[pb.ORCHESTRATION_STATUS_RUNNING],
                createdTimeFrom=_PAST,
                createdTimeTo=LATER,
                maxInstanceCount=1,
                instanceIdPrefix=StringValue(value="a"),
            )
        ),
    ),
    "ListInstanceIds": (
        pb.ListInstanceIdsRequest(pageSize=2, completedTimeFrom=_PAST, completedTimeTo=LATER),
    ),
    "PurgeInstances": (
        pb.PurgeInstancesRequest(instanceId="a", recursive=True),
        pb.PurgeInstancesRequest(instanceBatch=pb.InstanceBatch(instanceIds=["a", "b"])),
        pb.PurgeInstancesRequest(
            purgeInstanceFilter=pb.PurgeInstanceFilter(createdTimeFrom=_PAST, createdTimeTo=LATER)
        ),
    ),
    "QueryEntities": (
        pb.QueryEntitiesRequest(
            query=pb.EntityQuery(
                instanceIdStartsWith=StringValue(value="@"),
                includeState=True,
                includeTransient=True,
                pageSize={"value": 1},
            )
        ),
    ),
    "CleanEntityStorage": (
        pb.CleanEntityStorageRequest(removeEmptyEntities=True, releaseOrphanedLocks=True),
    ),
    "TerminateInstance": (pb.TerminateRequest(instanceId="a", output=_TEXT, recursive=True),),
    "RestartInstance": (
        pb.RestartInstanceRequest(instanceId="a"),
        pb.RestartInstanceRequest(instanceId="a", restartWithNewInstanceId=True),
    ),
    "GetInstance": (pb.GetInstanceRequest(instanceId="a", getInputsAndOutputs=True),),
    "StreamInstanceHistory": (pb.StreamInstanceHistoryRequest(instanceId="a"),),
    "GetWorkItems": (
        pb.GetWorkItemsRequest(
            maxConcurrentActivityWorkItems=1,
            workItemFilters=pb.WorkItemFilters(
                orchestrations=[pb.OrchestrationFilter(name="main", versions=["1.0"])],
                activities=[pb.ActivityFilter(name="echo")],
                entities=[pb.EntityFilter(name="e")],
            ),
        ),
    ),
    "Hello": (Empty(),),
    "CreateTaskHub": (pb.CreateTaskHubRequest(), pb.CreateTaskHubRequest(recreateIfExists=True)),
}


def seeds_of(method: str) -> Sequence[Any]:
    """Valid requests; one that names the instance `a` for a method without any of its own."""
    known = _SEEDS.get(method)
    if known is not None:
        return known
    request = METHODS[method]()
    if "instanceId" in request.DESCRIPTOR.fields_by_name:
        request.instanceId = "a"
    return (request,)
