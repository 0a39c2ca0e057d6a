"""What a hub writes and reads on its writer connection. Each method is one statement or two.

Histories, inboxes and queues hold events as bytes: they are parsed where they are used.
"""

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.scheduler.engine.effects import Ending
from services.scheduler.engine.protos import pb, text_of
from services.scheduler.engine.status import Status
from services.scheduler.store.known import KnownInstances
from services.scheduler.store.packing import packed
from services.scheduler.store.recent import RecentActivities
from services.scheduler.store.references import Condemned, Holder, References
from services.scheduler.store.rows import (
    ActivityRow,
    InstanceRow,
    activity_row,
    instance_row,
    micros,
    new_instance_row,
)
from services.scheduler.store.statements import SQL
from services.scheduler.store.tables import Tables


class Store(Tables):
    """One hub's tables. Everything here happens inside the caller's use case."""

    def __init__(
        self, connection: sqlite3.Connection, now: datetime, condemned: Condemned | None = None
    ) -> None:
        super().__init__(connection)
        self.references = References(connection, condemned)
        # Messages, operations and activities in the order of arrival, over all inboxes and queues.
        # It begins with the time: a number that was used before a restart is never used again.
        self._last_seq: int = max((self._one("last_seq") or (0,))[0], micros(now))
        self._known = KnownInstances()
        self._recent = RecentActivities()

    def forget(self) -> None:
        """Drops what is remembered of rows: some of them have been rolled back."""
        self._known.forget_all()
        self._recent.forget()

    def next_seq(self) -> int:
        """The next place in the order of arrival."""
        self._last_seq += 1
        return self._last_seq

    # Instances

    def _change(self, name: str, values: dict[str, Any]) -> None:
        self._known.forget(values["seq"])
        self._execute(SQL[name], values)

    def add_instance(
        self, started: pb.ExecutionStartedEvent, now: datetime, scheduled_at: datetime | None
    ) -> InstanceRow:
        """A new pending instance."""
        parent = started.parentInstance.orchestrationInstance
        has_parent = started.HasField("parentInstance")
        given = text_of(started, "input")
        values = {
            "instance_id": started.orchestrationInstance.instanceId,
            "execution_id": started.orchestrationInstance.executionId.value,
            "name": started.name,
            "version": text_of(started, "version"),
            "status": Status.PENDING,
            "parent_id": parent.instanceId if has_parent else None,
            "parent_execution_id": parent.executionId.value if has_parent else None,
            "created_at": micros(now),
            "updated_at": micros(now),
            "scheduled_at": None if scheduled_at is None else micros(scheduled_at),
            "tags": _tags_of(started),
        }
        seq = self._insert("insert_instance", {**values, "input": given})
        self.references.hold(Holder.INSTANCE, seq, given)
        row = new_instance_row(seq, values)
        self._known.keep(row)
        return row

    def find_instance(self, instance_id: str) -> InstanceRow | None:
        """The instance that has this id now."""
        known = self._known.named(instance_id)
        if known is not None:
            return known
        row = self._one("find_instance", (instance_id,))
        return None if row is None else instance_row(row)

    def load_instance(self, seq: int) -> InstanceRow | None:
        """An incarnation, if it is still there."""
        known = self._known.row(seq)
        if known is not None:
            return known
        raw = self._one("load_instance", (seq,))
        if raw is None:
            return None
        row = instance_row(raw)
        self._known.keep(row)
        return row

    def payloads_of(self, seq: int) -> tuple[str | None, str | None]:
        """Input and output."""
        row = self._one("payloads_of", (seq,))
        return (None, None) if row is None else (row[0], row[1])

    def children_of(self, instance_id: str) -> list[tuple[int, str, Status]]:
        """`seq`, id and status of the children that an instance has started."""
        return [
            (row[0], row[1], Status(row[2])) for row in self._all("children_of", (instance_id,))
        ]

    def save_turn(self, row: InstanceRow, now: datetime) -> None:
        """What the turn of an instance that goes on has made of its row: it was delivered well."""
        status = Status.RUNNING if row.status == Status.PENDING else row.status
        changed: dict[str, Any] = {
            "status": status,
            "custom_status": row.custom_status,
            "trace": row.trace,
            "updated_at": micros(now),
        }
        self._execute(SQL["save_turn"], {"seq": row.seq, **changed})
        self.references.hold(Holder.INSTANCE, row.seq, row.custom_status)
        known = self._known.row(row.seq)
        if known is not None:
            # Not the row that was given: the turn may have begun another execution.
            self._known.keep(replace(known, **changed, deliveries=0))

    def save_status(self, seq: int, status: Status, now: datetime) -> None:
        """Suspended, or running again."""
        values = {"seq": seq, "status": int(status), "now": micros(now)}
        self._change("save_status", values)

    def save_ending(self, row: InstanceRow, ending: Ending, now: datetime) -> None:
        """How an instance ended, and what its last turn has made of its row."""
        seq = row.seq
        output = None if ending.result is None else ending.result.value
        failure = None if ending.failure is None else ending.failure.SerializeToString()
        self._change(
            "save_ending",
            {
                "seq": seq,
                "status": int(ending.status),
                "output": output,
                "failure": failure,
                "custom_status": row.custom_status,
                "trace": row.trace,
                "deliveries": row.deliveries,
                "now": micros(now),
            },
        )
        self.references.hold(Holder.INSTANCE, seq, row.custom_status)
        self.references.hold(Holder.INSTANCE, seq, output)
        self.references.hold(Holder.INSTANCE, seq, failure)

    def save_next_execution(
        self, seq: int, started: pb.ExecutionStartedEvent, now: datetime
    ) -> None:
        """What continue-as-new has made of an instance."""
        given = text_of(started, "input")
        self.references.hold(Holder.INSTANCE, seq, given)
        self._change(
            "save_next_execution",
            {
                "seq": seq,
                "execution_id": started.orchestrationInstance.executionId.value,
                "version": text_of(started, "version"),
                "input": given,
                "tags": _tags_of(started),
                "now": micros(now),
            },
        )

    def save_rewinding(self, seq: int, now: datetime) -> None:
        """A failed instance that runs again."""
        values = {"seq": seq, "status": int(Status.RUNNING), "now": micros(now)}
        self._change("save_rewinding", values)

    def save_rewound(self, seq: int, started: pb.ExecutionStartedEvent, now: datetime) -> None:
        """The id of a rewound execution; whom it answers is told by who rewound it."""
        execution_id = started.orchestrationInstance.executionId.value
        values = {"seq": seq, "execution_id": execution_id, "now": micros(now)}
        self._change("save_rewound", values)

    def save_parent_execution(self, seq: int, execution_id: str) -> None:
        """Whose answer a child's end is from now on."""
        values = {"seq": seq, "parent_execution_id": execution_id}
        self._change("save_parent_execution", values)

    def touch_instance(self, seq: int, now: datetime) -> None:
        """Something has arrived."""
        self._change("touch_instance", {"seq": seq, "now": micros(now)})

    def delete_instance(self, seq: int) -> list[int]:
        """An incarnation with all that is its own; gives the `seq` of its open activities."""
        self._known.forget(seq)
        activities = self.delete_activities(seq)
        for statement in (
            "delete_history",
            "delete_messages_of",
            "delete_alarms_of",
            "delete_instance",
        ):
            self._execute(SQL[statement], (seq,))
        self.references.release(Holder.INSTANCE, seq)
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
        self._execute(SQL["append_history"], (seq, turn, events, packed(chunk)))
        self.references.hold(Holder.INSTANCE, seq, chunk)

    def load_history(self, seq: int) -> list[tuple[int, int, bytes]]:
        """Turn, number of events and bytes of every chunk."""
        return [(row[0], row[1], row[2]) for row in self._all("load_history", (seq,))]

    def delete_history(self, seq: int) -> None:
        """All of it: another one takes its place."""
        self._execute(SQL["delete_history"], (seq,))

    # Inboxes

    def add_message(self, seq: int, event: pb.HistoryEvent) -> None:
        """A message for an instance's next turn."""
        stored = event.SerializeToString()
        self._execute(SQL["insert_message"], (seq, self.next_seq(), stored))
        self.references.hold(Holder.INSTANCE, seq, stored)

    def load_messages(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """The oldest messages, with their `seq`."""
        return list(self.read_messages(seq, limit))

    def read_messages(self, seq: int, limit: int) -> Iterator[tuple[int, bytes]]:
        """The same, read one by one: a full inbox is not held in memory."""
        yield from self._execute(SQL["load_messages"], (seq, limit))

    def count_messages(self, seq: int) -> int:
        """How many there are."""
        row = self._one("count_messages", (seq,))
        return 0 if row is None else int(row[0])

    def delete_messages(self, instance: int, seqs: Iterable[int]) -> None:
        """Messages that a turn has taken in."""
        self._connection.executemany(SQL["delete_message"], ((instance, seq) for seq in seqs))

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
        stored = event.SerializeToString()
        alarm = self._insert("insert_alarm", (micros(due), instance, entity_id, stored))
        if instance is None:
            self.references.hold(Holder.SIGNAL, alarm, stored)
        else:
            self.references.hold(Holder.INSTANCE, instance, stored)

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
        self.references.release(Holder.SIGNAL, *(row[0] for row in rows if row[1] is None))
        return [(row[1], row[2], row[3]) for row in rows]

    def alarms_of(self, seq: int) -> list[bytes]:
        """The messages that an instance has yet to see."""
        return [row[0] for row in self._all("alarms_of", (seq,))]

    # Activities

    def add_activities(
        self, instance: int, execution_id: str, tasks: Iterable[tuple[pb.HistoryEvent, bytes]]
    ) -> list[ActivityRow]:
        """Activities to run: their taskScheduled events, and what workers are sent for them."""
        added, values = [], []
        for event, request in tasks:
            scheduled = event.taskScheduled
            row = ActivityRow(
                seq=self.next_seq(),
                instance=instance,
                execution_id=execution_id,
                task_id=event.eventId,
                name=sys.intern(scheduled.name),  # one text for all of a wide fan-out
                version=text_of(scheduled, "version"),
                deliveries=0,
            )
            added.append(row)
            values.append(
                (instance, row.seq, execution_id, row.task_id, row.name, row.version, request)
            )
            self.references.hold(Holder.INSTANCE, instance, request)
            self._recent.add(row, request)
        self._connection.executemany(SQL["insert_activity"], values)
        return added

    def take_activity(self, instance: int, seq: int, task_id: int) -> ActivityRow | None:
        """An activity that has its result now, and so is none any more; None if it had one."""
        known = self._recent.row(seq)
        if known is None:
            row = self._one("take_activity", (instance, seq, task_id))
            return None if row is None else activity_row(row)
        if (known.instance, known.task_id) != (instance, task_id):
            return None
        self._recent.forget_row(seq)
        self._execute(SQL["delete_activity"], (instance, seq))
        return known

    def task_of(self, instance: int, seq: int) -> int | None:
        """The task id of an activity that has no result yet."""
        row = self._one("task_of", (instance, seq))
        return None if row is None else int(row[0])

    def request_of(self, instance: int, seq: int) -> bytes | None:
        """What a worker is sent."""
        recent = self._recent.take_request(seq)
        row = (recent,) if recent is not None else self._one("request_of", (instance, seq))
        return None if row is None else row[0]

    def tasks_of(self, instance: int, execution_id: str) -> set[int]:
        """The task ids that an execution still has activities for."""
        return {row[0] for row in self._all("tasks_of", (instance, execution_id))}

    def move_activities(self, instance: int, before: str, after: str) -> None:
        """Open activities of an execution answer another one from now on."""
        self._recent.forget_rows()
        self._execute(SQL["move_activities"], (after, instance, before))

    def delete_activities(self, instance: int) -> list[int]:
        """All of an instance; gives their `seq`."""
        seqs = [row[0] for row in self._all("delete_activities_of", (instance,))]
        for seq in seqs:
            self._recent.forget_row(seq)
            self._recent.take_request(seq)
        return seqs

    def open_activities(self) -> Iterator[tuple[int, int, str, str | None, int]]:
        """Instance, `seq`, name, version and deliveries of every activity, oldest first."""
        yield from self._execute(SQL["open_activities"])

    # Deliveries and retention

    def count_delivery(self, kind: str, seq: int, instance: int) -> None:
        """One more delivery that ended its stream; kind: `instance`, `activity`, `entity`."""
        if kind == "instance":
            self._known.forget(seq)
        self._recent.forget_row(seq)
        values = (instance, seq) if kind == "activity" else (seq,)
        self._execute(SQL[f"count_delivery_of_{kind}"], values)

    def finished_before(self, moment: datetime, limit: int) -> list[int]:
        """`seq` of instances that ended before a time."""
        return [row[0] for row in self._all("finished_before", (micros(moment), limit))]


def _tags_of(started: pb.ExecutionStartedEvent) -> bytes | None:
    if not started.tags:
        return None
    return pb.ExecutionStartedEvent(tags=started.tags).SerializeToString()
