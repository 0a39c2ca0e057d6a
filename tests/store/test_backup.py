import io
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

from services.scheduler.store.backup import Backup
from services.scheduler.store.database import open_writer
from services.scheduler.store.references import Holder, References
from services.shared.payload_files import PayloadFiles
from tests.unit.engine.given import NOW

INSTANCES = 3_000
ADDED = 5
COPIED = "SELECT count(*) FROM instances"


def add(connection: sqlite3.Connection, number: int) -> None:
    connection.execute(
        "INSERT INTO instances (instance_id, execution_id, name, status, created_at, updated_at,"
        " input) VALUES (?, 'e', 'n', 6, 1, 1, ?)",
        (f"i-{number}", "x" * 3_000),
    )


def test_a_hub_is_copied_as_it_was_when_the_copy_began(tmp_path: Path) -> None:
    data, scratch = tmp_path / "data", tmp_path / "scratch"
    data.mkdir()
    scratch.mkdir()
    archive, steps = io.BytesIO(), 0
    with closing(open_writer(data / "default.db")) as writer:
        writer.execute("BEGIN")
        for number in range(INSTANCES):
            add(writer, number)
        writer.execute("COMMIT")

        def write_on(_what: str, _done: int, _total: int) -> None:
            nonlocal steps
            steps += 1
            if steps <= ADDED:
                add(writer, INSTANCES + steps)

        Backup(data, None, progress=write_on).write(archive, scratch, NOW)
        assert steps > 1
        assert writer.execute(COPIED).fetchone()[0] > INSTANCES
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:
        tar.extract("hubs/default.db", tmp_path, filter="data")
    with closing(sqlite3.connect(tmp_path / "hubs" / "default.db")) as copy:
        assert copy.execute(COPIED).fetchone() == (INSTANCES,)
    assert list(scratch.iterdir()) == []


def test_nobody_removes_a_payload_between_the_copy_of_a_hub_and_its_own(tmp_path: Path) -> None:
    data, scratch = tmp_path / "data", tmp_path / "scratch"
    data.mkdir()
    scratch.mkdir()
    files = PayloadFiles(tmp_path / "payloads")
    token = files.write(b'"large"')
    uploaded = files.uploaded_at(token)
    assert uploaded is not None
    after = uploaded.replace(year=uploaded.year + 1)
    removed = []
    with closing(open_writer(data / "default.db")) as writer:
        add(writer, 1)
        References(writer).hold(Holder.INSTANCE, 1, token)

        def collect(_what: str, _done: int, _total: int) -> None:
            removed.append(files.remove(token, uploaded_before=after))

        done = Backup(data, files, progress=collect).write(io.BytesIO(), scratch, NOW)
    assert removed
    assert not any(removed)
    assert (done.payloads, done.left_out) == (1, ())
    # Not longer than that.
    assert files.remove(token, uploaded_before=after)
