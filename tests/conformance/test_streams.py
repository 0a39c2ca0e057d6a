"""`GetWorkItems`: who gets work, how much of it, and what becomes of it when a worker goes."""

import queue
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from tests.conformance.hub import Hub
from tests.conformance.raw_worker import (
    RawWorker,
    asks_for,
    finishes,
    kinds,
    raw_worker,
    schedules,
    seconds_since,
    start,
)


def test_the_initial_metadata_of_an_idle_stream_comes_at_once(hub: Hub) -> None:
    with raw_worker(hub, orchestrations=[hub.fresh()]) as worker:
        assert worker.is_open(seconds=2)


def test_the_token_of_a_lost_stream_completes_no_orchestration(hub: Hub) -> None:
    name = hub.fresh("fenced")
    with raw_worker(hub, orchestrations=[name]) as first:
        instance_id = start(hub, name)
        stale = first.item()
        first.close()
        with raw_worker(hub, orchestrations=[name]) as second:
            fresh = second.item()
            assert fresh.completionToken != stale.completionToken
            first.decide(stale, finishes(1, '"stale"'))
            second.decide(fresh, finishes(1, '"fresh"'))
    assert hub.ended(instance_id).get_output() == "fresh"


def test_an_activity_result_of_an_ended_stream_counts(hub: Hub) -> None:
    name, activity = hub.fresh("drained"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name]) as orchestrator:
        instance_id = start(hub, name)
        orchestrator.decide(orchestrator.item(), schedules(1, activity))
        with raw_worker(hub, activities=[activity]) as worker:
            task = worker.item()
            worker.close()
            worker.answer(task, '"late, but there"')
        item = orchestrator.item()
        completed = item.orchestratorRequest.newEvents[-1].taskCompleted
        orchestrator.decide(item, finishes(2, completed.result.value))
    assert hub.ended(instance_id).get_output() == "late, but there"


@pytest.mark.parametrize("kind", ["orchestration", "activity", "entity"])
def test_a_stream_that_ends_gives_its_work_back_at_once(hub: Hub, kind: str) -> None:
    names = {
        "orchestrations": [hub.fresh("o")] if kind != "entity" else [],
        "activities": [hub.fresh("a")],
        "entities": [hub.fresh("e")],
    }
    with ExitStack() as stack:
        first = stack.enter_context(raw_worker(hub, **names))
        lost = first_of(hub, kind, first, names)
        first.close()
        began = time.monotonic()
        found = stack.enter_context(raw_worker(hub, **names)).item()
    assert seconds_since(began) < 3
    lost.completionToken = found.completionToken
    if kind == "orchestration":  # its clock may have moved on
        assert kinds(found.orchestratorRequest.newEvents) == kinds(
            lost.orchestratorRequest.newEvents
        )
    else:
        assert found == lost


def first_of(hub: Hub, kind: str, worker: RawWorker, names: dict[str, list[str]]) -> pb.WorkItem:
    """The first work item of a kind, made for the occasion."""
    if kind == "entity":
        request = pb.SignalEntityRequest(instanceId=f"@{names['entities'][0]}@k", name="go")
        with hub.stub() as stub:
            stub.SignalEntity(request)
        return worker.item()
    start(hub, names["orchestrations"][0])
    if kind == "activity":
        worker.decide(worker.item(), schedules(1, names["activities"][0]))
    return worker.item()


@pytest.mark.parametrize("kind", ["orchestration", "activity", "entity"])
def test_abandoned_work_comes_back_but_not_in_a_hot_loop(hub: Hub, kind: str) -> None:
    names = {
        "orchestrations": [hub.fresh("o")],
        "activities": [hub.fresh("a")],
        "entities": [hub.fresh("e")],
    }
    with raw_worker(hub, **names) as worker:
        item, began, times = first_of(hub, kind, worker, names), time.monotonic(), 0
        while seconds_since(began) < 1:
            worker.abandon(item)
            item, times = worker.item(), times + 1
        assert (
            item.WhichOneof("request")
            == {
                "orchestration": "orchestratorRequest",
                "activity": "activityRequest",
                "entity": "entityRequestV2",
            }[kind]
        )
    assert 1 <= times <= 50


def test_a_worker_gets_no_more_orchestrations_than_it_asks_for(hub: Hub) -> None:
    name = hub.fresh("limited")
    with raw_worker(hub, orchestrations=[name], limits=(1, 2, 1)) as worker:
        started = {start(hub, name) for _ in range(3)}
        for _ in range(3):
            item = worker.item()
            assert worker.rest() == []
            started.remove(item.orchestratorRequest.instanceId)
            worker.decide(item, finishes(1))
    assert started == set()


def test_a_worker_gets_no_more_activities_than_it_asks_for(hub: Hub) -> None:
    name, activity = hub.fresh("limited"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name], activities=[activity], limits=(1, 2, 1)) as worker:
        start(hub, name)
        worker.decide(worker.item(), *(schedules(number, activity) for number in range(1, 5)))
        one, two = worker.items(2)
        assert worker.rest() == []
        worker.answer(one)
        (item, three) = sorted(worker.items(2), key=lambda it: it.HasField("activityRequest"))
        assert three.activityRequest.taskId == 3
        worker.decide(item)
        worker.answer(two)
        more = worker.items(2)
        assert sorted(it.activityRequest.taskId for it in more) == [0, 4]


def test_a_limit_of_zero_is_no_limit_of_zero(hub: Hub) -> None:
    name, activity = hub.fresh("unlimited"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name], activities=[activity], limits=(0, 0, 0)) as worker:
        for _ in range(5):
            start(hub, name)
        for item in worker.items(5):
            worker.decide(item, schedules(1, activity))
        assert len(worker.items(5)) == 5


def test_the_oldest_work_comes_first(hub: Hub) -> None:
    name, activity = hub.fresh("ordered"), hub.fresh("activity")
    started = [start(hub, name) for _ in range(5)]
    with raw_worker(hub, orchestrations=[name], activities=[activity], limits=(1, 1, 1)) as worker:
        for instance_id in started:
            item = worker.item()
            assert item.orchestratorRequest.instanceId == instance_id
            worker.decide(item, finishes(1))
        start(hub, name)
        worker.decide(worker.item(), *(schedules(number, activity) for number in range(1, 6)))
        order: list[int] = []
        while len(order) < 5:
            item = worker.item()
            if item.HasField("activityRequest"):
                order.append(item.activityRequest.taskId)
                worker.answer(item)
            else:
                worker.decide(item)
    assert order == [1, 2, 3, 4, 5]


def test_equal_workers_share_a_fan_out_evenly(hub: Hub) -> None:
    name, activity = hub.fresh("wide"), hub.fresh("activity")
    with ExitStack() as stack:
        orchestrator = stack.enter_context(raw_worker(hub, orchestrations=[name]))
        workers = [
            stack.enter_context(raw_worker(hub, activities=[activity], limits=(1, 1, 1)))
            for _ in range(3)
        ]
        assert all(worker.is_open() for worker in workers)
        start(hub, name)
        orchestrator.decide(
            orchestrator.item(), *(schedules(number, activity) for number in range(1, 301))
        )
        with ThreadPoolExecutor(len(workers)) as pool:
            shares = list(pool.map(answer_all, workers))
    assert sum(shares) == 300
    assert max(shares) <= 0.4 * 300


def answer_all(worker: RawWorker) -> int:
    """Answers activities until no more come; how many they were."""
    count = 0
    while True:
        try:
            worker.answer(worker.item(seconds=1))
        except queue.Empty:
            return count
        count += 1


def test_streams_share_a_connection(hub: Hub) -> None:
    names = [hub.fresh("shared") for _ in range(5)]
    with hub.stub() as stub:
        workers = [RawWorker(stub, asks_for(orchestrations=[name])) for name in names]
        for name, worker in zip(names, workers, strict=True):
            instance_id = start(hub, name)
            item = worker.item()
            assert item.orchestratorRequest.instanceId == instance_id
            worker.decide(item, finishes(1))
        for worker in workers:
            worker.close()


def test_many_idle_streams_do_not_keep_others_waiting(hub: Hub) -> None:
    with hub.stub() as stub:
        workers = [RawWorker(stub, asks_for(orchestrations=[hub.fresh()])) for _ in range(70)]
        try:
            with hub.stub() as other:
                other.Hello(Empty(), timeout=5)
        finally:
            for worker in workers:
                worker.close()


@pytest.mark.slow
def test_a_client_that_pings_every_five_seconds_keeps_its_connection(hub: Hub) -> None:
    name = hub.fresh("pinged")
    options = (
        ("grpc.keepalive_time_ms", 5_000),
        ("grpc.keepalive_timeout_ms", 2_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    )
    with hub.stub(*options) as stub:
        worker = RawWorker(stub, asks_for(orchestrations=[name]))
        with pytest.raises(queue.Empty):
            worker.item(seconds=60)
        assert worker.stream.is_active()
        start(hub, name)
        worker.decide(worker.item(), finishes(1))
        worker.close()
        assert worker.stream.code() == grpc.StatusCode.CANCELLED
