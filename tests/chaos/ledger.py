"""What the scheduler's file holds at the end: whole histories, and nothing left over."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from services.scheduler.engine.instance import fold_all
from services.scheduler.engine.status import Status
from services.scheduler.hub.wire import events_in
from services.scheduler.store.packing import plain
from tests.simulation.histories import read
from tests.simulation.violation import Violation

# Where something stands only while somebody works on it or waits for it.
_TRANSIENT: Final = ("messages", "activities", "alarms", "operations")
_NUMBERED: Final = ("taskScheduled", "timerCreated", "subOrchestrationInstanceCreated")


def unfinished(file: Path) -> list[str]:
    """The ids of instances that have not ended."""
    with _opened(file) as connection:
        rows = connection.execute(
            "SELECT instance_id FROM instances WHERE completed_at IS NULL ORDER BY seq"
        )
        return [row[0] for row in rows]


def mistakes(file: Path) -> Iterator[str]:
    """What is wrong with a hub's file in which every instance has ended."""
    with _opened(file) as connection:
        [verdict] = connection.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            yield f"the file is damaged: {verdict}"
        for table in _TRANSIENT:
            [left] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own names
            if left:
                yield f"{left} rows are left in {table}"
        yield from _wrong_counts(connection)
        instances = connection.execute(
            "SELECT seq, instance_id, status, execution_id FROM instances ORDER BY seq"
        ).fetchall()
        for seq, instance_id, status, execution_id in instances:
            yield from _gaps(connection, seq, f"{instance_id} ({execution_id})", Status(status))


def _wrong_counts(connection: sqlite3.Connection) -> Iterator[str]:
    kept = Counter[tuple[str, int]]()
    for kind, status, number in connection.execute("SELECT kind, status, number FROM counts"):
        if kind != "entity" and number:
            kept[kind, status] = number
    there = Counter[tuple[str, int]](
        (kind, status)
        for kind, status in connection.execute(
            "SELECT iif(parent_id IS NULL, 'root', 'child'), status FROM instances"
        )
    )
    if kept != there:
        yield f"the counts say {dict(kept)}, and there are {dict(there)}"


def _gaps(connection: sqlite3.Connection, seq: int, what: str, status: Status) -> Iterator[str]:
    rows = connection.execute(
        "SELECT turn, events, chunk FROM histories WHERE instance = ? ORDER BY turn", (seq,)
    ).fetchall()
    if [row[0] for row in rows] != list(range(len(rows))):
        yield f"the history of {what} has the turns {[row[0] for row in rows]}"
    chunks = [plain(row[2]) for row in rows]
    if [len(events_in(chunk)) for chunk in chunks] != [row[1] for row in rows]:
        yield f"the history of {what} has not as many events as its rows say"
    events = events_in(b"".join(chunks))
    try:
        story = read(what, events)
    except Violation as error:
        yield str(error)
        return
    if story.completed is None or fold_all(events).completed is None:
        yield f"the history of {what} has no end"
    elif int(story.completed.orchestrationStatus) != int(status):
        yield f"{what} is {status.name}, and its history ends otherwise"
    elif status is Status.COMPLETED:
        if story.waits_for:
            yield f"the history of {what} has no answer to {sorted(map(str, story.waits_for))}"
        # A retry has the number of what it repeats, so a number may stand there more than once.
        numbers = {e.eventId for e in events if e.WhichOneof("eventType") in _NUMBERED}
        if numbers != set(range(1, len(numbers) + 1)):
            yield f"the history of {what} leaves numbers out: {sorted(numbers)}"


def _opened(file: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True))
