"""Reads hubs' files as they are at one moment, whether a scheduler writes to them or not."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from services.scheduler.errors import DataDirectoryError
from services.scheduler.store.database import APPLICATION_ID, SCHEMA_VERSION, check_header, damaged
from services.scheduler.store.packing import teach

_BUSY_SECONDS: Final = 30.0
# Since when a file keeps references to payloads.
REFERENCES_SINCE: Final = 3


class OutOfReachError(DataDirectoryError):
    """A file may be sound, but cannot be read where it is."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"cannot read {file}: its disk is read-only, and its log is not empty")


def hub_files(directory: Path) -> list[Path]:
    """The files of a data directory's hubs, served or not; none of what was set aside."""
    return sorted(directory.glob("*.db"))


@contextmanager
def snapshot(file: Path, *, alone: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection that reads a hub's file as it is committed now, until the block ends.

    Nobody waits for it, but the write-ahead log grows meanwhile. `alone`: nobody else can know the
    file, and nothing is to be made beside it. Raises `DataDirectoryError`, `sqlite3.Error`.
    """
    if check_header(file):
        raise DataDirectoryError(f"cannot use {file}: it is empty")
    is_frozen = bool(os.statvfs(file).f_flag & os.ST_RDONLY)
    how = "immutable=1" if alone or (is_frozen and not _has_log(file)) else "mode=ro"
    with _as_it_was(file) if how == "mode=ro" else nullcontext(), _open(file, how) as connection:
        teach(connection)
        connection.execute("BEGIN")
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except UnicodeDecodeError as error:
            raise damaged(file) from error
        except sqlite3.OperationalError as error:
            # SQLite has to make a note beside the file of what is in its log.
            if is_frozen and _has_log(file) and not Path(f"{file}-shm").exists():
                raise OutOfReachError(file) from error
            raise
        # What the header said may have been about what the log has changed since.
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise DataDirectoryError(f"cannot use {file}: it is not a task hub's file")
        yield connection


def _open(file: Path, how: str) -> "closing[sqlite3.Connection]":
    uri = f"file:{quote(str(file.absolute()))}?{how}"
    return closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS))


@contextmanager
def _as_it_was(file: Path) -> Iterator[None]:
    """Leaves no log and no note beside a file that had none; a reader cannot take them back."""
    had_none = not any(Path(f"{file}{beside}").exists() for beside in ("-wal", "-shm"))
    try:
        yield
    finally:
        if had_none and not _has_log(file):
            # The last one who may write removes them: SQLite knows whether that is us. Where we may
            # not, they stay, and harm nobody.
            with suppress(sqlite3.Error, UnicodeDecodeError), _open(file, "mode=rw") as connection:
                connection.execute("SELECT 1 FROM sqlite_master").fetchone()


def _has_log(file: Path) -> bool:
    log = Path(f"{file}-wal")
    return log.exists() and log.stat().st_size > 0


def version_of(connection: sqlite3.Connection) -> int:
    """The schema that a file has."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def damage_in(connection: sqlite3.Connection, limit: int) -> list[str]:
    """What SQLite itself finds wrong with a file, in its words; nothing, if all is well."""
    try:
        rows = connection.execute(f"PRAGMA integrity_check({limit})").fetchall()
    except sqlite3.Error as error:
        return [str(error)]
    lines = [line for row in rows for line in str(row[0]).splitlines() if line != "ok"]
    # Which of the attached files it is about: there is one. Alone it would be damage as well.
    return [line for line in lines if not line.startswith("*** in database")] or lines


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether a file has this version's schema, and need not be migrated."""
    return version_of(connection) == SCHEMA_VERSION
