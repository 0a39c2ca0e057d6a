"""The entities of a run: they remember what they were asked, and who is inside a section."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from services.scheduler.engine.protos import StringValue, pb
from tests.simulation.cargo import cargo
from tests.simulation.programs import ENTITIES, LEAF, first_input
from tests.simulation.violation import Violation

# Section and entity: whether the section has not ended.
IsInside = Callable[[str, str], bool]
_RELAYED_TO: Final = ENTITIES[0]


@dataclass(slots=True, kw_only=True)
class Batch:
    """A batch of operations on its way through an entity."""

    entity_id: str
    seen: list[str]
    inside: str | None
    is_inside: IsInside
    results: list[pb.OperationResult] = field(default_factory=list)
    actions: list[pb.OperationAction] = field(default_factory=list)

    def state(self) -> str:
        """What the entity becomes."""
        token = cargo(self.entity_id, len(self.seen))
        return json.dumps({"seen": self.seen, "inside": self.inside, "cargo": token})


def operate(
    request: pb.EntityRequest, token: str, is_inside: IsInside, first: int
) -> pb.EntityBatchResult:
    """An entity's answer to the first operations of a batch; raises `Violation`."""
    batch = opened(request, is_inside)
    for event in list(request.operationRequests)[:first]:
        _take(batch, event)
    return pb.EntityBatchResult(
        results=batch.results,
        actions=batch.actions,
        entityState=StringValue(value=batch.state()),
        completionToken=token,
    )


def opened(request: pb.EntityRequest, is_inside: IsInside) -> Batch:
    """The entity as a work item carries it."""
    known = json.loads(request.entityState.value) if request.HasField("entityState") else {}
    return Batch(
        entity_id=request.instanceId,
        seen=known.get("seen", []),
        inside=known.get("inside"),
        is_inside=is_inside,
    )


def _take(batch: Batch, event: pb.HistoryEvent) -> None:
    called = event.HasField("entityOperationCalled")
    operation: Any = event.entityOperationCalled if called else event.entityOperationSignaled
    # An execution that is rewound asks again for what it has not been answered.
    asked = operation.requestId + (f"/{operation.parentExecutionId.value}" if called else "")
    if asked in batch.seen:
        raise Violation(f"{batch.entity_id} is asked twice for {asked}")
    batch.seen.append(asked)
    given = json.loads(operation.input.value or "null")
    held = batch.inside
    if held is not None and held != given and batch.is_inside(held, batch.entity_id):
        raise Violation(f"{operation.requestId} enters {batch.entity_id} while {held} is inside")
    if operation.operation == "boom":
        failure = pb.TaskFailureDetails(errorType="Boom", errorMessage="as it was told")
        failed = pb.OperationResultFailure(failureDetails=failure)
        batch.results.append(pb.OperationResult(failure=failed))
        return
    _act(batch, operation.operation, given)
    result = StringValue(value=str(len(batch.seen)))
    batch.results.append(pb.OperationResult(success=pb.OperationResultSuccess(result=result)))


def _act(batch: Batch, operation: str, given: Any) -> None:
    if operation == "enter":
        batch.inside = given
    elif operation == "leave":
        batch.inside = None
    elif operation == "relay":
        signal = pb.SendSignalAction(instanceId=_RELAYED_TO, name="add")
        batch.actions.append(pb.OperationAction(id=len(batch.actions), sendSignal=signal))
    elif operation == "start":
        start = pb.StartNewOrchestrationAction(
            name=LEAF, input=StringValue(value=json.dumps(first_input()))
        )
        batch.actions.append(pb.OperationAction(id=len(batch.actions), startNewOrchestration=start))
