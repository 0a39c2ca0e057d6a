"""Gives ready work to workers that have room, and takes back what they cannot finish.

Leases live here, in memory, and are fenced by their token. Work whose deliveries keep ending
streams is set apart: delayed, delivered alone, and given up in the end.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from services.scheduler.bounds import DEFAULTS, Bounds
from services.scheduler.dispatch.ages import Ages
from services.scheduler.dispatch.asleep import Asleep, pause
from services.scheduler.dispatch.handfuls import Handfuls
from services.scheduler.dispatch.items import Kind, Lease, Work
from services.scheduler.dispatch.shelves import Shelves
from services.scheduler.dispatch.source import NoSource, Source
from services.scheduler.dispatch.streams import Terms, WorkerStream, roomiest
from services.scheduler.dispatch.suspects import (
    DELIVERIES_MAX,
    SUSPECT_DELIVERIES,
    Suspects,
    suspect_seconds,
)
from services.scheduler.errors import OverloadError

log = logging.getLogger(__name__)

# An abandoned item comes again after this time, twice that the next time, and so on.
_ABANDONED_SECONDS: Final = 0.1
_ABANDONED_SECONDS_MAX: Final = 5.0
_KINDS: Final = tuple(Kind)
# An order is a rank and, behind it, a number that no other item has.
_RANK_BITS: Final = 40


class Dispatcher:
    """The work items of one hub.

    `pump` must run only when all that was offered is on the disk, `pump_turns` only right before it
    is written there.
    """

    def __init__(self, *, run_id: str, bounds: Bounds = DEFAULTS) -> None:
        self._bounds = bounds
        self._source: Source = NoSource()
        self._run_id = run_id
        self.shelves = Shelves()
        self._streams: list[WorkerStream] = []
        self._suspects = Suspects(self._pump_when_durable)
        self._handfuls = Handfuls(self._pump_when_durable)
        self._leases: dict[str, Lease] = {}
        self._leased: dict[tuple[Kind, int], str] = {}
        self._asleep = Asleep(self._place, self._pump_when_durable)
        self._abandoned: dict[tuple[Kind, int], int] = {}
        self._unreadable: dict[tuple[Kind, int], int] = {}
        self._count = 0
        self._order = 0
        self._ages = Ages()
        # Of instances that have had activities: where their first one stood.
        self._ranks: dict[int, int] = {}
        self._stopped = False
        # Set once, after `pause`, all that workers have has been answered or given back.
        self.drained = asyncio.Event()

    def serve(self, source: Source) -> None:
        """Where work comes from."""
        self._source = source

    # Work

    def offer(self, work: Work) -> None:
        """Makes work ready, unless it is ready, set apart, asleep or leased already.

        The oldest goes first. An activity is as old as the first one of its execution: who is
        about to be done does not start again at the end of the queue for a retry or a next step.
        """
        key = work.key
        if key in self._leased or key in self._asleep:
            return
        if key in self.shelves:
            self.shelves.rename(work)
            return
        if key in self._suspects:
            return
        self._order += 1
        self._ages.note(self._order, asyncio.get_running_loop().time())
        rank = self._order
        if work.kind is Kind.ACTIVITY:
            rank = self._ranks.setdefault(work.instance, rank)
        self._place(work, (rank << _RANK_BITS) + self._order)

    def offer_all(self, works: Iterable[Work]) -> None:
        """Makes work ready, in this order."""
        for work in works:
            self.offer(work)

    def forget_rank(self, instance: int) -> None:
        """An execution has ended: what comes of this instance from now on is new."""
        self._ranks.pop(instance, None)

    def withdraw(self, kind: Kind, seq: int) -> None:
        """Work that is no more. Who has it may answer; nobody will listen."""
        key = (kind, seq)
        self.shelves.withdraw(key)
        self._leased.pop(key, None)
        self._abandoned.pop(key, None)
        self._unreadable.pop(key, None)
        self._suspects.withdraw(key)
        self._asleep.withdraw(key)
        for stream in self._streams:
            # Kept free for what will not come, it would never be given anything again.
            if stream.reserved_for == key:
                stream.reserved_for = None

    def _place(self, work: Work, order: int) -> None:
        if work.deliveries >= SUSPECT_DELIVERIES:
            self._suspects.put(work, order)
        else:
            self.shelves.put(work, order)

    # Leases

    def is_leased(self, kind: Kind, seq: int) -> bool:
        """Whether some worker has it now."""
        return (kind, seq) in self._leased

    def is_current(self, lease: Lease) -> bool:
        """Whether its work is still there to be done."""
        return self._leased.get(lease.work.key) == lease.token

    def complete(self, token: str) -> Lease | None:
        """Ends the lease of an answer; None for one that has ended, or never was."""
        lease = self._end(token)
        if lease is None:
            return None
        self._abandoned.pop(lease.work.key, None)
        self._unreadable.pop(lease.work.key, None)
        return lease

    def abandon(self, token: str) -> None:
        """A worker does not want it: another one may, after a while."""
        lease = self._end(token)
        if lease is not None:
            self._sleep(lease, self._abandoned)

    def give_back(self, token: str) -> int:
        """An answer that cannot be read; gives how many there have been of this item, running."""
        lease = self._end(token)
        if lease is None:
            return 0
        self._sleep(lease, self._unreadable)
        return self._unreadable[lease.work.key]

    def lease_of(self, token: str) -> Lease | None:
        """A lease that has not ended."""
        return self._leases.get(token)

    def _end(self, token: str) -> Lease | None:
        lease = self._leases.pop(token, None)
        if lease is None:
            return None
        self._look_if_drained()
        lease.stream.give_back(lease)
        if lease.stream.reserved_for == lease.work.key:
            lease.stream.reserved_for = None
        if self._leased.get(lease.work.key) != token:
            return None
        del self._leased[lease.work.key]
        return lease

    def _sleep(self, lease: Lease, counts: dict[tuple[Kind, int], int]) -> None:
        key = lease.work.key
        before = counts.get(key, 0)
        counts[key] = before + 1
        seconds = pause(_ABANDONED_SECONDS, before, _ABANDONED_SECONDS_MAX)
        self._asleep.put(lease.work, lease.order, seconds)

    def _pump_when_durable(self) -> None:
        self._source.pump_when_durable()

    # Streams

    def check_room(self) -> None:
        """Raises `OverloadError` where no more workers may connect."""
        bound = self._bounds.workers_max
        if len(self._streams) >= bound:
            text = "Too many workers are connected to this task hub"
            raise OverloadError(text, "workers_max", bound)

    def connect(
        self,
        terms: Terms,
        now: datetime,
        write: Callable[[bytes], object],
        unread: Callable[[], int] = lambda: 0,
    ) -> WorkerStream:
        """A worker's new stream; `write` sends it bytes, `unread` says how many are not sent yet.

        Raises `OverloadError` where no more workers may connect.
        """
        self.check_room()
        stream = WorkerStream(terms, now, write, unread, self._bounds)
        if self._stopped:
            stream.close()
        self._streams.append(stream)
        self._share()
        self.shelves.look_again()
        return stream

    def disconnect(self, stream: WorkerStream) -> None:
        """Gives back at once all that a stream has not answered."""
        if stream in self._streams:
            self._streams.remove(stream)
            self._share()
        lost = [lease for lease in list(stream.leases.values()) if self._end(lease.token)]
        if not lost or self._stopped:
            return
        self._source.count_deliveries(lease.work for lease in lost)
        for lease in lost:
            self._again(lease)

    def _share(self) -> None:
        """No worker may hold what others are to be given."""
        # One item is always given, however many there are.
        share = max(1, self._bounds.work_item_bytes_max // max(len(self._streams), 1))
        for stream in self._streams:
            stream.remembered_max = share

    def _again(self, lease: Lease) -> None:
        work = replace(lease.work, deliveries=lease.work.deliveries + 1)
        if work.deliveries >= DELIVERIES_MAX:
            self._source.give_up(work, lease.size)
        elif work.deliveries >= SUSPECT_DELIVERIES:
            seconds = suspect_seconds(work)
            log.warning(
                "%s %s of %d bytes ended its stream %d times running; it waits %.1f s",
                work.kind.name.lower(),
                work.name,
                lease.size,
                work.deliveries,
                seconds,
            )
            self._asleep.put(work, lease.order, seconds)
        else:
            self._place(work, lease.order)

    def pause(self) -> None:
        """Gives no more work; streams stay, answers are taken."""
        self._stopped = True
        self._look_if_drained()

    def _look_if_drained(self) -> None:
        if self._stopped and not self._leases:
            self.drained.set()

    def stop(self) -> None:
        """Ends the streams."""
        self._stopped = True
        self._asleep.stop()
        self._suspects.stop()
        self._handfuls.stop()
        for stream in self._streams:
            stream.close()

    def answered(self, token: str) -> bool:
        """An activity is answered, uncommitted as yet; whether its worker waits for the commit."""
        lease = self._leases.get(token)
        return lease is not None and lease.stream.answered()

    def committed(self, *, hurried: bool) -> None:
        """What workers have answered is on the disk; `hurried`: some worker waited for that."""
        for stream in self._streams:
            stream.committed(hurried=hurried)

    # Counts

    @property
    def streams(self) -> tuple[WorkerStream, ...]:
        """The streams that are open."""
        return tuple(self._streams)

    @property
    def leases(self) -> int:
        """How many answers are to be expected."""
        return len(self._leases)

    def waiting(self) -> dict[Kind, int]:
        """How much work is ready or asleep, by kind."""
        counts = self.shelves.count()
        for work in (*self._asleep, *self._suspects):
            counts[work.kind] += 1
        return counts

    def ages(self) -> dict[Kind, float]:
        """How long the oldest ready work has waited, in seconds, by kind; 0 where none waits."""
        now = asyncio.get_running_loop().time()
        orders = {kind: self.shelves.longest_ready(kind) % (1 << _RANK_BITS) for kind in Kind}
        return {kind: self._ages.age(order, now) for kind, order in orders.items()}

    def waiting_names(self) -> dict[tuple[Kind, str, str | None], int]:
        """How much work is ready or asleep, by kind, name and version."""
        counts = self.shelves.names()
        for work in (*self._asleep, *self._suspects):
            counts[work.kind, work.name, work.version] += 1
        return counts

    def in_air(self) -> dict[Kind, int]:
        """How much work is with workers, by kind."""
        counts = dict.fromkeys(Kind, 0)
        for stream in self._streams:
            for kind, number in stream.in_air.items():
                counts[kind] += number
        return counts

    # Pump

    def pump(self) -> None:
        """Gives out what can be given."""
        if self._stopped or not self._streams:
            return
        for work, order, stream in self._suspects.due(self._streams):
            self._give(work, order, stream)
        for kind in _KINDS:
            self._pump_kind(kind)

    def pump_turns(self) -> None:
        """Gives out turns of orchestrations, while what they depend on is being written.

        An orchestrator does nothing to the world, and its answer is taken after that commit, or
        never: nothing is seen of a turn that should not have been. Activities and entities act.
        """
        if not self._stopped and self._streams:
            self._pump_kind(Kind.ORCHESTRATION)

    def _pump_kind(self, kind: Kind) -> None:
        taking = [s for s in self._streams if s.reserved_for is None and s.room(kind) > 0]
        shelves = self.shelves
        if kind is Kind.ACTIVITY and taking and shelves.ready(kind):
            taking = self._handfuls.taking(taking)
        passed = []
        try:
            while taking and (shelf := shelves.next(kind)) is not None:
                stream = roomiest(taking, kind, shelf)
                if stream is not None:
                    order, work = shelves.pop(shelf)
                    shelves.put_back(shelf)
                    self._give(work, order, stream)
                    if stream.room(kind) <= 0:
                        taking.remove(stream)
                elif any(s.terms.accepts(kind, shelf.name, shelf.version) for s in self._streams):
                    # Room only shrinks while we give: this shelf is done.
                    passed.append(shelf)
                else:
                    shelves.set_aside(shelf)
        finally:
            for shelf in passed:
                shelves.put_back(shelf)

    def _give(self, work: Work, order: int, stream: WorkerStream) -> None:
        self._count += 1
        token = f"{work.kind[0]}{work.instance}.{work.seq}-{self._run_id}-{self._count}"
        prepared = self._source.prepare(work, token, stream.terms)
        if prepared is None:
            if stream.reserved_for == work.key:
                stream.reserved_for = None
            return
        lease = Lease(
            token=token,
            work=work,
            order=order,
            since=asyncio.get_running_loop().time(),
            stream=stream,
            size=len(prepared.payload),
            memo=prepared.memo,
        )
        self._leases[token] = lease
        self._leased[work.key] = token
        stream.take(lease, prepared.payload)
