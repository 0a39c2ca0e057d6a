"""The backend behind the wire: the SDK's testing backend, in memory, made to wait for ever."""

import threading
from collections.abc import Callable

from durabletask.testing import InMemoryOrchestrationBackend
from durabletask.testing.in_memory_backend import OrchestrationInstance

# A thousand orders with all their retries, in one batch, are 30,000 events.
_HISTORY_EVENTS_MAX = 1_000_000


class PatientBackend(InMemoryOrchestrationBackend):
    """Waits for as long as it is asked to.

    The original gives up after 30 s where no time is named, also in its watch over a
    sub-orchestration: a parent would never hear of a child that takes longer.
    """

    def __init__(self) -> None:
        super().__init__(max_history_size=_HISTORY_EVENTS_MAX)

    def _wait_for_state(
        self,
        instance_id: str,
        predicate: Callable[[OrchestrationInstance], bool],
        timeout: float | None,
    ) -> OrchestrationInstance | None:
        # gRPC gives a call without a deadline one that is further away than a thread can wait.
        patience = min(threading.TIMEOUT_MAX if timeout is None else timeout, threading.TIMEOUT_MAX)
        return super()._wait_for_state(instance_id, predicate, patience)
