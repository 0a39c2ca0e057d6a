"""Virtual time: an event loop that jumps to its next timer, and a clock tied to it.

Nothing here waits: a timer of an hour costs as much as one of a millisecond.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

BEGINNING: Final = datetime(2030, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on one thread whose time passes only where nothing is ready."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_Jumps(self._jump))

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._seconds

    def _jump(self, seconds: float) -> None:
        self._seconds += seconds

    def run_in_executor(  # type: ignore[override]  # the base is generic in each argument
        self,
        executor: Executor | None,  # noqa: ARG002 - there are no threads
        func: Callable[..., T],
        *args: Any,
    ) -> asyncio.Future[T]:
        """Runs it at once: what threads do, they do in no order that a seed could give."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it raises belongs to who awaits it
            future.set_exception(error)
        return future


class _Jumps(selectors.SelectSelector):
    """Has no events, and makes time pass instead of waiting for them."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Raises `RuntimeError` where nothing would ever happen again."""
        if timeout is None:
            raise RuntimeError("everybody waits, and no timer is set")
        self._jump(max(timeout, 0.0))
        return []


class ManualClock:
    """The loop's time as a wall clock, which a test may set. No two looks show the same time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ahead = timedelta()

    def now(self) -> datetime:
        """Aware, UTC."""
        self._ahead += _TICK
        return BEGINNING + timedelta(seconds=self._loop.time()) + self._ahead

    def set_forward(self, seconds: float) -> None:
        """What an administrator does, or a machine that wakes up."""
        self._ahead += timedelta(seconds=seconds)
