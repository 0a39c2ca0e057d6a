"""Work that has ended too many streams: each item goes alone, to a worker that is kept free for it.

What else such a worker had would be lost with it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from services.scheduler.dispatch.asleep import pause
from services.scheduler.dispatch.items import Kind, Work
from services.scheduler.dispatch.streams import WorkerStream

# Deliveries running that ended their stream: from here on an item is set apart,
SUSPECT_DELIVERIES: Final = 3
# and from here on given up.
DELIVERIES_MAX: Final = 10
_SECONDS: Final = 0.5
_SECONDS_MAX: Final = 60.0
# The loop's timers count whole milliseconds, and may be early by one.
_TIMER_SECONDS_MIN: Final = 0.002


def suspect_seconds(work: Work) -> float:
    """How long a suspect waits before it is delivered again."""
    return pause(_SECONDS, work.deliveries - SUSPECT_DELIVERIES, _SECONDS_MAX)


class Suspects:
    """The suspects of one hub that are ready. `look_again` is called when one may be given."""

    def __init__(self, look_again: Callable[[], None]) -> None:
        self._look_again = look_again
        self._waiting: deque[tuple[int, Work]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __contains__(self, key: tuple[Kind, int]) -> bool:
        return any(work.key == key for _order, work in self._waiting)

    def __iter__(self) -> Iterator[Work]:
        return (work for _order, work in self._waiting)

    def put(self, work: Work, order: int) -> None:
        """One more."""
        self._waiting.append((order, work))

    def withdraw(self, key: tuple[Kind, int]) -> None:
        """Takes one back, if it is there."""
        if self._waiting:
            self._waiting = deque(entry for entry in self._waiting if entry[1].key != key)

    def due(self, streams: Sequence[WorkerStream]) -> Iterator[tuple[Work, int, WorkerStream]]:
        """Each that can be given now, its order, and the worker that has nothing else.

        For the others a worker is kept free. Each is to be given before the next is asked for.
        """
        for _ in range(len(self._waiting)):
            order, work = self._waiting.popleft()
            stream = self._keep_free(work, streams)
            if stream is None or stream.leases:
                self._waiting.append((order, work))
            else:
                yield work, order, stream

    def stop(self) -> None:
        """Calls nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _keep_free(self, work: Work, streams: Sequence[WorkerStream]) -> WorkerStream | None:
        accepting = [
            stream
            for stream in streams
            if stream.reserved_for in (None, work.key)
            and stream.terms.accepts(work.kind, work.name, work.version)
        ]
        # A worker may pause before it opens the stream again that a suspect has ended. The work of
        # others comes first on a new stream, or it would never come.
        ripe_at = [stream.since + suspect_seconds(work) for stream in accepting]
        now = asyncio.get_running_loop().time()
        accepting = [s for s, at in zip(accepting, ripe_at, strict=True) if at <= now]
        if not accepting:
            if ripe_at:
                self._look_again_at(min(ripe_at))
            return None
        stream = min(
            accepting,
            key=lambda stream: (
                bool(stream.leases),
                stream.reserved_for is None,
                len(stream.leases),
            ),
        )
        for other in accepting:
            if other.reserved_for == work.key:
                other.reserved_for = None
        stream.reserved_for = work.key
        return stream

    def _look_again_at(self, moment: float) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(moment + _TIMER_SECONDS_MIN, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._look_again()
