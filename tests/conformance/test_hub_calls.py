from collections.abc import Callable
from typing import Any

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from tests.conformance.hub import Hub
from tests.conformance.readings import refused, status_of
from tests.conformance.waiting import waits_for_go

CALLS: dict[str, Callable[[Any], object]] = {
    "Hello": lambda stub: stub.Hello(Empty()),
    "StartInstance": lambda stub: stub.StartInstance(pb.CreateInstanceRequest(name="echo")),
    "GetInstance": lambda stub: stub.GetInstance(pb.GetInstanceRequest(instanceId="any")),
    "QueryInstances": lambda stub: stub.QueryInstances(pb.QueryInstancesRequest()),
    "GetWorkItems": lambda stub: next(stub.GetWorkItems(pb.GetWorkItemsRequest())),
    "DeleteTaskHub": lambda stub: stub.DeleteTaskHub(pb.DeleteTaskHubRequest()),
}


def test_a_scheduler_says_hello(hub: Hub) -> None:
    with hub.stub() as stub:
        assert stub.Hello(Empty()) == Empty()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_for_a_missing_hub_is_refused_by_name(
    hub: Hub, call: Callable[[Any], object]
) -> None:
    missing = hub.fresh("missing")
    with (
        hub.stub(task_hub=missing) as stub,
        refused(grpc.StatusCode.NOT_FOUND, f"Task hub not found: {missing}"),
    ):
        call(stub)


def test_a_hub_that_is_there_is_created_without_harm(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    with hub.stub() as stub:
        stub.CreateTaskHub(pb.CreateTaskHubRequest(recreateIfExists=False))
    assert status_of(hub, instance_id) == "PENDING"
    hub.client.terminate_orchestration(instance_id)
