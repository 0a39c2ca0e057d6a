"""What a person sees in a terminal, and what Ctrl-C does there."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

from scripts.local_stack import ROOT, LocalStack
from tests.e2e.conftest import CommandLine, StackMaker

OrdersFile = Callable[..., Path]
COLUMNS, LINES = 100, 30


def spawn(stack: LocalStack, *arguments: object) -> "pexpect.spawn[str]":
    command, *rest = CommandLine.command(*arguments)
    return pexpect.spawn(
        command,
        rest,
        cwd=str(ROOT),
        env=stack.environment | {"TERM": "xterm-256color"},
        dimensions=(LINES, COLUMNS),
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


def test_a_scheduler_that_freezes_is_reported_and_not_waited_for(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    patience = {"CLIENT_CALL_SECONDS": "1", "CLIENT_CONNECT_SECONDS": "2"}
    with new_stack(PROCESSING_MS="60000", WORKER_GRACE_SECONDS="0", **patience) as stack:
        child = spawn(stack, "submit", orders_file("frozen", 2), "--instance-id", "frozen")
        child.expect("of 2 orders")
        scheduler = stack.process("scheduler").pid
        os.kill(scheduler, signal.SIGSTOP)
        try:
            started = time.monotonic()
            child.expect(pexpect.EOF)
            child.close()
        finally:
            os.kill(scheduler, signal.SIGCONT)
        assert child.exitstatus == 3
        assert "does not answer" in str(child.before)
        assert "-m services.client wait frozen" in " ".join(str(child.before).split())
        assert time.monotonic() - started < 40
