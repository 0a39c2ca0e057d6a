"""Ready work, oldest first, on one shelf per kind, name and version: what workers choose by.

Shelves queue by their oldest item, so that giving one item costs the same however many names there
are. A shelf that no worker accepts is set aside, until `look_again`.
"""

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field

from services.scheduler.dispatch.items import Kind, Work

ShelfKey = tuple[str, str | None]
# Order, seq, and the item. A wide fan-out makes very many of them: one object, wherever it stands.
Entry = tuple[int, int, Work]


@dataclass(slots=True, eq=False)
class Shelf:
    """Work that no filter tells apart. Entries that have been withdrawn stay until they surface."""

    kind: Kind
    name: str
    version: str | None
    # In order, as work is mostly put,
    fresh: deque[Entry] = field(default_factory=deque)
    # and a heap of what came back: order, a number to tell equals apart, and the entry.
    returned: list[tuple[int, int, Entry]] = field(default_factory=list)
    # Under which order it stands in the queue: any other entry there is an old one.
    queued: int | None = None
    is_aside: bool = False
    # Entries that have not been withdrawn.
    ready: int = 0


class Shelves:
    """All ready work of a hub. An item is on one shelf, once."""

    def __init__(self) -> None:
        self._ready: dict[Kind, dict[int, Entry]] = {kind: {} for kind in Kind}
        self._shelves: dict[Kind, dict[ShelfKey, Shelf]] = {kind: {} for kind in Kind}
        # Order of the head, a number to tell equals apart, and the shelf.
        self._queues: dict[Kind, list[tuple[int, int, Shelf]]] = {kind: [] for kind in Kind}
        self._aside: dict[tuple[Kind, ShelfKey], Shelf] = {}
        self._entries = 0

    def __contains__(self, key: tuple[Kind, int]) -> bool:
        return key[1] in self._ready[key[0]]

    def ready(self, kind: Kind) -> int:
        """How much waits of one kind."""
        return len(self._ready[kind])

    def count(self) -> dict[Kind, int]:
        """How much waits, by kind."""
        return {
            kind: sum(shelf.ready for shelf in shelves.values())
            for kind, shelves in self._shelves.items()
        }

    def names(self) -> Counter[tuple[Kind, str, str | None]]:
        """How much waits, by kind, name and version."""
        return Counter(
            {
                (kind, *key): shelf.ready
                for kind, shelves in self._shelves.items()
                for key, shelf in shelves.items()
                if shelf.ready
            }
        )

    def longest_ready(self, kind: Kind) -> int:
        """The order of what has stood here the longest, the next to go or not; 0 for nothing."""
        entry = next(iter(self._ready[kind].values()), None)
        return 0 if entry is None else entry[0]

    def put(self, work: Work, order: int) -> None:
        """Makes an item ready; the lower its order, the sooner it goes."""
        kind = work.kind
        entry = self._ready[kind][work.seq] = (order, work.seq, work)
        shelves = self._shelves[kind]
        key = (work.name, work.version)
        shelf = shelves.get(key)
        if shelf is None:
            shelf = shelves[key] = Shelf(kind, work.name, work.version)
        shelf.ready += 1
        if not shelf.fresh or order > shelf.fresh[-1][0]:
            shelf.fresh.append(entry)
        else:
            self._entries += 1
            heapq.heappush(shelf.returned, (order, self._entries, entry))
        if not shelf.is_aside and (shelf.queued is None or order < shelf.queued):
            self._queue(shelf, order)

    def rename(self, work: Work) -> None:
        """Keeps an item's place under what it is called now."""
        order, _seq, before = self._ready[work.kind][work.seq]
        if (before.name, before.version) != (work.name, work.version):
            self._shelves[work.kind][before.name, before.version].ready -= 1
            self.put(work, order)

    def withdraw(self, key: tuple[Kind, int]) -> None:
        """Takes an item back, if it is there."""
        kind = key[0]
        entry = self._ready[kind].pop(key[1], None)
        if entry is None:
            return
        work = entry[2]
        name = (work.name, work.version)
        self._shelves[kind][name].ready -= 1
        shelf = self._aside.get((kind, name))
        if shelf is not None and self.head(shelf) is None:
            # Nobody may ever look again.
            del self._aside[kind, name]
            del self._shelves[kind][name]

    def next(self, kind: Kind) -> Shelf | None:
        """The shelf with the oldest item, out of the queue until `put_back` or `set_aside`."""
        queue = self._queues[kind]
        while queue:
            order, _number, shelf = heapq.heappop(queue)
            if shelf.queued != order:
                continue
            shelf.queued = None
            if self.head(shelf) == order:
                return shelf
            self.put_back(shelf)
        return None

    def put_back(self, shelf: Shelf) -> None:
        """Queues a shelf by what is its oldest item now."""
        head = self.head(shelf)
        if head is not None:
            self._queue(shelf, head)
        else:
            # Names come and go: an empty shelf is not kept.
            self._shelves[shelf.kind].pop((shelf.name, shelf.version), None)

    def set_aside(self, shelf: Shelf) -> None:
        """Nobody accepts it."""
        shelf.is_aside = True
        self._aside[shelf.kind, (shelf.name, shelf.version)] = shelf

    def look_again(self) -> None:
        """Somebody may accept now what nobody did."""
        aside, self._aside = self._aside, {}
        for shelf in aside.values():
            shelf.is_aside = False
            self.put_back(shelf)

    def pop(self, shelf: Shelf) -> tuple[int, Work]:
        """The oldest item of a shelf that holds something, with its order."""
        fresh, returned = self._fronts(shelf)
        if fresh is not None and (returned is None or fresh[0] < returned[0]):
            order, seq, work = shelf.fresh.popleft()
        else:
            _order, _number, (order, seq, work) = heapq.heappop(shelf.returned)
        shelf.ready -= 1
        del self._ready[shelf.kind][seq]
        return order, work

    def head(self, shelf: Shelf) -> int | None:
        """The order of a shelf's oldest item; None where it is empty."""
        return min((front[0] for front in self._fronts(shelf) if front is not None), default=None)

    def _fronts(self, shelf: Shelf) -> tuple[Entry | None, Entry | None]:
        """The oldest of both sorts. Entries that are no longer the item's own are let go of."""
        ready, fresh, returned = self._ready[shelf.kind], shelf.fresh, shelf.returned
        while fresh and ready.get(fresh[0][1]) is not fresh[0]:
            fresh.popleft()
        while returned and ready.get(returned[0][2][1]) is not returned[0][2]:
            heapq.heappop(returned)
        return fresh[0] if fresh else None, returned[0][2] if returned else None

    def _queue(self, shelf: Shelf, order: int) -> None:
        shelf.queued = order
        self._entries += 1
        heapq.heappush(self._queues[shelf.kind], (order, self._entries, shelf))
