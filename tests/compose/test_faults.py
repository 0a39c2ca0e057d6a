"""Faults on a real engine, in the middle of a run: the books are exact all the same."""

import json
import time
from pathlib import Path

import pytest

from tests.compose.compose_stack import ComposeStack, docker, inspect
from tests.compose.conftest import SAID_TO_UP
from tests.compose.test_kills import crash, outcomes
from tests.compose.test_stack import client, revenue_of, write_orders

ORDERS = 4_500
BATCH_SIZE = 100
# Longer than the keepalive, which finds a silent peer within 15 s.
SILENT_SECONDS = 17


def workers_connected(stack: ComposeStack) -> int:
    """How many workers the scheduler knows of, as it says itself."""
    [scheduler] = stack.containers("scheduler")
    program = (
        "import urllib.request as r; print(next(line.split()[-1] for line in"
        " r.urlopen('http://localhost:8081/metrics').read().decode().splitlines()"
        " if line.startswith('scheduler_workers{')))"
    )
    return int(float(docker("exec", scheduler, "python", "-c", program)))


def wait_for_workers(stack: ComposeStack, count: int) -> None:
    """Waits until so many workers are connected."""
    deadline = time.monotonic() + 60
    while workers_connected(stack) != count:
        assert time.monotonic() < deadline, f"not {count} workers"
        time.sleep(0.5)


def partition_until_it_is_noticed(stack: ComposeStack, worker: str) -> None:
    """Takes a worker off the network; nothing tells the scheduler that it is gone."""
    [network] = inspect("container", worker)["NetworkSettings"]["Networks"]
    docker("network", "disconnect", network, worker)
    wait_for_workers(stack, 1)
    docker("network", "connect", network, worker)
    wait_for_workers(stack, 2)


def partition_while_the_scheduler_is_killed(worker: str, scheduler: str) -> None:
    """Takes a worker off the network; the end of its connection never reaches it."""
    [network] = inspect("container", worker)["NetworkSettings"]["Networks"]
    docker("network", "disconnect", network, worker)
    crash(scheduler, "services.scheduler")
    docker("network", "connect", network, worker)


@pytest.mark.slow  # the scheduler is paused for longer than the keepalive
def test_nothing_is_lost_to_kills_a_partition_a_pause_and_a_restart_of_the_stack(
    stack: ComposeStack, tmp_path: Path
) -> None:
    orders = write_orders(tmp_path / "faults.csv", ORDERS)
    submitted = stack.submit(ORDERS=str(orders), BATCH_SIZE=str(BATCH_SIZE), ARGS="--no-wait")
    instance_id = submitted["instance_id"]
    [scheduler] = stack.containers("scheduler")
    workers = stack.containers("worker")

    crash(workers[0], "services.worker")
    wait_for_workers(stack, 2)
    partition_until_it_is_noticed(stack, workers[1])
    partition_while_the_scheduler_is_killed(workers[1], scheduler)
    stack.wait_until_healthy(scheduler)
    wait_for_workers(stack, 2)

    docker("pause", scheduler)
    time.sleep(SILENT_SECONDS)  # the fault itself: nothing announces how long it has been
    docker("unpause", scheduler)
    stack.wait_until_healthy(scheduler)

    assert stack.script("down").code == 0
    up = stack.script("up", EMBEDDED="1", **SAID_TO_UP)
    assert up.code == 0, up.err

    summary = client(stack, "wait", instance_id)
    rows = outcomes(stack, instance_id)
    failed = {row["order_id"] for row in rows if row["status"] == "failed"}
    assert summary["status"] == "COMPLETED", json.dumps(summary)
    assert [row["order_id"] for row in rows] == [f"faults-{n}" for n in range(ORDERS)]
    assert {row["status"] for row in rows} == {"completed", "failed"}
    assert summary["by_status"] == {"completed": ORDERS - len(failed), "failed": len(failed)}
    assert summary["revenue"] == revenue_of(orders, failed)
    wait_for_workers(stack, 2)
