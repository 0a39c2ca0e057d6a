"""Faults on a real engine, in the middle of a run: the books are exact all the same."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from operator import gt
from pathlib import Path

import pytest

from tests.compose.compose_stack import ComposeStack, docker, environment_with, inspect, run
from tests.compose.conftest import SAID_TO_UP
from tests.compose.test_kills import crash, outcomes
from tests.compose.test_stack import revenue_of, write_orders
from tests.e2e.processes import wait_until

ORDERS = 4_500
BATCH_SIZE = 100
# The keepalive finds a silent peer within 15 s; half a minute is the machine's to be slow.
NOTICED_SECONDS_MAX = 45
# What a worker's log says when its connection is dead, and with each new one; and a client's.
LOST = "lost the connection to"
CONNECTED = "connected to http"
UNANSWERED = "no answer from"


# Within the container: the metrics of all hubs together.
METRIC = """
import sys, urllib.request
with urllib.request.urlopen("http://localhost:8081/metrics") as answer:
    lines = answer.read().decode().splitlines()
print(sum(float(line.split()[-1]) for line in lines if line.split("{")[0] == sys.argv[1]))
"""


def wait_for_metric(stack: ComposeStack, name: str, value: int) -> None:
    """Waits until the scheduler itself says so."""
    [scheduler] = stack.containers("scheduler")
    ask = ("exec", scheduler, "python", "-c", METRIC, name)
    wait_until(lambda: float(docker(*ask)) == value, seconds=60)


def wait_for_workers(stack: ComposeStack, count: int) -> None:
    """Waits until so many workers are connected."""
    wait_for_metric(stack, "scheduler_workers", count)


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


def logged(container: str, text: str) -> int:
    """How many lines of a container's log hold a text."""
    ran = run("docker", "logs", container)
    return sum(text in line for line in (ran.out + ran.err).splitlines())


@contextmanager
def waiting_client(
    stack: ComposeStack, instance_id: str, told: Path
) -> Iterator["subprocess.Popen[str]"]:
    """A client that waits, in a container of its own; `told` is what it says meanwhile."""
    # The silence is the workers' to end, which a busy machine may do late.
    patience = ("--env", "CLIENT_CONNECT_SECONDS=60")
    client = ("client", "wait", instance_id, "--json")
    command = ("docker", "compose", "run", "--rm", "--no-TTY", *patience, *client)
    with (
        told.open("w") as stderr,
        subprocess.Popen(
            command,
            cwd=stack.root,
            env=environment_with(TASKHUB=SAID_TO_UP["TASKHUB"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as waiting,
    ):
        try:
            yield waiting
        finally:
            waiting.terminate()


def pause_until_everybody_notices(stack: ComposeStack, scheduler: str, told: Path) -> None:
    """Freezes the scheduler: the kernel goes on acknowledging what it is sent, and nobody answers.

    Both workers find that their connection is dead, and a client, which has `told` of it, that it
    is not answered. The workers come back on connections of their own making.
    """
    workers = stack.containers("worker")

    def each(text: str) -> list[int]:
        return [logged(worker, text) for worker in workers]

    lost, connected = each(LOST), each(CONNECTED)
    docker("pause", scheduler)
    wait_until(lambda: all(map(gt, each(LOST), lost)), seconds=NOTICED_SECONDS_MAX)
    wait_until(lambda: UNANSWERED in told.read_text())
    docker("unpause", scheduler)
    wait_until(lambda: all(map(gt, each(CONNECTED), connected)))


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

    assert stack.script("down").code == 0
    up = stack.script("up", EMBEDDED="1", **SAID_TO_UP)
    assert up.code == 0, up.err
    [scheduler] = stack.containers("scheduler")

    told = tmp_path / "told"
    with waiting_client(stack, instance_id, told) as waiting:
        wait_for_metric(stack, "scheduler_waiters", 1)
        pause_until_everybody_notices(stack, scheduler, told)
        # What is not answered is one thing, and a connection that ends is another.
        crash(scheduler, "services.scheduler")
        assert waiting.poll() is None, told.read_text()
        out, _ = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, told.read_text()

    summary = json.loads(out)
    rows = outcomes(stack, instance_id)
    failed = {row["order_id"] for row in rows if row["status"] == "failed"}
    assert summary["status"] == "COMPLETED", json.dumps(summary)
    assert [row["order_id"] for row in rows] == [f"faults-{n}" for n in range(ORDERS)]
    assert {row["status"] for row in rows} == {"completed", "failed"}
    assert summary["by_status"] == {"completed": ORDERS - len(failed), "failed": len(failed)}
    assert summary["revenue"] == revenue_of(orders, failed)
    wait_for_workers(stack, 2)
