"""A task hub's file, and what the scheduler opens on it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.scheduler.store.database import open_writer
from services.scheduler.store.entity_store import EntityStore
from services.scheduler.store.store import Store
from tests.unit.engine.given import NOW


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a hub's file is to be."""
    return tmp_path / "hub.db"


@pytest.fixture
def writer(file: Path) -> Iterator[sqlite3.Connection]:
    """The writer of a new hub's file."""
    connection = open_writer(file)
    yield connection
    connection.close()


@pytest.fixture
def store(writer: sqlite3.Connection) -> Store:
    """A new hub's tables; every statement is a transaction of its own."""
    return Store(writer, NOW)


@pytest.fixture
def entities(writer: sqlite3.Connection, store: Store) -> EntityStore:
    """A new hub's entities; every statement is a transaction of its own."""
    return EntityStore(writer, store.next_seq, store.references)
