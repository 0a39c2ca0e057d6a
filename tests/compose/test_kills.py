"""Containers that die in the middle of a run: the books are exact all the same."""

import json
import time
from pathlib import Path
from typing import Any

from tests.compose.compose_stack import ComposeStack, docker, inspect
from tests.compose.conftest import SAID_TO_UP
from tests.compose.test_stack import client, revenue_of, write_orders

ORDERS = 2_000
BATCH_SIZE = 100
# Within the container: the engine restarts nothing that it was asked to kill itself.
CRASH = """
import os, pathlib, sys
for entry in pathlib.Path("/proc").iterdir():
    if entry.name.isdigit():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\\0")
        except OSError:
            continue
        if sys.argv[1].encode() in words:
            os.kill(int(entry.name), 9)
"""


def crash(container: str, module: str) -> None:
    """Ends a container's process with SIGKILL; returns once the engine has started it again."""
    restarts = inspect("container", container)["RestartCount"]
    # The module's name stands in the command line of nothing else; this process ends with it.
    docker("exec", "--detach", container, "python", "-c", CRASH, module)
    deadline = time.monotonic() + 30
    while inspect("container", container)["RestartCount"] == restarts:
        assert time.monotonic() < deadline, f"{container} was not started again"
        time.sleep(0.1)


def outcomes(stack: ComposeStack, instance_id: str) -> list[dict[str, Any]]:
    """Every order's row."""
    command = ("run", "--rm", "--no-TTY", "client", "results", instance_id, "--format", "json")
    rows: list[dict[str, Any]] = json.loads(stack.compose(*command, TASKHUB=SAID_TO_UP["TASKHUB"]))
    return rows


def test_nothing_is_lost_when_scheduler_and_workers_crash_in_the_middle_of_a_run(
    stack: ComposeStack, tmp_path: Path
) -> None:
    orders = write_orders(tmp_path / "kills.csv", ORDERS)
    submitted = stack.submit(ORDERS=str(orders), BATCH_SIZE=str(BATCH_SIZE), ARGS="--no-wait")
    instance_id = submitted["instance_id"]
    [scheduler] = stack.containers("scheduler")
    workers = stack.containers("worker")

    for _ in range(2):
        crash(workers[0], "services.worker")
        crash(scheduler, "services.scheduler")
    docker("stop", workers[1])
    docker("start", workers[1])

    summary = client(stack, "wait", instance_id)
    rows = outcomes(stack, instance_id)
    failed = {row["order_id"] for row in rows if row["status"] == "failed"}
    assert summary["status"] == "COMPLETED"
    assert [row["order_id"] for row in rows] == [f"kills-{n}" for n in range(ORDERS)]
    assert {row["status"] for row in rows} == {"completed", "failed"}
    assert summary["by_status"] == {"completed": ORDERS - len(failed), "failed": len(failed)}
    assert summary["revenue"] == revenue_of(orders, failed)
