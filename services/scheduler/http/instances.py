"""Reads of one orchestration instance: its state, its payloads, its history."""

import re
import sqlite3
from typing import Final

from services.scheduler.auth.identity import Access
from services.scheduler.engine.limits import PAGE_BYTES_MAX, check_instance_id
from services.scheduler.errors import BadRequestError
from services.scheduler.http import replies
from services.scheduler.http.asks import HistoryParameters
from services.scheduler.http.events import event_json
from services.scheduler.http.models import status_name
from services.scheduler.http.operations import Ask, Operation, Reply, encoded, reply
from services.scheduler.http.payloads import resolved, size_in, stored_sizes
from services.scheduler.http.states import Json, failure_details, orchestration
from services.scheduler.hub.cursors import position, token
from services.scheduler.hub.histories import History, Position, find
from services.scheduler.store.references import TOKEN_CHARS
from services.scheduler.store.rows import InstanceRow, instance_row
from services.scheduler.store.statements import SQL

_ANCESTORS_MAX: Final = 32
# Of a history, for one page, however little of it is shown: others are read meanwhile.
READ_BYTES_MAX: Final = 8 * 1024 * 1024
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

    def read(connection: sqlite3.Connection) -> tuple[Json, dict[str, str | None]]:
        row = find(connection, instance_id)
        document = _detail(connection, row)
        # Others may be large, and this is asked for again and again.
        are_small = TOKEN_CHARS in (document["inputBytes"], document["outputBytes"])
        payloads = payloads_of(connection, row) if are_small else {}
        return document, payloads | {"customStatus": row.custom_status}

    document, payloads = await ask.hub.read(read)
    return reply(document | stored_sizes(ask.hubs.payloads, payloads))


def payloads_of(connection: sqlite3.Connection, row: InstanceRow) -> dict[str, str | None]:
    """Input, output and custom status, as the hub has them."""
    given, output = connection.execute(SQL["payloads_of"], (row.seq,)).fetchone()
    return {"input": given, "output": output, "customStatus": row.custom_status}


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

    def read(connection: sqlite3.Connection) -> dict[str, str | None]:
        return payloads_of(connection, find(connection, instance_id))

    # Behind the transaction: a slow disk must not keep the log from shrinking.
    return reply(await resolved(ask.hubs.payloads, await ask.hub.read(read)))


async def _history(ask: Ask) -> Reply:
    instance_id, execution_id = instance_id_of(ask), ask.path["executionId"]
    start = _position(ask.parameters.cursor, execution_id)

    def read(connection: sqlite3.Connection) -> Reply:
        history = History(connection, instance_id, execution_id)
        return _page(history, start, ask)

    return await ask.hub.read(read)


def _page(history: History, start: Position, ask: Ask) -> Reply:
    """Events until there are enough, or enough bytes; at least one, if there is one."""
    parameters: HistoryParameters = ask.parameters
    total, end = history.size(start)
    written: list[bytes] = []
    filled = taken = 0
    behind = None
    size_of = size_in(ask.hubs.payloads)
    for place, size, event in history.events(start):
        is_full = filled > PAGE_BYTES_MAX or taken + size > READ_BYTES_MAX
        if len(written) == parameters.count or (written and is_full):
            behind = place
            break
        shown = event_json(place.index, event, parameters.payload_chars, size_of)
        written.append(encoded(shown))
        filled += len(written[-1])
        taken += size
    rest = {
        "nextCursor": None if behind is None else _token(behind, ask),
        "endCursor": _token(behind or end, ask),
        "total": total,
    }
    return Reply(body=b'{"events":[' + b",".join(written) + b"]," + encoded(rest)[1:])


def _position(cursor: str | None, execution_id: str) -> Position:
    read = position(cursor or "", (str, int, int, int, int), what="cursor")
    if read is None:
        return Position()
    owner, index, turn, offset, byte = read
    if owner != execution_id:
        raise BadRequestError(f"Invalid cursor: it belongs to the execution {owner[:80]!r}")
    if min(index, turn, offset, byte) < 0:
        raise BadRequestError("Invalid cursor: it is of no history")
    return Position(index=index, turn=turn, offset=offset, byte=byte)


def _token(place: Position, ask: Ask) -> str:
    owner = ask.path["executionId"]
    return token(owner, place.index, place.turn, place.offset, place.byte).value


async def _event(ask: Ask) -> Reply:
    instance_id, execution_id = instance_id_of(ask), ask.path["executionId"]
    index = ask.path["index"]
    if not _INDEX.fullmatch(index):
        raise BadRequestError(f"The index of an event is a number from 0 (got {index[:80]!r})")

    def read(connection: sqlite3.Connection) -> Reply:
        event = History(connection, instance_id, execution_id).event(int(index))
        return reply(event_json(int(index), event, None, size_in(ask.hubs.payloads)))

    return await ask.hub.read(read)


def revision(ask: Ask) -> str:
    """What is committed in the hub."""
    return ask.hub.revision


OPERATIONS: Final = (
    Operation(
        method="GET",
        path=_PATH,
        name="getOrchestration",
        access=Access.READ,
        summary="One orchestration, with its ancestors and why it failed.",
        answer=_get,
        gives=replies.OrchestrationDetail,
        revision=revision,
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/payloads",
        name="getPayloads",
        access=Access.READ,
        summary="Input, output and custom status of an orchestration, whole.",
        answer=_payloads,
        gives=replies.Payloads,
        # A file may vanish, or come back, while nothing happens in the hub.
        is_tagged_by_body=True,
    ),
    Operation(
        method="GET",
        path=_HISTORY,
        name="getHistory",
        access=Access.READ,
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
        access=Access.READ,
        summary="One event of a history, whole.",
        answer=_event,
        gives=replies.HistoryEvent,
        revision=revision,
    ),
)
