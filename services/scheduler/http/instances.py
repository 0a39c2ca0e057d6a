"""Reads of one orchestration instance: its state, its payloads, its history."""

import re
import sqlite3
from typing import Final

from services.scheduler.engine.limits import PAGE_BYTES_MAX, check_instance_id
from services.scheduler.errors import BadRequestError
from services.scheduler.http import replies
from services.scheduler.http.asks import HistoryParameters
from services.scheduler.http.events import event_json
from services.scheduler.http.models import status_name
from services.scheduler.http.operations import Ask, Operation, Reply, encoded, reply
from services.scheduler.http.states import Json, failure_details, orchestration
from services.scheduler.hub.cursors import position, token
from services.scheduler.hub.histories import History, Position, find
from services.scheduler.store.rows import InstanceRow, instance_row
from services.scheduler.store.statements import SQL

_ANCESTORS_MAX: Final = 32
_INDEX: Final = re.compile(r"[0-9]{1,9}")
_PATH: Final = "/v1/taskhubs/orchestrations/{instanceId}"
_HISTORY: Final = f"{_PATH}/executions/{{executionId}}/history"


def instance_id_of(ask: Ask) -> str:
    """The id that a path names; raises `BadRequestError` for what cannot be one."""
    instance_id = ask.path["instanceId"]
    check_instance_id(instance_id)
    return instance_id


async def _get(ask: Ask) -> Reply:
    instance_id = instance_id_of(ask)

    def read(connection: sqlite3.Connection) -> Reply:
        return reply(_detail(connection, find(connection, instance_id)))

    return await ask.hub.read(read)


def _detail(connection: sqlite3.Connection, row: InstanceRow) -> Json:
    input_bytes, output_bytes = connection.execute(SQL["sizes_of"], (row.seq,)).fetchone()
    size = {"instance": row.seq, "turn": 0}
    (waiting,) = connection.execute(SQL["count_messages"], (row.seq,)).fetchone()
    return {
        **orchestration(row),
        "failureDetails": failure_details(row.failure),
        "ancestors": _ancestors(connection, row),
        "historyEvents": connection.execute(SQL["history_size"], size).fetchone()[0],
        "waiting": waiting,
        "inputBytes": input_bytes,
        "outputBytes": output_bytes,
    }


def _ancestors(connection: sqlite3.Connection, row: InstanceRow) -> list[Json]:
    """Those that still exist, the root first."""
    found: list[Json] = []
    while row.parent_id is not None and len(found) < _ANCESTORS_MAX:
        raw = connection.execute(SQL["find_instance"], (row.parent_id,)).fetchone()
        if raw is None:
            break
        row = instance_row(raw)
        found.append(
            {
                "instanceId": row.instance_id,
                "name": row.name,
                "status": status_name(row.status),
            }
        )
    return found[::-1]


async def _payloads(ask: Ask) -> Reply:
    instance_id = instance_id_of(ask)

    def read(connection: sqlite3.Connection) -> Reply:
        row = find(connection, instance_id)
        given, output = connection.execute(SQL["payloads_of"], (row.seq,)).fetchone()
        return reply({"input": given, "output": output, "customStatus": row.custom_status})

    return await ask.hub.read(read)


async def _history(ask: Ask) -> Reply:
    instance_id, execution_id = instance_id_of(ask), ask.path["executionId"]
    parameters: HistoryParameters = ask.parameters
    start = _position(parameters.cursor)

    def read(connection: sqlite3.Connection) -> Reply:
        history = History(connection, instance_id, execution_id)
        return _page(history, start, parameters)

    return await ask.hub.read(read)


def _page(history: History, start: Position, parameters: HistoryParameters) -> Reply:
    """Events until there are enough, or enough bytes; at least one, if there is one."""
    total, end = history.size(start)
    written: list[bytes] = []
    filled = 0
    behind = None
    for place, event in history.events(start):
        if len(written) == parameters.count or filled > PAGE_BYTES_MAX:
            behind = place
            break
        written.append(encoded(event_json(place.index, event, parameters.payload_chars)))
        filled += len(written[-1])
    rest = {
        "nextCursor": None if behind is None else _token(behind),
        "endCursor": _token(behind or end),
        "total": total,
    }
    return Reply(body=b'{"events":[' + b",".join(written) + b"]," + encoded(rest)[1:])


def _position(cursor: str | None) -> Position:
    read = position(cursor or "", (int, int, int), what="cursor")
    if read is None:
        return Position()
    if min(read) < 0:
        raise BadRequestError("Invalid cursor: it is of no history")
    return Position(index=read[0], turn=read[1], offset=read[2])


def _token(place: Position) -> str:
    return token(place.index, place.turn, place.offset).value


async def _event(ask: Ask) -> Reply:
    instance_id, execution_id = instance_id_of(ask), ask.path["executionId"]
    index = ask.path["index"]
    if not _INDEX.fullmatch(index):
        raise BadRequestError(f"The index of an event is a number from 0 (got {index[:80]!r})")

    def read(connection: sqlite3.Connection) -> Reply:
        event = History(connection, instance_id, execution_id).event(int(index))
        return reply(event_json(int(index), event, None))

    return await ask.hub.read(read)


def revision(ask: Ask) -> str:
    """What is committed in the hub."""
    return ask.hub.revision


OPERATIONS: Final = (
    Operation(
        method="GET",
        path=_PATH,
        name="getOrchestration",
        summary="One orchestration, with its ancestors and why it failed.",
        answer=_get,
        gives=replies.OrchestrationDetail,
        revision=revision,
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/payloads",
        name="getPayloads",
        summary="Input, output and custom status of an orchestration, whole.",
        answer=_payloads,
        gives=replies.Payloads,
        revision=revision,
    ),
    Operation(
        method="GET",
        path=_HISTORY,
        name="getHistory",
        summary="A page of an execution's history, oldest events first.",
        answer=_history,
        gives=replies.HistoryPage,
        parameters=HistoryParameters,
        revision=revision,
    ),
    Operation(
        method="GET",
        path=f"{_HISTORY}/{{index}}",
        name="getHistoryEvent",
        summary="One event of a history, whole.",
        answer=_event,
        gives=replies.HistoryEvent,
        revision=revision,
    ),
)
