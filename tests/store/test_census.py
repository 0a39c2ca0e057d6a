"""Which payloads no hub of a data directory names."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.scheduler.engine.protos import pb
from services.scheduler.errors import CensusError
from services.scheduler.store.census import Census
from services.scheduler.store.database import SCHEMA_VERSION, open_writer
from services.scheduler.store.store import Store
from tests.store.payload_names import digest, token
from tests.store.test_migrations import of_version_1
from tests.unit.engine import given
from tests.unit.engine.given import NOW, text

ALL = [digest(name) for name in "abc"]


def naming(connection: sqlite3.Connection, payload: str) -> None:
    named = pb.OrchestrationInstance(instanceId=f"of-{payload}")
    begun = given.started(input=text(token(payload)), orchestrationInstance=named)
    Store(connection, NOW).add_instance(begun, NOW, None)


def hub(file: Path, payload: str) -> Path:
    """The file of a hub, closed."""
    with closing(open_writer(file)) as connection:
        naming(connection, payload)
    return file


def unnamed(folder: Path) -> list[str]:
    found = Census(folder).unnamed(ALL)
    return [name for name in "abc" if digest(name) in found]


def test_what_no_hub_names_is_unnamed(tmp_path: Path) -> None:
    assert unnamed(tmp_path) == ["a", "b", "c"]
    hub(tmp_path / "one.db", "a")
    hub(tmp_path / "two.db", "c")
    assert unnamed(tmp_path) == ["b"]


def test_a_hub_that_is_open_is_asked_for_what_it_has_committed(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path / "open.db")) as connection:
        naming(connection, "a")
        connection.execute("BEGIN IMMEDIATE")
        naming(connection, "b")
        assert unnamed(tmp_path) == ["b", "c"]
        connection.execute("COMMIT")
        assert unnamed(tmp_path) == ["c"]


def test_a_hub_whose_scheduler_was_killed_is_asked_with_its_log(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path / "open.db")) as connection:
        naming(connection, "a")
        (tmp_path / "left").mkdir()
        for end in ("", "-wal"):
            shutil.copyfile(tmp_path / f"open.db{end}", tmp_path / "left" / f"hub.db{end}")
    before = (tmp_path / "left" / "hub.db").read_bytes()
    assert unnamed(tmp_path / "left") == ["b", "c"]
    assert (tmp_path / "left" / "hub.db").read_bytes() == before


def test_a_hub_that_was_set_aside_names_what_it_named_as_long_as_it_lies_there(
    tmp_path: Path,
) -> None:
    aside = hub(tmp_path / "gone.db", "a").rename(tmp_path / "gone.db.deleted-20260301-x")
    assert unnamed(tmp_path) == ["b", "c"]
    assert sorted(tmp_path.iterdir()) == [aside]
    # A person has had a look at it.
    (tmp_path / f"{aside.name}-shm").write_bytes(b"\0" * 32)
    (tmp_path / f"{aside.name}-wal").touch()
    assert unnamed(tmp_path) == ["b", "c"]
    aside.unlink()
    assert unnamed(tmp_path) == ["a", "b", "c"]


# The second is how earlier versions named it.
@pytest.mark.parametrize("log", ["gone.db.deleted-x-wal", "gone.db-wal.deleted-x"])
def test_a_hub_that_was_set_aside_with_a_log_cannot_be_asked(log: str, tmp_path: Path) -> None:
    hub(tmp_path / "gone.db", "a").rename(tmp_path / "gone.db.deleted-x")
    (tmp_path / log).write_bytes(b"more")
    with pytest.raises(CensusError, match=rf"its log {re.escape(log)} has not been moved"):
        unnamed(tmp_path)


def test_a_file_of_an_earlier_version_is_read_whole_and_left_as_it_is(tmp_path: Path) -> None:
    file = of_version_1(tmp_path / "old.db")
    census = Census(tmp_path)
    assert len(census.unnamed(ALL)) == 3
    before = file.read_bytes()
    assert len(census.unnamed(ALL)) == 3
    assert file.read_bytes() == before
    with closing(sqlite3.connect(file)) as changed, changed:
        changed.execute("UPDATE instances SET input = ? WHERE seq = 1", (token("b"),))
    assert census.unnamed(ALL) == {digest("a"), digest("c")}


def test_a_file_of_a_newer_version_cannot_be_asked(tmp_path: Path) -> None:
    with closing(sqlite3.connect(hub(tmp_path / "new.db", "a"))) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(CensusError, match=r"new\.db names: a newer version of the scheduler"):
        unnamed(tmp_path)


def test_a_damaged_file_cannot_be_asked(tmp_path: Path) -> None:
    with hub(tmp_path / "hub.db", "a").open("r+b") as damaged:
        damaged.seek(100)
        damaged.write(b"\xff" * 3_000)
    with pytest.raises(CensusError, match=r"cannot tell which payloads .*hub\.db names: "):
        unnamed(tmp_path)


def test_what_is_no_hub_or_has_nothing_in_it_yet_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "made.db").touch()
    (tmp_path / "hub.txt").write_text(token("a"))
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as other:
        other.execute("CREATE TABLE theirs (value)")
    assert unnamed(tmp_path) == ["a", "b", "c"]
