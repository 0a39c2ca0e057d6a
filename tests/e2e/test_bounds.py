"""Overload is refused, not suffered: every bound that shows on the wire, named with its setting."""

import http.client
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue

from scripts.local_stack import ROOT, LocalStack
from tests.conformance.hub import Hub
from tests.conformance.raw_worker import RawWorker, asks_for, schedules
from tests.e2e.conftest import StackMaker
from tests.e2e.processes import wait_until
from tests.e2e.schedulers import ask, hub_of, metric, rss_mib

KIB = 1024
MIB = 1024 * KIB
# Calls as before a flood, but for what a busy machine does to them.
_RECOVERED = 4
_RECOVERY_SECONDS_MAX = 120
SMALL = {
    "DTS_USE_DYNAMIC_TASK_HUBS": "1",
    "SCHEDULER_HISTORY_READERS_MAX": "1",
    "SCHEDULER_MESSAGE_BYTES_MAX": str(4 * MIB),
    "SCHEDULER_PENDING_MAX": "3",
    "SCHEDULER_TASK_HUBS_MAX": "2",
    "SCHEDULER_UNREAD_BYTES_MAX": str(MIB),
    "SCHEDULER_WAITERS_MAX": "2",
    "SCHEDULER_WORKERS_MAX": "2",
}


@pytest.fixture(scope="module")
def narrow(new_stack: StackMaker) -> Iterator[LocalStack]:
    with new_stack(workers=0, **SMALL) as stack:
        yield stack


@pytest.fixture
def hub(narrow: LocalStack) -> Iterator[Hub]:
    with hub_of(narrow) as hub:
        yield hub


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(grpc.RpcError) as refused:
        call()
    error: Any = refused.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return str(error.details())


def start(stub: Any, instance_id: str, **fields: Any) -> pb.CreateInstanceRequest:
    request = pb.CreateInstanceRequest(instanceId=instance_id, name="nobody", **fields)
    stub.StartInstance(request, timeout=10)
    return request


def test_workers_beyond_the_bound_are_refused_before_their_stream_opens(
    narrow: LocalStack, hub: Hub
) -> None:
    opened = {"method": "GetWorkItems", "code": "OK"}
    before = metric(narrow, "scheduler_rpcs_total", **opened)
    with hub.stub() as stub, ExitStack() as streams:
        for _ in range(2):
            worker = RawWorker(stub, pb.GetWorkItemsRequest())
            streams.callback(worker.close)
            assert worker.is_open()
        one_more = stub.GetWorkItems(pb.GetWorkItemsRequest(), timeout=10)
        told = refusal(partial(next, one_more))
        assert told == (
            "Too many workers are connected to this task hub: the bound is 2"
            " (SCHEDULER_WORKERS_MAX)"
        )
        assert metric(narrow, "scheduler_rpcs_total", **opened) == before + 2


def test_starts_and_waits_beyond_the_bound_are_refused_on_both_ports(
    narrow: LocalStack, hub: Hub
) -> None:
    with hub.stub() as stub:
        for name in ("a", "b", "c"):
            start(stub, name)
        told = refusal(partial(start, stub, "d"))
        assert "the bound is 3 (SCHEDULER_PENDING_MAX)" in told
        assert not stub.GetInstance(pb.GetInstanceRequest(instanceId="d"), timeout=10).exists
        status, error = post(narrow, "/v1/taskhubs/orchestrations", {"name": "nobody"})
        assert (status, error["code"], error["message"]) == (429, "RESOURCE_EXHAUSTED", told)
        request = pb.GetInstanceRequest(instanceId="a")
        waiting = [stub.WaitForInstanceCompletion.future(request, timeout=30) for _ in range(2)]
        wait_until(lambda: metric(narrow, "scheduler_waiters", task_hub="default") == 2)
        # Workers' streams of the same scheduler are open calls too.
        assert metric(narrow, "scheduler_open_rpcs") >= 2
        assert metric(narrow, "scheduler_open_rpc_bytes") > 0
        told = refusal(partial(stub.WaitForInstanceStart, request, timeout=10))
        assert "the bound is 2 (SCHEDULER_WAITERS_MAX)" in told
        for name in ("a", "b", "c"):
            stub.TerminateInstance(pb.TerminateRequest(instanceId=name), timeout=10)
        for wait in waiting:
            assert wait.result(timeout=10).exists


def test_histories_that_are_not_read_are_bounded(hub: Hub) -> None:
    with hub.stub() as stub, ExitStack() as streams:
        large = StringValue(value="x" * (MIB - KIB))
        start(stub, "long", input=large)
        for _ in range(3):
            event = pb.RaiseEventRequest(instanceId="long", name="large", input=large)
            stub.RaiseEvent(event, timeout=10)
        with ExitStack() as opened:
            worker = RawWorker(stub, pb.GetWorkItemsRequest())
            opened.callback(worker.close)
            worker.decide(worker.item(), customStatus=StringValue(value='"on"'))
        request = pb.StreamInstanceHistoryRequest(instanceId="long")
        # What comes unasked stays little: gRPC's probe would let a busy connection take all of it.
        reader = streams.enter_context(hub.stub(("grpc.http2.bdp_probe", 0)))
        unread = reader.StreamInstanceHistory(request, timeout=30)
        # Open, and most of it is on its way to nobody.
        assert unread.initial_metadata() == ()
        told = refusal(partial(next, stub.StreamInstanceHistory(request, timeout=10)))
        assert "the bound is 1 (SCHEDULER_HISTORY_READERS_MAX)" in told
        assert sum(len(chunk.events) for chunk in unread) == 5
        # Whoever has read it makes room for the next one.
        again = stub.StreamInstanceHistory(request, timeout=10)
        assert sum(len(chunk.events) for chunk in again) == 5
        stub.TerminateInstance(pb.TerminateRequest(instanceId="long"), timeout=10)


def test_a_worker_that_reads_again_is_given_what_it_had_no_room_for(hub: Hub) -> None:
    parts = range(1, 11)
    large = "x" * 300 * KIB
    with hub.stub() as stub:
        start(stub, "wide")
        with ExitStack() as opened:
            worker = RawWorker(stub, asks_for(orchestrations=["nobody"]))
            opened.callback(worker.close)
            worker.decide(worker.item(), *(schedules(n, "part", large) for n in parts))
        # What comes unasked stays little.
        with hub.stub(("grpc.http2.bdp_probe", 0)) as reader:
            unread = reader.GetWorkItems(asks_for(activities=["part"]), timeout=10)
            # Nothing of it is answered: that alone would not bring the rest.
            read = [next(unread).activityRequest.taskId for _ in parts]
            assert sorted(read) == list(parts)
            unread.cancel()
        stub.TerminateInstance(pb.TerminateRequest(instanceId="wide"), timeout=10)


def test_task_hubs_that_anybody_may_make_are_bounded_on_both_ports(
    narrow: LocalStack, hub: Hub
) -> None:
    with hub.stub(task_hub="second") as stub:
        stub.Hello(Empty(), timeout=10)
    with hub.stub(task_hub="third") as stub:
        told = refusal(partial(stub.Hello, Empty(), timeout=10))
        assert "third" in told
        assert "the bound is 2 (SCHEDULER_TASK_HUBS_MAX)" in told
    assert ask(narrow, "/v1/taskhubs/ping", **{"x-taskhub": "third"}) == (429, told)


def test_messages_and_metadata_have_a_size(hub: Hub) -> None:
    with hub.stub(("grpc.max_send_message_length", -1)) as stub:
        large = StringValue(value="x" * 5 * MIB)
        assert "larger than max" in refusal(partial(start, stub, "large", input=large))
        request = pb.GetInstanceRequest(instanceId="large")
        assert not stub.GetInstance(request, timeout=10).exists
        for size, is_taken in ((15 * KIB, True), (17 * KIB, False)):
            call = partial(stub.GetInstance, request, metadata=[("x-long", "x" * size)], timeout=10)
            # Every time: between two bounds gRPC would refuse at random.
            for _ in range(20):
                if is_taken:
                    call()
                else:
                    assert "metadata size exceeds" in refusal(call)


def test_connections_beyond_the_bound_are_refused_on_both_ports(new_stack: StackMaker) -> None:
    bounds = {"SCHEDULER_CONNECTIONS_MAX": "2", "SCHEDULER_HTTP_CONNECTIONS_MAX": "1"}
    with new_stack(workers=0, **bounds) as stack, ExitStack() as connections:
        address = stack.endpoint.rpartition("/")[2]
        # Channels to one address share a connection otherwise.
        options = (("grpc.use_local_subchannel_pool", 1),)
        channels = [
            connections.enter_context(grpc.insecure_channel(address, options)) for _ in range(3)
        ]
        for channel in channels[:2]:
            grpc.channel_ready_future(channel).result(timeout=10)
        with pytest.raises(grpc.FutureTimeoutError):
            grpc.channel_ready_future(channels[2]).result(timeout=1)
        channels[0].close()
        grpc.channel_ready_future(channels[2]).result(timeout=30)
        idle = connections.enter_context(
            socket.create_connection(("127.0.0.1", stack.http_port), timeout=10)
        )
        status, error = post(stack, "/v1/taskhubs/orchestrations", {"name": "nobody"})
        assert (status, error["code"]) == (503, "RESOURCE_EXHAUSTED")
        assert error["message"] == (
            "Too many connections: the bound is 1 (SCHEDULER_HTTP_CONNECTIONS_MAX)"
        )
        assert ask(stack, "/healthz")[0] == 204
        idle.close()


def test_a_worker_that_never_reads_makes_the_scheduler_hold_little(
    new_stack: StackMaker, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub, hub.stub() as stub:
        payload = StringValue(value="x" * (MIB - KIB))
        for number in range(200):
            start(stub, f"large-{number}", input=payload)
        before = rss_mib(stack)
        limits = 2**31 - 1
        asked = pb.GetWorkItemsRequest(
            maxConcurrentOrchestrationWorkItems=limits, maxConcurrentActivityWorkItems=limits
        )
        silent = stub.GetWorkItems(asked)
        assert silent.initial_metadata() == ()
        # It is given what it is given before this is answered: one reads all that is left.
        reader = RawWorker(stub, asked)
        seen = {reader.item().orchestratorRequest.instanceId for _ in range(20)}
        assert len(seen) == 20
        grown = rss_mib(stack) - before
        record_testsuite_property("unread_rss_mib", grown)
        # All of them, with what is remembered of each, were 400.
        assert grown < 200
        reader.close()
        silent.cancel()


def test_a_client_without_measure_costs_memory_that_is_bounded_and_others_are_served(
    new_stack: StackMaker, record_testsuite_property: Callable[[str, object], None]
) -> None:
    bounds = {"SCHEDULER_CONNECTION_CALLS_MAX": "1000", "SCHEDULER_PENDING_MAX": "500"}
    with new_stack(workers=0, DTS_TASK_HUB_NAMES="default,other", **bounds) as stack:
        command = [sys.executable, "-m", "tests.e2e.flood", stack.endpoint.rpartition("/")[2]]
        with hub_of(stack, "other") as other, other.stub() as stub:
            usual = latency(stub)
        with subprocess.Popen(
            [*command, "6", "3000", str(10 * KIB)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as flood:
            peak, answered = 0, 0
            with hub_of(stack, "other") as other, other.stub() as stub:
                while flood.poll() is None:
                    # Whoever shares the scheduler is refused nothing.
                    stub.GetInstance(pb.GetInstanceRequest(instanceId="a"), timeout=30)
                    # Its own bound is as low, and a fast machine comes so far.
                    if answered < 400:
                        start(stub, f"other-{answered}")
                    answered += 1
                    peak = max(peak, rss_mib(stack))
            out, _ = flood.communicate()
        with hub_of(stack, "other") as other, other.stub() as stub:
            # What is left of the flood is in nobody's way for longer than seconds.
            wait_until(lambda: latency(stub) < _RECOVERED * usual, seconds=_RECOVERY_SECONDS_MAX)
        told = json.loads(out)
        record_testsuite_property("flood", {"peak_rss_mib": peak, "others": answered, **told})
        assert told["started"] == 500
        assert set(told["refusals"]) == {
            "RESOURCE_EXHAUSTED SCHEDULER_CONNECTION_CALLS_MAX",
            "RESOURCE_EXHAUSTED SCHEDULER_PENDING_MAX",
        }
        assert answered > 0
        assert peak < 400
        assert metric(stack, "scheduler_rpcs_total", code="RESOURCE_EXHAUSTED") == sum(
            told["refusals"].values()
        )


def latency(stub: Any) -> float:
    """What a call takes now, in seconds: the median of a few, so that no other process counts."""
    taken = []
    for _ in range(21):
        began = time.perf_counter()
        stub.GetInstance(pb.GetInstanceRequest(instanceId="a"), timeout=30)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def post(stack: LocalStack, path: str, document: Any) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", stack.http_port, timeout=10)
    headers = {"content-type": "application/json", "x-taskhub": "default"}
    try:
        connection.request("POST", path, json.dumps(document), headers)
        response = connection.getresponse()
        error: dict[str, str] = json.loads(response.read())["error"]
    finally:
        connection.close()
    return response.status, error
