"""How old ready work is, without a time on each item: when which order was first offered."""

from bisect import bisect_right
from typing import Final

# An age is told to the second.
_SECONDS_APART: Final = 1.0
# An hour of marks; where there are more, every other one goes, and ages are told less exactly.
_MARKS_MAX: Final = 3_600


class Ages:
    """Marks of orders and times, both growing."""

    def __init__(self) -> None:
        self._orders: list[int] = []
        self._times: list[float] = []

    def note(self, order: int, now: float) -> None:
        """Work of this order is offered now, in seconds of a clock that never goes back."""
        if self._times and now - self._times[-1] < _SECONDS_APART:
            return
        if len(self._times) >= _MARKS_MAX:
            del self._orders[1::2], self._times[1::2]
        self._orders.append(order)
        self._times.append(now)

    def age(self, order: int, now: float) -> float:
        """Seconds since work of this order was offered: up to a second more, never less."""
        place = bisect_right(self._orders, order)
        return now - self._times[place - 1] if place else 0.0
