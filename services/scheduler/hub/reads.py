"""Queries: what is read on read-only connections, a page at a time."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, TypeVar

from services.scheduler.engine.limits import PAGE_BYTES_MAX
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, InstanceNotFoundError
from services.scheduler.hub.cursors import page_size, position, token
from services.scheduler.hub.states import entity_metadata, micros_of, orchestration_state
from services.scheduler.hub.wire import events_in
from services.scheduler.store.rows import entity_row, instance_row
from services.scheduler.store.statements import SQL

# A chunk of a history, of several turns: small beside any client's limit.
_CHUNK_BYTES: Final = 256 * 1024
_TURNS_A_READ: Final = 256
_STATUSES_MAX: Final = 100
T = TypeVar("T")
Query = Callable[[sqlite3.Connection], T]


def query_instances(request: pb.QueryInstancesRequest) -> Query[pb.QueryInstancesResponse]:
    """Instances in the order of their creation."""
    query = request.query
    size = page_size(query.maxInstanceCount)
    after = position(query.continuationToken.value, (int,))
    values = {
        "after": after[0] if after else 0,
        "created_from": _micros(query, "createdTimeFrom"),
        "created_to": _micros(query, "createdTimeTo"),
        "statuses": _statuses(query.runtimeStatus),
        "prefix": query.instanceIdPrefix.value or None,
        "limit": size + 1,
    }
    full = query.fetchInputsAndOutputs

    def read(connection: sqlite3.Connection) -> pb.QueryInstancesResponse:
        response = pb.QueryInstancesResponse()
        filled = 0
        last = 0
        for raw in connection.execute(SQL["query_instances"], values):
            row = instance_row(raw)
            payloads = None
            if full:
                payloads = connection.execute(SQL["payloads_of"], (row.seq,)).fetchone()
            state = orchestration_state(row, payloads)
            filled += state.ByteSize()
            states = response.orchestrationState
            if len(states) == size or (states and filled > PAGE_BYTES_MAX):
                response.continuationToken.CopyFrom(token(last))
                break
            states.append(state)
            last = row.seq
        return response

    return read


def list_instance_ids(request: pb.ListInstanceIdsRequest) -> Query[pb.ListInstanceIdsResponse]:
    """Ids of instances that have ended, in the order of their ends."""
    size = page_size(request.pageSize)
    after = position(request.lastInstanceKey.value, (int, str)) or [-1, ""]
    values = {
        "after_time": after[0],
        "after_id": after[1],
        "completed_from": _micros(request, "completedTimeFrom"),
        "completed_to": _micros(request, "completedTimeTo"),
        "statuses": _statuses(request.runtimeStatus),
        "limit": size + 1,
    }

    def read(connection: sqlite3.Connection) -> pb.ListInstanceIdsResponse:
        rows = connection.execute(SQL["list_completed"], values).fetchall()
        page = rows[:size]
        return pb.ListInstanceIdsResponse(
            instanceIds=[instance_id for _completed_at, instance_id in page],
            lastInstanceKey=token(*page[-1]) if len(rows) > size else None,
        )

    return read


def query_entities(request: pb.QueryEntitiesRequest) -> Query[pb.QueryEntitiesResponse]:
    """Entities in the order of their ids; those that hold no state only where asked for."""
    query = request.query
    size = page_size(query.pageSize.value)
    after = position(query.continuationToken.value, (str,))
    values = {
        "after": after[0] if after else "",
        "prefix": query.instanceIdStartsWith.value or None,
        "modified_from": _micros(query, "lastModifiedFrom"),
        "modified_to": _micros(query, "lastModifiedTo"),
        "transient": query.includeTransient,
        "limit": size + 1,
    }

    def read(connection: sqlite3.Connection) -> pb.QueryEntitiesResponse:
        response = pb.QueryEntitiesResponse()
        filled = 0
        for raw in connection.execute(SQL["query_entities"], values):
            entity = entity_metadata(entity_row(raw), include_state=query.includeState)
            filled += entity.ByteSize()
            entities = response.entities
            if len(entities) == size or (entities and filled > PAGE_BYTES_MAX):
                response.continuationToken.CopyFrom(token(entities[-1].instanceId))
                break
            entities.append(entity)
        return response

    return read


def find_history(request: pb.StreamInstanceHistoryRequest) -> Query[int]:
    """The incarnation whose history is asked for; raises `InstanceNotFoundError`."""

    def read(connection: sqlite3.Connection) -> int:
        raw = connection.execute(SQL["find_instance"], (request.instanceId,)).fetchone()
        row = None if raw is None else instance_row(raw)
        if row is None or request.executionId.value not in ("", row.execution_id):
            raise InstanceNotFoundError(request.instanceId)
        return row.seq

    return read


def history_page(instance: int, after: int) -> Query[tuple[list[pb.HistoryChunk], int | None]]:
    """Chunks of a history after a turn, and the turn to go on after; None at the end."""

    def read(connection: sqlite3.Connection) -> tuple[list[pb.HistoryChunk], int | None]:
        cursor = connection.execute(SQL["history_after"], (instance, after, _TURNS_A_READ))
        chunks: list[pb.HistoryChunk] = []
        last = None
        size = 0
        for turn, _events, blob in cursor:
            chunks.extend(_cut(events_in(blob)))
            last = turn
            size += len(blob)
            if size > PAGE_BYTES_MAX:
                break
        return chunks, last

    return read


def _cut(events: Iterable[pb.HistoryEvent]) -> Iterable[pb.HistoryChunk]:
    chunk = pb.HistoryChunk()
    size = 0
    for event in events:
        chunk.events.append(event)
        size += event.ByteSize()
        if size > _CHUNK_BYTES:
            yield chunk
            chunk = pb.HistoryChunk()
            size = 0
    if chunk.events:
        yield chunk


def check_statuses(statuses: Collection[int]) -> None:
    """Raises `BadRequestError` for a number that is no status, or for far too many."""
    if len(statuses) > _STATUSES_MAX:
        raise BadRequestError(f"A filter must name at most {_STATUSES_MAX} statuses")
    known = set(pb.OrchestrationStatus.values())
    unknown = [status for status in statuses if status not in known]
    if unknown:
        raise BadRequestError(f"Unknown orchestration status: {unknown[0]}")


def _statuses(statuses: Collection[int]) -> str | None:
    check_statuses(statuses)
    return json.dumps([int(status) for status in statuses]) if statuses else None


def _micros(message: Any, field: str) -> int | None:  # noqa: ANN401 - any request with a range
    return micros_of(getattr(message, field)) if message.HasField(field) else None


def purge_filter(asked: pb.PurgeInstanceFilter) -> dict[str, Any]:
    """What a filter asks to be purged, as the statement wants it."""
    return {
        "created_from": _micros(asked, "createdTimeFrom"),
        "created_to": _micros(asked, "createdTimeTo"),
        "statuses": _statuses(asked.runtimeStatus),
    }
