"""The stack under chaos: scheduler, workers and dashboard on a small disk of their own.

It lives in network and mount namespaces of its own (see `namespaces`), so its ports are the usual
ones, and each worker reaches the scheduler at an address that a packet filter can tell apart.
"""

import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.parts import Part
from tests.e2e.processes import wait_until

WORKERS: Final = 4
# No fault hits this one: whatever it has more of in the end, one process has gathered.
UNHARMED: Final = f"worker-{WORKERS}"
GRPC_PORT: Final = 8080
HTTP_PORT: Final = 8081
DASHBOARD_PORT: Final = 8082
HUB: Final = "default"
DISK_MIB: Final = 256
FAILURE_RATE: Final = 0.1
# A machine under chaos and tests beside it is slow.
_READY_SECONDS_MAX: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A process that a fault brought in, and the instances that are there because of it."""

    part: Part
    # What each must come to; None where it must not complete.
    instances: Mapping[str, object]


class Stack:
    """Started with `with`; `folder` gets its disk, its logs and its state files.

    `suspect_seconds` is how long the scheduler first waits with what has ended its streams.
    """

    def __init__(self, folder: Path, suspect_seconds: float) -> None:
        self.folder = folder
        self.suspect_seconds = suspect_seconds
        self.disk = folder / "disk"
        self.data = self.disk / "data"
        # What the hub has.
        self.file = self.data / f"{HUB}.db"
        # How wrong the scheduler's clock is at its next start, in seconds.
        self.clock_seconds = 0.0
        self.environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "ENDPOINT": f"http://127.0.0.1:{GRPC_PORT}",
            "TASKHUB": HUB,
            "DTS_TASK_HUB_NAMES": HUB,
            # Every address of the private loopback; nobody else can reach it.
            "SCHEDULER_HOST": "0.0.0.0",  # noqa: S104 - in a network namespace of its own
            "SCHEDULER_ALLOW_INSECURE": "1",
            "SCHEDULER_GRPC_PORT": str(GRPC_PORT),
            "SCHEDULER_HTTP_PORT": str(HTTP_PORT),
            "SCHEDULER_DATA_DIR": str(self.data),
            "PAYLOAD_STORE": str(self.data / "payloads"),
            "SCHEDULER_HTTP_ENDPOINT": f"http://127.0.0.1:{HTTP_PORT}",
            "DASHBOARD_PORT": str(DASHBOARD_PORT),
            "PROCESSING_MS": "20",
            "FAILURE_RATE": str(FAILURE_RATE),
            "TRANSIENT_FAILURE_RATE": "0.02",
            "WORKER_GRACE_SECONDS": "5",
            "CLIENT_CONNECT_SECONDS": "60",
        }
        self.parts: dict[str, Part] = {}
        # What faults have brought in, until the books are read.
        self.guests: list[Guest] = []

    def __enter__(self) -> Self:
        self.disk.mkdir()
        mount(self.disk, f"size={DISK_MIB}m")
        self.data.mkdir()
        self._add("scheduler", self._scheduler_arguments)
        for number in range(1, WORKERS + 1):
            name = f"worker-{number}"
            self._add(
                name,
                lambda: ["-m", "services.worker"],
                ENDPOINT=f"http://{address_of(name)}:{GRPC_PORT}",
                WORKER_STATE_FILE=str(self._state_file(name)),
            )
        self._add("dashboard", lambda: ["-m", "services.dashboard"])
        for part in self.parts.values():
            part.start()
        wait_until(self.is_well, seconds=_READY_SECONDS_MAX)
        return self

    def __exit__(self, *_error: object) -> None:
        # The scheduler last: the others drain.
        others = [part for name, part in self.parts.items() if name != "scheduler"]
        others += [guest.part for guest in self.guests]
        with ThreadPoolExecutor(len(others)) as pool:
            list(pool.map(Part.stop, others))
        self.scheduler.stop()
        # The disk ends with these namespaces: what it holds is left beside it.
        shutil.copytree(self.data, self.folder / "data")
        subprocess.run(["umount", "--lazy", str(self.disk)], check=True)  # noqa: S607 - found on PATH

    @property
    def scheduler(self) -> Part:
        """The scheduler's process."""
        return self.parts["scheduler"]

    def set_clock(self, seconds: float) -> None:
        """Sets the scheduler's clock, of this process and of those that follow."""
        self.clock_seconds = seconds
        self.scheduler.tell(f"clock {seconds}")

    def is_well(self) -> bool:
        """Whether every part serves."""
        return all(self.serves(name) for name in self.parts)

    def invite(
        self, name: str, module: str, *arguments: str, instances: Mapping[str, object]
    ) -> None:
        """A process of `module` that is kept running while these instances have not ended."""
        command = ["-m", module, self.environment["ENDPOINT"], *arguments]
        part = Part(name, lambda: command, self.folder / f"{name}.log", self.environment)
        self.guests.append(Guest(part=part, instances=instances))
        part.start()

    def serves(self, name: str) -> bool:
        """Whether a part does what it is for."""
        if name.startswith("worker"):
            return self._is_connected(name)
        port = HTTP_PORT if name == "scheduler" else DASHBOARD_PORT
        return answers(port, "/healthz")[0] == http.client.NO_CONTENT

    def metric(self, name: str) -> float:
        """The sum of a metric's samples; NaN where the scheduler does not answer."""
        status, text = answers(HTTP_PORT, "/metrics")
        if status != http.client.OK:
            return float("nan")
        families = text_string_to_metric_families(text)
        return sum(s.value for family in families for s in family.samples if s.name == name)

    def _scheduler_arguments(self) -> list[str]:
        numbers = (self.clock_seconds, self.suspect_seconds)
        return ["-m", "tests.chaos.scheduler", *map(str, numbers)]

    def _add(self, name: str, arguments: Callable[[], list[str]], **variables: str) -> None:
        log = self.folder / f"{name}.log"
        self.parts[name] = Part(name, arguments, log, self.environment | variables)

    def _state_file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _is_connected(self, name: str) -> bool:
        try:
            state = json.loads(self._state_file(name).read_text())
        except (OSError, ValueError):
            return False
        return bool(state["pid"] == self.parts[name].pid and state["link"] == "connected")


def address_of(part: str) -> str:
    """Where a worker reaches the scheduler: an address for each."""
    return f"127.0.1.{part.rpartition('-')[2]}"


def answers(port: int, path: str) -> tuple[int, str]:
    """What an HTTP port answers, status and body; 0 for no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def mount(path: Path, options: str) -> None:
    """Mounts a disk in memory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)  # noqa: S607 - mount is found on PATH


@contextmanager
def running(folder: Path, suspect_seconds: float) -> Iterator[Stack]:
    """A stack that serves, for a block."""
    with Stack(folder, suspect_seconds) as stack:
        yield stack
