"""The write-ahead log is moved into the file without a commit that waits for it."""

import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.scheduler.store.checkpoints import Checkpointer
from services.scheduler.store.database import open_reader
from tests.store.test_commits import files_no_larger_than

MEBIBYTE = 1_048_576
SECONDS_MAX = 20


@pytest.fixture
def failures() -> list[BaseException]:
    """What the checkpointer has been told."""
    return []


@pytest.fixture
def checkpointer(
    file: Path, writer: sqlite3.Connection, failures: list[BaseException]
) -> Iterator[Checkpointer]:
    """The checkpointer of a new hub."""
    running = Checkpointer(file, writer, failures.append)
    yield running
    running.stop()
    assert failures == []


def write(writer: sqlite3.Connection, size: int) -> None:
    writer.execute("INSERT INTO alarms (due, event) VALUES (1, zeroblob(?))", (size,))


def log_bytes(file: Path) -> int:
    return Path(f"{file}-wal").stat().st_size


def restarts(file: Path) -> int:
    """How often the log has begun anew: the sequence number in its header."""
    with Path(f"{file}-wal").open("rb") as log:
        return int(struct.unpack(">I", log.read(32)[12:16])[0])


def until(happened: Callable[[], bool]) -> None:
    """Another thread works on the file; there is nothing else to be told by."""
    end = time.monotonic() + SECONDS_MAX
    while not happened():
        assert time.monotonic() < end, "it has not happened"
        threading.Event().wait(0.005)


def until_begun_anew(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer, begun: int
) -> None:
    """Goes on with small commits until the log has begun anew since it had `begun` so often."""

    def has_begun_anew() -> bool:
        write(writer, 1)
        checkpointer.look()
        return restarts(file) > begun

    until(has_begun_anew)


def test_a_log_that_has_grown_is_moved_and_begun_anew(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer
) -> None:
    size = file.stat().st_size
    write(writer, 9 * MEBIBYTE)
    begun = restarts(file)
    checkpointer.look()
    until(lambda: file.stat().st_size > size + 9 * MEBIBYTE)

    until_begun_anew(file, writer, checkpointer, begun)


def test_a_small_log_is_left_alone(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer
) -> None:
    size = file.stat().st_size
    write(writer, 7 * MEBIBYTE)
    checkpointer.look()
    checkpointer.stop()
    assert file.stat().st_size == size


def test_a_log_of_many_small_commits_is_moved_and_begun_anew(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer
) -> None:
    write(writer, 1)
    begun = restarts(file)
    for _ in range(511):
        write(writer, 1)
        checkpointer.look()
    assert restarts(file) == begun

    until_begun_anew(file, writer, checkpointer, begun)


def test_a_log_that_was_large_once_is_not_moved_after_every_commit(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer
) -> None:
    write(writer, 9 * MEBIBYTE)
    begun = restarts(file)
    assert moved_all(file)
    write(writer, 1)
    assert restarts(file) > begun
    # What it has been emptied to is kept, and asks for nothing.
    assert log_bytes(file) > 4 * MEBIBYTE
    size = file.stat().st_size
    write(writer, MEBIBYTE)
    checkpointer.look()
    checkpointer.stop()
    assert file.stat().st_size == size


def test_a_log_stays_within_bounds_while_much_is_written(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer
) -> None:
    for _ in range(100):
        write(writer, MEBIBYTE)
        checkpointer.look()
        if log_bytes(file) > 12 * MEBIBYTE:
            # As on a machine that is not too busy for the checkpointer to get its turn.
            until(lambda: moved_all(file))
    assert log_bytes(file) < 32 * MEBIBYTE


def test_a_log_stays_within_bounds_however_fast_one_commit_follows_another(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer
) -> None:
    for _ in range(8_000):
        write(writer, 4_096)
        checkpointer.look()
    assert log_bytes(file) < 48 * MEBIBYTE


def test_a_log_that_a_long_read_holds_is_not_tried_again_at_every_commit(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer
) -> None:
    tries: list[str] = []
    with closing(open_reader(file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM alarms").fetchall()
        for _ in range(40):
            write(writer, MEBIBYTE)
            checkpointer.look()
        writer.set_trace_callback(tries.append)
        for _ in range(500):
            write(writer, 1)
            checkpointer.look()
        writer.set_trace_callback(None)
    assert sum("wal_checkpoint" in statement for statement in tries) <= 1


def moved_all(file: Path) -> bool:
    with closing(sqlite3.connect(file)) as looking:
        busy, in_log, moved = looking.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return bool(not busy and in_log == moved)


def test_a_log_that_a_long_read_has_let_grow_shrinks_again(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer
) -> None:
    with closing(open_reader(file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM alarms").fetchall()
        for _ in range(40):
            write(writer, MEBIBYTE)
            checkpointer.look()
    assert log_bytes(file) > 40 * MEBIBYTE

    def has_shrunk() -> bool:
        write(writer, 1)
        checkpointer.look()
        return log_bytes(file) <= 16 * MEBIBYTE

    until(has_shrunk)


def test_a_checkpoint_changes_nothing_that_is_read(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer
) -> None:
    size = file.stat().st_size
    for _ in range(9):
        write(writer, MEBIBYTE)
    checkpointer.look()
    until(lambda: file.stat().st_size > size)
    rows = writer.execute("SELECT count(*), sum(length(event)) FROM alarms").fetchone()
    assert rows == (9, 9 * MEBIBYTE)
    assert writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_checkpointer_stops_whether_or_not_it_has_anything_to_do(
    file: Path, writer: sqlite3.Connection
) -> None:
    write(writer, 1)
    idle = Checkpointer(file, writer, lambda _error: None)
    idle.stop()
    idle.stop()


def test_a_log_that_has_been_moved_is_moved_again_only_when_it_has_grown_again(
    file: Path, writer: sqlite3.Connection, checkpointer: Checkpointer
) -> None:
    size = file.stat().st_size
    write(writer, 9 * MEBIBYTE)
    checkpointer.look()
    until(lambda: file.stat().st_size > size + 9 * MEBIBYTE and moved_all(file))
    begun = restarts(file)
    for _ in range(200):
        write(writer, 1)
        checkpointer.look()
        threading.Event().wait(0.002)
    assert restarts(file) <= begun + 2


def test_a_checkpointer_that_cannot_open_its_file_says_so(
    tmp_path: Path, writer: sqlite3.Connection, failures: list[BaseException]
) -> None:
    checkpointer = Checkpointer(tmp_path / "missing" / "hub.db", writer, failures.append)
    checkpointer.stop()
    assert [str(error) for error in failures] == ["unable to open database file"]


def test_a_writer_that_cannot_move_a_log_that_is_far_behind_says_so(
    file: Path, writer: sqlite3.Connection, failures: list[BaseException]
) -> None:
    checkpointer = Checkpointer(file, writer, failures.append)
    write(writer, 33 * MEBIBYTE)
    with files_no_larger_than(MEBIBYTE):
        checkpointer.look()
    checkpointer.stop()
    assert [str(error) for error in failures] == ["disk I/O error"]
