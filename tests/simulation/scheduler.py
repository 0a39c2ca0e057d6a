"""The scheduler under test: its hub opens, closes, and dies with nothing but its files left."""

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.scheduler.clock import Ids, Now
from services.scheduler.hub.opened import OpenHub
from services.scheduler.store.check import check
from services.scheduler.store.findings import Kind
from services.scheduler.store.packing import teach
from tests.simulation.violation import Violation


class Scheduler:
    """One hub through all its runs. `look` reads what is on the disk, and nothing else."""

    def __init__(self, directory: Path, now: Now, ids: Ids) -> None:
        self._directory = directory
        self._now = now
        self._ids = ids
        self._lives = 0
        self.failures: list[BaseException] = []
        self.open()

    @property
    def _file(self) -> Path:
        return self._directory / f"{self._lives}.db"

    def open(self) -> None:
        """Starts, on files in which nothing may be wrong, whatever was killed when."""
        if self._file.exists():
            _check(self._directory)
        self.hub = OpenHub(
            "simulated", self._file, now=self._now, ids=self._ids, on_failure=self.failures.append
        )
        self.look = sqlite3.connect(self._file, isolation_level=None)
        self.look.execute("PRAGMA query_only = 1")
        teach(self.look)

    def close(self) -> None:
        """Stops as SIGTERM does. Its streams must have ended."""
        self.look.close()
        self.hub.close()
        wal = Path(f"{self._file}-wal")
        if wal.exists() and wal.stat().st_size:
            raise Violation("a scheduler that was closed has left a log")

    def kill(self, torn: bytes) -> None:
        """Stops as SIGKILL does: what comes next sees the files as they are at this moment.

        `torn` is what a write that was going on has left at the end of the log.
        """
        left, log = self._file, Path(f"{self._file}-wal")
        self._lives += 1
        shutil.copyfile(left, self._file)
        if log.exists():
            (self._file.parent / f"{self._file.name}-wal").write_bytes(log.read_bytes() + torn)
        self.look.close()
        # It commits what was not committed, into a file that nobody will open.
        self.hub.close()
        for name in (left, log, Path(f"{left}-shm")):
            name.unlink(missing_ok=True)


def _check(directory: Path) -> None:
    for hub in check(directory, None, progress=lambda _what, _done, _total: None):
        # A seed's payloads lie nowhere.
        wrong = [found for found in hub.findings if found.kind is not Kind.NO_STORE]
        if wrong:
            raise Violation(f"a check finds what is wrong: {wrong}")


class _Kept(logging.Handler):
    def __init__(self, keep: "Keep") -> None:
        super().__init__(logging.WARNING)
        self._keep = keep

    def emit(self, record: logging.LogRecord) -> None:
        self._keep(record.getMessage(), record.exc_info[1] if record.exc_info else None)


Keep = Callable[[str, BaseException | None], None]


@contextmanager
def logs_to(keep: Keep) -> Iterator[None]:
    """What the scheduler warns of goes here, and nowhere else."""
    log = logging.getLogger("services.scheduler")
    handler, propagated = _Kept(keep), log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagated
