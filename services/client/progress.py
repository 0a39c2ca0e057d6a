"""How far a submission is, read from the states of its parts.

Parts are asked for without their payloads, and never all of them: what has ended is not asked for
again, and what has not begun is asked for in the order in which it will.
"""

from dataclasses import dataclass, field
from typing import Final

from durabletask.client import OrchestrationQuery, OrchestrationStatus

from services.client.session import Session
from services.shared.batches import Part

NOT_FINAL: Final = (
    OrchestrationStatus.PENDING,
    OrchestrationStatus.RUNNING,
    OrchestrationStatus.SUSPENDED,
    OrchestrationStatus.CONTINUED_AS_NEW,
)
# Parts begin, and mostly end, in the order of input: behind so many that have no news there is
# little to be found.
_QUIET_MAX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HowFar:
    """Batches and orders that are done, of how many."""

    batches_done: int
    batches: int
    orders_done: int
    orders: int

    def __str__(self) -> str:
        return (
            f"{self.orders_done:,} of {self.orders:,} orders,"
            f" {self.batches_done:,} of {self.batches:,} batches"
        )


@dataclass(slots=True)
class _Watched:
    """A part, and what is known of it; what is done is forgotten but for its numbers."""

    part: Part
    batches_done: int = 0
    orders_done: int = 0
    is_done: bool = False
    all_started: bool = False
    below: list["_Watched"] = field(default_factory=list)

    def end(self) -> None:
        """All of it is done."""
        self.batches_done, self.orders_done = self.part.batches, len(self.part.orders)
        self.is_done = True
        self.below.clear()


class ProgressReader:
    """Asks how far the submission is that runs as `instance_id`.

    `part` is how it is cut, None for an orchestration that is no submission. What `read` returns
    never falls.
    """

    def __init__(self, session: Session, instance_id: str, part: Part | None) -> None:
        self._session = session
        self._instance_id = instance_id
        self._root = None if part is None or not part.orders else _Watched(part)
        self._quiet_max = _QUIET_MAX
        self._quiet = 0
        self._reads = 0

    def read(self) -> HowFar | None:
        """How far it is; None for an orchestration without batches.

        Its cost does not grow with the submission: a few parts are asked for beyond those that have
        ended since the last time.
        """
        root = self._root
        if root is None:
            # Asked all the same: a scheduler that does not answer must be noticed.
            self._session.find(self._instance_id, payloads=False)
            return None
        self._quiet = 0
        self._look_inside(root)
        # What runs out of order is found too, one after the other.
        strays = [watched for watched in root.below if not watched.is_done]
        if strays and self._quiet >= self._quiet_max:
            self._quiet = 0
            self._look(strays[self._reads % len(strays)])
            _add_up(root)
        self._reads += 1
        return HowFar(
            batches_done=root.batches_done,
            batches=root.part.batches,
            orders_done=root.orders_done,
            orders=len(root.part.orders),
        )

    def read_all(self) -> HowFar | None:
        """How far it is, once and exactly: every part that runs is asked for."""
        if self._root is not None:
            self._quiet_max = self._root.part.batches + 1
        return self.read()

    def _look(self, watched: _Watched) -> None:
        """Asks whether a part has ended, and if not, how far it is."""
        state = self._session.find(watched.part.instance_id, payloads=False)
        before = watched.batches_done
        if state is not None and state.runtime_status not in NOT_FINAL:
            watched.end()
        elif state is not None:
            self._look_inside(watched)
        if watched.batches_done > before:
            self._quiet = 0
        elif not watched.below:
            self._quiet += 1

    def _look_inside(self, watched: _Watched) -> None:
        if watched.part.holds_batches:
            self._count_batches(watched)
            return
        if not watched.below:
            watched.below = [_Watched(child) for child in watched.part.children]
        for child in watched.below:
            if self._quiet >= self._quiet_max:
                break
            if not child.is_done:
                self._look(child)
        _add_up(watched)

    def _count_batches(self, watched: _Watched) -> None:
        """Counts the batches that are not among the unfinished.

        A part starts its batches in one turn and in order: once the last is there, all are.
        """
        sizes = {child.instance_id: len(child.orders) for child in watched.part.children}
        # Before the others: what starts between the two questions is not taken for done.
        watched.all_started = watched.all_started or self._exists(next(reversed(sizes)))
        if not watched.all_started:
            return
        query = OrchestrationQuery(
            runtime_status=list(NOT_FINAL), instance_id_prefix=f"{watched.part.instance_id}:"
        )
        unfinished = {
            state.instance_id
            for state in self._session.query(query)
            if state.runtime_status in NOT_FINAL
        }
        done = [size for child, size in sizes.items() if child not in unfinished]
        if len(done) > watched.batches_done:
            watched.batches_done, watched.orders_done = len(done), sum(done)

    def _exists(self, instance_id: str) -> bool:
        return self._session.find(instance_id, payloads=False) is not None


def _add_up(watched: _Watched) -> None:
    watched.batches_done = sum(child.batches_done for child in watched.below)
    watched.orders_done = sum(child.orders_done for child in watched.below)
