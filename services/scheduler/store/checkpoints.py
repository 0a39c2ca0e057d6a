"""Moves the write-ahead log into the file, on a thread of its own: no commit waits for it."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from services.scheduler.store.database import open_checkpointer

log = logging.getLogger(__name__)

# Small enough to be read fast after a crash, large enough that hot pages are written once.
_WAL_BYTES_MAX: Final = 8 * 1024 * 1024


class Checkpointer:
    """Checkpoints one hub's file whenever its log has grown, from `start` to `stop`."""

    def __init__(self, file: Path, on_failure: Callable[[BaseException], None]) -> None:
        self._file = file
        self._wal = Path(f"{file}-wal")
        self._on_failure = on_failure
        self._grown = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Wakes the thread if the log has grown; called after commits."""
        if not self._grown.is_set() and self._wal_bytes() > _WAL_BYTES_MAX:
            self._grown.set()

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
                    # Passive: it takes what it can and makes nobody wait.
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            log.exception("a checkpoint failed")
            self._on_failure(error)

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:
            return 0
