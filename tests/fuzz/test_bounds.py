"""Where everything is full, what is refused for that has changed nothing.

What each call does is compared by `FuzzedScheduler`, which raises `Violation`.
"""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message

from services.scheduler.engine.protos import pb
from tests.fuzz.answers import with_token
from tests.fuzz.routes import ROUTES, Request
from tests.fuzz.scheduler import BOUNDED, HUB, FuzzedScheduler
from tests.fuzz.seeds import LATER

REPLACING = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_FAILED])
EVENT = pb.RaiseEventRequest(instanceId="running", name="event")
DELAYED = pb.SignalEntityRequest(instanceId="@e@1", name="add", scheduledTime=LATER)
SIGNAL = pb.SignalEntityRequest(instanceId="@e@1", name="add")


@pytest.fixture
def full() -> Iterator[FuzzedScheduler]:
    """One that has room for nothing more: neither `running` nor `@e@1` nor any of its hubs."""
    ending = pb.CompleteOrchestrationAction(orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED)
    ended = pb.OrchestratorResponse(
        actions=[pb.OrchestratorAction(id=1, completeOrchestration=ending)]
    )
    waits = pb.OrchestratorResponse(
        actions=[pb.OrchestratorAction(id=1, createTimer=pb.CreateTimerAction(fireAt=LATER))]
    )
    with FuzzedScheduler(make=BOUNDED) as fuzzed:
        for key, turn in {"failed": ended, "running": waits}.items():
            accepted(fuzzed, "StartInstance", pb.CreateInstanceRequest(instanceId=key, name="m"))
            (token,) = fuzzed.tokens
            fuzzed.call("CompleteOrchestratorTask", with_token(turn, token))
        for key in ("delayed-1", "delayed-2"):
            start = pb.CreateInstanceRequest(
                instanceId=key, name="main", scheduledStartTimestamp=LATER
            )
            accepted(fuzzed, "StartInstance", start)
        for number in range(2):
            accepted(fuzzed, "RaiseEvent", EVENT)
            accepted(fuzzed, "SignalEntity", SIGNAL)
            accepted(fuzzed, "SignalEntity", DELAYED)
            accepted(fuzzed, "CreateTaskHub", pb.CreateTaskHubRequest(), f"hub-{number}")
        yield fuzzed


def accepted(fuzzed: FuzzedScheduler, method: str, request: Message, hub: str = HUB) -> None:
    """Makes a call that there is room for."""
    wire = fuzzed.call(method, request.SerializeToString(), hub)
    assert wire.code is grpc.StatusCode.OK, f"{method}: {wire.details}"


@pytest.mark.parametrize(
    ("method", "request_", "hub"),
    [
        ("StartInstance", pb.CreateInstanceRequest(instanceId="new", name="main"), HUB),
        (
            "StartInstance",
            pb.CreateInstanceRequest(
                instanceId="failed", name="main", orchestrationIdReusePolicy=REPLACING
            ),
            HUB,
        ),
        ("RestartInstance", pb.RestartInstanceRequest(instanceId="failed"), HUB),
        (
            "RestartInstance",
            pb.RestartInstanceRequest(instanceId="failed", restartWithNewInstanceId=True),
            HUB,
        ),
        ("RaiseEvent", EVENT, HUB),
        ("SuspendInstance", pb.SuspendRequest(instanceId="running"), HUB),
        ("SignalEntity", SIGNAL, HUB),
        ("SignalEntity", DELAYED, HUB),
        ("GetWorkItems", pb.GetWorkItemsRequest(), HUB),
        ("CreateTaskHub", pb.CreateTaskHubRequest(), "hub-2"),
        ("StartInstance", pb.CreateInstanceRequest(instanceId="a", name="main"), "hub-2"),
        ("GetInstance", pb.GetInstanceRequest(instanceId="a"), "hub-2"),
        ("QueryInstances", pb.QueryInstancesRequest(), "hub-2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_calls(full: FuzzedScheduler, method: str, request_: Message, hub: str) -> None:
    wire = full.call(method, request_.SerializeToString(), hub)
    assert wire.code is grpc.StatusCode.RESOURCE_EXHAUSTED, wire.details


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/v1/taskhubs/orchestrations", Request({"name": "main", "instanceId": "new"})),
        ("/v1/taskhubs/orchestrations/{instanceId}/restart", Request({}, part="failed")),
        (
            "/v1/taskhubs/orchestrations/{instanceId}/history",
            Request({"eventRaised": {"name": "event"}}, part="running"),
        ),
        (
            "/v1/taskhubs/orchestrations/{instanceId}/history",
            Request({"executionSuspended": {}}, part="running"),
        ),
        (
            "/v1/taskhubs/entities/{instanceId}/signal",
            Request({"operation": "add"}, part="@e@1"),
        ),
    ],
)
def test_http_requests(full: FuzzedScheduler, path: str, request_: Request) -> None:
    (route,) = (route for route in ROUTES if (route.method, route.path) == ("POST", path))
    status, answer = full.request(request_.to(route, HUB))
    assert status == 429, answer


def test_a_bulk_of_changes(full: FuzzedScheduler) -> None:
    path = "/v1/taskhubs/orchestrations/bulk"
    (route,) = (route for route in ROUTES if route.path == path)
    body = {"action": "restart", "instanceIds": ["failed"], "newInstanceIds": True}
    status, answer = full.request(Request(body).to(route, HUB))
    assert status == 200
    assert b'"ok":false' in answer
