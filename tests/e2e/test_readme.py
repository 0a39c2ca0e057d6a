import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from scripts.local_stack import ROOT, LocalStack, free_port
from tests import readme
from tests.e2e.conftest import FAST, StackMaker
from tests.e2e.processes import end, wait_for_line

DEMOS = sorted(c for c in readme.RUN_ALONE if c.startswith("make demo") and "KEEP" not in c)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the checkout, so that what a command writes goes elsewhere."""
    for entry in ROOT.iterdir():
        if entry.name not in {".git", ".env"}:
            (tmp_path / entry.name).symlink_to(entry)
    return tmp_path


def run(script: list[str], cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-euc", "\n".join(script)],  # noqa: S607 - bash is found on PATH
        cwd=cwd,
        env=os.environ | FAST | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def connection_of(stack: LocalStack) -> dict[str, str]:
    # `make dev`, which the README's commands talk to, and its clients share a checkout's directory.
    return {"ENDPOINT": stack.endpoint, "PAYLOAD_STORE": stack.environment["PAYLOAD_STORE"]}


def test_every_command_of_the_readme_is_run_or_says_why_not() -> None:
    commands = {command for block in readme.blocks() for command in block}
    assert commands == readme.RUN_ALONE | readme.RUN_WITH_DOCKER | set(readme.NOT_RUN)


@pytest.mark.parametrize("command", DEMOS)
def test_the_demos_of_the_readme_run(checkout: Path, command: str) -> None:
    ran = run([command], checkout)
    assert ran.returncode == 0, ran.stderr
    assert "COMPLETED" in ran.stdout


def test_the_demo_that_is_kept_leads_to_the_timeline_of_its_run(checkout: Path) -> None:
    log = checkout / "demo.log"
    with log.open("wb") as stream:
        demo = subprocess.Popen(
            ["bash", "-c", "make demo KEEP=1"],  # noqa: S607 - bash is found on PATH
            cwd=checkout,
            env=os.environ | FAST,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        wait_for_line(log, "Ctrl-C ")
        assert re.search(
            r"^timeline +http://\S+/orders-\w+\?tab=timeline$", log.read_text(), re.MULTILINE
        )
        os.killpg(demo.pid, signal.SIGINT)
        demo.wait(20)
    finally:
        end(demo)


def test_the_pictures_of_the_readme_are_there_and_light() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", readme.README)
    assert len(pictures) >= 5
    for picture in pictures:
        assert 10_000 < (ROOT / picture).stat().st_size <= 100_000


def test_what_the_readme_shows_is_what_the_demo_prints() -> None:
    shown = re.search(r"```text\n(scheduler  .*?)```", readme.README, flags=re.DOTALL)
    assert shown is not None
    printed = run(["make demo"], ROOT).stdout.split("\nwhat next:")[0]

    def without_what_varies(text: str) -> list[str]:
        text = re.sub(r"in [0-9.]+ s\b", "in N s", text)
        text = re.sub(r":\d+( \(port 8080 is taken\))?\n", ":8080\n", text)
        return [line.rstrip() for line in text.strip().splitlines()]

    assert without_what_varies(printed) == without_what_varies(shown[1])


def test_the_two_terminals_of_make_dev_work_together(checkout: Path) -> None:
    assert readme.block_with("make dev") == ["make dev", "make submit LOCAL=1"]
    port = free_port(0)
    variables = {
        "SCHEDULER_GRPC_PORT": str(port),
        "SCHEDULER_HTTP_PORT": "0",
        # What somebody keeps in this checkout is theirs.
        "SCHEDULER_DATA_DIR": str(checkout / "dev-data"),
        "ENDPOINT": f"http://localhost:{port}",
    }
    log = checkout / "dev.log"
    with log.open("wb") as stream:
        dev = subprocess.Popen(
            ["make", "dev"],  # noqa: S607 - make is found on PATH
            cwd=checkout,
            env=os.environ | FAST | variables,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        wait_for_line(log, "connected to", times=2)
        ran = run(["make submit LOCAL=1"], checkout, **variables)
        assert ran.returncode == 0, ran.stderr
        os.killpg(dev.pid, signal.SIGINT)
        dev.wait(20)
    finally:
        end(dev)


def test_the_command_line_of_the_readme_runs(checkout: Path, new_stack: StackMaker) -> None:
    block = readme.block_with("python -m services.client list")
    with new_stack(workers=2) as stack:
        ran = run(block, checkout, **connection_of(stack))
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"orders +1,000 +in 20 batches", ran.stdout)
    assert (checkout / "my-orders.csv").read_text().count("\n") == 1_001


def test_the_readme_names_every_command_and_every_exit_code() -> None:
    usage = run([".venv/bin/python -m services.client --help"], ROOT).stdout
    commands = re.findall(r"^  ([a-z]+)  +[A-Z]", usage.split("Commands:")[1], flags=re.MULTILINE)
    assert len(commands) == 10
    for command in commands:
        assert re.search(rf"`[a-z, `]*\b{command}\b", readme.README)
    for code in range(5):
        assert f"| {code} | " in readme.README
