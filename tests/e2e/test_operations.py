import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from scripts.local_stack import ROOT, LocalStack
from tests.conformance.hub import Hub
from tests.conformance.raw_worker import finishes, raw_worker, schedules, start
from tests.conformance.waiting import echo
from tests.e2e.conftest import StackMaker
from tests.e2e.processes import wait_until
from tests.e2e.schedulers import (
    ask,
    data_of,
    hub_of,
    kill_and_start,
    metric,
    run_scheduler,
    wait_for_metric,
)

WAITING, IN_AIR = "scheduler_work_items_waiting", "scheduler_work_items_in_air"
RPCS = "scheduler_rpcs_total"
# Of one core: what a scheduler may cost that has nothing to do.
IDLE_SHARE_MAX = 0.02
IDLE_SECONDS = 10


def test_the_help_names_every_setting_of_the_scheduler(tmp_path: Path) -> None:
    ran = run_scheduler(tmp_path / "data", "--help")
    assert ran.returncode == 0
    source = (ROOT / "services" / "scheduler" / "settings.py").read_text()
    names = set(re.findall(r'"((?:SCHEDULER|DTS|LOG)_[A-Z_]+)"', source))
    assert {"SCHEDULER_DATA_DIR", "DTS_TASK_HUB_NAMES", "LOG_LEVEL"} <= names
    assert names - set(re.findall(r"\b[A-Z_]+\b", ran.stdout)) == set()
    assert not (tmp_path / "data").exists()


def test_all_bad_settings_are_told_at_once(tmp_path: Path) -> None:
    bad = {"SCHEDULER_RETENTION_DAYS": "soon", "LOG_LEVEL": "loud", "DTS_TASK_HUB_NAMES": "a/b"}
    ran = run_scheduler(tmp_path / "data", **bad)
    assert ran.returncode == 2
    heading, *lines = ran.stderr.splitlines()
    assert heading == "the scheduler cannot start:"
    assert {line.split("=")[0] for line in lines} == set(bad)
    assert "SCHEDULER_RETENTION_DAYS='soon': a number of days, or never" in lines
    assert not (tmp_path / "data").exists()


def test_the_line_that_tells_of_readiness_says_where_everything_is(new_stack: StackMaker) -> None:
    with new_stack(workers=0, DTS_TASK_HUB_NAMES="one, two", LOG_LEVEL="error") as stack:
        (line,) = stack.log_tail("scheduler").splitlines()
        assert line.endswith(
            f"ready: gRPC on 127.0.0.1:{stack.grpc_port}, HTTP on 127.0.0.1:{stack.http_port},"
            f" task hubs one, two, data in {data_of(stack)}"
        )
        assert sorted(path.name for path in data_of(stack).glob("*.db")) == ["one.db", "two.db"]


def test_health_is_204_and_the_ping_knows_the_hubs(stack: LocalStack) -> None:
    assert ask(stack, "/healthz") == (204, "")
    assert ask(stack, "/v1/taskhubs/ping", **{"x-taskhub": "default"}) == (200, "")
    refused = (404, "Task hub not found: nowhere")
    assert ask(stack, "/v1/taskhubs/ping", **{"x-taskhub": "nowhere"}) == refused
    assert ask(stack, "/v1/taskhubs/ping")[0] == 404
    assert ask(stack, "/nothing")[0] == 404


def test_health_is_no_longer_204_while_it_stops(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        start(hub, "held")
        with raw_worker(hub, orchestrations=["held"]) as worker:
            worker.item()
            scheduler = stack.process("scheduler")
            scheduler.send_signal(signal.SIGTERM)
            # It gives what is in the air some seconds to be answered.
            wait_until(lambda: ask(stack, "/healthz") == (503, ""), seconds=2)
            assert scheduler.wait(10) == 0


def kinds_of(stack: LocalStack, name: str) -> list[float]:
    """A gauge for orchestrations, activities and entities."""
    return [
        metric(stack, name, task_hub="default", kind=kind)
        for kind in ("orchestration", "activity", "entity")
    ]


def test_the_metrics_are_right_at_every_step_of_a_run(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub, ThreadPoolExecutor(1) as pool:
        ids = [start(hub, "measured") for _ in range(3)]
        with hub.stub() as stub:
            stub.SignalEntity(pb.SignalEntityRequest(instanceId="@measured@key", name="go"))
        waiting = pool.submit(hub.ended, ids[0])
        wait_for_metric(stack, 1, "scheduler_waiters")
        assert kinds_of(stack, WAITING) == [3, 0, 1]
        assert kinds_of(stack, IN_AIR) == [0, 0, 0]
        assert metric(stack, "scheduler_workers") == 0
        names = {"orchestrations": ["measured"], "activities": ["part"], "entities": ["measured"]}
        with raw_worker(hub, limits=(100, 2, 100), **names) as worker:
            items = sorted(worker.items(4), key=lambda item: item.HasField("entityRequestV2"))
            assert (kinds_of(stack, WAITING), kinds_of(stack, IN_AIR)) == ([0, 0, 0], [3, 0, 1])
            assert metric(stack, "scheduler_workers", task_hub="default") == 1
            worker.settle(items.pop(), "1")
            worker.decide(items[0], *(schedules(number, "part") for number in range(1, 6)))
            for item in items[1:]:
                worker.decide(item, finishes(1))
            parts = worker.items(2)
            assert (kinds_of(stack, WAITING), kinds_of(stack, IN_AIR)) == ([0, 3, 0], [0, 2, 0])
            worker.answer(parts[0], "1")
            worker.item()
        wait_until(lambda: metric(stack, "scheduler_workers") == 0)
        assert sum(kinds_of(stack, IN_AIR)) == 0
        assert sum(kinds_of(stack, WAITING)) == 5
        hub.client.terminate_orchestration(ids[0])
        waiting.result(20)
        assert metric(stack, "scheduler_waiters") == 0
        assert sum(kinds_of(stack, WAITING)) == 0
        assert metric(stack, RPCS, method="StartInstance", code="OK") == 3
        assert metric(stack, RPCS, method="CompleteOrchestratorTask", code="OK") == 3
        assert metric(stack, RPCS, method="CompleteActivityTask", code="OK") == 1
        assert metric(stack, RPCS, method="CompleteEntityTask", code="OK") == 1


def test_the_metrics_count_refusals_and_commits(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        commits = metric(stack, "scheduler_commits_total")
        for _ in range(10):
            start(hub, "measured")
        assert metric(stack, "scheduler_commits_total", task_hub="default") == commits + 10
        assert 0 < metric(stack, "scheduler_commit_seconds_total", task_hub="default") < 60
        for _ in range(2):
            with pytest.raises(grpc.RpcError):
                start(hub, "measured", "@no")
        with pytest.raises(grpc.RpcError):
            hub.client.get_orchestration_history("missing")
        assert metric(stack, RPCS, method="StartInstance", code="INVALID_ARGUMENT") == 2
        assert metric(stack, RPCS, method="StreamInstanceHistory", code="NOT_FOUND") == 1
        # Reads change nothing, and cost no commit.
        hub.client.get_all_orchestration_states()
        hub.client.get_orchestration_state("missing")
        assert metric(stack, "scheduler_commits_total", task_hub="default") == commits + 10


# Retention


def shift_back(file: Path, days: int) -> None:
    """Makes everything in a stopped hub's file older."""
    with sqlite3.connect(file) as connection:
        micros = days * 86_400_000_000
        connection.execute("UPDATE instances SET completed_at = completed_at - ?", (micros,))
    connection.close()


def finished_and_unfinished(stack: LocalStack) -> None:
    """Two instances that have ended and one that waits."""
    with hub_of(stack) as hub:
        with hub.worker(orchestrators=[echo]):
            for instance_id in ("old", "older"):
                hub.ran(echo, instance_id=instance_id)
        start(hub, "waits", "unfinished")


def ids_of(hub: Hub) -> set[str]:
    return {state.instance_id for state in hub.client.get_all_orchestration_states()}


def test_a_retention_of_no_days_purges_what_has_ended(new_stack: StackMaker) -> None:
    with new_stack(workers=0, SCHEDULER_RETENTION_DAYS="0") as stack:
        finished_and_unfinished(stack)
        with hub_of(stack) as hub:
            wait_until(lambda: ids_of(hub) == {"unfinished"})


@pytest.mark.parametrize(
    ("days", "left"),
    [
        ("", {"unfinished"}),
        ("40", {"old", "older", "unfinished"}),
        ("never", {"old", "older", "unfinished"}),
    ],
)
def test_what_ended_long_ago_is_kept_as_long_as_the_setting_says(
    new_stack: StackMaker, days: str, left: set[str]
) -> None:
    with new_stack(workers=0, SCHEDULER_RETENTION_DAYS=days) as stack:
        finished_and_unfinished(stack)
        stack.stop()
        shift_back(data_of(stack) / "default.db", 31)
        stack.start_scheduler()
        with hub_of(stack) as hub:
            if len(left) == 1:
                wait_until(lambda: ids_of(hub) == left)
            # The first look is at the start; what comes after is an hour away.
            assert ids_of(hub) == left


# Dynamic hubs


def recreate_hub(hub: Hub, name: str) -> None:
    with hub.stub(task_hub=name) as stub:
        stub.CreateTaskHub(pb.CreateTaskHubRequest(recreateIfExists=True))


def delete_hub(hub: Hub, name: str) -> None:
    with hub.stub(task_hub=name) as stub:
        stub.DeleteTaskHub(pb.DeleteTaskHubRequest())


def test_a_dynamic_hub_is_made_at_its_first_use_and_persists(new_stack: StackMaker) -> None:
    with new_stack(workers=0, DTS_USE_DYNAMIC_TASK_HUBS="true") as stack:
        with hub_of(stack, "fresh") as hub:
            assert not (data_of(stack) / "fresh.db").exists()
            start(hub, "kept", "kept")
            assert (data_of(stack) / "fresh.db").exists()
            for bad in ("../up", "a/b", ".hidden", "x" * 65):
                with hub.stub(task_hub=bad) as stub, pytest.raises(grpc.RpcError) as refused:
                    stub.StartInstance(pb.CreateInstanceRequest(name="no"))
                assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        kill_and_start(stack)
        assert "task hubs default, fresh, data in" in stack.log_tail("scheduler").splitlines()[0]
        with hub_of(stack, "fresh") as hub, raw_worker(hub, orchestrations=["kept"]) as worker:
            assert worker.item().orchestratorRequest.instanceId == "kept"
        with hub_of(stack) as hub:
            assert ids_of(hub) == set()


def test_a_deleted_hub_is_set_aside_and_a_named_one_is_not_deleted(new_stack: StackMaker) -> None:
    with new_stack(workers=0, DTS_USE_DYNAMIC_TASK_HUBS="true") as stack:
        with hub_of(stack, "fresh") as hub, ThreadPoolExecutor(1) as pool:
            start(hub, "kept", "kept")
            waiting = pool.submit(hub.ended, "kept")
            wait_for_metric(stack, 1, "scheduler_waiters", task_hub="fresh")
            with raw_worker(hub, orchestrations=["kept"]) as worker:
                worker.item()
                delete_hub(hub, "fresh")
            assert isinstance(waiting.exception(20), grpc.RpcError)
            (aside,) = data_of(stack).glob("fresh.db.deleted-*")
            with sqlite3.connect(aside) as connection:
                kept = connection.execute("SELECT instance_id FROM instances").fetchall()
            connection.close()
            assert kept == [("kept",)]
            assert ids_of(hub) == set()  # made anew by this call
        with hub_of(stack) as hub:
            start(hub, "kept", "of the named one")
            for call in (delete_hub, recreate_hub):
                with pytest.raises(grpc.RpcError) as refused:
                    call(hub, "default")
                assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
            assert ids_of(hub) == {"of the named one"}


# What idleness costs


def cpu_seconds(stack: LocalStack) -> float:
    """What the scheduler's process has spent so far."""
    stat = Path(f"/proc/{stack.process('scheduler').pid}/stat").read_text().rsplit(")", 1)[1]
    user, system = (int(ticks) for ticks in stat.split()[11:13])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def idle_share(stack: LocalStack) -> float:
    """The share of one core that the scheduler spends from now on."""
    began, spent = time.monotonic(), cpu_seconds(stack)
    wait_until(lambda: time.monotonic() - began > IDLE_SECONDS)
    return (cpu_seconds(stack) - spent) / (time.monotonic() - began)


def create_timers(hub: Hub, count: int) -> None:
    """Timers that are due tomorrow, a thousand in each instance."""
    tomorrow = Timestamp()
    tomorrow.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    timers = [
        pb.OrchestratorAction(id=number, createTimer=pb.CreateTimerAction(fireAt=tomorrow))
        for number in range(1, 1_001)
    ]
    with raw_worker(hub, orchestrations=["timed"]) as worker:
        for _ in range(count // 1_000):
            start(hub, "timed")
            worker.decide(worker.item(), *timers)


@contextmanager
def idle_waiters(stack: LocalStack, hub: Hub) -> Iterator[None]:
    """A thousand clients that wait for something, for the length of the block."""
    instance_id = start(hub, "never")
    channel = grpc.insecure_channel(hub.address)
    wait = channel.unary_unary(
        "/TaskHubSidecarService/WaitForInstanceCompletion",
        request_serializer=pb.GetInstanceRequest.SerializeToString,
        response_deserializer=pb.GetInstanceResponse.FromString,
    )
    request = pb.GetInstanceRequest(instanceId=instance_id)
    calls = [wait.future(request, metadata=(("taskhub", hub.name),)) for _ in range(1_000)]
    wait_for_metric(stack, 1_000, "scheduler_waiters")
    try:
        yield
        assert not any(call.done() for call in calls)
    finally:
        channel.close()


def test_idle_waiters_and_pending_timers_cost_next_to_nothing(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        create_timers(hub, 10_000)
        with idle_waiters(stack, hub):
            assert idle_share(stack) < IDLE_SHARE_MAX
            assert metric(stack, "scheduler_waiters") == 1_000
        wait_until(lambda: metric(stack, "scheduler_waiters") == 0)
