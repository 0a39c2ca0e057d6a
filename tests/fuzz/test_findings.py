"""What fuzzing has found, so that it stays mended."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.scheduler.edge.salvage import text_field
from services.scheduler.engine.protos import pb
from services.scheduler.store.check import check
from services.scheduler.store.database import open_writer
from services.scheduler.store.findings import Kind
from tests.fuzz.backups import Backups, archive_of, members_of
from tests.fuzz.hub_files import HubFiles
from tests.fuzz.texts import TEXTS_READ

TOKEN = "a1.2-00000000-3"  # noqa: S105 - of no lease


def test_a_token_behind_a_group_is_found() -> None:
    """A field of another kind, which nobody has sent for years and every reader skips."""
    group = bytes.fromhex("6308015a0161" + "6308026464")
    token = pb.ActivityResponse(completionToken=TOKEN).SerializeToString()
    assert pb.ActivityResponse.FromString(group + token).completionToken == TOKEN
    assert text_field(group + token, 5) == TOKEN
    # What cannot be read any further stands behind it.
    assert text_field(group + token + b"\xff", 5) == TOKEN
    # One of the group's own fields is none of the message's.
    assert text_field(b"\x63" + token + b"\x64", 5) is None


def test_the_input_that_was_found_is_read() -> None:
    head = bytes.fromhex("630161100122160a0a56616c75654572726f7212036261616422030a01452a0f")
    assert TEXTS_READ["broken-answers"]().run(head + TOKEN.encode()) == "whole, with a token"


@pytest.mark.parametrize("left_out", [7, None, [7], {"a": 1}, "text"])
def test_a_backup_that_is_whole_but_for_what_it_says_was_left_out_is_refused(
    left_out: object,
) -> None:
    """It was restored, and the command failed."""
    with Backups() as backups:
        (whole,) = backups.seeds()
        members = members_of(whole)
        info, contents = members[-1]
        told = json.loads(contents) | {"left_out": left_out}
        changed = archive_of([*members[:-1], (info, json.dumps(told).encode())])
        assert backups.run(changed) == "it is damaged: it does not tell its contents"
        assert backups.run(archive_of(members)) == "2 task hubs"


def test_a_damaged_schema_that_is_no_text_is_told_of() -> None:
    """SQLite quotes it in what it says, and Python cannot read that."""
    with HubFiles() as files:
        (whole,) = files.seeds()
        assert files.run(whole) == "sound"
        broken = whole.replace(b"CREATE TABLE alarms (", b"CREATE TABLE alarms \xff")
        assert broken != whole
        assert files.run(broken) == "UNUSABLE, refused"


def test_rows_that_are_none_of_an_instance_are_told_of(tmp_path: Path) -> None:
    """A check that cannot read one goes on with the next."""
    file = tmp_path / "a.db"
    open_writer(file).close()
    with closing(sqlite3.connect(file)) as connection:
        for number, key in enumerate(("bad", "worse"), 1):
            connection.execute(
                "INSERT INTO instances (seq, instance_id, execution_id, name, status, created_at,"
                " updated_at) VALUES (?, ?, 'e', 'main', 0, 0, 0)",
                (number, key),
            )
            connection.execute(
                "INSERT INTO messages (instance, seq, event) VALUES (?, 1, x'ff')", (number,)
            )
        connection.commit()
    (hub,) = check(tmp_path, None, progress=lambda _what, _done, _total: None)
    told = [found.where.partition(":")[0] for found in hub.findings if found.kind is Kind.HISTORY]
    assert told == ["bad", "worse"]
