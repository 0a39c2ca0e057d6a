"""What stands on the disk at one moment, as values."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from tests.simulation.histories import Key, answered_by


@dataclass(slots=True, kw_only=True)
class Row:
    """An instance with all that is its own."""

    seq: int
    instance_id: str
    execution_id: str
    created_at: int
    status: Status
    parent_id: str | None
    parent_execution_id: str | None
    given: str | None
    turns: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    inbox: list[pb.HistoryEvent] = field(default_factory=list)
    alarms: list[pb.HistoryEvent] = field(default_factory=list)
    tasks: set[int] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.instance_id}#{self.seq} ({self.status.name})"

    @property
    def on_its_way(self) -> set[Key]:
        """What is answered, or will be without anybody's help."""
        events = (*self.inbox, *self.alarms)
        keys = {key for event in events if (key := answered_by(event)) is not None}
        return keys | {("task", task) for task in self.tasks}

    @property
    def is_rewinding(self) -> bool:
        """Whether its worker has yet to give it a history without failures."""
        return any(event.HasField("executionRewound") for event in self.inbox)


@dataclass(slots=True, kw_only=True)
class EntityRow:
    """An entity and its queue."""

    entity_id: str
    state: str | None
    section: str | None
    owner: str | None
    queue: list[pb.HistoryEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All tables of a hub."""

    rows: dict[int, Row]
    entities: dict[str, EntityRow]
    delayed: Sequence[pb.HistoryEvent]
    orphans: Sequence[str]

    def find(self, instance_id: str) -> Row | None:
        """The instance that has this id now."""
        return next((row for row in self.rows.values() if row.instance_id == instance_id), None)


_INSTANCES = """
SELECT seq, instance_id, execution_id, created_at, status, parent_id, parent_execution_id, input
FROM instances ORDER BY seq
"""


def picture(look: sqlite3.Connection) -> Picture:
    """Reads all tables, in one transaction."""
    look.execute("BEGIN")
    try:
        return _read(look)
    finally:
        look.execute("COMMIT")


def _read(look: sqlite3.Connection) -> Picture:
    rows = {
        row[0]: Row(
            seq=row[0],
            instance_id=row[1],
            execution_id=row[2],
            created_at=row[3],
            status=Status(row[4]),
            parent_id=row[5],
            parent_execution_id=row[6],
            given=row[7],
        )
        for row in look.execute(_INSTANCES)
    }
    orphans: list[str] = []
    for seq, turn, count, chunk in look.execute(
        "SELECT instance, turn, events, plain(chunk) FROM histories ORDER BY instance, turn"
    ):
        if seq not in rows:
            orphans.append(f"history of {seq}")
            continue
        rows[seq].turns.append(turn)
        rows[seq].counts.append(count)
        rows[seq].chunks.append(chunk)
    for seq, blob in look.execute("SELECT instance, event FROM messages ORDER BY seq"):
        if seq in rows:
            rows[seq].inbox.append(pb.HistoryEvent.FromString(blob))
        else:
            orphans.append(f"message to {seq}")
    delayed = _read_alarms(look, rows, orphans)
    for seq, execution_id, task in look.execute(
        "SELECT instance, execution_id, task_id FROM activities ORDER BY seq"
    ):
        if seq not in rows:
            orphans.append(f"activity of {seq}")
        elif rows[seq].execution_id == execution_id:
            rows[seq].tasks.add(task)
    return Picture(rows=rows, entities=_read_entities(look), delayed=delayed, orphans=orphans)


def _read_alarms(
    look: sqlite3.Connection, rows: dict[int, Row], orphans: list[str]
) -> list[pb.HistoryEvent]:
    delayed = []
    for seq, blob in look.execute("SELECT instance, event FROM alarms ORDER BY seq"):
        event = pb.HistoryEvent.FromString(blob)
        if seq is None:
            delayed.append(event)
        elif seq in rows:
            rows[seq].alarms.append(event)
        else:
            orphans.append(f"alarm of {seq}")
    return delayed


def _read_entities(look: sqlite3.Connection) -> dict[str, EntityRow]:
    entities = {
        seq: EntityRow(entity_id=entity_id, state=state, section=section, owner=owner)
        for seq, entity_id, state, section, owner in look.execute(
            "SELECT seq, entity_id, state, section, owner FROM entities ORDER BY seq"
        )
    }
    for seq, blob in look.execute("SELECT entity, event FROM operations ORDER BY seq"):
        entities[seq].queue.append(pb.HistoryEvent.FromString(blob))
    return {entity.entity_id: entity for entity in entities.values()}
