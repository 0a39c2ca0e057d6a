"""Opens a task hub's file: makes it, checks it, migrates it. Refuses what it cannot trust.

A file that is refused is left as it is: its header is read before SQLite may write to it.
"""

import fcntl
import logging
import os
import re
import sqlite3
import stat
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Final

from services.scheduler.clock import fresh_id
from services.scheduler.errors import DataDirectoryError
from services.scheduler.store import references
from services.scheduler.store.packing import teach
from services.scheduler.store.placing import place_restored
from services.scheduler.store.statements import MIGRATIONS, SCHEMA
from services.shared.private_directory import make_private

log = logging.getLogger(__name__)

# "DTHB": tells our files from other SQLite files.
APPLICATION_ID: Final = 0x44544842
SCHEMA_VERSION: Final = 3

_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_VERSION_AT: Final = 60
_APPLICATION_AT: Final = 68
# What stays of the write-ahead log after a checkpoint has emptied it: all that it usually grows to.
# Writing over what is there costs half the time of making a file longer.
WAL_BYTES_KEPT: Final = 7 * 1024 * 1024
_CACHE_KIB: Final = 16 * 1024
_BUSY_MS: Final = 5_000
_LOCK: Final = "scheduler.lock"
_IDENTITY: Final = re.compile(r"[0-9a-f]{32}")
_OTHER_TABLES: Final = "its tables are not those of a task hub"
# What a migration from a version does beside its statements, in the same transaction.
_FILLS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {2: references.fill}


class DataDirectory:
    """The folder of all hubs' files, held by one scheduler at a time."""

    def __init__(self, path: Path) -> None:
        """Takes the folder, making it where it is missing; raises `DataDirectoryError`."""
        self.path = path
        self._lock = _take(path)
        try:
            place_restored(path)
        except OSError as error:
            self.release()
            raise _unusable(path, error) from error

    def file_of(self, task_hub: str) -> Path:
        """The file of a task hub, there or not."""
        return self.path / f"{task_hub}.db"

    def task_hubs(self) -> list[str]:
        """The hubs that have a file."""
        return sorted(file.stem for file in self.path.glob("*.db"))

    def set_aside(self, task_hub: str, suffix: str) -> None:
        """Moves a hub's files out of the way, to be deleted by a person."""
        file = self.file_of(task_hub)
        aside = f"{file}.deleted-{suffix}"
        # By such names SQLite finds the log of a file, whoever opens that later.
        for beside in ("", "-wal", "-shm"):
            name = Path(f"{file}{beside}")
            if name.exists():
                name.rename(f"{aside}{beside}")

    def identity(self) -> str:
        """What tells this folder from all others, wherever it is moved; raises `OSError`."""
        file = self.path / "directory.id"
        try:
            known = file.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeError):
            known = ""
        if _IDENTITY.fullmatch(known):
            return known
        fresh = fresh_id()
        partial = file.with_suffix(".partial")
        with partial.open("w", encoding="ascii") as opened:
            opened.write(f"{fresh}\n")
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(file)
        return fresh

    def release(self) -> None:
        """Lets another scheduler have the folder."""
        self._lock.close()


def _take(path: Path) -> IO[bytes]:
    try:
        make_private(path)
        _close_to_others(path)
        lock = (path / _LOCK).open("ab")
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise DataDirectoryError(
            f"the data directory {path} is in use by another scheduler;"
            " stop it, or set SCHEDULER_DATA_DIR"
        ) from error
    return lock


def _close_to_others(path: Path) -> None:
    """A folder made for us, or that we have used, becomes ours alone; no other one is changed."""
    found = path.stat()
    if not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return
    # Earlier versions, and the volumes of their images, left it open.
    is_for_us = (path / _LOCK).exists() or not any(path.iterdir())
    if found.st_uid == os.geteuid() and is_for_us:
        path.chmod(0o700)
    else:
        log.warning("the data directory %s is open to others: chmod 700 it", path)


def _unusable(path: Path, error: OSError) -> DataDirectoryError:
    return DataDirectoryError(f"cannot use the data directory {path}: {error.strerror or error}")


def open_writer(file: Path) -> sqlite3.Connection:
    """The one connection that writes; raises `DataDirectoryError` and leaves the file as it is."""
    is_new = check_header(file)
    if not is_new and not os.access(file, os.W_OK):
        raise DataDirectoryError(f"cannot use {file}: it is not writable")
    try:
        if is_new:
            # Ours alone, whatever the folder's mode; SQLite gives its log the same.
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        connection = _connect(file)
    except (OSError, sqlite3.Error) as error:
        raise DataDirectoryError(f"cannot use {file}: {error}") from error
    except UnicodeDecodeError as error:
        raise damaged(file) from error
    try:
        if is_new or _is_empty(connection):
            _create(connection)
        else:
            check_known(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # A thread of its own checkpoints, so that no commit pays for it.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
        _migrate(connection, file)
        _check_schema(connection)
    except (sqlite3.Error, DataDirectoryError) as error:
        connection.close()
        raise DataDirectoryError(f"cannot use {file}: {error}") from error
    return connection


def open_reader(file: Path) -> sqlite3.Connection:
    """A connection that reads what has been committed."""
    connection = _connect(file)
    connection.execute("PRAGMA query_only = 1")
    return connection


def open_checkpointer(file: Path) -> sqlite3.Connection:
    """A connection that moves the write-ahead log into the file."""
    connection = _connect(file)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        timeout=_BUSY_MS / 1_000,
    )
    try:
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        teach(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def damaged(file: Path) -> DataDirectoryError:
    """For what SQLite says in words that cannot be read: it quotes what stands in the file."""
    return DataDirectoryError(f"cannot use {file}: it is damaged")


def check_header(file: Path) -> bool:
    """Whether the file is still to be made; raises `DataDirectoryError` where it is no hub's."""
    try:
        if not file.exists() or file.stat().st_size == 0:
            return True
        with file.open("rb") as opened:
            header = opened.read(_HEADER_BYTES)
    except OSError as error:
        raise DataDirectoryError(f"cannot use {file}: {error.strerror or error}") from error
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise DataDirectoryError(f"cannot use {file}: it is damaged, or no SQLite file")
    if _number(header, _APPLICATION_AT) != APPLICATION_ID:
        raise DataDirectoryError(f"cannot use {file}: it is not a task hub's file")
    version = _number(header, _VERSION_AT)
    if version > SCHEMA_VERSION:
        raise DataDirectoryError(
            f"cannot use {file}: a newer version of the scheduler made it"
            f" (schema {version}, this one knows {SCHEMA_VERSION})"
        )
    return False


def _number(header: bytes, at: int) -> int:
    return int(struct.unpack_from(">I", header, at)[0])


def _create(connection: sqlite3.Connection) -> None:
    # In one transaction, and before the write-ahead log: the header is then whole or absent.
    connection.executescript(
        f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
        f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    )


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether its making was interrupted: SQLite has then just taken it back."""
    return bool(connection.execute("PRAGMA page_count").fetchone()[0] == 0)


def check_known(connection: sqlite3.Connection) -> None:
    """Whether this version of the scheduler can serve or migrate the file.

    It writes nothing; raises `DataDirectoryError`.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version == SCHEMA_VERSION:
        _check_schema(connection)
    elif version in MIGRATIONS:
        _check_outcome(connection, version)
    else:
        raise DataDirectoryError(f"its schema {version} is unknown")


def _check_outcome(connection: sqlite3.Connection, version: int) -> None:
    """Whether a migration would end well: tried on empty tables of the same make."""
    trial = sqlite3.connect(":memory:")
    try:
        for name, sql in _objects(connection):
            if not name.startswith("sqlite_"):
                trial.execute(sql)
        for step in range(version, SCHEMA_VERSION):
            trial.executescript(MIGRATIONS[step])
        _check_schema(trial)
    except sqlite3.Error as error:
        raise DataDirectoryError(_OTHER_TABLES) from error
    finally:
        trial.close()


def _migrate(connection: sqlite3.Connection, file: Path) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version == SCHEMA_VERSION:
        return
    log.info("%s: from schema %d to %d; this may take a while", file, version, SCHEMA_VERSION)
    begun = time.perf_counter()
    for step in range(version, SCHEMA_VERSION):
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[step]}")
        if step in _FILLS:
            _FILLS[step](connection)
        # Not a script: that would begin with a commit.
        connection.execute(f"PRAGMA user_version = {step + 1}")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    log.info("%s: migrated in %.1f s", file, time.perf_counter() - begun)


def _check_schema(connection: sqlite3.Connection) -> None:
    expected = sqlite3.connect(":memory:")
    expected.executescript(SCHEMA)
    if _objects(connection) != _objects(expected):
        raise DataDirectoryError(_OTHER_TABLES)
    expected.close()


def _objects(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type <> 'table', name"
    ).fetchall()
