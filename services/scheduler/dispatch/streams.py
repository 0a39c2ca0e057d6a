"""A worker's stream of work items: what it accepts, how much, and what it has."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from services.scheduler.bounds import DEFAULTS, Bounds
from services.scheduler.dispatch.items import Kind, Lease
from services.scheduler.dispatch.shelves import Shelf
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError

# For a worker that names no limit (JavaScript names none, and runs all that it is handed at once).
DEFAULT_LIMIT: Final = 100
# So many groups of answers are left to grow before a worker's usual number is believed,
_LEARNED_FROM: Final = 16
# and one of so many from then on; so many smaller ones running are taken for a change.
_PROBE_GROUPS: Final = 32
_MISSES_MAX: Final = 8

_Versions = frozenset[str]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which work of one kind a worker accepts: names, and for each the versions, none for any."""

    names: Mapping[str, _Versions]

    def accepts(self, name: str, version: str | None) -> bool:
        """Versions match exactly; what has none is `""`."""
        versions = self.names.get(name)
        return versions is not None and (not versions or (version or "") in versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a worker asks for when it connects."""

    limits: Mapping[Kind, int]
    filters: Mapping[Kind, Filter] | None
    worker_id: str = ""
    # Long histories are fetched by the worker, and not sent with the work item.
    streams_history: bool = False

    @classmethod
    def of(cls, request: pb.GetWorkItemsRequest, worker_id: str) -> "Terms":
        """Reads them; raises `BadRequestError` for a negative limit."""
        asked = {
            Kind.ORCHESTRATION: request.maxConcurrentOrchestrationWorkItems,
            Kind.ACTIVITY: request.maxConcurrentActivityWorkItems,
            Kind.ENTITY: request.maxConcurrentEntityWorkItems,
        }
        if min(asked.values()) < 0:
            raise BadRequestError("Concurrency limits must not be negative")
        return cls(
            limits={kind: limit or DEFAULT_LIMIT for kind, limit in asked.items()},
            filters=_filters_of(request) if request.HasField("workItemFilters") else None,
            worker_id=worker_id or request.worker_instance_id,
            streams_history=pb.WORKER_CAPABILITY_HISTORY_STREAMING in request.capabilities,
        )

    def within(self, limit: int) -> "Terms":
        """The same, with no more than so many items of a kind."""
        limits = {kind: min(asked, limit) for kind, asked in self.limits.items()}
        return replace(self, limits=limits)

    def accepts(self, kind: Kind, name: str, version: str | None) -> bool:
        """Whether work of this name may go to the worker."""
        return self.filters is None or self.filters[kind].accepts(name, version)


def _filters_of(request: pb.GetWorkItemsRequest) -> dict[Kind, Filter]:
    asked = request.workItemFilters
    return {
        Kind.ORCHESTRATION: _filter((f.name, f.versions) for f in asked.orchestrations),
        Kind.ACTIVITY: _filter((f.name, f.versions) for f in asked.activities),
        # Entity names are case-insensitive, and lower case in ids.
        Kind.ENTITY: _filter((f.name.lower(), ()) for f in asked.entities),
    }


def _filter(pairs: Iterable[tuple[str, Iterable[str]]]) -> Filter:
    names: dict[str, set[str]] = {}
    in_any_version: set[str] = set()
    for name, versions in pairs:
        accepted = set(versions)
        names.setdefault(name, set()).update(accepted)
        # None stands for any, and any is more than some.
        if not accepted:
            in_any_version.add(name)
    return Filter(
        {
            name: frozenset() if name in in_any_version else frozenset(versions)
            for name, versions in names.items()
        }
    )


class Answers:
    """Tells when a worker cannot go on before a commit: its threads wait for the replies.

    How many answers a worker has on their way at once is learned from the groups of commits.
    """

    def __init__(self) -> None:
        self._count = 0
        self._usual = 0
        self._groups = 0
        self._misses = 0

    def add(self, in_air: int) -> bool:
        """One more, of a worker that has so many items; whether no more is to be expected."""
        self._count += 1
        # At first, and now and then, it waits in vain, and learns how many there could be.
        learns = self._groups < _LEARNED_FROM or self._groups % _PROBE_GROUPS == 0
        return self._count >= in_air or (not learns and self._count >= self._usual)

    def commit(self, *, hurried: bool) -> None:
        """They are on the disk; if nobody hurried, then no more would have come."""
        if not self._count:
            return
        self._groups += 1
        if self._count >= self._usual:
            self._usual, self._misses = self._count, 0
        elif not hurried:
            self._misses += 1
            if self._misses == _MISSES_MAX:
                self._usual, self._misses = self._usual - 1, 0
        self._count = 0


class WorkerStream:
    """One connection of a worker, from its call to its end."""

    def __init__(
        self,
        terms: Terms,
        connected_at: datetime,
        write: Callable[[bytes], object],
        unread: Callable[[], int] = lambda: 0,
        bounds: Bounds = DEFAULTS,
    ) -> None:
        """`write` is given the bytes of each item at once, and in order.

        `unread` tells how many of them have not left yet: the worker does not read.
        """
        self.terms = terms.within(bounds.work_items_max)
        self._unread = unread
        self._unread_max = bounds.unread_bytes_max
        # Of turns and batches, which are remembered until they are answered;
        self._remembered = 0
        # the dispatcher gives each stream its share.
        self.remembered_max = bounds.work_item_bytes_max
        # By the wall clock, for people.
        self.connected_at = connected_at
        # By the loop's clock.
        self.since = asyncio.get_running_loop().time()
        self.leases: dict[str, Lease] = {}
        self.in_air = dict.fromkeys(Kind, 0)
        # Kept free for one work item that is delivered alone.
        self.reserved_for: tuple[Kind, int] | None = None
        self._answers = Answers()
        self.send = write
        self._closed = asyncio.Event()

    def room(self, kind: Kind) -> int:
        """How many more items of a kind it takes."""
        if self._unread() >= self._unread_max:
            return 0
        if kind is not Kind.ACTIVITY and self._remembered >= self.remembered_max:
            return 0
        return self.terms.limits[kind] - self.in_air[kind]

    def take(self, lease: Lease, payload: bytes) -> None:
        """Sends a work item."""
        self.leases[lease.token] = lease
        self.in_air[lease.work.kind] += 1
        if lease.work.kind is not Kind.ACTIVITY:
            self._remembered += lease.size
        self.send(payload)

    def give_back(self, lease: Lease) -> None:
        """An item that it no longer has."""
        if self.leases.pop(lease.token, None) is not None:
            self.in_air[lease.work.kind] -= 1
            if lease.work.kind is not Kind.ACTIVITY:
                self._remembered -= lease.size

    def answered(self) -> bool:
        """An activity is answered, uncommitted as yet; whether the worker waits for the commit."""
        return self._answers.add(self.in_air[Kind.ACTIVITY])

    def committed(self, *, hurried: bool) -> None:
        """What it has answered is on the disk; `hurried`: because some worker waited for that."""
        self._answers.commit(hurried=hurried)

    def close(self) -> None:
        """No more items: the stream ends."""
        self._closed.set()

    async def closed(self) -> None:
        """Waits until no more items come."""
        await self._closed.wait()


def roomiest(streams: Iterable[WorkerStream], kind: Kind, shelf: Shelf) -> WorkerStream | None:
    """The worker with the most room, so that equal workers share evenly."""
    best: WorkerStream | None = None
    most = 0
    for stream in streams:
        room = stream.room(kind)
        if room > most and stream.terms.accepts(kind, shelf.name, shelf.version):
            best, most = stream, room
    return best
