from collections import Counter
from typing import Any

import pytest
from durabletask.task import ActivityContext

from services.shared.orders import Order
from services.worker.activities import OrderProcessor, TransientFaultError
from services.worker.settings import ProcessingSettings
from tests.unit.test_orders import GOOD

CONTEXT = ActivityContext("orders-1", 1)


def processor(*, failures: float = 0.0, faults: float = 0.0) -> OrderProcessor:
    return OrderProcessor(
        ProcessingSettings(processing_ms=0, failure_rate=failures, transient_failure_rate=faults)
    )


def order(order_id: str) -> Order:
    return Order.model_validate(GOOD | {"order_id": order_id})


def outcomes(processor: OrderProcessor) -> list[dict[str, Any]]:
    return [processor.process_order(CONTEXT, order(f"o{n}")) for n in range(1_000)]


def test_an_orders_outcome_is_the_same_at_every_attempt_and_on_every_worker() -> None:
    assert outcomes(processor(failures=0.3)) == outcomes(processor(failures=0.3))


def test_the_failure_rate_is_the_share_that_fails_for_each_of_the_reasons() -> None:
    statuses = Counter(outcome["status"] for outcome in outcomes(processor(failures=0.3)))
    reasons = Counter(outcome.get("reason") for outcome in outcomes(processor(failures=0.3)))
    assert statuses == {"completed": 698, "failed": 302}
    assert set(reasons) == {
        None,
        "out_of_stock",
        "payment_declined",
        "shipping_unavailable",
    }


@pytest.mark.parametrize(("rate", "status"), [(0.0, "completed"), (1.0, "failed")])
def test_the_ends_of_the_failure_rate_are_none_and_all(rate: float, status: str) -> None:
    assert {outcome["status"] for outcome in outcomes(processor(failures=rate))} == {status}


def test_a_transient_fault_changes_when_an_order_finishes_and_never_its_outcome() -> None:
    calm, faulty = processor(failures=0.3), processor(failures=0.3, faults=0.5)
    faults = 0
    for number in range(200):
        outcome = None
        while outcome is None:
            try:
                outcome = faulty.process_order(CONTEXT, order(f"o{number}"))
            except TransientFaultError:
                faults += 1
        assert outcome == calm.process_order(CONTEXT, order(f"o{number}"))
    assert 100 < faults < 400


def test_with_a_rate_of_one_every_attempt_is_a_fault() -> None:
    always = processor(failures=0.5, faults=1.0)
    for number in range(100):
        with pytest.raises(TransientFaultError, match="did not answer, try again"):
            always.process_order(CONTEXT, order(f"o{number}"))
