"""Ways to damage a task hub's file, and what a check is to find; see `keeping.furnish`."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from services.scheduler.engine.protos import pb
from services.scheduler.store.findings import Kind
from services.scheduler.store.packing import packed, teach
from services.shared.payload_files import PayloadFiles
from tests.e2e.keeping import DONE, LARGE, TOKEN

GONE: Final = 999
HELD_BY_NOBODY: Final = "UPDATE payload_references SET holder = :holder, seq = :gone"
HOLDERS: Final = ("instance", "entity", "operation", "signal")


def change(file: Path, *statements: str) -> None:
    """Executes statements: `:done_1`, `:sleeps` are instances there, `:gone` is none."""
    connection = sqlite3.connect(file, isolation_level=None)
    rows = connection.execute("SELECT replace(instance_id, '-', '_'), seq FROM instances")
    seqs = dict(rows.fetchall()) | {"gone": GONE, **{name: name for name in HOLDERS}}
    for statement in statements:
        connection.execute(statement, seqs)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def overwrite(file: Path, at: int, what: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(what)


def damage_page(file: Path, table: str) -> None:
    connection = sqlite3.connect(file)
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    page = connection.execute(query, (table,)).fetchone()[0]
    connection.close()
    overwrite(file, (page - 1) * size, b"\xff" * size)


_FIRST_TURN: Final = (
    "SELECT seq, plain(chunk) FROM histories JOIN instances ON instance = seq"
    " WHERE turn = 0 AND instance_id = ?"
)


def rewrite_history(file: Path, instance_id: str, act: Callable[[pb.HistoryEvent], None]) -> None:
    """Changes the events of an instance's first turn."""
    connection = sqlite3.connect(file, isolation_level=None)
    teach(connection)
    (seq, chunk) = connection.execute(_FIRST_TURN, (instance_id,)).fetchone()
    turn = pb.OrchestratorRequest.FromString(chunk)
    for event in turn.pastEvents:
        act(event)
    values = (packed(turn.SerializeToString()), seq)
    connection.execute("UPDATE histories SET chunk = ? WHERE turn = 0 AND instance = ?", values)
    connection.close()


def _another_instance(event: pb.HistoryEvent) -> None:
    if event.HasField("executionStarted"):
        event.executionStarted.orchestrationInstance.instanceId = "another"


def _another_execution(event: pb.HistoryEvent) -> None:
    if event.HasField("executionStarted"):
        event.executionStarted.orchestrationInstance.executionId.value = "0" * 32


def _another_end(event: pb.HistoryEvent) -> None:
    if event.HasField("executionCompleted"):
        event.executionCompleted.orchestrationStatus = pb.ORCHESTRATION_STATUS_FAILED


def _no_end(event: pb.HistoryEvent) -> None:
    if event.HasField("executionCompleted"):
        event.genericEvent.data.value = "nothing"


Damage = Callable[[Path], object]


def sql(*statements: str) -> Damage:
    return lambda file: change(file, *statements)


def payload_file(file: Path) -> Path:
    return PayloadFiles(file.parent / "payloads").path(TOKEN)


DAMAGE: dict[str, tuple[Damage, Kind, str]] = {
    "no SQLite file": (
        lambda file: file.write_text("Dear diary, " * 100),
        Kind.UNUSABLE,
        r"default\.db: it is damaged, or no SQLite file",
    ),
    "newer": (
        sql("PRAGMA user_version = 99"),
        Kind.UNUSABLE,
        r"a newer version of the scheduler made it \(schema 99",
    ),
    "foreign": (sql("PRAGMA application_id = 7"), Kind.UNUSABLE, "it is not a task hub's file"),
    "cut off": (
        lambda file: os.truncate(file, file.stat().st_size // 2),
        Kind.UNUSABLE,
        "malformed",
    ),
    "a damaged page": (
        lambda file: damage_page(file, "activities"),
        Kind.DAMAGED,
        "(btreeInitPage|malformed|Tree )",
    ),
    "an index that lacks a row": (
        sql(
            "PRAGMA writable_schema = 1",
            "UPDATE sqlite_master SET sql = replace(sql, 'due, seq', 'seq, due')"
            " WHERE name = 'alarms_by_due'",
        ),
        Kind.DAMAGED,
        "alarms_by_due",
    ),
    "a missing table": (sql("DROP TABLE alarms"), Kind.SCHEMA, "its tables are not those"),
    "a status that is none": (
        sql("UPDATE instances SET status = 77 WHERE instance_id = 'runs'"),
        Kind.STATUS,
        "runs: status 77, not ended",
    ),
    "an end without its time": (
        sql("UPDATE instances SET completed_at = NULL WHERE instance_id = 'done-1'"),
        Kind.STATUS,
        "done-1: status 1, not ended",
    ),
    "a turn that is missing": (
        sql("UPDATE histories SET turn = 7 WHERE turn = 0 AND instance = :done_1"),
        Kind.HISTORY,
        "done-1: turn 0 is missing",
    ),
    "a history that is missing": (
        sql("DELETE FROM histories WHERE instance = :done_1"),
        Kind.HISTORY,
        "done-1: it has ended, and has no history",
    ),
    "events that are missing": (
        sql("UPDATE histories SET events = 99 WHERE instance = :done_1"),
        Kind.HISTORY,
        r"done-1: turn 0 holds \d+ events, and should 99",
    ),
    "garbage in a history": (
        sql("UPDATE histories SET chunk = x'1affff' WHERE instance = :done_1"),
        Kind.HISTORY,
        "done-1: ",
    ),
    "a packed history that is damaged": (
        sql("UPDATE histories SET chunk = x'789cffff' WHERE instance = :done_1"),
        Kind.HISTORY,
        "done-1: Error -3 while decompressing",
    ),
    "another's history": (
        lambda file: rewrite_history(file, "done-1", _another_instance),
        Kind.HISTORY,
        "done-1: it is that of 'another'",
    ),
    "another execution's history": (
        lambda file: rewrite_history(file, "done-1", _another_execution),
        Kind.HISTORY,
        "done-1: it is that of execution '0{32}'",
    ),
    "another end": (
        lambda file: rewrite_history(file, "done-1", _another_end),
        Kind.HISTORY,
        "done-1: it ended with status 3, its row with 1",
    ),
    "a history without its end": (
        lambda file: rewrite_history(file, "done-1", _no_end),
        Kind.HISTORY,
        "done-1: it has ended, and its history has not",
    ),
    "an activity that is lost": (
        sql("DELETE FROM activities"),
        Kind.STUCK,
        "runs: activity 1 is neither open nor done",
    ),
    "a timer that is lost": (
        sql("DELETE FROM alarms WHERE instance = :sleeps"),
        Kind.STUCK,
        r"sleeps: timer \d+ is not set",
    ),
    "a start that is lost": (
        sql("DELETE FROM messages"),
        Kind.STUCK,
        "waits: it has neither a history nor a start",
    ),
    "a wrong count": (
        sql("UPDATE counts SET number = number + 1 WHERE kind = 'root' AND status = 1"),
        Kind.COUNTS,
        f"root of status 1: {DONE + 1} counted, {DONE} there",
    ),
    "a missing count": (
        sql("DELETE FROM counts WHERE kind = 'entity'"),
        Kind.COUNTS,
        "entity of status 0: 0 counted, 1 there",
    ),
    "a history of nobody": (
        sql("INSERT INTO histories VALUES (:gone, 0, 0, x'')"),
        Kind.ORPHAN_HISTORIES,
        f"instance {GONE}: 1",
    ),
    "a message of nobody": (
        sql("INSERT INTO messages VALUES (:gone, 1, x'')"),
        Kind.ORPHAN_MESSAGES,
        f"instance {GONE}: 1",
    ),
    "a timer of nobody": (
        sql("INSERT INTO alarms (due, instance, event) VALUES (1, :gone, x'')"),
        Kind.ORPHAN_ALARMS,
        f"instance {GONE}: 1",
    ),
    "an activity of nobody": (
        sql("INSERT INTO activities VALUES (:gone, 1, 'e', 1, 'n', NULL, x'', 0)"),
        Kind.ORPHAN_ACTIVITIES,
        f"instance {GONE}: 1",
    ),
    "an operation of nobody": (
        sql("INSERT INTO operations VALUES (:gone, 1, NULL, NULL, x'')"),
        Kind.ORPHAN_OPERATIONS,
        f"entity {GONE}: 1",
    ),
    **{
        f"a payload of no {holder}": (
            sql(HELD_BY_NOBODY.replace(":holder", f":{holder}")),
            Kind.ORPHAN_REFERENCES,
            f"{holder} {GONE}: 1",
        )
        for holder in HOLDERS
    },
    "a lock of one that has ended": (
        sql("UPDATE entities SET owner = 'done-1' WHERE owner IS NOT NULL"),
        Kind.LOCK,
        "@cell@holds: for done-1",
    ),
    "a lock of nobody": (
        sql("UPDATE entities SET owner = 'never' WHERE owner IS NOT NULL"),
        Kind.LOCK,
        "@cell@holds: for never",
    ),
    "a payload that is not held": (
        sql("DELETE FROM payload_references"),
        Kind.UNHELD,
        rf"instance \d+: {TOKEN}",
    ),
    "a payload that is missing": (
        lambda file: payload_file(file).unlink(),
        Kind.PAYLOAD,
        f"the payload {TOKEN} cannot be read: there is no file",
    ),
    "a payload that is damaged": (
        lambda file: payload_file(file).write_bytes(LARGE[:-1]),
        Kind.PAYLOAD,
        rf"the payload {TOKEN} cannot be read: the file \S+ is damaged",
    ),
    "a restore that was cut short": (
        lambda file: (file.parent / "restore.ready").mkdir(),
        Kind.CUT_SHORT,
        "restore.ready",
    ),
}
