"""Submissions of every size while faults go on: through the command line, and through the SDK."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from scripts.local_stack import ROOT
from services.shared.connection import Connection, read_connection
from services.shared.environment import Environment
from services.shared.sdk import new_client
from tests.chaos.orders import Line, new_lines, write
from tests.chaos.stack import Stack
from tests.e2e.processes import wait_until

_COMMAND_LINES: Final = 2
# From one order to what needs the payload store, with the batches that each is cut into.
_SIZES: Final = ((1, 10), (4, 2), (25, 10), (120, 40), (700, 100))
_CALL_SECONDS: Final = 5
_SDK_PAUSE_SECONDS: Final = 0.4
# What two cores beside a test run can work off in the time that faults leave them.
_ORDERS_A_SECOND: Final = 120
_CLIENT_SECONDS_MAX: Final = 100
# How a client may say that it could not submit: a disk that is full, or a scheduler that is away.
_HONEST: Final = ("the payload store ", "cannot be used: ")


@dataclass(slots=True, kw_only=True)
class Submission:
    """Orders under an id; acknowledged once a client was told so."""

    instance_id: str
    lines: list[Line]
    acknowledged: bool = False


class Load:
    """Submits from `start` to `stop`; `submissions` holds all that was tried."""

    def __init__(self, stack: Stack, seed: int, seconds: float) -> None:
        self.submissions: list[Submission] = []
        # What a client said that neither succeeded, nor was hit, nor told of the fault.
        self.complaints: list[str] = []
        self._stack = stack
        self._seed = seed
        self._orders_left = int(_ORDERS_A_SECOND * seconds)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._clients: dict[int, subprocess.Popen[str]] = {}
        self._hit: set[int] = set()
        self._threads = [
            *(
                threading.Thread(target=self._run_command_lines, args=(number,))
                for number in range(_COMMAND_LINES)
            ),
            threading.Thread(target=self._call_sdk),
        ]

    def start(self) -> None:
        """Begins to submit."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Waits until the clients that still try have been answered."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def submit(self, name: str, count: int, batch_size: int) -> Submission:
        """Runs one command line to its end."""
        dice = random.Random(f"{self._seed} {name}")
        submission = Submission(instance_id=name, lines=new_lines(dice, name, count))
        with self._lock:
            self.submissions.append(submission)
            self._orders_left -= count
        path = self._stack.folder / f"{name}.csv"
        write(path, submission.lines)
        client = self._client(path, name, batch_size)
        out, err = client.communicate(timeout=_CLIENT_SECONDS_MAX)
        with self._lock:
            del self._clients[client.pid]
        submission.acknowledged = client.returncode == os.EX_OK
        if submission.acknowledged:
            assert json.loads(out)["instance_id"] == name
        elif client.pid not in self._hit and not any(text in err for text in _HONEST):
            self.complaints.append(f"{name}: exit code {client.returncode}, {err.strip()}")
        return submission

    def hit_client(self, number: signal.Signals) -> int:
        """Sends a signal to a command line that runs; its process id."""
        wait_until(lambda: self._clients or self._over.is_set())
        with self._lock:
            if not self._clients:
                return 0
            pid = next(iter(self._clients))
            self._hit.add(pid)
            os.kill(pid, number)
            return pid

    def wake_client(self, pid: int) -> None:
        """SIGCONT for one that was stopped."""
        with self._lock:
            if pid in self._clients:
                os.kill(pid, signal.SIGCONT)

    def _client(self, path: Path, name: str, batch_size: int) -> "subprocess.Popen[str]":
        options = ["--batch-size", str(batch_size), "--instance-id", name, "--no-wait", "--json"]
        with self._lock:
            client = subprocess.Popen(
                [sys.executable, "-m", "services.client", "submit", str(path), *options],
                cwd=ROOT,
                env=self._stack.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._clients[client.pid] = client
        return client

    def _run_command_lines(self, number: int) -> None:
        dice = random.Random(f"{self._seed} command line {number}")
        count = 0
        while not self._over.wait(dice.uniform(0.0, 0.5)):
            size, batch_size = dice.choice(_SIZES)
            if size <= self._orders_left:
                self.submit(f"cli-{number}-{count}", size, batch_size)
                count += 1

    def _call_sdk(self) -> None:
        dice = random.Random(f"{self._seed} sdk")
        count = 0
        with new_client(connection_of(self._stack), call_seconds=_CALL_SECONDS) as client:
            while not self._over.wait(_SDK_PAUSE_SECONDS):
                name = f"sdk-{count}"
                lines = new_lines(dice, name, dice.randint(1, 3))
                submission = Submission(instance_id=name, lines=lines)
                with self._lock:
                    self.submissions.append(submission)
                try:
                    client.schedule_new_orchestration(
                        "main_orchestration",
                        input={"orders": [line.fields for line in lines], "batch_size": 2},
                        instance_id=name,
                    )
                except grpc.RpcError:
                    submission.acknowledged = False  # it may have arrived, and then it must end
                else:
                    submission.acknowledged = True
                count += 1


def connection_of(stack: Stack) -> Connection:
    """Where the stack's scheduler is, for clients of this process."""
    return read_connection(Environment(stack.environment))
