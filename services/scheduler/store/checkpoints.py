"""Moves the write-ahead log into the file, on a thread of its own, so that commits do not wait.

Only where the thread cannot keep up, the writer does the rest itself, once in 32 MiB.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from services.scheduler.store.database import WAL_BYTES_KEPT, open_checkpointer

log = logging.getLogger(__name__)

# Small enough to be read fast after a crash, large enough that hot pages are written once. More
# than what stays of an emptied log, or every commit would ask for a checkpoint.
_WAL_BYTES_MAX: Final = WAL_BYTES_KEPT + 1024 * 1024
# Where commits are so fast that there is one more whenever the thread has moved what it knows of,
# the log would never be begun anew: from here on the writer itself moves the rest.
_WAL_BYTES_BEHIND: Final = 4 * _WAL_BYTES_MAX
# As many usual commits come to about that: a log that is written anew does not tell by its size.
_COMMITS_MAX: Final = 512
# A commit that comes meanwhile keeps the log from being emptied; a second look takes it in.
_TRIES_MAX: Final = 8


class Checkpointer:
    """Checkpoints one hub's file whenever its log has grown, until `stop`."""

    def __init__(
        self, file: Path, writer: sqlite3.Connection, on_failure: Callable[[BaseException], None]
    ) -> None:
        """`writer` is the connection of whoever calls `look`, and never in a transaction then."""
        self._file = file
        self._writer = writer
        self._wal = f"{file}-wal"
        self._on_failure = on_failure
        self._commits = 0
        # From which size on the thread is woken, and the writer does it: more, after a try that a
        # long read has kept from its end. To try is as dear as the log is long.
        self._wakes_at, self._is_behind_at = _WAL_BYTES_MAX, _WAL_BYTES_BEHIND
        self._grown = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Wakes the thread if the log has grown; called after every commit."""
        self._commits += 1
        size = self._wal_bytes()
        if size <= _WAL_BYTES_MAX:
            self._wakes_at, self._is_behind_at = _WAL_BYTES_MAX, _WAL_BYTES_BEHIND
        if size > self._is_behind_at:
            self._catch_up(size)
        elif size > self._wakes_at or self._commits >= _COMMITS_MAX:
            self._commits = 0
            self._wakes_at = max(size, _WAL_BYTES_MAX) + WAL_BYTES_KEPT
            self._grown.set()

    def _catch_up(self, size: int) -> None:
        try:
            busy, frames, moved = _checkpoint(self._writer)
        except sqlite3.Error as error:
            self._on_failure(error)
            return
        if not busy and moved < frames:
            self._is_behind_at = size + _WAL_BYTES_BEHIND

    def stop(self) -> None:
        """Ends the thread, after the checkpoint that it is at."""
        self._stopping = True
        self._grown.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with closing(open_checkpointer(self._file)) as connection:
                while True:
                    self._grown.wait()
                    self._grown.clear()
                    if self._stopping:
                        return
                    _empty(connection)
        except sqlite3.Error as error:
            log.exception("a checkpoint failed")
            self._on_failure(error)

    def _wal_bytes(self) -> int:
        try:
            return os.stat(self._wal).st_size  # noqa: PTH116 - after every commit: no path is built
        except OSError:
            return 0


def _empty(connection: sqlite3.Connection) -> None:
    """Moves the log into the file; the next commit then begins it anew."""
    for _ in range(_TRIES_MAX):
        _busy, frames, moved = _checkpoint(connection)
        if moved == frames:
            return


def _checkpoint(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Takes what it can and makes nobody wait: whether another one is at it, pages, and moved."""
    busy, frames, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return busy, frames, moved
