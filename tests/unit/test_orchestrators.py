"""The orchestrators under the SDK's own replay, without a scheduler."""

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.worker import ExecutionResults, _OrchestrationExecutor, _Registry
from google.protobuf.wrappers_pb2 import StringValue

from services.shared.converter import PydanticDataConverter
from services.worker.orchestrators import main_orchestration, process_order_batch

# 150 batches of one order each, recorded before there were trees: all turns of their parent.
RECORDED = Path(__file__).parent / "data" / "flat_150_batches.binpb.gz"


def turn(past: list[pb.HistoryEvent], new: list[pb.HistoryEvent]) -> ExecutionResults:
    registry = _Registry()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    for orchestrator in (main_orchestration, process_order_batch):
        registry.add_orchestrator(orchestrator)  # type: ignore[arg-type]  # "generator or result" is beyond mypy
    executor = _OrchestrationExecutor(
        registry, logging.getLogger("tests.quiet"), PydanticDataConverter()
    )
    return executor.execute("x", past, new)


def first_turn(payload: object, name: str = "main_orchestration") -> list[pb.OrchestratorAction]:
    started = pb.ExecutionStartedEvent(
        name=name,
        input=StringValue(value=json.dumps(payload)),
        orchestrationInstance=pb.OrchestrationInstance(instanceId="x"),
    )
    events = [
        pb.HistoryEvent(eventId=-1, orchestratorStarted=pb.OrchestratorStartedEvent()),
        pb.HistoryEvent(eventId=-1, executionStarted=started),
    ]
    return list(turn([], events).actions)


def orders(count: int, chars: int = 5) -> list[dict[str, Any]]:
    return [{"order_id": f"{n:0{chars}}"} for n in range(count)]


def children_of(actions: list[pb.OrchestratorAction]) -> list[tuple[str, str, Any]]:
    return [
        (action.createSubOrchestration.name, action.createSubOrchestration.instanceId,
         json.loads(action.createSubOrchestration.input.value))
        for action in actions
    ]  # fmt: skip


def test_a_flat_run_in_progress_replays_as_it_was_recorded() -> None:
    request = pb.OrchestratorRequest.FromString(gzip.decompress(RECORDED.read_bytes()))
    events = list(request.pastEvents)
    begins = [n for n, event in enumerate(events) if event.HasField("orchestratorStarted")]
    turns = [events[a:b] for a, b in zip(begins, [*begins[1:], len(events)], strict=True)]
    assert len(turns) > 2
    completed = events[-1].executionCompleted
    assert completed.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
    scheduled = [e for e in turns[0] if e.HasField("subOrchestrationInstanceCreated")]
    assert len(scheduled) == 150
    fresh = turn([], [e for e in turns[0] if e not in scheduled])
    assert children_of(list(fresh.actions)) == [
        (event.subOrchestrationInstanceCreated.name,
         event.subOrchestrationInstanceCreated.instanceId,
         json.loads(event.subOrchestrationInstanceCreated.input.value))
        for event in scheduled
    ]  # fmt: skip
    for number in range(1, len(turns)):
        past = [event for earlier in turns[:number] for event in earlier]
        new = [event for event in turns[number] if not event.HasField("executionCompleted")]
        actions = list(turn(past, new).actions)
        if number < len(turns) - 1:
            assert actions == []
        else:
            assert [action.completeOrchestration.result for action in actions] == [completed.result]


def test_more_batches_than_the_fan_out_are_given_to_others_of_its_kind() -> None:
    some = orders(10)
    payload = {"orders": some, "batch_size": 2, "fan_out": 3}
    assert children_of(first_turn(payload)) == [
        ("main_orchestration", "x:0001", {"orders": some[:6], "batch_size": 2, "fan_out": 3}),
        ("main_orchestration", "x:0002", {"orders": some[6:], "batch_size": 2, "fan_out": 3}),
    ]
    payload = {"orders": some[:6], "batch_size": 2, "fan_out": 3}
    assert children_of(first_turn(payload)) == [
        ("process_order_batch", f"x:000{n}", {"orders": some[2 * n - 2 : 2 * n], "fan_out": 3})
        for n in (1, 2, 3)
    ]


def test_a_batch_that_one_history_should_not_hold_is_given_to_others() -> None:
    heavy = orders(300, chars=2_000)
    actions = first_turn({"orders": heavy, "fan_out": 30}, "process_order_batch")
    children = children_of(actions)
    assert {name for name, _id, _input in children} == {"process_order_batch"}
    assert [order for _name, _id, given in children for order in given["orders"]] == heavy
    assert 2 <= len(children) <= 30
    # Without the field it is as it was: runs in progress go on as they began.
    assert len(first_turn({"orders": heavy}, "process_order_batch")) == 300


@pytest.mark.parametrize("fan_out", [0, 1, 101, 2.5, "30", True, []])
def test_a_fan_out_out_of_range_fails_the_orchestration(fan_out: object) -> None:
    payload = {"orders": orders(3), "batch_size": 1, "fan_out": fan_out}
    [action] = first_turn(payload)
    failure = action.completeOrchestration.failureDetails
    assert failure.errorType.endswith(".SubmissionError")
    assert failure.errorMessage.endswith("fan_out must be a whole number from 2 to 100")
