from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.shared.orders import FAILURES_LISTED_MAX, Summary
from services.worker.summary import merge, summarise

CENTS = st.integers(1, 10**14).map(lambda cents: f"{Decimal(cents) / 100:.2f}")
OUTCOMES = st.lists(
    st.one_of(
        st.builds(
            lambda amount, currency: {
                "order_id": "o",
                "status": "completed",
                "amount": amount,
                "currency": currency,
            },
            CENTS,
            st.sampled_from(["EUR", "USD", "GBP"]),
        ),
        st.builds(
            lambda status, reason: {"order_id": "o", "status": status, "reason": reason},
            st.sampled_from(["failed", "gave_up"]),
            st.text(max_size=5),
        ),
    ),
    max_size=250,
)


def failed(number: int) -> dict[str, Any]:
    return {"order_id": f"o{number}", "status": "failed", "reason": "out_of_stock"}


def test_a_batch_is_summed_up_by_status_and_currency() -> None:
    outcomes = [
        {"order_id": "1", "status": "completed", "amount": "10.10", "currency": "USD"},
        {"order_id": "2", "status": "completed", "amount": "0.20", "currency": "EUR"},
        {"order_id": "3", "status": "completed", "amount": "5.00", "currency": "USD"},
        {"order_id": "4", "status": "failed", "reason": "out_of_stock"},
        {"order_id": "5", "status": "gave_up", "reason": "payment did not answer"},
    ]
    assert summarise(outcomes) == {
        "orders": 5,
        "batches": 1,
        "by_status": {"completed": 3, "failed": 1, "gave_up": 1},
        "revenue": {"EUR": "0.20", "USD": "15.10"},
        "failures": [
            {"order_id": "4", "reason": "out_of_stock"},
            {"order_id": "5", "reason": "payment did not answer"},
        ],
        "failures_total": 2,
    }


def test_nothing_sums_up_to_nothing() -> None:
    nothing = {
        "orders": 0,
        "batches": 0,
        "by_status": {"completed": 0, "failed": 0},
        "revenue": {},
        "failures": [],
        "failures_total": 0,
    }
    assert merge([]) == nothing


def test_only_the_first_failures_are_listed_and_all_are_counted() -> None:
    summary = merge([summarise([failed(n) for n in range(150)]), summarise([failed(999)])])
    assert [failure["order_id"] for failure in summary["failures"]] == [
        f"o{n}" for n in range(FAILURES_LISTED_MAX)
    ]
    assert summary["failures_total"] == 151


@given(st.lists(OUTCOMES, max_size=6))
def test_batches_add_up_to_the_whole_however_they_are_cut(batches: list[Any]) -> None:
    whole = summarise([outcome for batch in batches for outcome in batch])
    merged = merge(summarise(batch) for batch in batches)
    assert merged == whole | {"batches": len(batches)}
    Summary.model_validate(merged)
