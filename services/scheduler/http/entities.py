"""Entities: lists, one of them with its queue, and signals."""

import sqlite3
from typing import Any, Final

from services.scheduler.auth.identity import Access
from services.scheduler.engine.limits import PAGE_BYTES_MAX, check_entity_id, check_signal
from services.scheduler.engine.protos import pb
from services.scheduler.errors import NotFoundError
from services.scheduler.http import replies
from services.scheduler.http.asks import EntityFilter, QueryEntities, SignalEntity
from services.scheduler.http.instances import revision
from services.scheduler.http.models import micros_of
from services.scheduler.http.operations import Ask, Operation, Reply, encoded, reply
from services.scheduler.http.orchestrations import text
from services.scheduler.http.payloads import stored_sizes
from services.scheduler.http.states import Json, counts, time_of
from services.scheduler.hub.cursors import position, token
from services.scheduler.store.entity_listing import EntityListing, EntitySelection
from services.scheduler.store.rows import entity_row
from services.scheduler.store.statements import SQL
from services.shared.payload_files import PayloadFiles

_PATH: Final = "/v1/taskhubs/entities"
_QUEUE_SHOWN_MAX: Final = 100
_BYTES_AT: Final = 8


async def _query(ask: Ask) -> Reply:
    body: QueryEntities = ask.body
    (after,) = position(body.pagination.cursor or "", (str,), what="cursor") or ("",)
    size, full = body.pagination.count, "state" in body.fields
    selected = _selection(body.filter)

    def read(connection: sqlite3.Connection) -> Reply:
        listing = EntityListing(connection, selected)
        page = listing.page(after, size, full=full, bytes_max=PAGE_BYTES_MAX)
        written = [encoded(_listed(row, ask.hubs.payloads, full=full)) for row in page.rows]
        rest = {
            "nextCursor": None if page.after is None else token(page.after).value,
            **_total(connection, listing, selected),
        }
        return Reply(body=b'{"entities":[' + b",".join(written) + b"]," + encoded(rest)[1:])

    return await ask.hub.read(read)


def _selection(asked: EntityFilter) -> EntitySelection:
    return EntitySelection(
        prefix=asked.instance_id_prefix or "",
        modified_from=micros_of(asked.modified_from),
        modified_to=micros_of(asked.modified_to),
        transient=asked.include_transient,
    )


def _total(connection: sqlite3.Connection, listing: EntityListing, asked: EntitySelection) -> Json:
    if asked == EntitySelection():
        _numbers, entities = counts(connection.execute(SQL["counts"]).fetchall())
        return {"totalCount": entities, "totalIsExact": True}
    total = listing.total()
    return {"totalCount": total.number, "totalIsExact": total.is_exact}


def _entity(raw: tuple[Any, ...]) -> Json:
    row = entity_row(raw)
    name, _separator, key = row.entity.entity_id[1:].partition("@")
    return {
        "instanceId": row.entity.entity_id,
        "name": name,
        "key": key,
        "lastModifiedAt": time_of(row.modified_at),
        "backlogQueueSize": row.backlog,
        "lockedBy": row.entity.owner,
        "stateBytes": raw[_BYTES_AT],
    }


def _listed(raw: tuple[Any, ...], files: PayloadFiles | None, *, full: bool) -> Json:
    if not full:
        return _entity(raw)
    state = {"state": raw[2]}
    return {**_entity(raw), **state, **stored_sizes(files, state)}


def _entity_id(ask: Ask) -> str:
    entity_id = ask.path["instanceId"]
    check_entity_id(entity_id)
    return entity_id


async def _get(ask: Ask) -> Reply:
    entity_id = _entity_id(ask)

    def read(connection: sqlite3.Connection) -> Reply:
        raw = connection.execute(SQL["find_listed_entity"], (entity_id,)).fetchone()
        if raw is None:
            raise NotFoundError(f"Entity not found: {entity_id}")
        limit = (raw[0], _QUEUE_SHOWN_MAX)
        queue = connection.execute(SQL["load_operations"], limit).fetchall()
        shown = [_queued(pb.HistoryEvent.FromString(blob)) for _seq, _section, blob in queue]
        return reply({**_listed(raw, ask.hubs.payloads, full=True), "queue": shown})

    return await ask.hub.read(read)


def _queued(event: pb.HistoryEvent) -> Json:
    if event.HasField("entityLockRequested"):
        lock = event.entityLockRequested
        return {
            "operation": None,
            "isLockRequest": True,
            "requestId": lock.criticalSectionId,
            "callerInstanceId": lock.parentInstanceId.value or None,
        }
    called = event.HasField("entityOperationCalled")
    sent = event.entityOperationCalled if called else event.entityOperationSignaled
    return {
        "operation": sent.operation,
        "isLockRequest": False,
        "requestId": sent.requestId,
        "callerInstanceId": (event.entityOperationCalled.parentInstanceId.value or None)
        if called
        else None,
    }


async def _signal(ask: Ask) -> Reply:
    body: SignalEntity = ask.body
    entity_id = _entity_id(ask)
    request = pb.SignalEntityRequest(
        instanceId=entity_id, name=body.operation, input=text(body.input)
    )
    check_signal(request)
    ask.hub.hub.signal_entity(request)
    await ask.hub.hub.durable()
    return reply({"instanceId": entity_id})


OPERATIONS: Final = (
    Operation(
        method="POST",
        path=f"{_PATH}/query",
        name="queryEntities",
        access=Access.READ,
        summary="A page of entities, in the order of their ids.",
        takes=QueryEntities,
        answer=_query,
        gives=replies.EntityList,
        revision=revision,
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/{{instanceId}}",
        name="getEntity",
        access=Access.READ,
        summary="One entity, with its state and the head of its queue.",
        answer=_get,
        gives=replies.EntityDetail,
        revision=revision,
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/{{instanceId}}/signal",
        name="signalEntity",
        access=Access.CHANGE,
        summary="Queues an operation that nobody waits for.",
        takes=SignalEntity,
        answer=_signal,
        gives=replies.Signaled,
        status=202,
        makes_hub=True,
    ),
)
