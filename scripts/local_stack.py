"""The stack without Docker: scheduler, workers and dashboard as processes of this machine.

Whoever starts a stack stops it: `with LocalStack(...)` leaves no process behind, not even where it
is killed itself.
"""

import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from scripts.tether import Tether, command_of

ROOT: Final = Path(__file__).resolve().parents[1]
GRPC_PORT: Final = 8080
HTTP_PORT: Final = 8081
DASHBOARD_PORT: Final = 8082
# More than any one machine has use for: a slip of the finger should not start a thousand.
WORKERS_MAX: Final = 32

# Below the ports that systems give to outgoing connections: what looks free stays free.
_PORTS: Final = range(20_000, 32_000)
_TRIES: Final = 8
_RANDOM: Final = random.SystemRandom()
SCHEDULER_READY: Final = re.compile(
    r"^ready: gRPC on .*:(?P<grpc>\d+), HTTP on .*:(?P<http>\d+),", re.MULTILINE
)
_ANY_PORTS: Final = {"SCHEDULER_GRPC_PORT": "0", "SCHEDULER_HTTP_PORT": "0"}
_DASHBOARD_READY: Final = re.compile(r"^ready: dashboard on http://.*:(?P<port>\d+),", re.MULTILINE)
_ANY_DASHBOARD_PORT: Final = {"DASHBOARD_PORT": "0"}
_OF_OTHERS: Final = (
    "SCHEDULER_AUTH",
    "SCHEDULER_TLS_CERT",
    "SCHEDULER_TLS_KEY",
    "ENDPOINT_CA",
    "ENDPOINT_TOKEN",
    "ENDPOINT_TOKEN_FILE",
)
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
    """The usual port if nothing listens on it, any free one otherwise (or where it is 0)."""
    for port in (*([usual] if usual else []), *_RANDOM.sample(_PORTS, _TRIES), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StackError("no free port")


def own_port(environment: Mapping[str, str], number: int) -> dict[str, str]:
    """What the worker of this number is told beside its environment: two cannot share a port."""
    port = environment.get("WORKER_METRICS_PORT", "").strip()
    if number == 1 or not port.isdecimal() or not int(port):
        return {}
    return {"WORKER_METRICS_PORT": str(int(port) + number - 1)}


class LocalStack:
    """A scheduler, `workers` workers and, if wanted, the dashboard; their logs are in `logs`.

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
        dashboard: bool = False,
    ) -> None:
        self._workers = workers
        self._has_dashboard = dashboard
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._tether = Tether()
        self.environment = {
            **os.environ,
            "TASKHUB": "default",
            "DTS_TASK_HUB_NAMES": "default",
            "SCHEDULER_HOST": "127.0.0.1",
            # What a .env asks for is about another scheduler: these blanks win over it.
            **dict.fromkeys(_OF_OTHERS, ""),
            "SCHEDULER_DATA_DIR": str(logs / "data"),
            "DASHBOARD_HOST": "127.0.0.1",
            **(environment or {}),
        }
        # One for all parts and for whoever is run beside them, and gone with the data.
        self.environment.setdefault(
            "PAYLOAD_STORE",
            str(Path(self.environment["SCHEDULER_DATA_DIR"]).absolute() / "payloads"),
        )
        self._use_ports(
            free_port(GRPC_PORT if usual_ports else 0), free_port(HTTP_PORT if usual_ports else 0)
        )
        self._use_dashboard_port(free_port(DASHBOARD_PORT if usual_ports else 0))

    def __enter__(self) -> Self:
        try:
            self.start_scheduler()
            for number in range(1, self._workers + 1):
                self.start_worker(number)
            if self._has_dashboard:
                self.start_dashboard()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def start_scheduler(self) -> None:
        """Starts the scheduler and waits until it serves; raises `StackError`."""
        ready = self._start("scheduler", _ANY_PORTS, SCHEDULER_READY)
        self._use_ports(int(ready["grpc"]), int(ready["http"]))

    def start_dashboard(self) -> None:
        """Starts the dashboard and waits until it serves; raises `StackError`."""
        ready = self._start("dashboard", _ANY_DASHBOARD_PORT, _DASHBOARD_READY)
        self._use_dashboard_port(int(ready["port"]))

    def start_worker(self, number: int) -> None:
        """Starts one more worker; it waits for the scheduler by itself."""
        name = f"worker-{number}"
        state = {"WORKER_STATE_FILE": str(self._logs / f"{name}.json")}
        self._spawn(name, "services.worker", state | own_port(self.environment, number))

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
        """Asks every part to stop, the scheduler last; ends those that do not within 10 s."""
        for is_scheduler in (False, True):
            _stop_all(
                process
                for name, process in self._processes.items()
                if (name == "scheduler") == is_scheduler
            )

    def _end(self) -> None:
        try:
            self.stop()
        finally:
            self._tether.release()

    def _start(self, name: str, any_ports: dict[str, str], line: re.Pattern[str]) -> re.Match[str]:
        """Starts a part and waits for its line; raises `StackError`.

        A port that looked free may be taken meanwhile: then it is asked to take any.
        """
        for ports in ({}, any_ports):
            process = self._spawn(name, f"services.{name}", ports)
            ready = self._wait_until_ready(name, process, line)
            if ready is not None:
                return ready
            if "cannot listen on" not in self.log_tail(name):
                break
        raise StackError(f"the {name} did not start\n{self.log_tail(name)}")

    def _spawn(
        self, name: str, module: str, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        # A session of its own, so that Ctrl-C reaches only us and we choose the order of stopping.
        with (self._logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command_of(module),
                cwd=ROOT,
                env=self.environment | (environment or {}),
                stdin=self._tether.end,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[name] = process
        return process

    def _wait_until_ready(
        self, name: str, process: subprocess.Popen[bytes], line: re.Pattern[str]
    ) -> re.Match[str] | None:
        # Its own line and not its health check: on a port, somebody else may answer.
        deadline = time.monotonic() + _READY_SECONDS_MAX
        log = self._logs / f"{name}.log"
        while time.monotonic() < deadline:
            ready = line.search(log.read_text(errors="replace"))
            if ready is not None or process.poll() is not None:
                return ready
            time.sleep(0.02)
        return None

    def _use_ports(self, grpc_port: int, http_port: int) -> None:
        self.grpc_port, self.http_port = grpc_port, http_port
        scheme = "https" if self.environment["SCHEDULER_TLS_CERT"] else "http"
        # No name: "localhost" may lead to another address first, and there to somebody else.
        self.endpoint = f"{scheme}://127.0.0.1:{grpc_port}"
        self.environment |= {
            "ENDPOINT": self.endpoint,
            "SCHEDULER_GRPC_PORT": str(grpc_port),
            "SCHEDULER_HTTP_PORT": str(http_port),
            "SCHEDULER_HTTP_ENDPOINT": f"{scheme}://127.0.0.1:{http_port}",
        }

    def _use_dashboard_port(self, port: int) -> None:
        self.dashboard_port = port
        self.dashboard = f"http://127.0.0.1:{port}"
        self.environment["DASHBOARD_PORT"] = str(port)


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
