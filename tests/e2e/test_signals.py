"""What a signal does to each part of the stack while somebody depends on it."""

import http.client
import json
import queue
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from scripts.local_stack import ROOT, LocalStack
from tests.conformance.raw_worker import RawWorker, asks_for, raw_worker, schedules, start
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.connections import asked_by, asks_of
from tests.e2e.processes import end, wait_until
from tests.e2e.schedulers import ask, hub_of, metric, wait_for_metric

OrdersFile = Callable[..., Path]
# The keepalive finds a silent peer within 15 s; a machine may be slow.
SILENT_SECONDS_MAX = 30.0
# More than a call is given at a stop, and less than an answer is.
ACTIVITY_SECONDS = 1.5
STOP_SECONDS_MAX = 5.0


def test_a_scheduler_that_is_asked_to_stop_takes_answers_and_gives_no_more_work(
    new_stack: StackMaker,
) -> None:
    with new_stack(workers=0) as stack:
        with hub_of(stack) as hub:
            with raw_worker(hub, orchestrations=["stops"]) as worker:
                start(hub, "stops")
                worker.decide(worker.item(), schedules(1, "part"), schedules(2, "part"))
            with hub.stub() as stub:
                worker = RawWorker(stub, asks_for(activities=["part"], limits=(1, 1, 1)))
                held = worker.item()
                scheduler = stack.process("scheduler")
                scheduler.send_signal(signal.SIGTERM)
                wait_until(lambda: ask(stack, "/healthz")[0] == 503, seconds=STOP_SECONDS_MAX)
                # It waits for an answer for longer than for calls that have been asked.
                with pytest.raises(subprocess.TimeoutExpired):
                    scheduler.wait(ACTIVITY_SECONDS)
                # Another worker has nothing to wait for there.
                late = stub.GetWorkItems(asks_for(activities=["part"]), timeout=STOP_SECONDS_MAX)
                assert late.code() is grpc.StatusCode.UNAVAILABLE
                worker.answer(held, '"done"')
                # There is room for the other one, and it does not come.
                assert scheduler.wait(STOP_SECONDS_MAX) == 0
                assert worker.rest() == []
                # Its stream was ended, not cut off.
                assert worker.stream.code() is grpc.StatusCode.OK
                worker.close()
        stack.start_scheduler()
        with hub_of(stack) as hub, raw_worker(hub, activities=["part"]) as worker:
            [other] = worker.items(1)
            assert {held.activityRequest.taskId, other.activityRequest.taskId} == {1, 2}
            with pytest.raises(queue.Empty):
                worker.item(1)


def tab(stack: LocalStack) -> http.client.HTTPConnection:
    """A browser's connection to the dashboard, open after an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.dashboard_port, timeout=10)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b""
    return connection


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_dashboard_that_has_ended_is_there_again_on_its_port(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with LocalStack(workers=0, logs=tmp_path, usual_ports=False, dashboard=True) as stack:
        port = stack.dashboard_port
        open_tab, half = tab(stack), socket.create_connection(("127.0.0.1", port), timeout=10)
        half.sendall(b"GET / HTTP/1.1\r\n")
        process = stack.process("dashboard")
        process.send_signal(number)
        # Nobody who has a connection open is waited for.
        assert process.wait(5) == code
        stack.environment["DASHBOARD_PORT"] = str(port)
        stack.start_dashboard()
        assert stack.dashboard_port == port
        tab(stack).close()
        open_tab.close()
        half.close()


def test_a_dashboard_that_is_asked_to_stop_waits_for_no_scheduler_that_does_not_answer(
    tmp_path: Path,
) -> None:
    with LocalStack(workers=0, logs=tmp_path, usual_ports=False, dashboard=True) as stack:
        connection, scheduler = tab(stack), stack.process("scheduler")
        scheduler.send_signal(signal.SIGSTOP)
        try:
            connection.request("GET", "/hubs/default/orchestrations")
            # Until the page is being made, which begins with a question to the scheduler.
            wait_until(lambda: asked_by(stack.process("dashboard").pid, stack.http_port))
            dashboard = stack.process("dashboard")
            dashboard.send_signal(signal.SIGTERM)
            assert dashboard.wait(6) == 0
        finally:
            scheduler.send_signal(signal.SIGCONT)
            connection.close()


def submitting(client: CommandLine, path: Path, *arguments: str) -> "subprocess.Popen[str]":
    """A command line that waits for its orders."""
    return subprocess.Popen(
        client.command("submit", path, "--json", *arguments),
        cwd=ROOT,
        env=client.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_client_that_has_ended_is_attached_to_its_orders_when_it_is_run_again(
    new_stack: StackMaker, orders_file: OrdersFile, number: signal.Signals
) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        client, path = CommandLine(stack.environment), orders_file("ended", 20)
        ended = submitting(client, path)
        wait_until(lambda: metric(stack, "scheduler_waiters"))
        end_with(ended, number)
        # Nothing of it is left with the scheduler.
        wait_until(lambda: metric(stack, "scheduler_waiters") == 0)
        again = submitting(client, path)
        wait_until(lambda: metric(stack, "scheduler_waiters"))
        stack.start_worker(1)
        out, _ = again.communicate(timeout=60)
        assert again.returncode == 0
        assert json.loads(out)["orders"] == 20
        mains = [s for s in hub.client.get_all_orchestration_states() if s.name.startswith("main")]
        assert len(mains) == 1


def end_with(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    process.send_signal(number)
    assert process.wait(10) == -number
    assert process.stdout is not None
    process.stdout.close()


def test_a_client_that_was_frozen_for_long_finds_its_orders_done(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(workers=0) as stack:
        client, scheduler = CommandLine(stack.environment), stack.process("scheduler").pid
        frozen = submitting(client, orders_file("frozen", 20))
        try:
            wait_until(lambda: metric(stack, "scheduler_waiters"))
            assert asks_of(scheduler, stack.grpc_port) == 1
            frozen.send_signal(signal.SIGSTOP)
            # It is taken for gone, and its connection is closed.
            wait_until(lambda: not asks_of(scheduler, stack.grpc_port), seconds=SILENT_SECONDS_MAX)
            stack.start_worker(1)
            wait_for_metric(stack, 3, "scheduler_orchestrations_ended_total")
            frozen.send_signal(signal.SIGCONT)
            out, _ = frozen.communicate(timeout=60)
        finally:
            end(frozen)
        assert frozen.returncode == 0
        assert json.loads(out)["orders"] == 20
