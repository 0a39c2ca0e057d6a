"""Lists of orchestrations, and the start of a new one."""

import sqlite3
from typing import Any, Final
from urllib.parse import quote

from services.scheduler.auth.identity import Access
from services.scheduler.clock import fresh_id
from services.scheduler.engine.events import stamp
from services.scheduler.engine.limits import PAGE_BYTES_MAX
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.engine.start import started_by
from services.scheduler.errors import BadRequestError
from services.scheduler.http import replies
from services.scheduler.http.asks import (
    START_INDEX_MAX,
    Extra,
    InstanceFilter,
    Pagination,
    QueryOrchestrations,
    StartOrchestration,
)
from services.scheduler.http.instances import revision
from services.scheduler.http.models import micros_of
from services.scheduler.http.operations import Ask, Operation, Reply, encoded, reply
from services.scheduler.http.payloads import stored_sizes
from services.scheduler.http.states import (
    LISTED_CHARS_MAX,
    Json,
    counts,
    failure_details,
    orchestration,
)
from services.scheduler.hub.cursors import position, token
from services.scheduler.store.filters import Filter, Key, Sort
from services.scheduler.store.listing import Listing, Page, Total
from services.scheduler.store.rows import instance_row
from services.scheduler.store.statements import SQL
from services.shared.payload_files import PayloadFiles

_NAMES_MAX: Final = 200
_PAYLOADS: Final = ("input", "output", "customStatus")
_PATH: Final = "/v1/taskhubs/orchestrations"


async def _query(ask: Ask) -> Reply:
    body: QueryOrchestrations = ask.body
    sort = _sort(body)
    after, skipped = _after(body.pagination, sort)
    asked = _filter(body.filter)

    def read(connection: sqlite3.Connection) -> Reply:
        return _List(connection, body, asked, sort, ask.hubs.payloads).reply(after, skipped)

    return await ask.hub.read(read)


class _List:
    """One page and what stands around it, read in one transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        body: QueryOrchestrations,
        asked: Filter,
        sort: Sort,
        files: PayloadFiles | None,
    ) -> None:
        self._connection = connection
        self._files = files
        self._size = body.pagination.count
        self._fields = frozenset(body.fields)
        self._filter = asked
        self._sort = sort
        self._listing = Listing(connection, asked, sort)

    def reply(self, after: Key | None, skipped: int) -> Reply:
        """The page so many rows after a key."""
        page = self._listing.page(after, skipped + self._size)
        rows, behind = self._rows(page, skipped)
        # Where it was looked for long enough before its first row, the next page skips the rest.
        left = max(skipped - len(page.keys), 0)
        cursor = None if behind is None else token(_label(self._sort), *behind, left).value
        numbers, _entities = counts(self._connection.execute(SQL["counts"]).fetchall())
        total = self._total(numbers)
        names = self._connection.execute(SQL["names"], {"limit": _NAMES_MAX})
        rest = {
            "totalCount": total.number,
            "totalIsExact": total.is_exact,
            "nextCursor": cursor,
            "counts": numbers,
            "names": [name for (name,) in names],
        }
        return Reply(body=b'{"orchestrations":[' + b",".join(rows) + b"]," + encoded(rest)[1:])

    def _rows(self, page: Page, skipped: int) -> tuple[list[bytes], Key | None]:
        """The rows, until there are enough bytes of them; and after which one to go on."""
        written: list[bytes] = []
        filled = 0
        last: Key | None = None
        for key in page.keys[skipped:]:
            if filled > PAGE_BYTES_MAX:
                return written, last
            raw = self._connection.execute(SQL["load_instance"], (key[-1],)).fetchone()
            written.append(encoded(self._row(raw)))
            filled += len(written[-1])
            last = key
        return written, page.after

    def _row(self, raw: tuple[Any, ...]) -> Json:
        row = instance_row(raw)
        document = orchestration(row)
        if row.custom_status is not None and Extra.CUSTOM_STATUS not in self._fields:
            document["customStatus"] = row.custom_status[:LISTED_CHARS_MAX]
        if self._fields & {Extra.INPUT, Extra.OUTPUT}:
            given = self._connection.execute(SQL["payloads_of"], (row.seq,)).fetchone()
            for extra, payload in zip((Extra.INPUT, Extra.OUTPUT), given, strict=True):
                if extra in self._fields:
                    document[extra.value] = payload
        if Extra.FAILURE_DETAILS in self._fields:
            document["failureDetails"] = failure_details(row.failure)
        payloads = {name: document.get(name) for name in _PAYLOADS}
        return document | stored_sizes(self._files, payloads)

    def _total(self, numbers: Json) -> Total:
        if not self._filter.is_counted:
            return self._listing.total()
        by_status = numbers["roots" if self._filter.roots_only else "all"]["byStatus"]
        statuses = self._filter.statuses
        shown = [n for name, n in by_status.items() if not statuses or _number(name) in statuses]
        return Total(number=sum(shown), is_exact=True)


def _number(name: str) -> int:
    return int(pb.OrchestrationStatus.Value(name))


def _sort(body: QueryOrchestrations) -> Sort:
    if not body.sort:
        return Sort()
    first = body.sort[0]
    return Sort(column=first.column, descending=first.direction == "DESCENDING_SORT")


def _label(sort: Sort) -> str:
    return f"{sort.column.value} {'DESCENDING' if sort.descending else 'ASCENDING'}"


def _after(asked: Pagination, sort: Sort) -> tuple[Key | None, int]:
    """Where a page begins: behind a key, and so many rows on.

    Raises `BadRequestError` for a cursor of another sort, or none of ours.
    """
    read = position(asked.cursor or "", (str, *sort.key_types, int), what="cursor")
    if read is None:
        return None, asked.start_index
    label, *key, skipped = read
    if label != _label(sort):
        raise BadRequestError(f"Invalid cursor: it belongs to the sort {label}")
    if not 0 <= skipped <= START_INDEX_MAX:
        raise BadRequestError("Invalid cursor: it is of no list")
    return tuple(key), skipped


def _filter(asked: InstanceFilter) -> Filter:
    return Filter(
        statuses=tuple(sorted({status.number for status in asked.statuses})),
        name=asked.name,
        prefix=asked.instance_id_prefix or None,
        created_from=micros_of(asked.created_from),
        created_to=micros_of(asked.created_to),
        updated_from=micros_of(asked.updated_from),
        updated_to=micros_of(asked.updated_to),
        parent_id=asked.parent_instance_id,
        roots_only=asked.hide_sub_orchestrations,
        instance_ids=None if asked.instance_ids is None else tuple(asked.instance_ids),
    )


async def _start(ask: Ask) -> Reply:
    body: StartOrchestration = ask.body
    request = pb.CreateInstanceRequest(
        instanceId=body.instance_id or fresh_id(),
        name=body.name,
        version=text(body.version),
        input=text(body.input),
        tags=body.tags,
    )
    if body.scheduled_start_at is not None:
        request.scheduledStartTimestamp.CopyFrom(stamp(body.scheduled_start_at))
    started_by(request, "")  # refuses what cannot start, while no hub is made for it
    started = ask.hub.hub.start(request)
    await ask.hub.hub.durable()
    location = f"{_PATH}/{quote(started.instanceId, safe='')}"
    return reply({"instanceId": started.instanceId}, Location=location)


def text(value: str | None) -> StringValue | None:
    """An optional text of the protocol."""
    return None if value is None else StringValue(value=value)


OPERATIONS: Final = (
    Operation(
        method="POST",
        path=f"{_PATH}/query",
        name="queryOrchestrations",
        access=Access.READ,
        summary="A page of orchestrations, with counts and names for filters.",
        takes=QueryOrchestrations,
        answer=_query,
        gives=replies.OrchestrationList,
        revision=revision,
    ),
    Operation(
        method="POST",
        path=_PATH,
        name="startOrchestration",
        access=Access.CHANGE,
        summary="Starts an orchestration, now or later.",
        takes=StartOrchestration,
        answer=_start,
        gives=replies.Started,
        status=201,
        makes_hub=True,
    ),
)
