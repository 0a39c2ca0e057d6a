"""Ready work, oldest first, on one shelf per kind, name and version: what workers choose by."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.scheduler.dispatch.items import Kind, Work

ShelfKey = tuple[str, str | None]


@dataclass(slots=True)
class Shelf:
    """Work that no filter tells apart. Entries that have been withdrawn stay until they surface."""

    kind: Kind
    name: str
    version: str | None
    heap: list[tuple[int, int]] = field(default_factory=list)  # order, seq


class Shelves:
    """All ready work of a hub. An item is on one shelf, once."""

    def __init__(self) -> None:
        self._ready: dict[tuple[Kind, int], tuple[int, Work]] = {}
        self._shelves: dict[Kind, dict[ShelfKey, Shelf]] = {kind: {} for kind in Kind}

    def __contains__(self, key: tuple[Kind, int]) -> bool:
        return key in self._ready

    def count(self) -> dict[Kind, int]:
        """How much waits, by kind."""
        counts = dict.fromkeys(Kind, 0)
        for kind, _seq in self._ready:
            counts[kind] += 1
        return counts

    def put(self, work: Work, order: int) -> None:
        """Makes an item ready; the lower its order, the sooner it goes."""
        self._ready[work.key] = (order, work)
        shelves = self._shelves[work.kind]
        key = (work.name, work.version)
        shelf = shelves.get(key)
        if shelf is None:
            shelf = shelves[key] = Shelf(work.kind, work.name, work.version)
        heapq.heappush(shelf.heap, (order, work.seq))

    def rename(self, work: Work) -> None:
        """Keeps an item's place under what it is called now."""
        order, before = self._ready[work.key]
        if (before.name, before.version) != (work.name, work.version):
            self.put(work, order)

    def withdraw(self, key: tuple[Kind, int]) -> None:
        """Takes an item back, if it is there."""
        self._ready.pop(key, None)

    def heads(self, kind: Kind) -> Iterator[tuple[int, Shelf]]:
        """The shelves of a kind that hold something, with the order of their oldest item."""
        shelves = self._shelves[kind]
        for key in list(shelves):
            shelf = shelves[key]
            head = self.head(shelf)
            if head is None:
                # Names come and go: an empty shelf is not kept.
                del shelves[key]
            else:
                yield head, shelf

    def pop(self, shelf: Shelf) -> tuple[int, Work]:
        """The oldest item of a shelf that holds something, with its order."""
        _order, seq = heapq.heappop(shelf.heap)
        return self._ready.pop((shelf.kind, seq))

    def head(self, shelf: Shelf) -> int | None:
        """The order of a shelf's oldest item; None where it is empty."""
        heap = shelf.heap
        while heap:
            order, seq = heap[0]
            entry = self._ready.get((shelf.kind, seq))
            if (
                entry is not None
                and entry[0] == order
                and (entry[1].name, entry[1].version) == (shelf.name, shelf.version)
            ):
                return order
            heapq.heappop(heap)
        return None
