import io
import json
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TextIO

import pytest

from services.client.generate import generate_orders, write_csv, write_jsonl
from services.client.order_files import read_orders
from services.shared.orders import Order
from tests.tidy.repository import ROOT

SAMPLE_SEED = 0


def text_of(write: Callable[[Iterable[Order], TextIO], None], orders: Iterable[Order]) -> str:
    stream = io.StringIO(newline="")
    write(orders, stream)
    return stream.getvalue()


def test_the_same_seed_gives_the_same_orders() -> None:
    assert list(generate_orders(200, seed=7)) == list(generate_orders(200, seed=7))
    assert list(generate_orders(200, seed=7)) != list(generate_orders(200, seed=8))


def test_a_longer_run_begins_with_the_orders_of_a_shorter_one() -> None:
    assert list(generate_orders(500, seed=7))[:200] == list(generate_orders(200, seed=7))


@pytest.mark.parametrize("count", [0, 1, 1_000])
def test_as_many_orders_are_made_as_asked_for_each_with_its_id(count: int) -> None:
    ids = [order.order_id for order in generate_orders(count, seed=7)]
    assert ids == [f"ORD-{number:06}" for number in range(1, count + 1)]


def test_orders_are_made_one_by_one() -> None:
    assert next(generate_orders(10**12, seed=7)).order_id == "ORD-000001"


def test_orders_look_like_those_of_a_shop() -> None:
    orders = list(generate_orders(20_000, seed=7))
    assert {order.quantity for order in orders} == set(range(1, 21))
    prices = [order.unit_price for order in orders]
    assert Decimal("0.50") <= min(prices) < 1
    assert 499 < max(prices) <= Decimal("500.00")
    assert len({order.customer for order in orders}) == 30
    assert any(not order.customer.isascii() for order in orders)
    assert len({order.sku for order in orders}) == 20


def test_most_orders_are_in_the_three_currencies() -> None:
    counts = Counter(order.currency for order in generate_orders(20_000, seed=7))
    assert set(counts) == {"EUR", "USD", "GBP", "CHF", "SEK"}
    assert counts["EUR"] + counts["USD"] + counts["GBP"] > 0.85 * 20_000


def test_lines_end_in_a_line_feed_alone() -> None:
    orders = list(generate_orders(2, seed=7))
    for write, lines in ((write_csv, 3), (write_jsonl, 2)):
        text = text_of(write, orders)
        assert "\r" not in text
        assert text.count("\n") == lines
        assert text.endswith("\n")


def test_csv_has_the_contracts_header_and_prices_with_two_places() -> None:
    order = Order(
        order_id="A1",
        customer="Müller, Söhne",
        sku="book",
        quantity=3,
        unit_price=Decimal(5),
        currency="EUR",
    )
    assert text_of(write_csv, [order]) == (
        'order_id,customer,sku,quantity,unit_price,currency\nA1,"Müller, Söhne",book,3,5.00,EUR\n'
    )
    assert text_of(write_jsonl, [order]) == (
        '{"order_id": "A1", "customer": "Müller, Söhne", "sku": "book", "quantity": 3,'
        ' "unit_price": "5.00", "currency": "EUR"}\n'
    )


@pytest.mark.parametrize(("name", "count"), [("csv", 100), ("json", 10), ("jsonl", 10)])
def test_the_samples_are_the_first_orders_that_the_generator_makes(name: str, count: int) -> None:
    found = read_orders(ROOT / "orders" / f"sample.{name}")
    assert found.problems == ()
    assert found.orders == tuple(generate_orders(count, SAMPLE_SEED))


def test_the_samples_are_written_as_the_generator_writes() -> None:
    samples = ROOT / "orders"
    orders = list(generate_orders(10, SAMPLE_SEED))
    hundred = generate_orders(100, SAMPLE_SEED)
    assert (samples / "sample.csv").read_bytes() == text_of(write_csv, hundred).encode()
    assert (samples / "sample.jsonl").read_bytes() == text_of(write_jsonl, orders).encode()
    array = json.dumps([order.to_wire() for order in orders], ensure_ascii=False, indent=2)
    assert (samples / "sample.json").read_bytes() == f"{array}\n".encode()
