"""Reads histories event by event: what is passed over is not parsed."""

import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

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
    # In its turn: how many events are before it, and how many bytes.
    offset: int = 0
    byte: int = 0


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

        Raises `BadRequestError` for a start that is none: the history has been replaced.
        """
        values = {"instance": self._seq, "turn": start.turn}
        total, before, turns = self._connection.execute(SQL["history_size"], values).fetchone()
        if start.index != before + start.offset or start.index > total:
            raise _replaced()
        return total, Position(index=total, turn=turns)

    def events(self, start: Position) -> Iterator[tuple[Position, int, pb.HistoryEvent]]:
        """The events from a position on, with their bytes; a turn is read once it is reached.

        Raises `BadRequestError` for a start between events: the history has been replaced.
        """
        try:
            yield from self._events(start)
        except (IndexError, DecodeError) as error:
            if start.byte:
                raise _replaced() from error
            raise

    def _events(self, start: Position) -> Iterator[tuple[Position, int, pb.HistoryEvent]]:
        index, offset, byte, turn = start.index, start.offset, start.byte, start.turn - 1
        while True:
            values = (self._seq, turn, _TURNS_A_READ)
            rows = self._connection.execute(SQL["history_after"], values)
            is_last = True
            for turn, _number, chunk in rows:
                is_last = False
                for at, event in event_slices(chunk, byte):
                    position = Position(index=index, turn=turn, offset=offset, byte=at)
                    yield position, len(event), pb.HistoryEvent.FromString(event)
                    index += 1
                    offset += 1
                offset = byte = 0
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
                _at, event = next(itertools.islice(slices, index - before, None))
                return pb.HistoryEvent.FromString(event)
            before += events
        raise NotFoundError(f"The history has {before} events, and so none of index {index}")


def _replaced() -> BadRequestError:
    return BadRequestError("Invalid cursor: the history has been replaced since")


def find(connection: sqlite3.Connection, instance_id: str) -> InstanceRow:
    """An instance, as it is committed; raises `InstanceNotFoundError`."""
    raw = connection.execute(SQL["find_instance"], (instance_id,)).fetchone()
    if raw is None:
        raise InstanceNotFoundError(instance_id)
    return instance_row(raw)
