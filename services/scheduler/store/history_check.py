"""Checks instances against their histories.

That these fold and have no gap, say what the rows say, and wait for nothing in vain.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.message import DecodeError

from services.scheduler.engine.instance import Instance, fold_all
from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import TERMINAL, Status
from services.scheduler.store.findings import Finding, Kind
from services.scheduler.store.packing import plain
from services.scheduler.store.statements import CHECKS

# What becomes of bytes and numbers that are those of nothing.
_UNREADABLE: Final = (ValueError, TypeError, zlib.error, DecodeError)
_STATUSES: Final = frozenset(map(int, Status))


class HistoryCheck:
    """The instances of one hub's file, in one transaction."""

    def __init__(self, hub: str, connection: sqlite3.Connection) -> None:
        self._hub = hub
        self._connection = connection

    def findings(self) -> Iterator[Finding | None]:
        """What is wrong, and None after each instance: there may be very many."""
        for row in self._connection.execute(CHECKS["instances"]):
            try:
                yield from self._instance(*row)
            except _UNREADABLE as error:
                yield self._found(Kind.HISTORY, str(row[1]), str(error))
            yield None

    def _instance(
        self, seq: int, instance_id: str, execution_id: str, status: int, completed_at: int | None
    ) -> Iterator[Finding]:
        status = _status(status)
        is_ended = status in TERMINAL
        if status not in _STATUSES or is_ended != (completed_at is not None):
            told = "ended" if completed_at is not None else "not ended"
            yield self._found(Kind.STATUS, instance_id, f"status {status}, {told}")
            return
        history = self._history(seq)
        instance = fold_all(history)
        problem = _problem(instance, instance_id, execution_id, Status(status), history)
        if problem:
            yield self._found(Kind.HISTORY, instance_id, problem)
        # What has completed and has not ended is being rewound: its next turn tells what is open.
        elif not is_ended and instance.completed is None:
            yield from self._stuck(seq, instance_id, instance)

    def _history(self, seq: int) -> list[pb.HistoryEvent]:
        events: list[pb.HistoryEvent] = []
        rows = self._connection.execute(CHECKS["chunks"], (seq,))
        for expected, (turn, number, chunk) in enumerate(rows):
            if turn != expected:
                raise ValueError(f"turn {expected} is missing")
            found = pb.OrchestratorRequest.FromString(plain(chunk)).pastEvents
            if len(found) != number:
                raise ValueError(f"turn {turn} holds {len(found)} events, and should {number}")
            events.extend(found)
        return events

    def _stuck(self, seq: int, instance_id: str, instance: Instance) -> Iterator[Finding]:
        waiting = [
            pb.HistoryEvent.FromString(row[0])
            for row in self._connection.execute(CHECKS["waiting"], {"seq": seq})
        ]
        if not instance.execution_id and not _begins(waiting):
            yield self._found(Kind.STUCK, instance_id, "it has neither a history nor a start")
            return
        values = (seq, instance.execution_id)
        coming = {row[0] for row in self._connection.execute(CHECKS["open_tasks"], values)}
        after = fold_all(waiting, onto=instance)
        for task in sorted(after.open_tasks - coming):
            yield self._found(Kind.STUCK, instance_id, f"activity {task} is neither open nor done")
        for timer in sorted(after.open_timers):
            yield self._found(Kind.STUCK, instance_id, f"timer {timer} is not set")

    def _found(self, kind: Kind, instance_id: str, what: str) -> Finding:
        return Finding(kind=kind, hub=self._hub, where=f"{instance_id}: {what}")


def _begins(waiting: Iterable[pb.HistoryEvent]) -> bool:
    return any(event.HasField("executionStarted") for event in waiting)


def _problem(
    instance: Instance,
    instance_id: str,
    execution_id: str,
    status: Status,
    history: list[pb.HistoryEvent],
) -> str | None:
    """What an instance's row and its history disagree about."""
    is_ended = status in TERMINAL
    if not history:
        return "it has ended, and has no history" if is_ended else None
    completed = instance.completed
    ended_with = None if completed is None else _status(completed.orchestrationStatus)
    found = (
        (instance.instance_id != instance_id, f"it is that of {instance.instance_id!r}"),
        (is_ended and ended_with is None, "it has ended, and its history has not"),
        (
            instance.execution_id != execution_id,
            f"it is that of execution {instance.execution_id!r}, not {execution_id!r}",
        ),
        (
            is_ended and ended_with != status,
            f"it ended with status {ended_with}, its row with {int(status)}",
        ),
    )
    return next((text for is_wrong, text in found if is_wrong), None)


def _status(number: int) -> int:
    """A worker may call an end canceled; it is kept as terminated, since schema 2."""
    is_canceled = number == int(pb.ORCHESTRATION_STATUS_CANCELED)
    return int(Status.TERMINATED) if is_canceled else int(number)
