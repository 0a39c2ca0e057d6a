"""Tells which payloads no task hub of a data directory names, whether it is open or not.

It reads every hub's file as it is committed, on connections of its own: of hubs that are served, of
hubs that are not, and of hubs that have been set aside, which a person may put back.
"""

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from services.scheduler.errors import CensusError
from services.scheduler.store.database import APPLICATION_ID, SCHEMA_VERSION
from services.scheduler.store.packing import teach
from services.scheduler.store.references import named_in, referenced

_SET_ASIDE: Final = ".deleted-"
_FILES: Final = ("*.db", f"*.db{_SET_ASIDE}*")
# What SQLite makes beside a file that is open.
_BESIDE: Final = ("-wal", "-shm", "-journal")
# The first version that keeps references.
_COUNTED_SINCE: Final = 3
_BUSY_SECONDS: Final = 5.0

# What tells that a file and its log are as they were.
_Look = tuple[tuple[int, int, int] | None, ...]


class Census:
    """The hubs' files of one data directory. For one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Files of earlier versions are read whole: once, as long as they stay as they are.
        self._named: dict[Path, tuple[_Look, set[bytes]]] = {}

    def unnamed(self, digests: Collection[bytes]) -> set[bytes]:
        """Those that no hub names; raises `CensusError` where one hub cannot be asked."""
        left = set(digests)
        for file in self._files():
            if not left:
                break
            left -= self._named_by(file, left)
        return left

    def _files(self) -> list[Path]:
        found = (file for form in _FILES for file in self._directory.glob(form))
        return sorted(file for file in found if not file.name.endswith(_BESIDE))

    def _named_by(self, file: Path, digests: Collection[bytes]) -> set[bytes]:
        try:
            with closing(_open(file)) as connection:
                return self._asked(file, connection, digests)
        except sqlite3.Error as error:
            raise CensusError(file, str(error)) from error

    def _asked(
        self, file: Path, connection: sqlite3.Connection, digests: Collection[bytes]
    ) -> set[bytes]:
        connection.execute("BEGIN")
        if connection.execute("PRAGMA page_count").fetchone()[0] == 0:
            return set()  # it is being made: nothing is in it yet
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            return set()  # no hub's
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise CensusError(file, f"a newer version of the scheduler made it (schema {version})")
        if version >= _COUNTED_SINCE:
            return referenced(connection, digests)
        look = _look_of(file)
        known = self._named.get(file)
        if known is None or known[0] != look:
            known = self._named[file] = (look, named_in(connection))
        return known[1] & set(digests)


def _open(file: Path) -> sqlite3.Connection:
    how = "mode=ro"
    name, mark, suffix = file.name.rpartition(_SET_ASIDE)
    if mark:
        # Nobody writes to it, and nothing is to be made beside it. Its log is empty as a rule; what
        # is in it could not be seen like this.
        how = "immutable=1"
        for log in (file.with_name(f"{name}-wal{mark}{suffix}"), Path(f"{file}-wal")):
            if log.exists() and log.stat().st_size:
                raise CensusError(file, f"its log {log.name} has not been moved into it")
    connection = sqlite3.connect(
        f"file:{quote(str(file))}?{how}",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_SECONDS,
    )
    teach(connection)
    return connection


def _look_of(file: Path) -> _Look:
    looks: list[tuple[int, int, int] | None] = []
    for name in (file, Path(f"{file}-wal")):
        try:
            found = name.stat()
        except FileNotFoundError:
            looks.append(None)
        else:
            looks.append((found.st_ino, found.st_size, found.st_mtime_ns))
    return tuple(looks)
