"""Schedulers that a test kills, starts again, asks and finds refusing to start."""

import http.client
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from durabletask import history
from durabletask.azuremanaged.client import DurableTaskSchedulerClient
from prometheus_client.parser import text_string_to_metric_families

from scripts.local_stack import ROOT, LocalStack
from tests.conformance.histories import of
from tests.conformance.hub import Hub
from tests.e2e.processes import end, wait_until

QUIET: Final = logging.getLogger("tests.quiet")
QUIET.setLevel(logging.CRITICAL)


@contextmanager
def hub_of(stack: LocalStack, name: str = "default") -> Iterator[Hub]:
    """A task hub of a running stack, for a block in which its scheduler may end and come back."""
    with DurableTaskSchedulerClient(
        host_address=stack.endpoint,
        taskhub=name,
        token_credential=None,
        secure_channel=False,
        logger=QUIET,
    ) as client:
        yield Hub(endpoint=stack.endpoint, name=name, client=client)


def kill_and_start(stack: LocalStack) -> None:
    """SIGKILL for the scheduler, and another one on the same data and ports."""
    ports = stack.grpc_port, stack.http_port
    end(stack.process("scheduler"))
    stack.start_scheduler()
    assert (stack.grpc_port, stack.http_port) == ports


def data_of(stack: LocalStack) -> Path:
    """The stack's data directory."""
    return Path(stack.environment["SCHEDULER_DATA_DIR"])


def run_scheduler(
    data: Path, *arguments: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """A scheduler that ends by itself, on free ports unless told otherwise."""
    settings = {
        "SCHEDULER_DATA_DIR": str(data),
        "SCHEDULER_GRPC_PORT": "0",
        "SCHEDULER_HTTP_PORT": "0",
    }
    return subprocess.run(
        [sys.executable, "-m", "services.scheduler", *arguments],
        cwd=ROOT,
        env=os.environ | settings | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def ask(stack: LocalStack, path: str, **headers: str) -> tuple[int, str]:
    """What the HTTP port answers to a GET: status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.http_port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def metric(stack: LocalStack, name: str, **labels: str) -> float:
    """The sum of a metric's samples that carry these labels; 0 where there is none."""
    status, text = ask(stack, "/metrics")
    assert status == 200
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def rss_mib(stack: LocalStack) -> int:
    """The memory that the scheduler has now, in MiB."""
    status = f"/proc/{stack.process('scheduler').pid}/status"
    with open(status) as file:  # noqa: PTH123 - a file of the kernel's, read many times
        [line] = [line for line in file if line.startswith("VmRSS:")]
    return int(line.split()[1]) // 1024


def wait_for_metric(stack: LocalStack, least: float, name: str, **labels: str) -> None:
    """Waits until a metric has reached a value."""
    wait_until(lambda: metric(stack, name, **labels) >= least)


def assert_every_task_ended_once(events: Sequence[history.HistoryEvent]) -> None:
    """No gap and no duplicate: what was scheduled has one result, and every result its task."""
    scheduled = [event.event_id for event in of(history.TaskScheduledEvent, events)]
    results: list[Any] = [
        *of(history.TaskCompletedEvent, events),
        *of(history.TaskFailedEvent, events),
    ]
    assert len(set(scheduled)) == len(scheduled)
    assert sorted(event.task_scheduled_id for event in results) == sorted(scheduled)
    created = [event.event_id for event in of(history.SubOrchestrationInstanceCreatedEvent, events)]
    children = of(history.SubOrchestrationInstanceCompletedEvent, events)
    assert sorted(event.task_scheduled_id for event in children) == sorted(created)
    timers = [event.event_id for event in of(history.TimerCreatedEvent, events)]
    assert sorted(event.timer_id for event in of(history.TimerFiredEvent, events)) == sorted(timers)
    assert len(of(history.ExecutionStartedEvent, events)) == 1
    assert len(of(history.ExecutionCompletedEvent, events)) == 1
