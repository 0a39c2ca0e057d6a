import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from scripts.local_stack import ROOT, LocalStack, free_port
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.processes import end, wait_until
from tests.e2e.scraped import scrape, value

OrdersFile = Callable[..., Path]
SECONDS = "worker_activity_duration_seconds_count"
TURNS = "worker_turn_duration_seconds_count"


def address_of(stack: LocalStack, worker: str = "worker-1") -> str:
    """Where a worker serves its metrics, as its log says."""
    lines: list[str] = []

    def told() -> bool:
        lines[:] = re.findall(r"metrics on (http://\S+)/metrics", stack.log_tail(worker))
        return bool(lines)

    wait_until(told)
    return lines[0]


def test_the_metrics_are_right_after_a_run(new_stack: StackMaker, orders_file: OrdersFile) -> None:
    settings = {"FAILURE_RATE": "0.5", "WORKER_ORCHESTRATIONS_MAX": "7"}
    with new_stack(workers=1, WORKER_METRICS_PORT="0", **settings) as stack:
        address = address_of(stack)
        wait_until(lambda: value(scrape(address), "worker_connected") == 1)
        assert value(scrape(address), "worker_activities_max") == 32
        assert value(scrape(address), "worker_turns_max") == 7
        CommandLine(stack.environment)("submit", orders_file("measured", 30))
        samples = scrape(address)
        # A failed order is a result like any other; only an error is a failure.
        assert value(samples, SECONDS, activity="process_order", outcome="completed") == 30
        assert value(samples, SECONDS, outcome="failed") == 0
        assert value(samples, TURNS, orchestration="main_orchestration", outcome="completed") == 1
        assert value(samples, TURNS, orchestration="process_order_batch", outcome="completed") == 3
        assert value(samples, TURNS, outcome="waiting") >= 4
        assert value(samples, "worker_turn_duration_seconds_sum") > 0
        assert value(samples, "worker_undelivered_answers_total") == 0
        assert value(samples, "worker_connections_total") == 1
        assert value(samples, "process_resident_memory_bytes") > 0
        for name in ("worker_activities_in_progress", "worker_turns_in_progress"):
            assert value(samples, name) == 0
        end(stack.process("scheduler"))
        wait_until(lambda: value(scrape(address), "worker_connected") == 0)
        stack.start_scheduler()
        wait_until(lambda: value(scrape(address), "worker_connections_total") == 2)


def test_errors_of_activities_and_what_runs_now_are_counted(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    slow = {"PROCESSING_MS": "300", "TRANSIENT_FAILURE_RATE": "1"}
    with new_stack(workers=1, WORKER_METRICS_PORT="0", **slow) as stack:
        address = address_of(stack)
        client = CommandLine(stack.environment)
        client("submit", orders_file("flaky", 3), "--no-wait", "--instance-id", "flaky")
        wait_until(lambda: value(scrape(address), "worker_activities_in_progress") > 0)
        wait_until(lambda: value(scrape(address), SECONDS, outcome="failed") >= 3)
        assert value(scrape(address), SECONDS, outcome="completed") == 0
        client("terminate", "flaky")


def test_a_worker_that_drains_says_so(new_stack: StackMaker, orders_file: OrdersFile) -> None:
    with new_stack(workers=1, WORKER_METRICS_PORT="0", PROCESSING_MS="3000") as stack:
        address = address_of(stack)
        CommandLine(stack.environment)("submit", orders_file("drained", 1), "--no-wait")
        wait_until(lambda: value(scrape(address), "worker_activities_in_progress") == 1)
        stack.process("worker-1").send_signal(signal.SIGTERM)
        wait_until(lambda: value(scrape(address), "worker_draining") == 1)
        assert stack.process("worker-1").wait(20) == 0


def test_there_is_nothing_but_metrics_to_read_and_nothing_to_write(new_stack: StackMaker) -> None:
    with new_stack(workers=1, WORKER_METRICS_PORT="0") as stack:
        address = address_of(stack)
        assert address.startswith("http://127.0.0.1:")
        assert httpx.get(f"{address}/").status_code == 404
        assert httpx.post(f"{address}/metrics", content=b"x").status_code == 405
        # Those who only connect hold some threads and no more, and not for ever.
        host, port = address.removeprefix("http://").split(":")
        at = (host, int(port))
        # All at once: a connection that finds no place in the queue is tried again after a second.
        idle = [socket.create_connection(at, timeout=0.9) for _ in range(40)]
        try:
            assert not _answers(address)
            wait_until(lambda: _answers(address), seconds=20)
        finally:
            for one in idle:
                one.close()
        # Those that were cut off are nothing to tell of at length.
        assert "Traceback" not in stack.log_tail("worker-1")


def test_a_scrape_is_no_line_in_the_log(new_stack: StackMaker) -> None:
    with new_stack(workers=1, WORKER_METRICS_PORT="0") as stack:
        address = address_of(stack)
        wait_until(lambda: "connected to" in stack.log_tail("worker-1"))
        before = stack.log_tail("worker-1")
        for _ in range(5):
            assert _answers(address)
        assert stack.log_tail("worker-1") == before


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/metrics", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def test_each_worker_of_a_local_stack_has_a_port_of_its_own(new_stack: StackMaker) -> None:
    port = free_port(0)
    with new_stack(workers=2, WORKER_METRICS_PORT=str(port)) as stack:
        assert address_of(stack) == f"http://127.0.0.1:{port}"
        assert address_of(stack, "worker-2") == f"http://127.0.0.1:{port + 1}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_told(host: str, new_stack: StackMaker) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with new_stack(workers=0) as stack, socket.socket(family) as taken:
        # One that would share it, as another worker would that may.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind((host, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = subprocess.run(
            [sys.executable, "-m", "services.worker"],
            cwd=ROOT,
            env=stack.environment | {"WORKER_METRICS_PORT": port, "WORKER_METRICS_HOST": host},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ran.returncode == 2
    assert f"WORKER_METRICS_PORT='{port}': a port that is free on {host}" in ran.stderr
