"""Workers that are honest in what they answer, and in nothing else."""

import asyncio
import json
import random
from collections.abc import Mapping
from typing import Final

from services.scheduler.dispatch.streams import Terms, WorkerStream
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.hub.opened import OpenHub
from tests.simulation.entities import IsInside, operate
from tests.simulation.programs import ACTIVITIES, ENTITIES, LEAF
from tests.simulation.replay import Body, Mismatch, Replay, failed_as
from tests.simulation.violation import Violation

Answer = pb.OrchestratorResponse | pb.ActivityResponse | pb.EntityBatchResult
# Of an activity that may fail.
_FAILURE_RATE: Final = 0.3


class Worker:
    """One connection, and the items that have come over it and are not answered."""

    def __init__(self, name: str, hub: OpenHub, request: pb.GetWorkItemsRequest) -> None:
        self.name = name
        self.items: list[pb.WorkItem] = []
        self.is_deaf = False
        self._hub = hub
        self._sent: asyncio.Queue[bytes] = asyncio.Queue()
        self._stream: WorkerStream = hub.desk.connect(
            Terms.of(request, name), self._sent.put_nowait
        )
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        while True:
            item = pb.WorkItem.FromString(await self._sent.get())
            if any(item.completionToken == other.completionToken for other in self.items):
                raise Violation(f"{self.name} was sent {item.completionToken} twice")
            self.items.append(item)

    def disconnect(self) -> list[pb.WorkItem]:
        """Ends the connection; gives what was in the air."""
        self.fall_silent()
        self._hub.desk.disconnect(self._stream)
        return self.items

    def fall_silent(self) -> None:
        """Reads no more; raises what reading has come to."""
        if self._reading.done() and not self._reading.cancelled():
            self._reading.result()
        self._reading.cancel()


def answer_to(
    item: pb.WorkItem, bodies: Mapping[str, Body], rng: random.Random, is_inside: IsInside
) -> Answer:
    """What an honest worker answers; raises `Violation` for an item that no worker understands."""
    kind = item.WhichOneof("request")
    if kind == "orchestratorRequest":
        return _turn(item, bodies, rng)
    if kind == "activityRequest":
        return _result(item, rng)
    if kind == "entityRequestV2":
        count = len(item.entityRequestV2.operationRequests)
        first = rng.randint(1, count) if rng.random() < 0.3 else count
        return operate(item.entityRequestV2, item.completionToken, is_inside, first)
    raise Violation(f"a work item of the kind {kind}")


def _turn(item: pb.WorkItem, bodies: Mapping[str, Body], rng: random.Random) -> Answer:
    request = item.orchestratorRequest
    past, new = request.pastEvents, request.newEvents
    response = pb.OrchestratorResponse(
        instanceId=request.instanceId, completionToken=item.completionToken
    )
    if not new or not new[0].HasField("orchestratorStarted"):
        raise Violation(f"a turn of {request.instanceId} does not begin with orchestratorStarted")
    if any(event.HasField("executionCompleted") for event in past):
        if len(new) != 2 or not new[1].HasField("executionRewound"):
            raise Violation(f"{request.instanceId} has ended, and is sent {new}")
        response.actions.append(_rewound(request, f"{rng.getrandbits(128):032x}"))
        return response
    replay = Replay(bodies, request)
    try:
        response.actions.extend(replay.run())
    except Mismatch as mismatch:
        # A rewound history lacks what was decided because of failures; no program matches that.
        if not any(event.HasField("executionRewound") for event in (*past, *new)):
            raise Violation(f"not deterministic: {mismatch}") from mismatch
        ending = failed_as("NonDeterminism", str(mismatch))
        response.actions.append(pb.OrchestratorAction(id=1, completeOrchestration=ending))
    if replay.status is not None:
        response.customStatus.value = replay.status
    return response


def _rewound(request: pb.OrchestratorRequest, execution_id: str) -> pb.OrchestratorAction:
    """A history without its failures, cut as the Python SDK cuts it."""
    events = [*request.pastEvents, *request.newEvents]
    parent = request.newEvents[1].executionRewound.parentExecutionId.value
    failed = {event.taskFailed.taskScheduledId for event in events if event.HasField("taskFailed")}
    history = []
    for event in events:
        kind = event.WhichOneof("eventType")
        if kind in {"taskFailed", "subOrchestrationInstanceFailed", "executionCompleted"}:
            continue
        if kind == "taskScheduled" and event.eventId in failed:
            continue
        kept = pb.HistoryEvent()
        kept.CopyFrom(event)
        if kind == "executionStarted":
            started = kept.executionStarted
            started.orchestrationInstance.executionId.value = execution_id
            if parent and started.HasField("parentInstance"):
                started.parentInstance.orchestrationInstance.executionId.value = parent
        history.append(kept)
    action = pb.RewindOrchestrationAction(newHistory=history)
    return pb.OrchestratorAction(id=-1, rewindOrchestration=action)


def _result(item: pb.WorkItem, rng: random.Random) -> Answer:
    request = item.activityRequest
    response = pb.ActivityResponse(
        instanceId=request.orchestrationInstance.instanceId,
        taskId=request.taskId,
        completionToken=item.completionToken,
    )
    if request.name == "flaky" and rng.random() < _FAILURE_RATE:
        response.failureDetails.errorType = "Flaky"
        return response
    given = json.loads(request.input.value)
    response.result.CopyFrom(StringValue(value=json.dumps({"name": request.name, "given": given})))
    return response


def drawn_terms(rng: random.Random, programs: int) -> pb.GetWorkItemsRequest:
    """What a worker asks for: often little, often not everything."""
    request = pb.GetWorkItemsRequest(
        maxConcurrentOrchestrationWorkItems=rng.choice((0, 1, 2, 10)),
        maxConcurrentActivityWorkItems=rng.choice((0, 1, 2, 10)),
        maxConcurrentEntityWorkItems=rng.choice((0, 1, 2)),
    )
    if rng.random() < 0.5:
        return request
    names = [f"program{number}" for number in range(programs)] + [LEAF]
    filters = request.workItemFilters
    for name in rng.sample(names, rng.randint(0, len(names))):
        filters.orchestrations.add(name=name, versions=rng.choice(([], [], [""], ["1", "2"])))
    for name in rng.sample(ACTIVITIES, rng.randint(0, len(ACTIVITIES))):
        filters.activities.add(name=name)
    entities = sorted({entity_id.split("@")[1] for entity_id in ENTITIES})
    for name in rng.sample(entities, rng.randint(0, len(entities))):
        filters.entities.add(name=name)
    request.workItemFilters.SetInParent()
    return request
