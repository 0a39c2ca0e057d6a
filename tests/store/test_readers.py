"""Reads of what is committed, on threads of their own."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from services.scheduler.errors import StoppingError
from services.scheduler.store.database import open_writer
from services.scheduler.store.readers import Readers
from tests.store.loops import on_a_loop

INSERT = "INSERT INTO alarms (due, event) VALUES (?, x'00')"


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM alarms").fetchone()[0])


@on_a_loop
async def test_readers_see_only_what_is_committed(file: Path, writer: sqlite3.Connection) -> None:
    readers = Readers(file)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute(INSERT, (1,))
    assert await readers.read(count) == 0
    writer.execute("COMMIT")
    assert await readers.read(count) == 1
    readers.close()


@on_a_loop
async def test_a_query_sees_one_state_from_its_beginning_to_its_end(
    file: Path, writer: sqlite3.Connection
) -> None:
    readers = Readers(file)
    begun, go_on = threading.Event(), threading.Event()

    def twice(connection: sqlite3.Connection) -> tuple[int, int]:
        first = count(connection)
        begun.set()
        assert go_on.wait(10)
        return first, count(connection)

    reading = asyncio.ensure_future(readers.read(twice))
    assert await asyncio.to_thread(begun.wait, 10)
    writer.execute(INSERT, (1,))
    go_on.set()
    assert await reading == (0, 0)
    assert await readers.read(count) == 1
    readers.close()


@on_a_loop
async def test_a_query_that_fails_leaves_its_connection_usable(
    file: Path, writer: sqlite3.Connection
) -> None:
    readers = Readers(file)

    def wrong(connection: sqlite3.Connection) -> None:
        count(connection)
        raise LookupError

    for _ in range(4):
        with pytest.raises(LookupError):
            await readers.read(wrong)
    writer.execute(INSERT, (1,))
    assert [await readers.read(count) for _ in range(4)] == [1] * 4
    readers.close()


@on_a_loop
@pytest.mark.usefixtures("writer")
async def test_readers_read_off_the_loops_thread_and_cannot_write(file: Path) -> None:
    readers = Readers(file)
    assert await readers.read(lambda _connection: threading.get_ident()) != threading.get_ident()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await readers.read(lambda connection: connection.execute(INSERT, (1,)))
    assert await readers.read(count) == 0
    readers.close()


@on_a_loop
async def test_a_read_after_the_close_is_refused(file: Path) -> None:
    open_writer(file).close()
    readers = Readers(file)
    readers.close()
    with pytest.raises(StoppingError):
        await readers.read(lambda connection: connection.execute("SELECT 1").fetchone())
