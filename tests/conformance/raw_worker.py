"""A worker written by hand: it shows every work item, and answers what the test says.

It takes only what it names, so that it never meets another test's work on a shared hub.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf import message_factory
from google.protobuf.wrappers_pb2 import StringValue

from tests.conformance.hub import SECONDS_MAX, Hub

METHODS: Final = tuple(pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"].methods)
# Long enough for a work item that is ready to arrive, were it on its way.
IDLE_SECONDS: Final = 0.4


class RawWorker:
    """One `GetWorkItems` stream and the answers to what came on it."""

    def __init__(self, stub: Any, request: pb.GetWorkItemsRequest) -> None:
        self._stub = stub
        self._items: queue.Queue[pb.WorkItem] = queue.Queue()
        self.stream = stub.GetWorkItems(request)
        self._opened = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            self.stream.initial_metadata()
            self._opened.set()
            for item in self.stream:
                if not item.HasField("healthPing"):
                    self._items.put(item)
        except grpc.RpcError:
            return  # the stream's end; a test that waits for more fails by its own bound

    def is_open(self, seconds: float = SECONDS_MAX) -> bool:
        """Whether the stream's initial metadata came in time."""
        return self._opened.wait(seconds)

    def close(self) -> None:
        """Ends the stream, as a worker that goes away does."""
        self.stream.cancel()
        self._reader.join(SECONDS_MAX)

    def item(self, seconds: float = SECONDS_MAX) -> pb.WorkItem:
        """The next work item; raises `queue.Empty`."""
        return self._items.get(timeout=seconds)

    def items(self, count: int) -> list[pb.WorkItem]:
        """The next work items."""
        return [self.item() for _ in range(count)]

    def rest(self) -> list[pb.WorkItem]:
        """What else comes before the stream falls silent; for what must not come."""
        found: list[pb.WorkItem] = []
        while True:
            try:
                found.append(self.item(IDLE_SECONDS))
            except queue.Empty:
                return found

    def decide(self, item: pb.WorkItem, *actions: pb.OrchestratorAction, **fields: Any) -> None:
        """Answers an orchestration's work item."""
        self._stub.CompleteOrchestratorTask(
            pb.OrchestratorResponse(
                instanceId=item.orchestratorRequest.instanceId,
                completionToken=item.completionToken,
                actions=actions,
                **fields,
            )
        )

    def answer(self, item: pb.WorkItem, result: str | None = None, **fields: Any) -> None:
        """Answers an activity's work item; `result` is JSON."""
        request = item.activityRequest
        self._stub.CompleteActivityTask(
            pb.ActivityResponse(
                instanceId=request.orchestrationInstance.instanceId,
                taskId=request.taskId,
                completionToken=item.completionToken,
                result=text(result),
                **fields,
            )
        )

    def settle(
        self,
        item: pb.WorkItem,
        state: str | None,
        *,
        result: str | None = None,
        actions: Iterable[pb.OperationAction] = (),
    ) -> None:
        """Answers an entity's work item: every operation succeeds with `result`."""
        operations = item.entityRequestV2.operationRequests
        success = pb.OperationResultSuccess(result=text(result))
        self._stub.CompleteEntityTask(
            pb.EntityBatchResult(
                results=[pb.OperationResult(success=success) for _ in operations],
                operationInfos=[_info(operation) for operation in operations],
                entityState=text(state),
                actions=actions,
                completionToken=item.completionToken,
            )
        )

    def abandon(self, item: pb.WorkItem) -> None:
        """Gives a work item back."""
        call, request = _ABANDON[item.WhichOneof("request") or ""]
        getattr(self._stub, call)(request(completionToken=item.completionToken))


_ABANDON: Final[Mapping[str, tuple[str, Callable[..., Any]]]] = {
    "orchestratorRequest": ("AbandonTaskOrchestratorWorkItem", pb.AbandonOrchestrationTaskRequest),
    "activityRequest": ("AbandonTaskActivityWorkItem", pb.AbandonActivityTaskRequest),
    "entityRequestV2": ("AbandonTaskEntityWorkItem", pb.AbandonEntityTaskRequest),
}


def _info(event: pb.HistoryEvent) -> pb.OperationInfo:
    if event.HasField("entityOperationSignaled"):
        return pb.OperationInfo(requestId=event.entityOperationSignaled.requestId)
    called = event.entityOperationCalled
    return pb.OperationInfo(
        requestId=called.requestId,
        responseDestination=pb.OrchestrationInstance(
            instanceId=called.parentInstanceId.value, executionId=called.parentExecutionId
        ),
    )


def asks_for(
    *,
    orchestrations: Sequence[str] = (),
    activities: Sequence[str] = (),
    entities: Sequence[str] = (),
    limits: tuple[int, int, int] = (100, 100, 100),
) -> pb.GetWorkItemsRequest:
    """A request for work items of these names, up to these limits at a time."""
    return pb.GetWorkItemsRequest(
        maxConcurrentOrchestrationWorkItems=limits[0],
        maxConcurrentActivityWorkItems=limits[1],
        maxConcurrentEntityWorkItems=limits[2],
        workItemFilters=pb.WorkItemFilters(
            orchestrations=[pb.OrchestrationFilter(name=name) for name in orchestrations],
            activities=[pb.ActivityFilter(name=name) for name in activities],
            entities=[pb.EntityFilter(name=name) for name in entities],
        ),
    )


@contextmanager
def raw_worker(hub: Hub, **wanted: Any) -> Iterator[RawWorker]:
    """A worker with a connection of its own, which takes what `asks_for` takes."""
    with hub.stub() as stub:
        worker = RawWorker(stub, asks_for(**wanted))
        try:
            yield worker
        finally:
            worker.close()


def start(hub: Hub, name: str, instance_id: str | None = None, **fields: Any) -> str:
    """Starts an orchestration on the bare wire; its id."""
    request = pb.CreateInstanceRequest(name=name, instanceId=instance_id or hub.fresh(), **fields)
    with hub.stub() as stub:
        return str(stub.StartInstance(request).instanceId)


def schedules(action_id: int, name: str, given: str | None = None) -> pb.OrchestratorAction:
    """The decision to run an activity; `given` is JSON."""
    return pb.OrchestratorAction(
        id=action_id, scheduleTask=pb.ScheduleTaskAction(name=name, input=text(given))
    )


def finishes(
    action_id: int,
    result: str | None = None,
    status: pb.OrchestrationStatus = pb.ORCHESTRATION_STATUS_COMPLETED,
) -> pb.OrchestratorAction:
    """The decision to end; `result` is JSON."""
    return pb.OrchestratorAction(
        id=action_id,
        completeOrchestration=pb.CompleteOrchestrationAction(
            orchestrationStatus=status, result=text(result)
        ),
    )


def kinds(events: Iterable[pb.HistoryEvent]) -> list[str]:
    """What kind each event is."""
    return [str(event.WhichOneof("eventType")) for event in events]


def text(value: str | None) -> StringValue | None:
    """The wire's optional string."""
    return None if value is None else StringValue(value=value)


def seconds_since(began: float) -> float:
    """How long ago `time.monotonic()` was this."""
    return time.monotonic() - began


def answer_to_nothing(stub: Any, method: Any, *, seconds: float) -> object:
    """What a method answers to an empty request; of a stream, what comes first."""
    empty = message_factory.GetMessageClass(method.input_type)()
    answer: object = getattr(stub, method.name)(empty, timeout=seconds)
    return next(iter(answer), None) if method.server_streaming else answer  # type: ignore[call-overload]  # a stream
