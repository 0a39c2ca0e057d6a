"""What a test reads of an instance on the bare wire, where the SDK's client keeps it back."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import grpc
import pytest
from durabletask import history
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.conformance.hub import Hub


def state_of(hub: Hub, instance_id: str) -> pb.OrchestrationState:
    """Every field of the state of an instance that exists, inputs and outputs included."""
    with hub.stub() as stub:
        answer = stub.GetInstance(
            pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        )
    assert answer.exists
    state: pb.OrchestrationState = answer.orchestrationState
    return state


def status_of(hub: Hub, instance_id: str) -> str:
    """The instance's status: `RUNNING`, `COMPLETED`, ..., or `MISSING`."""
    state = hub.client.get_orchestration_state(instance_id)
    return "MISSING" if state is None else state.runtime_status.name


def kinds_of(hub: Hub, instance_id: str) -> list[str]:
    """The kinds of the events of its history, in order: `OrchestratorStarted`, ..."""
    events = hub.client.get_orchestration_history(instance_id)
    return [type(event).__name__.removesuffix("Event") for event in events]


def start_of(hub: Hub, instance_id: str) -> history.ExecutionStartedEvent:
    """The one `ExecutionStarted` of its history."""
    [start] = [
        event
        for event in hub.client.get_orchestration_history(instance_id)
        if isinstance(event, history.ExecutionStartedEvent)
    ]
    return start


def execution_of(hub: Hub, instance_id: str) -> str:
    """The id of its current execution."""
    instance = start_of(hub, instance_id).orchestration_instance
    assert instance is not None
    assert instance.execution_id is not None
    return instance.execution_id


def middle(earlier: datetime, later: datetime) -> datetime:
    """A moment between: whether a range holds its ends is left open."""
    return earlier + (later - earlier) / 2


@contextmanager
def refused(code: grpc.StatusCode, text: str = "") -> Iterator[None]:
    """The call within is refused with this code, and with this text somewhere in its message."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    error: Any = caught.value
    assert error.code() is code
    assert text in (error.details() or "")
