"""What a worker does to the world: `process_order`, simulated.

An order's outcome is a pure function of its id and the settings, so a retry or a second delivery
gives the same one. Transient faults are drawn anew at each attempt and only delay it.
"""

import hashlib
import logging
import random
import time
from typing import Any, Final

from durabletask.task import ActivityContext

from services.shared.orders import Order, Outcome, Reason
from services.worker.settings import ProcessingSettings

log = logging.getLogger(__name__)

# An order's way: where it can end, and why.
_STAGES: Final[tuple[tuple[str, Reason], ...]] = (
    ("inventory", "out_of_stock"),
    ("payment", "payment_declined"),
    ("shipping", "shipping_unavailable"),
)
_HASH_RANGE: Final = 2**64


class TransientFaultError(Exception):
    """A stage did not answer this time; the next attempt may succeed."""


class OrderProcessor:
    """Processes orders as `settings` say; its methods are the activities."""

    def __init__(self, settings: ProcessingSettings) -> None:
        self._settings = settings
        self._stage_seconds = settings.processing_ms / 1_000 / len(_STAGES)

    def process_order(self, ctx: ActivityContext, order: Order) -> dict[str, Any]:
        """Takes one order through inventory, payment and shipping; returns its `Outcome`.

        The converter has validated the order. Raises `TransientFaultError`, which the
        orchestration retries; a business failure is an outcome.
        """
        fields = {"instance_id": ctx.orchestration_id, "order_id": order.order_id}
        failing_stage = self._failing_stage(order.order_id)
        last_stage = len(_STAGES) - 1 if failing_stage is None else failing_stage
        faulty_stage = self._draw_faulty_stage(last_stage)
        for number, (stage, reason) in enumerate(_STAGES):
            time.sleep(self._stage_seconds)
            if number == faulty_stage:
                log.debug("order %s: %s did not answer", order.order_id, stage, extra=fields)
                raise TransientFaultError(f"{stage} did not answer, try again")
            if number == failing_stage:
                log.debug("order %s failed: %s", order.order_id, reason, extra=fields)
                return Outcome.failed(order, reason).to_wire()
        log.debug("order %s completed", order.order_id, extra=fields)
        return Outcome.completed(order).to_wire()

    def _failing_stage(self, order_id: str) -> int | None:
        digest = hashlib.sha256(order_id.encode()).digest()
        luck = int.from_bytes(digest[:8]) / _HASH_RANGE
        if luck >= self._settings.failure_rate:
            return None
        return int.from_bytes(digest[8:16]) % len(_STAGES)

    def _draw_faulty_stage(self, last_stage: int) -> int | None:
        if random.random() >= self._settings.transient_failure_rate:  # noqa: S311 - a simulated fault is no secret
            return None
        return random.randint(0, last_stage)  # noqa: S311 - a simulated fault is no secret
