"""Reads histories event by event: what is passed over is not parsed."""

import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, InstanceNotFoundError, NotFoundError
from services.scheduler.hub.wire import event_slices
from services.scheduler.store.rows import InstanceRow, instance_row
from services.scheduler.store.statements import SQL

_TURNS_A_READ: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where an event stands: in the history, and in which turn."""

    index: int = 0
    turn: int = 0
    # In its turn.
    offset: int = 0


class History:
    """The history of an instance's present execution, read in one transaction."""

    def __init__(self, connection: sqlite3.Connection, instance_id: str, execution_id: str) -> None:
        """Raises `InstanceNotFoundError`, and `NotFoundError` for another execution."""
        self._connection = connection
        row = find(connection, instance_id)
        if row.execution_id != execution_id:
            raise NotFoundError(
                f"Execution {execution_id[:80]!r} of orchestration instance {instance_id} is over:"
                f" the present one is {row.execution_id}"
            )
        self._seq = row.seq

    def size(self, start: Position) -> tuple[int, Position]:
        """How many events there are, and where the next one will stand.

        Raises `BadRequestError` for a start that is none: a rewind has replaced the history.
        """
        values = {"instance": self._seq, "turn": start.turn}
        total, before, turns = self._connection.execute(SQL["history_size"], values).fetchone()
        if start.index != before + start.offset or start.index > total:
            raise BadRequestError("Invalid cursor: the history has been replaced since")
        return total, Position(index=total, turn=turns)

    def events(self, start: Position) -> Iterator[tuple[Position, pb.HistoryEvent]]:
        """The events from a position on."""
        index, offset, turn = start.index, start.offset, start.turn - 1
        while True:
            values = (self._seq, turn, _TURNS_A_READ)
            rows = self._connection.execute(SQL["history_after"], values)
            is_last = True
            for turn, _events, chunk in rows:
                is_last = False
                for place, event in enumerate(
                    itertools.islice(event_slices(chunk), offset, None), offset
                ):
                    position = Position(index=index, turn=turn, offset=place)
                    yield position, pb.HistoryEvent.FromString(event)
                    index += 1
                offset = 0
            if is_last:
                return

    def event(self, index: int) -> pb.HistoryEvent:
        """One of them; raises `NotFoundError`."""
        before = 0
        for turn, events in self._connection.execute(SQL["history_turns"], (self._seq,)):
            if index < before + events:
                values = (self._seq, turn)
                (chunk,) = self._connection.execute(SQL["history_chunk"], values).fetchone()
                slices = event_slices(chunk)
                return pb.HistoryEvent.FromString(
                    next(itertools.islice(slices, index - before, None))
                )
            before += events
        raise NotFoundError(f"The history has {before} events, and so none of index {index}")


def find(connection: sqlite3.Connection, instance_id: str) -> InstanceRow:
    """An instance, as it is committed; raises `InstanceNotFoundError`."""
    raw = connection.execute(SQL["find_instance"], (instance_id,)).fetchone()
    if raw is None:
        raise InstanceNotFoundError(instance_id)
    return instance_row(raw)
