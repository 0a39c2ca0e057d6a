"""A change is acknowledged when it is on the disk, and not before: here it never gets there."""

import http.client
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.chaos.lone import lone_scheduler
from tests.conformance.raw_worker import raw_worker
from tests.e2e.processes import wait_for_line

ARGUMENTS = ("scheduler", "0", "0.5")
SECONDS = 20
INSTANCES = "/v1/taskhubs/orchestrations"
ENTITIES = "/v1/taskhubs/entities"
ENDED = pb.ORCHESTRATION_STATUS_TERMINATED

# One instance has not begun, and another one has ended; and there is an entity without a state.
CALLS: dict[str, Any] = {
    "StartInstance": pb.CreateInstanceRequest(instanceId="new", name="nobody"),
    "RestartInstance": pb.RestartInstanceRequest(instanceId="ended"),
    "RaiseEvent": pb.RaiseEventRequest(instanceId="open", name="event"),
    "SuspendInstance": pb.SuspendRequest(instanceId="open"),
    "TerminateInstance": pb.TerminateRequest(instanceId="open"),
    "SkipGracefulOrchestrationTerminations": pb.SkipGracefulOrchestrationTerminationsRequest(
        instanceBatch=pb.InstanceBatch(instanceIds=["open"])
    ),
    "PurgeInstances": pb.PurgeInstancesRequest(instanceId="ended"),
    "PurgeInstances by a filter": pb.PurgeInstancesRequest(
        purgeInstanceFilter=pb.PurgeInstanceFilter(runtimeStatus=[ENDED])
    ),
    "SignalEntity": pb.SignalEntityRequest(instanceId="@counter@one", name="add"),
    "CleanEntityStorage": pb.CleanEntityStorageRequest(removeEmptyEntities=True),
}
# So many at once come into the group of commits of the first of them.
AT_ONCE = 50
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "start": ("POST", INSTANCES, {"name": "nobody"}),
    "suspend": ("POST", f"{INSTANCES}/open/history", {"executionSuspended": {}}),
    "terminate": ("POST", f"{INSTANCES}/open/history", {"executionTerminated": {}}),
    "restart": ("POST", f"{INSTANCES}/ended/restart", {}),
    "purge": ("DELETE", f"{INSTANCES}/ended", {}),
    "several": ("POST", f"{INSTANCES}/bulk", {"action": "suspend", "instanceIds": ["open"]}),
    "purge by a filter": ("DELETE", f"{INSTANCES}/purge", {"filter": {}}),
    "end at once": ("POST", f"{INSTANCES}/forceterminate", {"instanceIds": ["open"]}),
    "signal": ("POST", f"{ENTITIES}/@counter@one/signal", {"operation": "add"}),
}


Outcome = TypeVar("Outcome")


def without_a_disk(
    folder: Path, call: Callable[[Any, http.client.HTTPConnection], Outcome]
) -> Outcome:
    """What comes of a call to a scheduler whose disk has failed, which ends it."""
    with lone_scheduler(folder, *ARGUMENTS) as scheduler, scheduler.hub() as hub:
        web = http.client.HTTPConnection("127.0.0.1", scheduler.ports.http, timeout=SECONDS)
        with closing(web), hub.stub() as stub:
            for name in ("open", "ended"):
                request = pb.CreateInstanceRequest(instanceId=name, name="nobody")
                stub.StartInstance(request, timeout=SECONDS)
            stub.TerminateInstance(pb.TerminateRequest(instanceId="ended"), timeout=SECONDS)
            empty = pb.SignalEntityRequest(instanceId="@counter@empty", name="delete")
            stub.SignalEntity(empty, timeout=SECONDS)
            with raw_worker(hub, entities=["counter"]) as worker:
                worker.settle(worker.item(), None)
            scheduler.tell("disk fails")
            wait_for_line(scheduler.log, "done: disk fails")
            assert scheduler.process.poll() is None
            outcome = call(stub, web)
        assert scheduler.process.wait(SECONDS) == 2
        assert "Traceback" not in scheduler.log.read_text()
        return outcome


@pytest.mark.parametrize("name", CALLS)
def test_no_change_is_acknowledged_over_grpc_that_is_not_on_the_disk(
    tmp_path: Path, name: str
) -> None:
    def call(stub: Any, _web: http.client.HTTPConnection) -> grpc.StatusCode:
        method = getattr(stub, name.partition(" ")[0])
        code: grpc.StatusCode = method.future(CALLS[name], timeout=SECONDS).code()
        return code

    assert without_a_disk(tmp_path, call) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("name", REQUESTS)
def test_no_change_is_acknowledged_over_http_that_is_not_on_the_disk(
    tmp_path: Path, name: str
) -> None:
    method, path, body = REQUESTS[name]

    def call(_stub: Any, web: http.client.HTTPConnection) -> tuple[int, str]:
        headers = {"x-taskhub": "default", "content-type": "application/json"}
        web.request(method, path, json.dumps(body), headers)
        response = web.getresponse()
        return response.status, json.loads(response.read())["error"]["code"]

    assert without_a_disk(tmp_path, call) == (503, "UNAVAILABLE")


def codes_of(futures: list[Any]) -> set[grpc.StatusCode]:
    return {future.code() for future in futures}


def test_nothing_is_refused_for_a_change_that_is_not_on_the_disk(tmp_path: Path) -> None:
    def call(stub: Any, _web: http.client.HTTPConnection) -> set[grpc.StatusCode]:
        twice = pb.CreateInstanceRequest(instanceId="twice", name="nobody")
        return codes_of([stub.StartInstance.future(twice, timeout=SECONDS) for _ in range(AT_ONCE)])

    assert without_a_disk(tmp_path, call) == {grpc.StatusCode.UNAVAILABLE}


def test_nobody_who_waits_hears_of_a_change_that_is_not_on_the_disk(tmp_path: Path) -> None:
    def call(stub: Any, _web: http.client.HTTPConnection) -> set[grpc.StatusCode]:
        terminate, asked = pb.TerminateRequest(instanceId="open"), pb.GetInstanceRequest()
        asked.instanceId = "open"
        wait = stub.WaitForInstanceCompletion.future
        before = [wait(asked, timeout=SECONDS) for _ in range(AT_ONCE)]
        ending = stub.TerminateInstance.future(terminate, timeout=SECONDS)
        after = [wait(asked, timeout=SECONDS) for _ in range(AT_ONCE)]
        return codes_of([*before, ending, *after])

    assert without_a_disk(tmp_path, call) == {grpc.StatusCode.UNAVAILABLE}
