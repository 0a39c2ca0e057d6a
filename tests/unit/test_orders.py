from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from services.shared.orders import FIELDS, REQUIREMENTS, Order, Outcome

GOOD: dict[str, Any] = {
    "order_id": "A-1",
    "customer": "Ada",
    "sku": "book",
    "quantity": 3,
    "unit_price": "12.5",
    "currency": "EUR",
}


def test_an_order_keeps_its_money_exact_and_writes_it_as_text() -> None:
    order = Order.model_validate(GOOD)
    assert order.amount == Decimal("37.50")
    assert order.to_wire() == GOOD | {"unit_price": "12.50"}


@pytest.mark.parametrize("price", ["0.01", "1000000.00", "7", 7, Decimal("7.5"), Decimal("1E+2")])
def test_prices_are_decimals_with_at_most_two_places(price: object) -> None:
    assert Order.model_validate(GOOD | {"unit_price": price}).unit_price == Decimal(str(price))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_id", ""),
        ("order_id", "  "),
        ("order_id", 17),
        ("order_id", "x" * 101),
        ("order_id", "a\0b"),
        ("order_id", "a\nb"),
        ("order_id", "a\x1b[2Jb"),
        ("customer", "\ud800"),
        ("customer", None),
        ("sku", "x" * 1_001),
        ("quantity", 0),
        ("quantity", 1_000_001),
        ("quantity", 1.0),
        ("quantity", "3"),
        ("quantity", True),
        ("unit_price", 12.5),
        ("unit_price", True),
        ("unit_price", "0.00"),
        ("unit_price", "1000000.01"),
        ("unit_price", "1.005"),
        ("unit_price", "-1"),
        ("unit_price", "1e2"),
        ("unit_price", "NaN"),
        ("unit_price", "٣"),
        ("unit_price", Decimal("NaN")),
        ("unit_price", Decimal("Infinity")),
        ("unit_price", Decimal("1E+999999")),
        ("unit_price", Decimal("0.001")),
        ("currency", "eur"),
        ("currency", "EURO"),
        ("currency", "EUR\n"),
    ],
)
def test_a_field_that_is_not_what_it_must_be_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        Order.model_validate(GOOD | {field: value})
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


def test_every_field_has_words_for_what_it_must_be() -> None:
    assert tuple(REQUIREMENTS) == FIELDS


def test_outcomes_hold_only_what_their_status_has() -> None:
    order = Order.model_validate(GOOD)
    assert Outcome.completed(order).to_wire() == {
        "order_id": "A-1",
        "status": "completed",
        "amount": "37.50",
        "currency": "EUR",
    }
    assert Outcome.failed(order, "out_of_stock").to_wire() == {
        "order_id": "A-1",
        "status": "failed",
        "reason": "out_of_stock",
    }
