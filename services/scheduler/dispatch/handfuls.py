"""Workers that are nearly full are given more activities in handfuls.

To be woken for one item costs a worker about as much as a short activity; what it has keeps it busy
meanwhile. Nobody waits for long: a worker may be full of what never ends.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from services.scheduler.dispatch.items import Kind
from services.scheduler.dispatch.streams import WorkerStream

# The part of what a worker takes at once that is a handful; of less than that, one item is.
HANDFULS: Final = 8
# So long an item waits for others at the most.
HANDFUL_SECONDS: Final = 0.02


class Handfuls:
    """Who is given activities now. `look_again` is called when those that wait are due."""

    def __init__(self, look_again: Callable[[], None]) -> None:
        self._look_again = look_again
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False

    def taking(self, streams: Sequence[WorkerStream]) -> list[WorkerStream]:
        """Those that are given some of what is ready now; the others wait, for a while."""
        if self._is_due:
            self._is_due = False
            return list(streams)
        taking = [stream for stream in streams if _has_room_for_a_handful(stream)]
        if len(taking) < len(streams) and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(HANDFUL_SECONDS, self._ring)
        return taking

    def stop(self) -> None:
        """Calls nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self._timer = None
        self._is_due = True
        self._look_again()


def _has_room_for_a_handful(stream: WorkerStream) -> bool:
    return stream.room(Kind.ACTIVITY) >= stream.terms.limits[Kind.ACTIVITY] // HANDFULS
