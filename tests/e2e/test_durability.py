import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask import history, task
from durabletask.internal import orchestrator_service_pb2 as pb

from scripts.local_stack import ROOT, LocalStack
from services.shared.batches import child_instance_id
from tests.conformance.cell import cell, cell_id, value_of
from tests.conformance.histories import of
from tests.conformance.hub import Hub, Steps
from tests.conformance.raw_worker import finishes, raw_worker, schedules, start, text
from tests.conformance.waiting import GO, waits_for_go
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.histories import history_bytes
from tests.e2e.odd_worker import runs_all
from tests.e2e.processes import end, wait_until
from tests.e2e.schedulers import (
    assert_every_task_ended_once,
    data_of,
    hub_of,
    kill_and_start,
    metric,
    wait_for_metric,
)

OrdersFile = Callable[..., Path]
DONE = {"method": "CompleteActivityTask", "code": "OK"}


@contextmanager
def odd_worker(stack: LocalStack, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of `tests.e2e.odd_worker`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.odd_worker", stack.endpoint, str(folder)],
        cwd=ROOT,
        env=os.environ,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        end(process)


def notes_of(folder: Path, verb: str, process: "subprocess.Popen[bytes] | None" = None) -> int:
    """How many activities have begun or ended, of one process or of all."""
    notes = folder / "notes"
    lines = notes.read_text().splitlines() if notes.exists() else []
    ending = "" if process is None else f" {process.pid}"
    return sum(line.startswith(f"{verb} ") and line.endswith(ending) for line in lines)


def acknowledged(hub: Hub, thread: int) -> list[int]:
    """Starts, events and signals one after the other until one is not answered; those that were."""
    numbers: list[int] = []
    number = thread * 100_000
    with hub.stub() as stub:
        while True:
            key = f"n-{number}"
            try:
                stub.StartInstance(
                    pb.CreateInstanceRequest(instanceId=key, name="waits_for_go"), timeout=20
                )
                stub.RaiseEvent(
                    pb.RaiseEventRequest(instanceId=key, name=GO, input=text(str(number)))
                )
                stub.SignalEntity(
                    pb.SignalEntityRequest(
                        instanceId=str(cell_id(key)), name="set", input=text(str(number))
                    )
                )
            except grpc.RpcError:
                return numbers
            numbers.append(number)
            number += 1


def test_every_acknowledged_call_holds_after_a_kill(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, ThreadPoolExecutor(4) as pool:
        with hub_of(stack) as hub:
            callers = [pool.submit(acknowledged, hub, thread) for thread in range(4)]
        wait_for_metric(stack, 200, "scheduler_rpcs_total", method="SignalEntity", code="OK")
        kill_and_start(stack)
        numbers = [number for caller in callers for number in caller.result()]
        assert len(numbers) >= 200
        with hub_of(stack) as hub, hub.worker(orchestrators=[waits_for_go], entities=[cell]):
            for number in numbers:
                assert hub.ended(f"n-{number}").get_output() == number
                hub.until(lambda number=number: value_of(hub, f"n-{number}") == number)  # type: ignore[misc]  # a default of a lambda


def test_a_fan_out_goes_on_after_a_kill_with_the_same_worker(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(workers=1, PROCESSING_MS="60") as stack, hub_of(stack) as hub:
        client = CommandLine(stack.environment)
        client("submit", orders_file("killed", 100), "--no-wait", "--instance-id", "killed")
        wait_for_metric(stack, 20, "scheduler_rpcs_total", **DONE)
        kill_and_start(stack)
        ran = client("wait", "killed", "--timeout", 60, "--json")
        assert ran.document["orders"] == 100
        assert stack.stopped_parts() == []
        for instance_id in ["killed", *(child_instance_id("killed", n) for n in range(1, 11))]:
            assert_every_task_ended_once(hub.client.get_orchestration_history(instance_id))


def sleeps(ctx: task.OrchestrationContext, seconds: float) -> Steps:
    """Waits for a timer, then for another that is due later."""
    yield ctx.create_timer(timedelta(seconds=seconds))
    yield ctx.create_timer(timedelta(milliseconds=10))
    return "awake"


def test_timers_that_were_due_while_it_was_down_fire_once(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack:
        with hub_of(stack) as hub, hub.worker(orchestrators=[sleeps]):
            client = hub.client
            ids = [client.schedule_new_orchestration(sleeps, input=3.0) for _ in range(30)]
            due = datetime.now(UTC) + timedelta(seconds=3)
            late = client.schedule_new_orchestration(sleeps, input=0.1, start_at=due)
            client.signal_entity(cell_id("later"), "add", 5, signal_time=due)
            for instance_id in ids:
                wait_until(
                    lambda it=instance_id: of(  # type: ignore[misc]  # a default of a lambda
                        history.TimerCreatedEvent, client.get_orchestration_history(it)
                    )
                )
            end(stack.process("scheduler"))
        wait_until(lambda: datetime.now(UTC) > due + timedelta(seconds=1))
        stack.start_scheduler()
        with hub_of(stack) as hub, hub.worker(orchestrators=[sleeps], entities=[cell]):
            for instance_id in (*ids, late):
                assert hub.ended(instance_id).get_output() == "awake"
                events = hub.client.get_orchestration_history(instance_id)
                assert len(of(history.TimerFiredEvent, events)) == 2
                assert_every_task_ended_once(events)
            hub.until(lambda: value_of(hub, "later"))
            assert value_of(hub, "later") == 5


def generated_orders(client: CommandLine, path: Path, count: int) -> tuple[set[str], Any]:
    """Writes orders that all complete; their ids, and their revenue by currency."""
    path.write_text(client("generate", count, "--seed", 11).out)
    revenue: Counter[str] = Counter()
    ids = set()
    with path.open(newline="") as stream:
        for row in csv.DictReader(stream):
            cents = int(row["quantity"]) * int(Decimal(row["unit_price"]) * 100)
            revenue[row["currency"]] += cents
            ids.add(row["order_id"])
    return ids, {name: f"{Decimal(cents) / 100:.2f}" for name, cents in revenue.items()}


def assert_exact(client: CommandLine, ids: set[str], instance_id: str) -> None:
    """Every order has exactly one outcome, and it is completed."""
    rows = json.loads(client("results", instance_id, "--format", "json").out)
    assert sorted(row["order_id"] for row in rows) == sorted(ids)
    assert {row["status"] for row in rows} == {"completed"}


def test_the_books_are_exact_though_everything_is_killed_several_times(
    new_stack: StackMaker, tmp_path: Path
) -> None:
    settings = {"PROCESSING_MS": "5", "FAILURE_RATE": "0", "CLIENT_CONNECT_SECONDS": "60"}
    with new_stack(workers=2, **settings) as stack, hub_of(stack) as hub:
        client = CommandLine(stack.environment)
        path = tmp_path / "orders.csv"
        ids, revenue = generated_orders(client, path, 2_000)
        assert len(ids) == 2_000
        submission = subprocess.Popen(
            client.command("submit", path, "--batch-size", 50, "--json", "--instance-id", "all"),
            cwd=ROOT,
            env=client.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            for number in (1, 2, 1, 2):
                wait_for_metric(stack, 150, "scheduler_rpcs_total", **DONE)
                end(stack.process(f"worker-{number}"))
                stack.start_worker(number)
                wait_for_metric(stack, 250, "scheduler_rpcs_total", **DONE)
                kill_and_start(stack)
                assert submission.poll() is None, "it was over before the last kill"
            out, _ = submission.communicate(timeout=120)
        finally:
            submission.kill()
        summary = json.loads(out)
        assert (summary["orders"], summary["by_status"]) == (
            2_000,
            {"completed": 2_000, "failed": 0},
        )
        assert summary["revenue"] == revenue
        assert_exact(client, ids, "all")
        everything = history_bytes(stack, "all")
        assert len(everything) == 1 + 2 + 40  # 30 and 10 batches
        for instance_id in everything:
            assert_every_task_ended_once(hub.client.get_orchestration_history(instance_id))


def test_a_worker_that_is_drained_under_load_costs_and_doubles_nothing(
    new_stack: StackMaker, tmp_path: Path
) -> None:
    settings = {"PROCESSING_MS": "40", "FAILURE_RATE": "0"}
    with new_stack(workers=2, **settings) as stack, hub_of(stack) as hub:
        client = CommandLine(stack.environment)
        path = tmp_path / "orders.csv"
        ids, revenue = generated_orders(client, path, 600)
        client("submit", path, "--batch-size", 100, "--no-wait", "--instance-id", "all")
        wait_for_metric(stack, 100, "scheduler_rpcs_total", **DONE)
        drained = stack.process("worker-1")
        drained.send_signal(signal.SIGTERM)
        assert drained.wait(20) == 0
        assert "stopped, nothing left behind" in stack.log_tail("worker-1")
        ran = client("wait", "all", "--timeout", 60, "--json")
        assert ran.document["revenue"] == revenue
        assert_exact(client, ids, "all")
        for instance_id in ("all", *(child_instance_id("all", n) for n in range(1, 7))):
            assert_every_task_ended_once(hub.client.get_orchestration_history(instance_id))


@pytest.mark.parametrize("another_meanwhile", [False, True])
def test_eight_activities_in_the_air_of_a_draining_worker_count_once_each(
    new_stack: StackMaker, tmp_path: Path, *, another_meanwhile: bool
) -> None:
    with (
        new_stack(workers=0) as stack,
        hub_of(stack) as hub,
        odd_worker(stack, tmp_path) as drained,
    ):
        given = {"activity": "waits", "inputs": list(range(8))}
        instance_id = hub.client.schedule_new_orchestration(runs_all, input=given)
        wait_until(lambda: notes_of(tmp_path, "begin") == 8)
        drained.send_signal(signal.SIGTERM)
        wait_until(lambda: metric(stack, "scheduler_workers") == 0)
        if another_meanwhile:
            with odd_worker(stack, tmp_path) as other:
                wait_until(lambda: notes_of(tmp_path, "begin", other) == 8)
                (tmp_path / "gate").touch()
                assert hub.ended(instance_id).get_output() == list(range(8))
                assert drained.wait(20) == 0
        else:
            (tmp_path / "gate").touch()
            assert drained.wait(20) == 0
            with odd_worker(stack, tmp_path):
                assert hub.ended(instance_id).get_output() == list(range(8))
        assert notes_of(tmp_path, "begin") == (16 if another_meanwhile else 8)
        events = hub.client.get_orchestration_history(instance_id)
        assert len(of(history.TaskCompletedEvent, events)) == 8
        assert_every_task_ended_once(events)


def test_a_scheduler_that_is_stopped_with_streams_and_waiters_goes_on_at_its_next_start(
    new_stack: StackMaker,
) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub, ThreadPoolExecutor(8) as pool:
        names = {"orchestrations": ["stopped"], "activities": ["part"]}
        ids = [start(hub, "stopped") for _ in range(8)]
        waiting = [
            pool.submit(hub.client.wait_for_orchestration_completion, it, timeout=60) for it in ids
        ]
        wait_for_metric(stack, 8, "scheduler_waiters")
        with raw_worker(hub, **names) as worker, raw_worker(hub, orchestrations=["idle"]):
            for item in worker.items(8):
                worker.decide(item, schedules(1, "part"))
            held = worker.items(8)
            scheduler = stack.process("scheduler")
            scheduler.send_signal(signal.SIGTERM)
            assert scheduler.wait(10) == 0
        assert all(isinstance(waiter.exception(20), grpc.RpcError) for waiter in waiting)
        assert "services.scheduler.app: stopped" in stack.log_tail("scheduler")
        logs = list(data_of(stack).glob("*-wal"))
        assert [log for log in logs if log.stat().st_size] == []
        stack.start_scheduler()
        with raw_worker(hub, **names) as worker:
            again = worker.items(8)
            parts = [item.activityRequest for item in again]
            assert parts == [item.activityRequest for item in held]
            for item in again:
                worker.answer(item, '"done"')
            for item in worker.items(8):
                worker.decide(item, finishes(2, '"over"'))
        assert [hub.ended(it).get_output() for it in ids] == ["over"] * 8
        for it in ids:
            assert_every_task_ended_once(hub.client.get_orchestration_history(it))


@pytest.mark.parametrize("seconds_before", [0, 22])
def test_the_work_of_a_frozen_worker_is_given_to_another(
    new_stack: StackMaker, tmp_path: Path, seconds_before: int
) -> None:
    given = {"activity": "waits", "inputs": ["slow"]}
    with (
        new_stack(workers=0) as stack,
        hub_of(stack) as hub,
        odd_worker(stack, tmp_path) as frozen,
    ):
        instance_id = hub.client.schedule_new_orchestration(runs_all, input=given)
        wait_until(lambda: notes_of(tmp_path, "begin", frozen) == 1)
        # A connection that has been silent for a while must be looked after like a fresh one.
        silent = datetime.now(UTC) + timedelta(seconds=seconds_before)
        wait_until(lambda: datetime.now(UTC) > silent)
        frozen.send_signal(signal.SIGSTOP)
        with odd_worker(stack, tmp_path) as other:
            wait_until(lambda: notes_of(tmp_path, "begin", other) == 1, seconds=20)
            (tmp_path / "gate").touch()
            assert hub.ended(instance_id).get_output() == ["slow"]
            # What the frozen one answers when it wakes up changes nothing.
            frozen.send_signal(signal.SIGCONT)
            wait_until(lambda: notes_of(tmp_path, "end", frozen) == 1)
            wait_for_metric(stack, 2, "scheduler_workers")
        events = hub.client.get_orchestration_history(instance_id)
        assert_every_task_ended_once(events)
