"""The servers that are compared: ours, the SDK's testing backend, and the echo."""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from scripts.bench.errors import BenchError
from scripts.bench.parts import part
from scripts.local_stack import SCHEDULER_READY, LocalStack, StackError, free_port

# What is measured is the default, whatever this person's environment or .env says.
DEFAULTS: Final[Mapping[str, str]] = {
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "console",
    "SCHEDULER_RETENTION_DAYS": "30",
    "DTS_USE_DYNAMIC_TASK_HUBS": "0",
    "WORKER_ACTIVITIES_MAX": "32",
    "WORKER_ORCHESTRATIONS_MAX": "4",
}
_READY: Final = r"^ready: (?P<port>\d+)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that runs. `http` is a scheduler's, `environment` is for its workers."""

    address: str
    process: "subprocess.Popen[bytes]"
    is_echo: bool = False
    http: str | None = None
    environment: Mapping[str, str] | None = None

    @property
    def pid(self) -> int:
        """Its process's number."""
        return self.process.pid

    def check(self) -> None:
        """Raises `BenchError` when it has ended."""
        if self.process.poll() is not None:
            raise BenchError(f"the server on {self.address} ended by itself")


class Serving(Protocol):
    """Starts a server that logs and keeps its data in a folder, and ends it."""

    def __call__(self, folder: Path) -> AbstractContextManager[Server]:
        """Raises `BenchError` when it does not start."""


@contextlib.contextmanager
def stack_of(folder: Path, *, workers: int = 0, dashboard: bool = False) -> Iterator[LocalStack]:
    """Our own stack on free ports with its usual settings; raises `BenchError`."""
    try:
        with _stack(folder, workers=workers, dashboard=dashboard) as stack:
            yield stack
    except StackError as error:
        raise BenchError(str(error)) from error


def _stack(folder: Path, *, workers: int = 0, dashboard: bool = False) -> LocalStack:
    return LocalStack(
        workers=workers,
        logs=folder,
        environment=dict(DEFAULTS) | {"PROCESSING_MS": "0", "TRANSIENT_FAILURE_RATE": "0"},
        usual_ports=False,
        dashboard=dashboard,
    )


def server_of(stack: LocalStack) -> Server:
    """The scheduler of a stack."""
    return Server(
        address=stack.endpoint.removeprefix("http://"),
        process=stack.process("scheduler"),
        http=f"http://127.0.0.1:{stack.http_port}",
        environment=stack.environment,
    )


@contextlib.contextmanager
def embedded_scheduler(folder: Path) -> Iterator[Server]:
    """The scheduler of this checkout, durable, with an empty data directory."""
    with stack_of(folder) as stack:
        yield server_of(stack)


@contextlib.contextmanager
def unsynced_scheduler(folder: Path) -> Iterator[Server]:
    """The same, but for what its commits wait for: nothing is flushed to the disk."""
    environment = _stack(folder).environment
    log = folder / "scheduler.log"
    with part(
        "the scheduler that does not flush",
        ["-m", "scripts.bench.unsynced"],
        log=log,
        ready=SCHEDULER_READY.pattern,
        environment=environment,
    ) as running:
        yield Server(
            address=f"127.0.0.1:{running.ready['grpc']}",
            process=running.process,
            http=f"http://127.0.0.1:{running.ready['http']}",
            environment=environment,
        )


@contextlib.contextmanager
def testing_backend(folder: Path) -> Iterator[Server]:
    """The SDK's in-memory backend."""
    arguments = ["-m", "scripts.bench.backend", str(free_port(0))]
    log = folder / "backend.log"
    with part("the testing backend", arguments, log=log, ready=_READY) as running:
        yield Server(address=f"127.0.0.1:{running.ready['port']}", process=running.process)


@contextlib.contextmanager
def echo_server(folder: Path) -> Iterator[Server]:
    """The ceiling."""
    arguments = ["-m", "scripts.bench.echo"]
    with part("the echo server", arguments, log=folder / "echo.log", ready=_READY) as running:
        yield Server(
            address=f"127.0.0.1:{running.ready['port']}", process=running.process, is_echo=True
        )
