"""Opens a hub's file, or refuses it and leaves it as it is."""

import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest

from services.scheduler.errors import DataDirectoryError
from services.scheduler.store.database import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    open_checkpointer,
    open_reader,
    open_writer,
)
from services.scheduler.store.statements import SCHEMA

TABLES = {
    "activities", "alarms", "counts", "entities", "histories", "instances", "messages",
    "operations", "payload_references",
}  # fmt: skip


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def tables(connection: sqlite3.Connection) -> set[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in found if not name.startswith("sqlite_")}


def made(file: Path) -> Path:
    """A hub's file with a row in it, closed."""
    with closing(open_writer(file)) as connection:
        connection.execute("INSERT INTO alarms (due, event) VALUES (7, x'00')")
    return file


def overwrite(file: Path, at: int, new: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(new)


def refused(file: Path, why: str) -> None:
    """Opening it is refused for this reason and leaves its bytes as they are."""
    before = file.read_bytes()
    with pytest.raises(DataDirectoryError) as refusal:
        open_writer(file)
    assert str(refusal.value) == f"cannot use {file}: {why}"
    assert file.read_bytes() == before


def test_a_new_file_is_made_with_every_table_and_says_whose_it_is(file: Path) -> None:
    with closing(open_writer(file)) as connection:
        assert tables(connection) == TABLES
        assert pragma(connection, "application_id") == APPLICATION_ID
        assert pragma(connection, "user_version") == SCHEMA_VERSION
    assert struct.unpack_from(">I", file.read_bytes(), 68) == (APPLICATION_ID,)
    assert APPLICATION_ID.to_bytes(4, "big") == b"DTHB"


def test_a_commit_of_the_writer_is_on_the_disk_when_it_returns(file: Path) -> None:
    with closing(open_writer(file)) as connection:
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == 2
        assert pragma(connection, "wal_autocheckpoint") == 0


def test_an_empty_file_is_as_good_as_none(file: Path) -> None:
    file.touch()
    with closing(open_writer(file)) as connection:
        assert tables(connection) == TABLES


def test_what_was_written_is_there_again_when_the_file_is_reopened(file: Path) -> None:
    made(file)
    with closing(open_writer(file)) as connection:
        rows = connection.execute("SELECT due, event FROM alarms").fetchall()
    assert rows == [(7, b"\x00")]


@pytest.mark.parametrize("content", [b"x", b"\0" * 4096, b"SQLite format 3", b"{}" * 500])
def test_what_is_no_sqlite_file_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    refused(file, "it is damaged, or no SQLite file")


@pytest.mark.parametrize("at", range(16))
def test_a_damaged_magic_is_refused(file: Path, at: int) -> None:
    overwrite(made(file), at, b"\xff")
    refused(file, "it is damaged, or no SQLite file")


def test_a_file_cut_short_in_its_header_is_refused(file: Path) -> None:
    os.truncate(made(file), 99)
    refused(file, "it is damaged, or no SQLite file")


def test_another_programs_sqlite_file_is_refused(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE theirs (value)")
    refused(file, "it is not a task hub's file")


def test_a_newer_schema_is_refused(file: Path) -> None:
    with closing(sqlite3.connect(made(file))) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    refused(
        file,
        f"a newer version of the scheduler made it"
        f" (schema {SCHEMA_VERSION + 1}, this one knows {SCHEMA_VERSION})",
    )


@pytest.mark.parametrize(
    "change",
    [
        *(f"DROP TABLE {table}" for table in sorted(TABLES)),
        "DROP INDEX alarms_by_due",
        "ALTER TABLE messages ADD COLUMN more INTEGER",
        "CREATE TABLE theirs (value)",
    ],
)
def test_a_file_with_other_tables_is_refused(file: Path, change: str) -> None:
    with closing(sqlite3.connect(made(file))) as other:
        other.execute(change)
    refused(file, "its tables are not those of a task hub")


def test_a_file_that_is_damaged_behind_its_header_is_refused(file: Path) -> None:
    with closing(sqlite3.connect(made(file))) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    overwrite(file, 100, b"\xff" * 3_000)
    with pytest.raises(DataDirectoryError, match=r"hub\.db: database disk image is malformed"):
        open_writer(file)


def test_a_directory_in_the_files_place_is_refused(file: Path) -> None:
    file.mkdir()
    with pytest.raises(DataDirectoryError, match=r"^cannot use .*hub\.db: "):
        open_writer(file)
    assert list(file.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only files")
def test_a_read_only_file_is_refused(file: Path) -> None:
    made(file).chmod(0o400)
    refused(file, "it is not writable")


def test_a_file_in_a_directory_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryError, match="No such file or directory"):
        open_writer(tmp_path / "missing" / "hub.db")


def test_a_reader_cannot_write(file: Path) -> None:
    with (
        closing(open_reader(made(file))) as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader.execute("DELETE FROM messages")


def test_a_reader_sees_only_what_is_committed(file: Path) -> None:
    with closing(open_writer(file)) as connection, closing(open_reader(file)) as reader:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO alarms (due, event) VALUES (7, x'00')")
        assert reader.execute("SELECT count(*) FROM alarms").fetchone() == (0,)
        connection.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM alarms").fetchone() == (1,)


def test_the_checkpointer_moves_the_log_into_the_file_on_the_disk(file: Path) -> None:
    with closing(open_writer(file)) as connection, closing(open_checkpointer(file)) as mover:
        connection.execute("INSERT INTO alarms (due, event) VALUES (7, x'00')")
        assert pragma(mover, "synchronous") == 2
        busy, in_log, moved = mover.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        assert (busy, in_log) == (0, moved)
        assert in_log > 0


def test_the_schema_has_only_strict_tables() -> None:
    creating = [part for part in SCHEMA.split(";") if "CREATE TABLE" in part]
    assert len(creating) == len(TABLES)
    assert all("STRICT" in part.rpartition(")")[2] for part in creating)


def test_a_file_without_a_schema_version_is_refused(file: Path) -> None:
    with closing(sqlite3.connect(made(file))) as other:
        other.execute("PRAGMA user_version = 0")
    with pytest.raises(DataDirectoryError, match=r"^cannot use .*hub\.db: "):
        open_writer(file)


def test_a_file_that_is_refused_for_its_tables_is_not_turned_into_another_mode(
    file: Path,
) -> None:
    with closing(sqlite3.connect(made(file))) as other:
        other.execute("DROP TABLE alarms")
        other.execute("PRAGMA journal_mode = DELETE")
    refused(file, "its tables are not those of a task hub")
