"""The worker's state file: what its container's health check reads.

A state is what the link to the scheduler is, how many activities run, and when that was written: a
frozen process is told by its last heartbeat.
"""

import functools
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS: Final = 5.0
# Two heartbeats may come late on a loaded machine; the third one missing is a frozen process.
BEAT_AGE_SECONDS_MAX: Final = 3 * HEARTBEAT_SECONDS

Link = Literal["connecting", "connected", "draining"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """One reading. `beat` is in seconds of the machine's monotonic clock."""

    pid: int
    link: Link
    activities: int
    beat: float

    def verdict(self, now: float) -> tuple[bool, str]:
        """Whether the worker is connected or working, and that in words."""
        age = now - self.beat
        if not 0 <= age <= BEAT_AGE_SECONDS_MAX:
            return False, f"frozen or gone: the last heartbeat is {age:.0f} s old"
        if self.link == "connecting" and not self.activities:
            return False, "not connected to the scheduler"
        return True, f"{self.link}, {self.activities} activities running"


def read_state(path: Path) -> WorkerState:
    """The state that a worker wrote; raises `OSError` and `ValueError` (no state in the file)."""
    try:
        return WorkerState(**json.loads(path.read_text()))
    except TypeError as error:
        raise ValueError(str(error)) from error


class StateKeeper:
    """Keeps the state file of this process; without a path it only logs the changes of the link."""

    def __init__(self, path: Path | None, *, scheduler: str) -> None:
        self._path = path
        self._scheduler = scheduler
        self._lock = threading.Lock()
        self._link: Link = "connecting"
        self._activities = 0
        self._connections = 0

    @property
    def is_connected(self) -> bool:
        """Whether the stream of work items is open."""
        return self._link == "connected"

    @property
    def is_draining(self) -> bool:
        """Whether no new work is taken any more."""
        return self._link == "draining"

    @property
    def connections(self) -> int:
        """How often a stream of work items has been opened."""
        return self._connections

    @property
    def activities(self) -> int:
        """How many activities run now."""
        return self._activities

    def start(self) -> None:
        """Writes the first state; raises `OSError` when that is impossible."""
        # A file is replaced as a whole: a device of this name would be gone.
        if self._path is not None and self._path.exists() and not self._path.is_file():
            raise OSError(f"{self._path} is no regular file")
        with self._lock:
            self._write()

    def beat(self) -> None:
        """Writes the state again; a worker goes on when that is impossible, and is not healthy."""
        with self._lock:
            self._write_if_possible()

    def connected(self) -> None:
        """The stream of work items is open."""
        self._connections += 1
        self._change("connected", f"connected to {self._scheduler}")

    def disconnected(self) -> None:
        """The stream of work items has ended; the SDK opens another."""
        self._change("connecting", f"lost the connection to {self._scheduler}, reconnecting")

    def draining(self) -> None:
        """No new work is taken from now on, whatever becomes of the stream."""
        self._change("draining", "draining: what runs is finished, no new work is taken")

    def counted(self, activity: Callable[..., Any]) -> Callable[..., Any]:
        """`activity` under its own name and signature, counted while it runs."""

        @functools.wraps(activity)
        def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any activity's signature
            with self._lock:
                self._activities += 1
            try:
                return activity(*args, **kwargs)
            finally:
                with self._lock:
                    self._activities -= 1

        return run

    def _change(self, link: Link, message: str) -> None:
        with self._lock:
            if self._link in {link, "draining"}:
                return
            self._link = link
            self._write_if_possible()
        log.info(message)

    def _write_if_possible(self) -> None:
        try:
            self._write()
        except OSError as error:
            log.warning("cannot write the state file: %s", error)

    def _write(self) -> None:
        if self._path is None:
            return
        state = WorkerState(
            pid=os.getpid(), link=self._link, activities=self._activities, beat=time.monotonic()
        )
        # Readers never see half a state.
        temporary = self._path.with_name(f"{self._path.name}.{state.pid}")
        temporary.write_text(json.dumps(asdict(state)))
        temporary.replace(self._path)
