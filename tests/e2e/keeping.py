"""A data directory with something of everything in it, and the commands that keep one."""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from durabletask import task

from scripts.local_stack import ROOT, LocalStack
from services.scheduler import commands
from services.shared.payload_files import PayloadFiles, token_of
from tests.conformance.cell import cell, cell_id
from tests.conformance.hub import Steps
from tests.conformance.raw_worker import raw_worker, schedules, start, text
from tests.conformance.waiting import GO, echo
from tests.e2e.processes import Ran
from tests.e2e.schedulers import data_of, hub_of

# Above the threshold of the payload store; it stands there, and its token in its place.
LARGE: Final = b'"' + b"l" * 20_000 + b'"'
TOKEN: Final = token_of(LARGE)
DONE: Final = 5


def holds(ctx: task.OrchestrationContext, key: str) -> Steps:
    """Locks a cell until `GO`."""
    with (yield ctx.lock_entities([cell_id(key)])):
        ctx.set_custom_status("holds")
        yield ctx.wait_for_external_event(GO)


def sleeps(ctx: task.OrchestrationContext, _: object) -> Steps:
    """Waits for a timer that is due in an hour."""
    ctx.set_custom_status("sleeps")
    yield ctx.create_timer(timedelta(hours=1))


def furnish(stack: LocalStack) -> None:
    """Leaves something in every table of a stack's task hub, and a payload in its store."""
    PayloadFiles(data_of(stack) / "payloads").write(LARGE)
    with hub_of(stack) as hub:
        with hub.worker(orchestrators=[echo, holds, sleeps], entities=[cell]):
            for number in range(DONE):
                hub.ran(echo, input=number, instance_id=f"done-{number}")
            hub.client.signal_entity(cell_id("kept"), "set", 1)
            hub.until(lambda: hub.client.get_entity(cell_id("kept")))
            for program, status in ((holds, "holds"), (sleeps, "sleeps")):
                name = program.__name__
                hub.client.schedule_new_orchestration(program, input=name, instance_id=name)
                hub.until_status(name, status)
        with raw_worker(hub, orchestrations=["runs"]) as worker:
            start(hub, "runs", "runs")
            worker.decide(worker.item(), schedules(1, "nobody"))
            hub.until_it_is("RUNNING", "runs")
        start(hub, "waits", "waits", input=text(TOKEN))
        later = datetime.now(UTC) + timedelta(hours=1)
        # The first waits in the queue of an entity that is locked, the second for its time.
        hub.client.signal_entity(cell_id("holds"), "set", 2)
        hub.client.signal_entity(cell_id("later"), "set", 3, signal_time=later)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Runs the commands of a data directory in this process."""

    data: Path
    capsys: "pytest.CaptureFixture[str]"

    def __call__(self, *arguments: object) -> Ran:
        """Runs a command to its end; what it says is no traceback."""
        self.capsys.readouterr()
        try:
            code = commands.run([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = self.capsys.readouterr()
        return Ran(code=code, out=said.out, err=said.err)

    def at(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> "Keeper":
        """The same for another data directory."""
        monkeypatch.setenv("SCHEDULER_DATA_DIR", str(data))
        monkeypatch.setenv("PAYLOAD_STORE", str(data / "payloads"))
        return Keeper(data, self.capsys)


def run_command(data: Path, *arguments: object, **variables: str) -> Ran:
    """Runs a command as a process of its own."""
    settings = {"SCHEDULER_DATA_DIR": str(data), "PAYLOAD_STORE": str(data / "payloads")}
    ran = subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=os.environ | settings | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return Ran(code=ran.returncode, out=ran.stdout, err=ran.stderr)


def command(*arguments: object) -> list[str]:
    """The command line of a command."""
    return [sys.executable, "-m", "services.scheduler", *map(str, arguments)]


def hubs_of(data: Path) -> list[str]:
    """The files of hubs in a data directory, and what lies beside them."""
    return sorted(path.name for path in data.glob("*.db*"))


def left_in(folder: Path) -> set[str]:
    """What is in a folder."""
    return {path.name for path in folder.iterdir()}


def refused(keeper: Keeper, *arguments: object) -> str:
    """What a command says that is refused; it is one line."""
    ran = keeper(*arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert ran.err.count("\n") == 1, ran.err
    return ran.err
