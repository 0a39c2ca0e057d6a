"""Reads what has been committed, on connections and threads of their own.

A short transaction per page: a long one would keep the write-ahead log from shrinking.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from services.scheduler.errors import StoppingError
from services.scheduler.store.database import open_reader

_THREADS: Final = 2
T = TypeVar("T")


class Readers:
    """A small pool of read-only connections to one hub's file."""

    def __init__(self, file: Path) -> None:
        self._own = threading.local()
        # Now: later, the process may have no file left to open.
        self._connections = [open_reader(file) for _ in range(_THREADS)]
        self._free = list(self._connections)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="reader")

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` reads, in one transaction; raises `StoppingError` after `close`."""
        loop = asyncio.get_running_loop()
        try:
            reading = loop.run_in_executor(self._pool, self._read, query)
        except RuntimeError as error:
            # The pool has been shut down: the hub was deleted while the call came in.
            raise StoppingError from error
        return await reading

    def close(self) -> None:
        """Ends the threads, after what they are at, and closes the connections."""
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection()
        connection.execute("BEGIN")
        try:
            return query(connection)
        finally:
            connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._own, "connection"):
            self._own.connection = self._free.pop()
        connection: sqlite3.Connection = self._own.connection
        return connection
