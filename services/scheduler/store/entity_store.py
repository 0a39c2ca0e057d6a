"""Entities and their queues, on a hub's writer connection. Each method is one statement or two."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from services.scheduler.engine.entity import Entity
from services.scheduler.engine.protos import pb
from services.scheduler.store.references import Holder, References
from services.scheduler.store.rows import EntityRow, entity_row, micros
from services.scheduler.store.statements import SQL
from services.scheduler.store.tables import Tables


class EntityStore(Tables):
    """The tables of entities. Everything here happens inside the caller's use case."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        next_seq: Callable[[], int],
        references: References,
    ) -> None:
        super().__init__(connection)
        self._next_seq = next_seq
        self._references = references

    def find_entity(self, entity_id: str) -> EntityRow | None:
        """The entity, if it is known."""
        row = self._one("find_entity", (entity_id,))
        return None if row is None else entity_row(row)

    def load_entity(self, seq: int) -> EntityRow | None:
        """The entity, if it is still there."""
        row = self._one("load_entity", (seq,))
        return None if row is None else entity_row(row)

    def add_entity(self, entity_id: str, now: datetime) -> int:
        """An entity without a state; gives its `seq`."""
        return self._insert("insert_entity", (entity_id, micros(now)))

    def save_lock(self, seq: int, entity: Entity) -> None:
        """Who holds the lock."""
        values = {"seq": seq, "section": entity.section, "owner": entity.owner}
        self._execute(SQL["save_lock"], values)

    def save_entity(self, seq: int, entity: Entity, now: datetime) -> None:
        """State and lock after a batch."""
        self._references.release(Holder.ENTITY, seq)
        self._references.hold(Holder.ENTITY, seq, entity.state)
        self._execute(
            SQL["save_entity"],
            {
                "seq": seq,
                "state": entity.state,
                "section": entity.section,
                "owner": entity.owner,
                "now": micros(now),
            },
        )

    def entities_with_work(self) -> list[int]:
        """`seq` of those with a queue."""
        return [row[0] for row in self._all("entities_with_work")]

    def add_operation(
        self, entity: int, owner: str | None, section: str | None, event: pb.HistoryEvent
    ) -> None:
        """An operation or a lock request at the end of a queue."""
        seq, stored = self._next_seq(), event.SerializeToString()
        self._execute(SQL["insert_operation"], (entity, seq, owner, section, stored))
        self._references.hold(Holder.OPERATION, seq, stored)

    def read_operations(
        self, entity: int, limit: int, owner: str | None = None
    ) -> Iterator[tuple[int, str | None, bytes]]:
        """`seq`, section (of a lock request) and event at the head of a queue, one by one.

        With an owner: that orchestration's operations only, and no lock requests.
        """
        if owner is None:
            yield from self._execute(SQL["load_operations"], (entity, limit))
        else:
            yield from self._execute(SQL["load_operations_of"], (entity, owner, limit))

    def load_operations(
        self, entity: int, limit: int, owner: str | None = None
    ) -> list[tuple[int, str | None, bytes]]:
        """The same, all at once."""
        return list(self.read_operations(entity, limit, owner))

    def count_operations(self, entity: int) -> int:
        """The length of a queue."""
        row = self._one("count_operations", (entity,))
        return 0 if row is None else int(row[0])

    def delete_operations(self, entity: int, seqs: Sequence[int]) -> None:
        """Operations that have been answered, or a lock request that has been granted."""
        self._references.release(Holder.OPERATION, *seqs)
        self._connection.executemany(SQL["delete_operation"], ((entity, seq) for seq in seqs))

    def delete_lock_requests(self, section: str, owner: str | None = None) -> list[int]:
        """Requests of a section that has ended before its turn came; gives their entities."""
        values = {"section": section, "owner": owner}
        deleted = self._all("delete_lock_requests", values)
        self._references.release(Holder.OPERATION, *(seq for _entity, seq in deleted))
        return [entity for entity, _seq in deleted]

    def empty_entities(self, limit: int) -> list[int]:
        """Entities that hold nothing: no state, no queue, no lock."""
        return [row[0] for row in self._all("empty_entities", (limit,))]

    def delete_entity(self, seq: int) -> None:
        """An entity that holds nothing."""
        self._references.release(Holder.ENTITY, seq)
        self._execute(SQL["delete_entity"], (seq,))

    def orphaned_locks(self, limit: int) -> list[tuple[int, str]]:
        """Entity and section of locks whose orchestration is gone or has ended."""
        return [(row[0], row[1]) for row in self._all("orphaned_locks", (limit,))]
