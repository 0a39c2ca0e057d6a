import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from scripts.local_stack import ROOT, free_port
from tests.e2e.conftest import FAST
from tests.e2e.processes import (
    children_of,
    end,
    is_alive,
    kill_all,
    started,
    wait_for_line,
    wait_until,
)


@contextmanager
def dev(
    log: Path, data: Path, *, workers: int = 2, **variables: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """`make dev` without make, as the first of a process group; ended with the block."""
    settings = {"SCHEDULER_HTTP_PORT": "0", "SCHEDULER_DATA_DIR": str(data), "DASHBOARD_PORT": "0"}
    environment = FAST | settings | variables
    process = started([sys.executable, "-m", "scripts.dev", str(workers)], log, environment)
    try:
        yield process
    finally:
        end(process)


def pid_of(log: Path, name: str) -> int:
    """The process of a part, as the log names it."""
    found = re.search(rf"{name} started \(pid (\d+)\)", log.read_text())
    assert found is not None
    return int(found[1])


def test_dev_runs_the_stack_with_prefixed_logs_until_ctrl_c(tmp_path: Path) -> None:
    log, port = tmp_path / "dev.log", free_port(0)
    with dev(log, tmp_path / "data", SCHEDULER_GRPC_PORT=str(port), TASKHUB="orders") as process:
        wait_for_line(log, f"connected to http://localhost:{port} (task hub orders)", times=2)
        wait_for_line(log, "ready: dashboard on")
        link = re.search(r"ready: dashboard on (http://[0-9.:]+), scheduler", log.read_text())
        assert link is not None
        with urlopen(f"{link[1]}/", timeout=10) as page:  # noqa: S310 - ours, on this machine
            assert "orders" in page.read().decode()
        family = children_of(process.pid)
        assert len(family) == 4  # a scheduler, two workers and the dashboard
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
        wait_until(lambda: not any(is_alive(pid) for pid in family))
    text = log.read_text()
    for name in ("scheduler", "worker-1", "worker-2", "dashboard"):
        assert re.search(rf"^{name} +\| ", text, re.MULTILINE)
    # What they finish still reaches it.
    for worker in ("worker-1", "worker-2"):
        assert text.index(f"{worker} ended") < text.index("services.scheduler.app: stopped")


@pytest.mark.parametrize("taken", ["port", "data directory"])
def test_dev_beside_a_stack_that_runs_lets_nothing_of_its_own_join_that(
    tmp_path: Path, taken: str
) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    port = str(free_port(0))
    with dev(first, tmp_path / "data", SCHEDULER_GRPC_PORT=port):
        wait_for_line(first, f"connected to http://localhost:{port}", times=2)
        other = port if taken == "port" else str(free_port(0))
        data = tmp_path / ("other" if taken == "port" else "data")
        with dev(second, data, SCHEDULER_GRPC_PORT=other) as process:
            assert process.wait(20) == 2
    text = second.read_text()
    assert ("cannot listen on" if taken == "port" else "is in use by another scheduler") in text
    assert "worker" not in text
    assert "dashboard" not in text
    assert first.read_text().count("services.scheduler.edge.service: worker") == 2


def test_a_reader_that_goes_away_ends_dev_quietly_and_all_of_it(tmp_path: Path) -> None:
    settings = {
        "SCHEDULER_GRPC_PORT": str(free_port(0)),
        "SCHEDULER_HTTP_PORT": "0",
        "SCHEDULER_DATA_DIR": str(tmp_path / "data"),
        "DASHBOARD_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.dev", "2"],
        cwd=ROOT,
        env=os.environ | FAST | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        while "worker-2 started" not in process.stdout.readline():
            pass
        family = children_of(process.pid)
        assert len(family) >= 3
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 0
        wait_until(lambda: not any(is_alive(pid) for pid in family))
        process.stderr.close()
    finally:
        end(process)


def test_dev_ends_with_the_first_of_its_parts(tmp_path: Path) -> None:
    log, port = tmp_path / "dev.log", free_port(0)
    with dev(log, tmp_path / "data", SCHEDULER_GRPC_PORT=str(port)) as process:
        wait_for_line(log, "connected to", times=2)
        os.kill(pid_of(log, "scheduler"), signal.SIGKILL)
        assert process.wait(20) == 128 + signal.SIGKILL
    text = log.read_text()
    assert "scheduler ended (signal 9)" in text
    assert "worker-1 ended (exit code 0)" in text


def test_dev_gives_a_worker_the_grace_that_it_is_to_have_and_then_ends_it(tmp_path: Path) -> None:
    log, port = tmp_path / "dev.log", str(free_port(0))
    data = tmp_path / "data"
    with dev(log, data, SCHEDULER_GRPC_PORT=port, WORKER_GRACE_SECONDS="0") as process:
        wait_for_line(log, "connected to", times=2)
        # It can neither end nor say why.
        os.kill(pid_of(log, "worker-1"), signal.SIGSTOP)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
    text = log.read_text()
    assert "worker-1 does not end: killed" in text
    assert "scheduler ended (exit code 0)" in text
    assert text.count("killed") == 1


def test_what_dev_has_started_does_not_outlive_it(tmp_path: Path) -> None:
    log, port = tmp_path / "dev.log", free_port(0)
    with dev(log, tmp_path / "data", SCHEDULER_GRPC_PORT=str(port)) as process:
        wait_for_line(log, "connected to", times=2)
        wait_for_line(log, "ready: dashboard on")
        family = children_of(process.pid)
        try:
            process.kill()
            wait_until(lambda: not any(is_alive(pid) for pid in family))
        finally:
            kill_all(family)
