"""How soon those who have lost their scheduler are back: their pauses have a bound."""

import os
import random
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from scripts.local_stack import ROOT
from services.shared.environment import Environment
from services.worker.app import new_worker
from services.worker.settings import WorkerSettings
from services.worker.state import StateKeeper
from tests.chaos.relay import Relay
from tests.conformance.raw_worker import raw_worker
from tests.e2e.conftest import StackMaker
from tests.e2e.processes import end, wait_until
from tests.e2e.schedulers import hub_of, metric

# What connections of gRPC say first.
PREFACE = b"PRI"
# So many take 15 s where no pause is longer than 2 s; left to themselves they grow, and it is 36 s.
TRIES = 11
TRIES_SECONDS_MAX = 24.0
# After the fourth of them the pause is 5 s at the most; by the SDK's own measure it would be 30 s.
FAILED_TRIES = 4
BACK_SECONDS_MAX = 10.0
# A greeting has 5 s to be answered. The keepalive alone finds a dead connection after 15 s.
UNANSWERED_SECONDS_MAX = 10.0
# gRPC names the threads of its channels after what they run.
GRPC_THREAD = "(_run)"
FAILED = "Failed to create connection"
PAUSE = re.compile(r"retrying in ([\d.]+) seconds")


@contextmanager
def hanging_up(tries: list[bytes]) -> Iterator[str]:
    """What listens in the place of a scheduler that is away, as the proxies of containers do.

    It ends each connection after its first words, which `tries` gets if they are gRPC's.
    """

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(1)
                    first = connection.recv(len(PREFACE))
                    tries.extend([first] if first == PREFACE else [])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow  # pauses would be longer only after some time
def test_a_client_tries_again_every_two_seconds_however_long_its_scheduler_is_away() -> None:
    tries: list[bytes] = []
    with hanging_up(tries) as endpoint:
        settings = {"ENDPOINT": endpoint, "CLIENT_CONNECT_SECONDS": "120"}
        client = subprocess.Popen(
            [sys.executable, "-m", "services.client", "status", "any"],
            cwd=ROOT,
            env=os.environ | settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: tries)
            wait_until(lambda: len(tries) >= TRIES, seconds=TRIES_SECONDS_MAX)
        finally:
            end(client)


@contextmanager
def working(endpoint: str) -> Iterator[StateKeeper]:
    """The worker that we ship, in this process; nothing is registered with it."""
    settings = WorkerSettings.read(Environment({"ENDPOINT": endpoint}))
    keeper = StateKeeper(None, scheduler=endpoint)
    worker = new_worker(settings, keeper)
    worker.start()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    try:
        yield keeper
    finally:
        worker.stop()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


def new_of_grpc(before: set[threading.Thread]) -> int:
    """How many threads have been added since then that pass on what comes for channels."""
    return sum(GRPC_THREAD in thread.name for thread in set(threading.enumerate()) - before)


def test_work_items_are_read_on_one_thread_and_the_end_of_their_stream_is_noticed(
    new_stack: StackMaker,
) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        before = set(threading.enumerate())
        with working(stack.endpoint) as keeper:
            wait_until(lambda: metric(stack, "scheduler_workers") == 1)
            assert keeper.is_connected
            assert new_of_grpc(before) == 0
            # Another stream, on a channel without our options, does have one.
            with raw_worker(hub, activities=["any"]):
                assert new_of_grpc(before) > 0
        # What is called off on this side ends without a word from the scheduler.
        wait_until(lambda: not keeper.is_connected)


def told(caplog: pytest.LogCaptureFixture, text: str) -> int:
    """How many lines of the log have a text."""
    return sum(text in record.getMessage() for record in caplog.records)


@pytest.mark.slow  # an outage in which the pauses have grown
def test_a_worker_is_back_within_five_seconds_of_its_scheduler_however_long_that_was_away(
    new_stack: StackMaker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pauses are a part of the longest ones, by chance: here the whole of them.
    monkeypatch.setattr(random, "random", lambda: 1.0)
    with new_stack(workers=0) as stack, working(stack.endpoint):
        wait_until(lambda: metric(stack, "scheduler_workers") == 1)
        end(stack.process("scheduler"))
        wait_until(lambda: told(caplog, FAILED) == FAILED_TRIES)
        stack.start_scheduler()
        wait_until(lambda: metric(stack, "scheduler_workers") == 1, seconds=BACK_SECONDS_MAX)
    pauses = [float(pause) for pause in PAUSE.findall(caplog.text)]
    assert pauses[:FAILED_TRIES] == [2, 4, 5, 5]


def test_a_worker_that_is_not_greeted_back_says_so_within_seconds(
    new_stack: StackMaker, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        new_stack(workers=0) as stack,
        Relay(stack.grpc_port, hears_nothing=True) as relay,
        working(f"http://{relay.address}") as keeper,
    ):
        wait_until(lambda: told(caplog, FAILED), seconds=UNANSWERED_SECONDS_MAX)
        assert relay.accepted == 1
        assert keeper.connections == 0
