"""How far a submission is, read from its children's states.

Children are asked for without their payloads, and only those that are not final.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from durabletask.client import OrchestrationQuery, OrchestrationStatus

from services.client.session import Session
from services.shared.batches import child_instance_id, split

NOT_FINAL: Final = (
    OrchestrationStatus.PENDING,
    OrchestrationStatus.RUNNING,
    OrchestrationStatus.SUSPENDED,
    OrchestrationStatus.CONTINUED_AS_NEW,
)
_PLAIN_LINE_SECONDS: Final = 5.0


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


def batch_sizes_of(submission: Any) -> tuple[int, ...]:  # noqa: ANN401 - decoded JSON of anybody's orchestration
    """The sizes of the batches that an input is split into; none for a foreign orchestration's."""
    match submission:
        case {"orders": list(orders), "batch_size": int(size)} if (
            type(size) is int and size > 0 and all(isinstance(order, dict) for order in orders)
        ):
            return tuple(len(batch) for batch in split(orders, size))
        case _:
            return ()


class ProgressReader:
    """Asks how far the children of `parent` are."""

    def __init__(self, session: Session, parent: str, batch_sizes: Sequence[int]) -> None:
        self._session = session
        self._sizes = {
            child_instance_id(parent, number): size
            for number, size in enumerate(batch_sizes, start=1)
        }
        self._parent = parent
        self._last = child_instance_id(parent, len(batch_sizes))
        self._query = OrchestrationQuery(
            runtime_status=list(NOT_FINAL), instance_id_prefix=f"{parent}:"
        )
        self._started = False

    def read(self) -> HowFar | None:
        """How far it is; None for an orchestration without batches.

        A parent starts its children in one turn and in order: once the last is there, all are, and
        those that are not among the unfinished are done.
        """
        if not self._sizes:
            # Asked all the same: a scheduler that does not answer must be noticed.
            self._exists(self._parent)
            return None
        # Before the children: what starts between the two questions is not taken for done.
        self._started = self._started or self._exists(self._last)
        unfinished = set(self._sizes)
        if self._started:
            unfinished &= {
                state.instance_id
                for state in self._session.query(self._query)
                if state.runtime_status in NOT_FINAL
            }
        orders = sum(self._sizes.values())
        return HowFar(
            batches_done=len(self._sizes) - len(unfinished),
            batches=len(self._sizes),
            orders_done=orders - sum(self._sizes[child] for child in unfinished),
            orders=orders,
        )

    def _exists(self, instance_id: str) -> bool:
        return self._session.find(instance_id, payloads=False) is not None
