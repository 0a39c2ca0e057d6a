import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.local_stack import ROOT, LocalStack, free_port
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.processes import end, wait_for_line, wait_until

OrdersFile = Callable[..., Path]


@contextmanager
def worker(log: Path, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker as a process of its own, its state next to its log."""
    environment = os.environ | {"WORKER_STATE_FILE": str(log.with_suffix(".json"))} | variables
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.worker"], cwd=ROOT, env=environment, stderr=stream
        )
    try:
        yield process
    finally:
        end(process)


def probe(log: Path) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "services.worker.probe"],
        cwd=ROOT,
        env=os.environ | {"WORKER_STATE_FILE": str(log.with_suffix(".json"))},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout.strip()


def endpoint_of(stack: LocalStack) -> dict[str, str]:
    return {"ENDPOINT": stack.endpoint}


def test_a_worker_waits_for_its_scheduler_and_says_so_without_a_traceback(
    tmp_path: Path, new_stack: StackMaker
) -> None:
    log = tmp_path / "worker.log"
    with new_stack(workers=0) as stack:
        port = stack.grpc_port
        environment = stack.environment
    with worker(log, ENDPOINT=f"http://localhost:{port}") as process:
        wait_for_line(log, f"waiting: the scheduler at http://localhost:{port} (task hub default)")
        assert probe(log) == (1, "not connected to the scheduler")
        scheduler = subprocess.Popen(
            [sys.executable, "-m", "services.scheduler"],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_line(log, "connected to")
            assert probe(log) == (0, "connected, 0 activities running")
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            end(scheduler)
    assert "Traceback" not in log.read_text()


def test_a_worker_that_waits_can_be_stopped(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with worker(log, ENDPOINT=f"http://localhost:{free_port(0)}") as process:
        wait_for_line(log, "waiting: ")
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0


def test_a_worker_reconnects_when_its_scheduler_comes_back(
    tmp_path: Path, new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    log = tmp_path / "worker.log"
    with new_stack(workers=0) as stack, worker(log, **endpoint_of(stack)) as process:
        wait_for_line(log, "connected to")
        end(stack.process("scheduler"))
        wait_for_line(log, "lost the connection")
        assert probe(log)[0] == 1
        stack.start_scheduler()
        wait_for_line(log, "connected to", times=2)
        ran = CommandLine(stack.environment)("submit", orders_file("back"), "--json")
        assert ran.document["orders"] == 20
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    text = log.read_text()
    assert "Traceback" not in text
    assert max(len(line) for line in text.splitlines()) < 300


def test_a_worker_finishes_what_runs_before_it_stops(
    tmp_path: Path, new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    log = tmp_path / "worker.log"
    # Longer than a heartbeat, which tells how many activities run.
    slow = {"PROCESSING_MS": "9000", "TRANSIENT_FAILURE_RATE": "0"}
    with new_stack(workers=0) as stack, worker(log, **endpoint_of(stack), **slow) as process:
        client = CommandLine(stack.environment)
        client("submit", orders_file("drained", 4), "--no-wait", "--instance-id", "drained")
        wait_until(lambda: "4 activities running" in probe(log)[1])
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: probe(log) == (0, "draining, 4 activities running"))
        assert process.wait(15) == 0
        assert "stopped, nothing left behind" in log.read_text()
        with worker(tmp_path / "next.log", **endpoint_of(stack)):
            ran = client("wait", "drained", "--timeout", "20", "--json")
        assert ran.document["orders"] == 4


def test_what_does_not_finish_within_the_grace_is_left(
    tmp_path: Path, new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    log = tmp_path / "worker.log"
    slow = {"PROCESSING_MS": "60000", "WORKER_GRACE_SECONDS": "1"}
    with new_stack(workers=0) as stack, worker(log, **endpoint_of(stack), **slow) as process:
        CommandLine(stack.environment)("submit", orders_file("left", 2), "--no-wait")
        wait_until(lambda: "2 activities running" in probe(log)[1])
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    assert "the grace of 1 s is over with 2 activities running" in log.read_text()


def test_a_second_signal_ends_a_draining_worker_at_once(
    tmp_path: Path, new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    log = tmp_path / "worker.log"
    slow = {"PROCESSING_MS": "60000"}
    with new_stack(workers=0) as stack, worker(log, **endpoint_of(stack), **slow) as process:
        CommandLine(stack.environment)("submit", orders_file("twice", 2), "--no-wait")
        wait_until(lambda: "2 activities running" in probe(log)[1])
        process.send_signal(signal.SIGTERM)
        wait_for_line(log, "draining")
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM


def test_a_frozen_worker_is_not_healthy(tmp_path: Path, new_stack: StackMaker) -> None:
    log = tmp_path / "worker.log"
    with new_stack(workers=0) as stack, worker(log, **endpoint_of(stack)) as process:
        wait_for_line(log, "connected to")
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: probe(log)[0] == 1)
        assert "the last heartbeat is" in probe(log)[1]
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: probe(log)[0] == 0)


def test_a_worker_with_bad_settings_does_not_start(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with worker(log, ENDPOINT="https//x", FAILURE_RATE="2") as process:
        assert process.wait(15) == 2
    lines = log.read_text().splitlines()
    assert lines[0] == "the worker cannot start:"
    assert [line.split("=")[0] for line in lines[1:]] == ["ENDPOINT", "FAILURE_RATE"]


def test_a_worker_that_cannot_keep_its_state_does_not_start(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    missing = str(tmp_path / "missing" / "state.json")
    with worker(log, WORKER_STATE_FILE=missing) as process:
        assert process.wait(15) == 2
    assert "the worker cannot write WORKER_STATE_FILE: " in log.read_text()


def test_the_probe_without_a_state_file_says_what_is_missing() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "services.worker.probe"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "WORKER_STATE_FILE is not set" in ran.stderr


@pytest.mark.parametrize("style", ["console", "json"])
def test_logs_are_lines_for_people_or_machines(
    tmp_path: Path, new_stack: StackMaker, style: str
) -> None:
    log = tmp_path / "worker.log"
    with new_stack(workers=0) as stack, worker(log, LOG_FORMAT=style, **endpoint_of(stack)):
        wait_for_line(log, "connected to")
    line = log.read_text().splitlines()[0]
    assert line.startswith("{") == (style == "json")
