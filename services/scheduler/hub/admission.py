"""Refuses what clients send faster than it is taken up, before anything is written of it.

Workers' answers are never refused here: they are what makes room. What orchestrations send one
another is bounded by what one answer may decide.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from services.scheduler.bounds import Bounds
from services.scheduler.errors import OverloadError
from services.scheduler.store.backlogs import Backlogs, Disk

# Queues whose length is remembered,
_KEPT: Final = 4_096
# and how long one that was found full is believed to be: to count a long one takes milliseconds.
_BELIEVED_SECONDS: Final = 0.1


@dataclass(slots=True)
class _Length:
    """At least what came from clients and is still there."""

    number: int
    size: int
    # When it was counted and found full.
    full_at: float = -inf


class _Queues:
    """One sort of queues. They are counted when first seen, and when one seems to be full."""

    def __init__(self, count: Callable[[int], tuple[int, int]]) -> None:
        self._count = count
        self._known: OrderedDict[int, _Length] = OrderedDict()

    def add(self, key: int, size: int, is_full: Callable[[int, int], OverloadError | None]) -> None:
        """One more message of so many bytes; raises what `is_full` says of number and bytes."""
        known = self._known.get(key)
        error = None if known is None else is_full(known.number, known.size + size)
        now = time.monotonic()
        if known is None or (error is not None and now - known.full_at > _BELIEVED_SECONDS):
            known = self._known[key] = _Length(*self._count(key))
            error = is_full(known.number, known.size + size)
            if error is not None:
                known.full_at = now
        self._known.move_to_end(key)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        if error is not None:
            raise error
        known.number += 1
        known.size += size

    def note(self, key: int, size: int) -> None:
        """One more that nobody refuses."""
        known = self._known.get(key)
        if known is not None:
            known.number += 1
            known.size += size


class Admission:
    """What one hub still takes in. Every method raises `OverloadError` when it is too much."""

    def __init__(self, backlogs: Backlogs, disk: Disk, bounds: Bounds) -> None:
        self._backlogs = backlogs
        self._disk = disk
        self._bounds = bounds
        self._inboxes = _Queues(backlogs.inbox)
        self._operations = _Queues(backlogs.queue)
        self._delayed = _Queues(backlogs.delayed)

    def check_disk(self) -> None:
        """Whatever it is, it would be written."""
        lacks = self._disk.lacks()
        if lacks:
            bound = self._bounds.disk_free_bytes_min
            raise OverloadError(
                f"The disk is nearly full, {lacks:,} bytes more must be free",
                "disk_free_bytes_min",
                bound,
            )

    def start(self) -> None:
        """One more orchestration."""
        self.check_disk()
        bound = self._bounds.pending_max
        if self._backlogs.pending() >= bound:
            raise OverloadError(
                "Too many orchestrations of this task hub have not begun", "pending_max", bound
            )

    def event(self, seq: int, size: int) -> None:
        """One more event of so many bytes for an instance."""
        self.check_disk()
        self._inboxes.add(seq, size, self._full_inbox)

    def resumption(self, seq: int, size: int) -> None:
        """An instance goes on: this makes room, and comes once for each time of suspending."""
        self._inboxes.note(seq, size)

    def operation(self, seq: int, size: int) -> None:
        """One more operation of so many bytes for an entity."""
        self.check_disk()
        self._operations.add(seq, size, self._full_inbox)

    def entity(self, waiting: int) -> None:
        """One more entity that waits for its turn, beside so many."""
        self.check_disk()
        bound = self._bounds.pending_max
        if waiting >= bound:
            raise OverloadError(
                "Too many entities of this task hub have operations that have not begun",
                "pending_max",
                bound,
            )

    def delayed_signal(self, size: int) -> None:
        """One more signal that is not due yet."""
        self.check_disk()
        self._delayed.add(0, size, self._full_of_signals)

    def _full_inbox(self, number: int, size: int) -> OverloadError | None:
        bounds = self._bounds
        if number >= bounds.inbox_max:
            return OverloadError("Too many messages wait here", "inbox_max", bounds.inbox_max)
        # One is taken by an empty inbox, whatever it has.
        if number and size > bounds.inbox_bytes_max:
            text = "Too many bytes of messages wait here"
            return OverloadError(text, "inbox_bytes_max", bounds.inbox_bytes_max)
        return None

    def _full_of_signals(self, number: int, _size: int) -> OverloadError | None:
        bound = self._bounds.delayed_signals_max
        if number < bound:
            return None
        text = "Too many signals of this task hub are not due yet"
        return OverloadError(text, "delayed_signals_max", bound)
