"""Histories are small on the disk, and what they were when they are read."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from services.scheduler.engine.protos import pb
from services.scheduler.hub.wire import history_chunk
from services.scheduler.store.database import open_reader, open_writer
from services.scheduler.store.packing import packed, plain
from services.scheduler.store.store import Store
from tests.unit.engine import given

ORDER = '{"order_id":"o-%05d","customer":"Ada","sku":"A-1","quantity":2,"unit_price":"9.90"}'


def batch(orders: int) -> bytes:
    """A history of a fan-out over so many orders."""
    return history_chunk(
        given.event(n, taskCompleted=pb.TaskCompletedEvent(result=given.text(ORDER % n)))
        for n in range(orders)
    )


@drawn(st.binary(max_size=4_000))
def test_whatever_is_packed_comes_back(content: bytes) -> None:
    chunk = b"\x1a" + content
    assert plain(packed(chunk)) == chunk


def test_a_batch_takes_a_quarter_or_less() -> None:
    assert len(packed(batch(100))) < len(batch(100)) / 4


def test_what_does_not_become_smaller_is_left_as_it_is() -> None:
    chunk = b"\x1a" + random.Random(1).randbytes(10_000)  # noqa: S311 - no secret
    assert packed(chunk) == chunk
    assert packed(batch(1)) == batch(1)


def test_a_history_is_packed_on_the_disk_and_plain_for_everybody(tmp_path: Path) -> None:
    file = tmp_path / "hub.db"
    with closing(open_writer(file)) as writer, closing(open_reader(file)) as reader:
        store = Store(writer, given.NOW)
        store.append_history(7, 0, 100, batch(100))
        assert store.load_history(7) == [(0, 100, batch(100))]
        assert reader.execute("SELECT plain(chunk) FROM histories").fetchone() == (batch(100),)
        (size,) = reader.execute("SELECT length(chunk) FROM histories").fetchone()
        assert size == len(packed(batch(100)))


def test_a_damaged_one_is_an_error_of_the_store(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path / "hub.db")) as writer:
        store = Store(writer, given.NOW)
        store.append_history(7, 0, 100, batch(100))
        writer.execute("UPDATE histories SET chunk = substr(chunk, 1, 50)")
        with pytest.raises(sqlite3.OperationalError):
            store.load_history(7)
