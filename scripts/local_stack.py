"""The stack without Docker: a scheduler and workers as processes of this machine.

Whoever starts a stack stops it: `with LocalStack(...)` leaves no process behind.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).resolve().parents[1]
GRPC_PORT: Final = 8080
HTTP_PORT: Final = 8081
# More than any one machine has use for: a slip of the finger should not start a thousand.
WORKERS_MAX: Final = 32

_READY: Final = re.compile(
    r"^ready: gRPC on .*:(?P<grpc>\d+), HTTP on .*:(?P<http>\d+),", re.MULTILINE
)
_ANY_PORTS: Final = {"SCHEDULER_GRPC_PORT": "0", "SCHEDULER_HTTP_PORT": "0"}
_READY_SECONDS_MAX: Final = 30.0
_STOP_SECONDS_MAX: Final = 10.0
_LOG_LINES_SHOWN: Final = 20


class StackError(Exception):
    """A part of the stack did not start; the text names it and what its log ends with."""


def read_workers(text: str) -> int:
    """How many workers a person asks for; raises `StackError`."""
    if text.isdecimal() and 1 <= int(text) <= WORKERS_MAX:
        return int(text)
    raise StackError(f"WORKERS must be a whole number from 1 to {WORKERS_MAX} (got {text!r})")


def free_port(usual: int) -> int:
    """The usual port if nothing listens on it, any free one otherwise."""
    for port in (usual, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StackError("no free port")


class LocalStack:
    """A scheduler and `workers` workers, their logs in `logs`.

    The ports are the usual ones where those are free, or any with `usual_ports` off. `environment`
    is added to this process's own, for every part.
    """

    def __init__(
        self,
        *,
        workers: int,
        logs: Path,
        environment: dict[str, str] | None = None,
        usual_ports: bool = True,
    ) -> None:
        self._workers = workers
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **os.environ,
            "TASKHUB": "default",
            "DTS_TASK_HUB_NAMES": "default",
            "SCHEDULER_HOST": "127.0.0.1",
            "SCHEDULER_DATA_DIR": str(logs / "data"),
            **(environment or {}),
        }
        self._use_ports(
            free_port(GRPC_PORT if usual_ports else 0), free_port(HTTP_PORT if usual_ports else 0)
        )

    def __enter__(self) -> Self:
        try:
            self.start_scheduler()
            for number in range(1, self._workers + 1):
                self.start_worker(number)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start_scheduler(self) -> None:
        """Starts the scheduler and waits until it serves; raises `StackError`.

        A port that looked free may be taken meanwhile: then it is asked to take any.
        """
        for ports in ({}, _ANY_PORTS):
            if self._is_ready(self._spawn("scheduler", "services.scheduler", ports)):
                return
            if "cannot listen on" not in self.log_tail("scheduler"):
                break
        raise StackError(f"the scheduler did not start\n{self.log_tail('scheduler')}")

    def start_worker(self, number: int) -> None:
        """Starts one more worker; it waits for the scheduler by itself."""
        name = f"worker-{number}"
        state = {"WORKER_STATE_FILE": str(self._logs / f"{name}.json")}
        self._spawn(name, "services.worker", state)

    def stopped_parts(self) -> list[str]:
        """The parts that have ended by themselves."""
        return [name for name, process in self._processes.items() if process.poll() is not None]

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """The process of a part: `scheduler`, `worker-1`, ..."""
        return self._processes[name]

    def log_tail(self, name: str) -> str:
        """The last lines that a part logged."""
        text = (self._logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(f"  {name} | {line}" for line in text.splitlines()[-_LOG_LINES_SHOWN:])

    def log_tails(self) -> str:
        """The last lines that every part logged."""
        return "\n".join(self.log_tail(name) for name in self._processes)

    def stop(self) -> None:
        """Asks every part to stop, workers first; ends those that do not within 10 s."""
        for is_scheduler in (False, True):
            _stop_all(
                process
                for name, process in self._processes.items()
                if (name == "scheduler") == is_scheduler
            )

    def _spawn(
        self, name: str, module: str, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        # A session of its own, so that Ctrl-C reaches only us and we choose the order of stopping.
        with (self._logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env=self.environment | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[name] = process
        return process

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        # Its own line and not its health check: on a port, somebody else may answer.
        deadline = time.monotonic() + _READY_SECONDS_MAX
        log = self._logs / "scheduler.log"
        while time.monotonic() < deadline:
            ready = _READY.search(log.read_text(errors="replace"))
            if ready is not None:
                self._use_ports(int(ready["grpc"]), int(ready["http"]))
                return True
            if process.poll() is not None:
                return False
            time.sleep(0.02)
        return False

    def _use_ports(self, grpc_port: int, http_port: int) -> None:
        self.grpc_port, self.http_port = grpc_port, http_port
        # No name: "localhost" may lead to another address first, and there to somebody else.
        self.endpoint = f"http://127.0.0.1:{grpc_port}"
        self.environment |= {
            "ENDPOINT": self.endpoint,
            "SCHEDULER_GRPC_PORT": str(grpc_port),
            "SCHEDULER_HTTP_PORT": str(http_port),
        }


def _stop_all(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    running = list(processes)
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS_MAX
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
