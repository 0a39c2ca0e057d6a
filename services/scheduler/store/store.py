"""What a hub writes and reads on its writer connection. Each method is one statement or two.

Histories, inboxes and queues hold events as bytes: they are parsed where they are used.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from services.scheduler.engine.effects import Ending
from services.scheduler.engine.entity import Entity
from services.scheduler.engine.protos import pb, text_of
from services.scheduler.engine.status import Status
from services.scheduler.store.rows import (
    ActivityRow,
    EntityRow,
    InstanceRow,
    activity_row,
    entity_row,
    instance_row,
    micros,
)
from services.scheduler.store.statements import SQL


class Store:
    """One hub's tables. Everything here happens inside the caller's use case."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute

    def _one(self, name: str, values: Any = ()) -> tuple[Any, ...] | None:  # noqa: ANN401 - what sqlite3 binds
        row: tuple[Any, ...] | None = self._execute(SQL[name], values).fetchone()
        return row

    def _all(self, name: str, values: Any = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - what sqlite3 binds
        return self._execute(SQL[name], values).fetchall()

    def _insert(self, name: str, values: Any) -> int:  # noqa: ANN401 - what sqlite3 binds
        return int(self._execute(SQL[name], values).lastrowid or 0)

    # Instances

    def add_instance(
        self, started: pb.ExecutionStartedEvent, now: datetime, scheduled_at: datetime | None
    ) -> int:
        """A new pending instance; gives its `seq`."""
        parent = started.parentInstance.orchestrationInstance
        has_parent = started.HasField("parentInstance")
        return self._insert(
            "insert_instance",
            {
                "instance_id": started.orchestrationInstance.instanceId,
                "execution_id": started.orchestrationInstance.executionId.value,
                "name": started.name,
                "version": text_of(started, "version"),
                "status": int(Status.PENDING),
                "parent_id": parent.instanceId if has_parent else None,
                "parent_execution_id": parent.executionId.value if has_parent else None,
                "now": micros(now),
                "scheduled_at": None if scheduled_at is None else micros(scheduled_at),
                "input": text_of(started, "input"),
                "tags": _tags_of(started),
            },
        )

    def find_instance(self, instance_id: str) -> InstanceRow | None:
        """The instance that has this id now."""
        row = self._one("find_instance", (instance_id,))
        return None if row is None else instance_row(row)

    def load_instance(self, seq: int) -> InstanceRow | None:
        """An incarnation, if it is still there."""
        row = self._one("load_instance", (seq,))
        return None if row is None else instance_row(row)

    def payloads_of(self, seq: int) -> tuple[str | None, str | None]:
        """Input and output."""
        row = self._one("payloads_of", (seq,))
        return (None, None) if row is None else (row[0], row[1])

    def children_of(self, instance_id: str) -> list[tuple[int, str, Status]]:
        """`seq`, id and status of the children that an instance has started."""
        return [
            (row[0], row[1], Status(row[2])) for row in self._all("children_of", (instance_id,))
        ]

    def save_turn(
        self,
        row: InstanceRow,
        *,
        custom_status: str | None,
        trace: bytes | None,
        now: datetime,
    ) -> None:
        """A turn's end: no longer pending, and delivered well."""
        status = Status.RUNNING if row.status == Status.PENDING else row.status
        self._execute(
            SQL["save_turn"],
            {
                "seq": row.seq,
                "status": int(status),
                "custom_status": custom_status,
                "trace": trace,
                "now": micros(now),
            },
        )

    def save_status(self, seq: int, status: Status, now: datetime) -> None:
        """Suspended, or running again."""
        values = {"seq": seq, "status": int(status), "now": micros(now)}
        self._execute(SQL["save_status"], values)

    def save_ending(self, seq: int, ending: Ending, now: datetime) -> None:
        """How an instance ended."""
        self._execute(
            SQL["save_ending"],
            {
                "seq": seq,
                "status": int(ending.status),
                "output": None if ending.result is None else ending.result.value,
                "failure": None if ending.failure is None else ending.failure.SerializeToString(),
                "now": micros(now),
            },
        )

    def save_next_execution(
        self, seq: int, started: pb.ExecutionStartedEvent, now: datetime
    ) -> None:
        """What continue-as-new has made of an instance."""
        self._execute(
            SQL["save_next_execution"],
            {
                "seq": seq,
                "execution_id": started.orchestrationInstance.executionId.value,
                "version": text_of(started, "version"),
                "input": text_of(started, "input"),
                "tags": _tags_of(started),
                "now": micros(now),
            },
        )

    def save_rewinding(self, seq: int, now: datetime) -> None:
        """A failed instance that runs again."""
        values = {"seq": seq, "status": int(Status.RUNNING), "now": micros(now)}
        self._execute(SQL["save_rewinding"], values)

    def save_rewound(self, seq: int, started: pb.ExecutionStartedEvent, now: datetime) -> None:
        """The id of a rewound execution; whom it answers is told by who rewound it."""
        execution_id = started.orchestrationInstance.executionId.value
        values = {"seq": seq, "execution_id": execution_id, "now": micros(now)}
        self._execute(SQL["save_rewound"], values)

    def save_parent_execution(self, seq: int, execution_id: str) -> None:
        """Whose answer a child's end is from now on."""
        values = {"seq": seq, "parent_execution_id": execution_id}
        self._execute(SQL["save_parent_execution"], values)

    def touch_instance(self, seq: int, now: datetime) -> None:
        """Something has arrived."""
        self._execute(SQL["touch_instance"], {"seq": seq, "now": micros(now)})

    def delete_instance(self, seq: int) -> list[int]:
        """An incarnation with all that is its own; gives the `seq` of its open activities."""
        activities = self.delete_activities(seq)
        for statement in (
            "delete_history",
            "delete_messages_of",
            "delete_alarms_of",
            "delete_instance",
        ):
            self._execute(SQL[statement], (seq,))
        return activities

    def instances_with_work(self) -> list[tuple[int, str, str | None, int, Status]]:
        """`seq`, name, version, deliveries and status of those with a message, oldest first."""
        return [
            (row[0], row[1], row[2], row[3], Status(row[4]))
            for row in self._all("instances_with_work")
        ]

    # Histories

    def append_history(self, seq: int, turn: int, events: int, chunk: bytes) -> None:
        """What a turn has added."""
        self._execute(SQL["append_history"], (seq, turn, events, chunk))

    def load_history(self, seq: int) -> list[tuple[int, int, bytes]]:
        """Turn, number of events and bytes of every chunk."""
        return [(row[0], row[1], row[2]) for row in self._all("load_history", (seq,))]

    def delete_history(self, seq: int) -> None:
        """All of it: another one takes its place."""
        self._execute(SQL["delete_history"], (seq,))

    # Inboxes

    def add_message(self, seq: int, event: pb.HistoryEvent) -> None:
        """A message for an instance's next turn."""
        self._execute(SQL["insert_message"], (seq, event.SerializeToString()))

    def load_messages(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """The oldest messages, with their `seq`."""
        return [(row[0], row[1]) for row in self._all("load_messages", (seq, limit))]

    def has_messages(self, seq: int) -> bool:
        """Whether a turn is due."""
        return self._one("has_messages", (seq,)) is not None

    def delete_messages(self, seqs: Iterable[int]) -> None:
        """Messages that a turn has taken in."""
        self._connection.executemany(SQL["delete_message"], ((seq,) for seq in seqs))

    def clear_inbox(self, seq: int) -> None:
        """All messages and alarms of an instance."""
        self._execute(SQL["delete_messages_of"], (seq,))
        self._execute(SQL["delete_alarms_of"], (seq,))

    # Alarms

    def add_alarm(
        self,
        due: datetime,
        event: pb.HistoryEvent,
        *,
        instance: int | None = None,
        entity_id: str | None = None,
    ) -> None:
        """A message visible in the future."""
        values = (micros(due), instance, entity_id, event.SerializeToString())
        self._execute(SQL["insert_alarm"], values)

    def next_alarm(self) -> int | None:
        """When the first one is due, in microseconds."""
        row = self._one("next_alarm")
        return None if row is None else int(row[0])

    def take_due_alarms(
        self, now: datetime, limit: int
    ) -> list[tuple[int | None, str | None, bytes]]:
        """Instance, entity id and event of those that are due; they are gone then."""
        rows = self._all("due_alarms", (micros(now), limit))
        self._connection.executemany(SQL["delete_alarm"], ((row[0],) for row in rows))
        return [(row[1], row[2], row[3]) for row in rows]

    def alarms_of(self, seq: int) -> list[bytes]:
        """The messages that an instance has yet to see."""
        return [row[0] for row in self._all("alarms_of", (seq,))]

    # Activities

    def add_activity(
        self, instance: int, execution_id: str, event: pb.HistoryEvent, request: pb.ActivityRequest
    ) -> int:
        """An activity to run; gives its `seq`."""
        return self._insert(
            "insert_activity",
            (
                instance,
                request.orchestrationInstance.instanceId,
                execution_id,
                event.eventId,
                request.name,
                text_of(request, "version"),
                request.SerializeToString(),
            ),
        )

    def load_activity(self, seq: int) -> ActivityRow | None:
        """An activity that has no result yet."""
        row = self._one("load_activity", (seq,))
        return None if row is None else activity_row(row)

    def request_of(self, seq: int) -> bytes | None:
        """What a worker is sent."""
        row = self._one("request_of", (seq,))
        return None if row is None else row[0]

    def tasks_of(self, instance: int, execution_id: str) -> set[int]:
        """The task ids that an execution still has activities for."""
        return {row[0] for row in self._all("tasks_of", (instance, execution_id))}

    def move_activities(self, instance: int, before: str, after: str) -> None:
        """Open activities of an execution answer another one from now on."""
        self._execute(SQL["move_activities"], (after, instance, before))

    def delete_activity(self, seq: int) -> None:
        """An activity that has its result."""
        self._execute(SQL["delete_activity"], (seq,))

    def delete_activities(self, instance: int) -> list[int]:
        """All of an instance; gives their `seq`."""
        return [row[0] for row in self._all("delete_activities_of", (instance,))]

    def open_activities(self) -> Iterator[tuple[int, str, str | None, int]]:
        """`seq`, name, version and deliveries of every activity, oldest first."""
        yield from self._execute(SQL["open_activities"])

    # Entities

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
        values = (entity, owner, section, event.SerializeToString())
        self._execute(SQL["insert_operation"], values)

    def load_operations(
        self, entity: int, limit: int, owner: str | None = None
    ) -> list[tuple[int, str | None, bytes]]:
        """`seq`, section (of a lock request) and event at the head of a queue.

        With an owner: that orchestration's operations only, and no lock requests.
        """
        if owner is None:
            rows = self._all("load_operations", (entity, limit))
        else:
            rows = self._all("load_operations_of", (entity, owner, limit))
        return [(row[0], row[1], row[2]) for row in rows]

    def count_operations(self, entity: int) -> int:
        """The length of a queue."""
        row = self._one("count_operations", (entity,))
        return 0 if row is None else int(row[0])

    def delete_operations(self, seqs: Iterable[int]) -> None:
        """Operations that have been answered, or a lock request that has been granted."""
        self._connection.executemany(SQL["delete_operation"], ((seq,) for seq in seqs))

    def delete_lock_requests(self, section: str) -> list[int]:
        """Requests of a section that has ended before its turn came; gives their entities."""
        return [row[0] for row in self._all("delete_lock_requests", (section,))]

    def empty_entities(self, limit: int) -> list[int]:
        """Entities that hold nothing: no state, no queue, no lock."""
        return [row[0] for row in self._all("empty_entities", (limit,))]

    def delete_entity(self, seq: int) -> None:
        """An entity that holds nothing."""
        self._execute(SQL["delete_entity"], (seq,))

    def orphaned_locks(self, limit: int) -> list[tuple[int, str]]:
        """Entity and section of locks whose orchestration is gone or has ended."""
        return [(row[0], row[1]) for row in self._all("orphaned_locks", (limit,))]

    # Deliveries and retention

    def count_delivery(self, kind: str, seq: int) -> None:
        """One more delivery that ended its stream; kind: `instance`, `activity`, `entity`."""
        self._execute(SQL[f"count_delivery_of_{kind}"], (seq,))

    def finished_before(self, moment: datetime, limit: int) -> list[int]:
        """`seq` of instances that ended before a time."""
        return [row[0] for row in self._all("finished_before", (micros(moment), limit))]


def _tags_of(started: pb.ExecutionStartedEvent) -> bytes | None:
    if not started.tags:
        return None
    return pb.ExecutionStartedEvent(tags=started.tags).SerializeToString()
