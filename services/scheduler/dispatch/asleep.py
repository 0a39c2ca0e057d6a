"""Work that comes again after a while: a worker did not want it, or its stream ended too often."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from services.scheduler.dispatch.items import Kind, Work

_DOUBLINGS_MAX: Final = 16


def pause(first: float, times: int, longest: float) -> float:
    """How long something waits, in seconds, that has waited so many times before: twice as long."""
    return float(min(first * 2 ** min(times, _DOUBLINGS_MAX), longest))


class Asleep:
    """The sleeping work of one hub: `place` is given each item once it wakes, with its order.

    `look_again` is called once for all that have woken together.
    """

    def __init__(self, place: Callable[[Work, int], None], look_again: Callable[[], None]) -> None:
        self._place = place
        self._look_again = look_again
        self._works: dict[tuple[Kind, int], tuple[asyncio.TimerHandle, Work]] = {}
        self._waking: asyncio.Handle | None = None

    def __contains__(self, key: tuple[Kind, int]) -> bool:
        return key in self._works

    def __iter__(self) -> Iterator[Work]:
        return (work for _handle, work in self._works.values())

    def put(self, work: Work, order: int, seconds: float) -> None:
        """Wakes an item after so many seconds."""

        def wake() -> None:
            del self._works[work.key]
            self._place(work, order)
            if self._waking is None:
                self._waking = asyncio.get_running_loop().call_soon(self._wake)

        handle = asyncio.get_running_loop().call_later(seconds, wake)
        self._works[work.key] = (handle, work)

    def withdraw(self, key: tuple[Kind, int]) -> None:
        """Takes one back, if it is there."""
        asleep = self._works.pop(key, None)
        if asleep is not None:
            asleep[0].cancel()

    def stop(self) -> None:
        """Wakes nothing any more."""
        for handle, _work in self._works.values():
            handle.cancel()
        if self._waking is not None:
            self._waking.cancel()

    def _wake(self) -> None:
        self._waking = None
        self._look_again()
