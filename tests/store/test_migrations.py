"""Files of earlier versions are opened with all that is in them, or left as they are."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from services.scheduler.errors import DataDirectoryError
from services.scheduler.store.database import APPLICATION_ID, SCHEMA_VERSION, open_writer
from services.scheduler.store.statements import MIGRATIONS, SQL
from tests.store.payload_names import digest, held, holders, named, token

# What the code of version 1 made; it never changes.
SCHEMA_1 = (Path(__file__).parent / "schema_1.sql").read_text()
OBJECTS = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"


def of_version_1(file: Path) -> Path:
    """A hub's file as version 1 left it, with orders and an entity in it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as made:
        made.executescript(
            f"BEGIN; {SCHEMA_1} PRAGMA application_id = {APPLICATION_ID};"
            " PRAGMA user_version = 1; COMMIT; PRAGMA journal_mode = WAL;"
        )
        made.executemany(
            "INSERT INTO instances (instance_id, execution_id, name, status, parent_id,"
            " created_at, updated_at, input) VALUES (?, ?, 'main', ?, ?, ?, ?, '7')",
            [
                ("a", "0", 0, None, 1, 2),
                ("b", "1", 1, None, 3, 4),
                ("b:1", "2", 1, "b", 5, 6),
                ("c", "3", pb.ORCHESTRATION_STATUS_CANCELED, None, 7, 8),
            ],
        )
        made.execute("INSERT INTO histories VALUES (1, 0, 2, x'1a00')")
        made.execute("INSERT INTO messages VALUES (1, 9, x'00')")
        made.execute("INSERT INTO entities (entity_id, state, modified_at) VALUES ('@c@x', '1', 8)")
        made.execute(
            "INSERT INTO entities (entity_id, state, modified_at) VALUES ('@c@y', NULL, 8)"
        )
    return file


def test_a_file_of_version_1_becomes_what_a_new_one_is_and_keeps_what_it_holds(
    file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    of_version_1(file)
    with (
        closing(open_writer(file)) as migrated,
        closing(open_writer(tmp_path / "new.db")) as new,
    ):
        assert migrated.execute(OBJECTS).fetchall() == new.execute(OBJECTS).fetchall()
        assert migrated.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        rows = migrated.execute("SELECT instance_id, input FROM instances ORDER BY seq").fetchall()
        assert rows == [("a", "7"), ("b", "7"), ("b:1", "7"), ("c", "7")]
        assert migrated.execute("SELECT * FROM histories").fetchall() == [(1, 0, 2, b"\x1a\x00")]
        assert migrated.execute(SQL["counts"]).fetchall() == [
            ("child", 1, 1), ("entity", 0, 1), ("root", 0, 1), ("root", 1, 1),
            ("root", int(Status.TERMINATED), 1),
        ]  # fmt: skip
        assert migrated.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    told = [record.getMessage() for record in caplog.records]
    assert any(f"from schema 1 to {SCHEMA_VERSION}" in line for line in told)
    assert any("migrated in" in line for line in told)


def test_a_migrated_file_is_not_migrated_again(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_writer(of_version_1(file)).close()
    caplog.set_level(logging.INFO)
    open_writer(file).close()
    assert caplog.records == []


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE alarms",
        "DROP INDEX instances_by_parent",
        "CREATE TABLE theirs (value)",
        "CREATE TABLE counts (value)",
        "ALTER TABLE instances ADD COLUMN more INTEGER",
    ],
)
def test_a_file_of_version_1_with_other_tables_is_refused_and_left_as_it_is(
    file: Path, change: str
) -> None:
    with closing(sqlite3.connect(of_version_1(file))) as other:
        other.execute(change)
        other.execute("PRAGMA journal_mode = DELETE")
    before = file.read_bytes()
    with pytest.raises(DataDirectoryError, match="its tables are not those of a task hub"):
        open_writer(file)
    assert file.read_bytes() == before


def test_a_migration_that_is_interrupted_has_not_happened(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_version_1(file)
    # All but its last part: the disk may be full just there.
    cut = f"{MIGRATIONS[1]} DROP TABLE nowhere;"
    with monkeypatch.context() as patch:
        patch.setattr("services.scheduler.store.database.MIGRATIONS", {1: cut})
        patch.setattr("services.scheduler.store.database._check_outcome", lambda *_: None)
        with pytest.raises(DataDirectoryError, match="nowhere"):
            open_writer(file)
    with closing(open_writer(file)) as migrated:
        assert migrated.execute("SELECT count(*) FROM instances").fetchone() == (4,)
        assert migrated.execute(SQL["counts"]).fetchone() == ("child", 1, 1)


def test_what_an_earlier_version_has_stored_is_looked_through_for_payloads(file: Path) -> None:
    """A worker with a payload store may have used a scheduler that knew nothing of it."""
    tokens = {name: token(name) for name in "abcdefghij"}
    with closing(sqlite3.connect(of_version_1(file), isolation_level=None)) as made:
        made.execute("DELETE FROM messages")
        set_one = "UPDATE instances SET input = ?, output = ?, custom_status = ?, failure = ?"
        values = [tokens["a"], tokens["b"], f"[{tokens['c']}]", tokens["d"].encode()]
        made.execute(f"{set_one} WHERE seq = 1", values)
        chunk = b"\x1a" + tokens["e"].encode() + b"0" + tokens["a"].encode()
        made.execute("INSERT INTO histories VALUES (2, 0, 1, ?)", (chunk,))
        made.execute("INSERT INTO messages VALUES (2, 11, ?)", (tokens["f"].encode(),))
        alarm = "INSERT INTO alarms (due, instance, entity_id, event) VALUES (1, ?, ?, ?)"
        made.execute(alarm, (3, None, tokens["g"].encode()))
        made.execute(alarm, (None, "@c@z", tokens["h"].encode()))
        made.execute("UPDATE entities SET state = ? WHERE seq = 1", (tokens["i"],))
        made.execute(
            "INSERT INTO operations (entity, seq, event) VALUES (1, 12, ?)", (tokens["j"].encode(),)
        )
        made.execute(
            "INSERT INTO activities (instance, seq, execution_id, task_id, name, request)"
            " VALUES (3, 13, '', 1, 'act', ?)",
            (tokens["a"].encode(),),
        )
    with closing(open_writer(file)) as migrated:
        assert holders(migrated) == sorted(
            [("instance", 1, digest(name)) for name in "abcd"]
            + [("instance", 2, digest(name)) for name in "aef"]
            + [("instance", 3, digest(name)) for name in "ag"]
            + [("signal", 2, digest("h")), ("entity", 1, digest("i"))]
            + [("operation", 12, digest("j"))]
        )
        assert held(migrated) == named(migrated)


def test_a_search_for_payloads_that_is_interrupted_has_not_happened(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_version_1(file)

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO payload_references VALUES ('instance', 1, x'00')")
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("services.scheduler.store.database._FILLS", {2: fill})
        with pytest.raises(DataDirectoryError, match="disk is full"):
            open_writer(file)
    with closing(sqlite3.connect(file)) as left:
        assert left.execute("PRAGMA user_version").fetchone() == (2,)
    with closing(open_writer(file)) as migrated:
        assert held(migrated) == set()


def test_every_earlier_version_has_a_migration() -> None:
    assert set(MIGRATIONS) == set(range(1, SCHEMA_VERSION))
