"""Fan-in without a replay for every result: when an instance that waits for many is due again.

A turn replays all that an orchestration has done, so a wide fan-out that is woken by every single
result costs the square of its width. An instance whose last turn took a while, from dispatch to
answer, is left alone for a small multiple of that, unless all the results that it waits for are
there. It concerns results of activities and sub-orchestrations only: whatever else arrives is
urgent. What is known here is known in memory only; after a restart everything is due.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from services.scheduler.engine.protos import pb

# What an orchestration may wait for many of.
_ANSWERS: Final = frozenset(
    {
        "taskCompleted",
        "taskFailed",
        "subOrchestrationInstanceCompleted",
        "subOrchestrationInstanceFailed",
    }
)
# A few results are not worth waiting for: a chain of steps beside a long task must not be slowed.
_MANY: Final = 8
# The first of many waits for the others some replays long: most of a batch comes together, and a
# turn in the middle of it replays half the batch for nothing. It also bounds what replays take of
# an instance's time, to a fourth;
_TIMES: Final = 3.0
# but none waits longer than a person would notice.
_SECONDS_MAX: Final = 0.5


@dataclass(slots=True)
class _Pace:
    """One instance, in a turn or after one."""

    in_turn: bool = True
    missing: int = 0
    answers: int = 0
    urgent: bool = False
    seconds: float = 0.0
    timer: asyncio.TimerHandle | None = None


class Pacing:
    """The instances of one hub that wait for many. `wake` is told of one whose time has come."""

    def __init__(self, wake: Callable[[int], None]) -> None:
        self._wake = wake
        self._paces: dict[int, _Pace] = {}

    def began(self, seq: int) -> None:
        """An instance's turn is with a worker."""
        self.forget(seq)
        self._paces[seq] = _Pace()

    def ended(self, seq: int, *, seconds: float, waits_for: int, inbox: int) -> bool:
        """A turn is over, and so many results are missing; whether what is in the inbox is due.

        `seconds`: from the turn's dispatch to its answer. `inbox`: how many messages there are.
        """
        pace = self._paces.pop(seq, None)
        if pace is None or waits_for < _MANY:
            return True
        # What has been there since before the turn, or came past `is_due`, is urgent as well.
        due = pace.urgent or inbox > pace.answers or not 0 < pace.answers < waits_for
        pace.missing = waits_for - pace.answers
        pace.seconds = seconds
        pace.in_turn = False
        self._paces[seq] = pace
        if not due:
            self._set(seq, pace)
        return due

    def is_due(self, seq: int, arrived: Collection[pb.HistoryEvent]) -> bool:
        """Whether a turn is due for what has arrived."""
        pace = self._paces.get(seq)
        if pace is None:
            return True
        urgent = any(event.WhichOneof("eventType") not in _ANSWERS for event in arrived)
        if pace.in_turn:
            # `ended` will say.
            pace.answers += len(arrived)
            pace.urgent |= urgent
            return True
        pace.missing -= len(arrived)
        if urgent or pace.missing <= 0:
            # The timer stays: it is needed if what is being done here is rolled back.
            return True
        self._set(seq, pace)
        return False

    def forget(self, seq: int) -> None:
        """An instance that is in a turn, or is no more."""
        pace = self._paces.pop(seq, None)
        if pace is not None and pace.timer is not None:
            pace.timer.cancel()

    def stop(self) -> None:
        """Wakes nobody any more."""
        for seq in list(self._paces):
            self.forget(seq)

    def _set(self, seq: int, pace: _Pace) -> None:
        if pace.timer is None:
            seconds = min(pace.seconds * _TIMES, _SECONDS_MAX)
            pace.timer = asyncio.get_running_loop().call_later(seconds, self._ring, seq)

    def _ring(self, seq: int) -> None:
        self.forget(seq)
        self._wake(seq)
