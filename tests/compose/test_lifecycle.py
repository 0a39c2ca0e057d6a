import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.compose.compose_stack import ComposeStack, docker, environment_with, inspect
from tests.compose.conftest import StackMaker

NOT_UP = "The stack is not up; `make up` starts it.\n"


def left_of(stack: ComposeStack, kind: str) -> list[str]:
    label = f"label=com.docker.compose.project={stack.project}"
    return docker(kind, "ls", "--quiet", "--filter", label).split()


@pytest.mark.parametrize("command", ["submit", "scale", "logs"])
def test_what_needs_a_stack_says_that_it_is_not_up(new_stack: StackMaker, command: str) -> None:
    with new_stack() as stack:
        ran = stack.script(command, N="3")
        assert ran.code == 3
        assert ran.err == NOT_UP


def test_down_and_clean_of_nothing_are_fine(new_stack: StackMaker) -> None:
    with new_stack() as stack:
        assert [stack.script(command).code for command in ("ps", "down", "clean")] == [0, 0, 0]


def test_down_keeps_the_data_and_clean_leaves_nothing(new_stack: StackMaker) -> None:
    with new_stack(WORKER_REPLICAS="1") as stack:
        assert stack.script("up", EMBEDDED="1").code == 0

        started = time.monotonic()
        down = stack.script("down")
        seconds = time.monotonic() - started

        assert down.code == 0, down.err
        assert seconds < 15
        assert left_of(stack, "container") == []
        assert left_of(stack, "network") == []
        volumes = {f"{stack.project}_scheduler-data", f"{stack.project}_payloads"}
        assert set(left_of(stack, "volume")) == volumes
        assert len(left_of(stack, "image")) == 4

        assert stack.script("clean").code == 0
        assert left_of(stack, "volume") == []
        assert left_of(stack, "image") == []


def test_up_tells_what_a_worker_says_that_cannot_start(new_stack: StackMaker) -> None:
    with new_stack(WORKER_REPLICAS="1", PROCESSING_MS="soon") as stack:
        up = stack.script("up", EMBEDDED="1")
        assert up.code == 1
        assert "PROCESSING_MS='soon'" in up.err
        assert up.err.endswith("Not every worker is connected; its last lines are above.\n")
        # A stack that is half up can be looked at, and taken down.
        assert "PROCESSING_MS" in stack.script("logs").out
        assert stack.script("down").code == 0


def test_without_the_emulators_image_up_says_what_to_do(new_stack: StackMaker) -> None:
    with new_stack(SCHEDULER_IMAGE="localhost:1/emulator") as stack:
        up = stack.script("up")
        assert up.code == 1
        last = up.err.splitlines()[-1]
        assert last.startswith("localhost:1/emulator cannot be pulled; `make up EMBEDDED=1` runs")
        assert left_of(stack, "container") == []


def test_up_and_submit_need_nothing_but_an_image_that_behaves_like_the_emulator(
    stack: ComposeStack, new_stack: StackMaker, tmp_path: Path
) -> None:
    image = f"{stack.project}/emulator"
    # The emulator serves whoever reaches it.
    (tmp_path / "Dockerfile").write_text(
        f"FROM {stack.project}/scheduler\nENV SCHEDULER_ALLOW_INSECURE=1\n"
    )
    docker("build", "--tag", image, str(tmp_path))
    with new_stack(SCHEDULER_IMAGE=image) as other:
        # Our own first: its dashboard has the port that the emulator's needs.
        assert other.script("up", EMBEDDED="1").code == 0
        assert other.containers("dashboard")
        up = other.script("up")
        assert up.code == 0, up.err
        assert other.containers("dashboard", stopped=True) == []
        assert "workers connected: 2, scheduler: http://scheduler:8080" in up.out
        assert "dashboard          http://localhost:" in up.out
        assert other.submit()["status"] == "COMPLETED"
        assert other.script("scale", N="1").out == "Workers connected: 1.\n"


def test_up_follows_the_endpoint_to_azure_and_starts_no_scheduler(
    new_stack: StackMaker, tmp_path: Path
) -> None:
    # As `.env` says it; nobody answers there, so `up` would wait in vain.
    with new_stack(ENDPOINT="https://orders.invalid", AZURE_TENANT_ID="tenant") as stack:
        output = (tmp_path / "up.log").open("wb")
        up = subprocess.Popen(
            stack.command("up"),
            cwd=stack.root,
            env=environment_with(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 60
            while len(workers := stack.containers("worker")) < 2:
                assert up.poll() is None, (tmp_path / "up.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
        finally:
            os.killpg(up.pid, signal.SIGTERM)
            up.wait(timeout=60)
            output.close()
        environment = inspect("container", workers[0])["Config"]["Env"]
        assert {"ENDPOINT=https://orders.invalid", "AZURE_TENANT_ID=tenant"} <= set(environment)
        assert stack.containers("scheduler", stopped=True) == []
