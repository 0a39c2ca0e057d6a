"""One timer of the loop for all that a hub waits for: it rings when the first message is due."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

# A wall clock that is set forward is noticed within this time: all that is due waits for it.
_SECONDS_MAX: Final = 5.0


class Alarm:
    """Rings `ring` at the time it was last set to, or a little later, never earlier."""

    def __init__(self, now: Callable[[], datetime], ring: Callable[[], None]) -> None:
        self._now = now
        self._ring = ring
        self._due: datetime | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set_to(self, due: datetime | None) -> None:
        """The time of the first message that is due; None for none."""
        if due == self._due and self._handle is not None:
            return
        self.stop()
        self._due = due
        if due is not None:
            self._wait()

    def not_after(self, due: datetime) -> None:
        """Sets it earlier, if it is later."""
        if self._due is None or due < self._due:
            self.set_to(due)

    def stop(self) -> None:
        """Rings no more."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._due = None

    def _wait(self) -> None:
        if self._due is None:
            return
        seconds = (self._due - self._now()) / timedelta(seconds=1)
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(min(max(seconds, 0.0), _SECONDS_MAX), self._look)

    def _look(self) -> None:
        if self._due is not None and self._now() < self._due:
            self._wait()
            return
        self._handle = None
        self._due = None
        self._ring()
