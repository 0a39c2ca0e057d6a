"""Services whose standard streams were closed before their start, as a daemon's may be."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest

from scripts.local_stack import ROOT, free_port
from tests.e2e.processes import SECONDS_MAX, end, wait_until

STREAMS = ("<&-", ">&-", "2>&-", "<&- >&- 2>&-")


def closed(
    streams: str, arguments: Sequence[str], variables: dict[str, str]
) -> "subprocess.Popen[str]":
    """A service without these streams."""
    return subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("service", ["scheduler", "dashboard"])
def test_a_service_without_standard_streams_opens_nothing_in_their_place_and_stops_as_any_other(
    tmp_path: Path, service: str, streams: str
) -> None:
    port = free_port(0)
    variables = {
        "SCHEDULER_DATA_DIR": str(tmp_path / "data"),
        "SCHEDULER_GRPC_PORT": "0",
        "SCHEDULER_HTTP_PORT": str(port),
        "DASHBOARD_PORT": str(port),
    }
    process = closed(streams, [f"services.{service}"], variables)
    try:
        wait_until(lambda: answers(port))
        opened = [str(Path(f"/proc/{process.pid}/fd/{n}").readlink()) for n in range(3)]
        assert all(name == os.devnull or name.startswith("pipe:") for name in opened)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 0
        assert "Traceback" not in told
    finally:
        end(process)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs a command of the scheduler without a stream: its exit code, and what it says."""

    def run_it(streams: str, *arguments: str) -> tuple[int, str]:
        process = closed(
            streams, ["services.scheduler", *arguments], {"SCHEDULER_DATA_DIR": str(tmp_path)}
        )
        _, told = process.communicate(timeout=SECONDS_MAX)
        return process.returncode, told

    return run_it


def test_a_command_without_standard_streams_ends_with_its_code_and_a_line(
    tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    assert run(">&-", "check") == (2, f"there is no task hub in {tmp_path}\n")
    assert run(">&-", "backup", "-") == (2, "standard output is closed: send it to a file\n")
    code, told = run("<&-", "restore", "-")
    assert (code, told.count("\n")) == (2, 1)
    assert told.startswith("standard input is damaged, or no backup: ")
    assert run(">&-", "--help") == (0, "")
