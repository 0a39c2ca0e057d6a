"""The way to TLS and tokens without Docker that docs/operations.md shows, gone step by step."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from scripts.local_stack import ROOT, free_port
from tests.e2e.conftest import FAST
from tests.e2e.processes import end, wait_for_line

_, _, REST = (ROOT / "docs" / "operations.md").read_text().partition("#### Python alone, step by")
STEPS, _, _ = REST.partition("#### Docker Compose")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", STEPS, flags=re.MULTILINE | re.DOTALL)


def block_with(text: str) -> str:
    """The one block that holds a text."""
    [block] = [block for block in BLOCKS if text in block]
    return str(block)


@pytest.fixture
def ports() -> dict[str, str]:
    """Free ports, in the settings' names: somebody may use the usual ones."""
    grpc, http = free_port(0), free_port(0)
    return {
        "SCHEDULER_GRPC_PORT": str(grpc),
        "SCHEDULER_HTTP_PORT": str(http),
        "ENDPOINT": f"https://localhost:{grpc}",
        "SCHEDULER_HTTP_ENDPOINT": f"https://localhost:{http}",
        "DASHBOARD_PORT": "0",
    }


@pytest.fixture
def checkout(tmp_path: Path, ports: dict[str, str]) -> Path:
    """A checkout with certificate, tokens and `.env` made as the page says."""
    for folder in ("services", "scripts", "orders"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for lock in tmp_path.glob("services/*/requirements.txt"):
        # What is installed is that of these.
        os.utime(lock, (0, 0))
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    for step in ("openssl", "umask"):
        ran = type_in(tmp_path, block_with(step), ports)
        assert ran.returncode == 0, ran.stderr
    (tmp_path / ".env").write_text(block_with("SCHEDULER_TLS_CERT="))
    return tmp_path


def type_in(
    checkout: Path, commands: str, variables: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],  # noqa: S607 - bash is found on PATH
        cwd=checkout,
        env=os.environ | FAST | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def running(checkout: Path, command: str, variables: dict[str, str]) -> Iterator[Path]:
    """The log of a command that runs until the block ends."""
    log = checkout / f"{command.rsplit(maxsplit=1)[-1]}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],  # noqa: S607 - bash is found on PATH
            cwd=checkout,
            env=os.environ | FAST | variables,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield log
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
    finally:
        end(process)


def test_what_the_steps_make_is_for_its_owner_alone(checkout: Path) -> None:
    for name in ("key.pem", "tokens", "workers.token", "board.token"):
        assert (checkout / "secrets" / name).stat().st_mode & 0o077 == 0
    assert (checkout / "secrets").stat().st_mode & 0o777 == 0o700


def test_dev_with_these_settings_lets_in_who_has_a_token(
    checkout: Path, ports: dict[str, str]
) -> None:
    with running(checkout, "make dev", ports) as log:
        wait_for_line(log, f"connected to {ports['ENDPOINT']}", times=2)
        ran = type_in(checkout, block_with("services.scheduler.probe"), ports)
        assert ran.returncode == 0, ran.stderr
        assert "/healthz answers 204" in ran.stdout
        assert re.search(r"orders +100 +in 10 batches", ran.stdout)
        assert re.search(r"orders-\w+ .*COMPLETED", ran.stdout)
        board = ports | {"ENDPOINT_TOKEN_FILE": "secrets/board.token"}
        refused = type_in(checkout, "make submit LOCAL=1 ARGS=--new", board)
        assert refused.returncode == 2
        assert "the token needs the role contributor" in refused.stderr


def test_the_parts_by_themselves_find_each_other(checkout: Path, ports: dict[str, str]) -> None:
    scheduler, worker, dashboard = block_with("make worker").splitlines()
    board = ports | {"ENDPOINT_TOKEN_FILE": "secrets/board.token"}
    with running(checkout, scheduler, ports) as log:
        wait_for_line(log, "ready: gRPC on")
        with (
            running(checkout, worker, ports) as at_work,
            running(checkout, dashboard, board) as shown,
        ):
            wait_for_line(at_work, f"connected to {ports['ENDPOINT']}")
            wait_for_line(shown, "ready: dashboard on")
            link = re.search(r"ready: dashboard on (\S+),", shown.read_text())
            assert link is not None
            page = f"{link[1]}/hubs/default/api/workers"
            with urlopen(page, timeout=10) as answer:  # noqa: S310 - ours, on this machine
                assert b'"workerId"' in answer.read()
