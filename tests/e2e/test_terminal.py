"""What a person sees in a terminal, and what Ctrl-C does there."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte
import pytest

from scripts.local_stack import ROOT, LocalStack
from services.client.settings import ClientSettings
from services.shared.environment import Environment
from services.shared.sdk import new_client
from tests.e2e.conftest import CommandLine, StackMaker

OrdersFile = Callable[..., Path]
COLUMNS, LINES = 100, 30
COLOURS = re.compile("\x1b\\[[0-9;]*m")


def spawn(stack: LocalStack, *arguments: object, columns: int = COLUMNS) -> "pexpect.spawn[str]":
    command, *rest = CommandLine.command(*arguments)
    return pexpect.spawn(
        command,
        rest,
        cwd=str(ROOT),
        env=stack.environment | {"TERM": "xterm-256color"},
        dimensions=(LINES, columns),
        encoding="utf-8",
        timeout=30,
    )


def screen_of(output: str) -> list[str]:
    screen = pyte.Screen(COLUMNS, LINES)
    pyte.Stream(screen).feed(output)
    return [line.rstrip() for line in screen.display if line.strip()]


def test_a_progress_bar_moves_and_makes_room_for_the_summary(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(PROCESSING_MS="200") as stack:
        child = spawn(stack, "submit", orders_file("bar", 60), "--batch-size", 5)
        output = ""
        for pattern in (r"processing", r"[1-9][0-9]* of 60 orders, [1-9][0-9]* of 12 batches"):
            child.expect(pattern)
            output += f"{child.before}{child.after}"
        child.expect(pexpect.EOF)
        output += f"{child.before}"
        child.close()
    assert child.exitstatus == 0
    lines = screen_of(output)
    assert lines[0].startswith("✔ orders-")
    assert not any("processing" in line for line in lines)


def test_ctrl_c_stops_waiting_and_says_how_to_come_back(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(PROCESSING_MS="400") as stack:
        child = spawn(stack, "submit", orders_file("interrupted", 24), "--instance-id", "keep-on")
        child.expect("of 24 orders")
        child.sendintr()
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130
        assert "keep-on goes on without you" in str(child.before)
        assert "-m services.client wait keep-on" in str(child.before)
        assert "Traceback" not in str(child.before)
        ran = CommandLine(stack.environment)("wait", "keep-on", "--json")
        assert ran.document["orders"] == 24


@pytest.mark.parametrize("columns", [40, 80])
def test_a_table_loses_nothing_in_a_narrow_terminal(
    new_stack: StackMaker, orders_file: OrdersFile, columns: int
) -> None:
    with new_stack(FAILURE_RATE="1") as stack:
        run = CommandLine(stack.environment)
        path = orders_file("narrow", 3)
        assert run("submit", path, "--instance-id", "an-id-that-is-rather-long").code == 0
        for command in (("list",), ("results", "an-id-that-is-rather-long")):
            piped = run(*command).out.splitlines()
            assert len(piped) == (2 if command == ("list",) else 4)
            assert all(line == line.rstrip() for line in piped)
            child = spawn(stack, *command, columns=columns)
            child.expect(pexpect.EOF)
            child.close()
            # The terminal wraps them where it ends.
            assert COLOURS.sub("", str(child.before)).splitlines() == piped


@pytest.mark.parametrize("foreign", [False, True])
def test_a_scheduler_that_freezes_is_reported_and_not_waited_for(
    new_stack: StackMaker, orders_file: OrdersFile, *, foreign: bool
) -> None:
    patience = {"CLIENT_CALL_SECONDS": "1", "CLIENT_CONNECT_SECONDS": "2"}
    with new_stack(workers=0, **patience) as stack:
        path = orders_file("frozen", 2)
        if foreign:
            settings = ClientSettings.read(Environment({"ENDPOINT": stack.endpoint}))
            with new_client(settings.connection, call_seconds=5) as client:
                client.schedule_new_orchestration("nobody", instance_id="frozen")
            child = spawn(stack, "wait", "frozen")
            child.expect("processing")
        else:
            child = spawn(stack, "submit", path, "--instance-id", "frozen")
            child.expect("of 2 orders")
        scheduler = stack.process("scheduler").pid
        os.kill(scheduler, signal.SIGSTOP)
        try:
            child.expect(pexpect.EOF)
            child.close()
        finally:
            os.kill(scheduler, signal.SIGCONT)
        assert child.exitstatus == 3
        assert "does not answer" in str(child.before)
        assert "-m services.client wait frozen" in " ".join(str(child.before).split())
