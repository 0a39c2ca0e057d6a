import json
from typing import Any

import pytest

from services.client.errors import BadInputError
from services.client.submission import Submission, check_depth
from services.shared.batches import FAN_OUT, Part
from services.shared.orders import Order
from services.shared.payload_place import BYTES_MAX, PayloadSettings

ORDERS = [
    Order.model_validate(
        {"order_id": f"o{n}", "customer": "Ada", "sku": "book", "quantity": 1,
         "unit_price": "1.00", "currency": "EUR"}
    )
    for n in range(101)
]  # fmt: skip
PAYLOADS = PayloadSettings(place=None, bytes_max=BYTES_MAX)


def wire(submission: Submission) -> Any:
    return json.loads(submission.payload.text)


def test_the_id_is_of_the_orders_and_the_batch_size_alone() -> None:
    tree = Submission.of(ORDERS, batch_size=1, instance_id=None, payloads=PAYLOADS)
    assert wire(tree)["fan_out"] == tree.part.fan_out == FAN_OUT
    # What an earlier version made of the same submission, without a tree.
    assert tree.instance_id == "orders-f5ff8e8bf369336e69cf"
    flat = Submission.of(ORDERS[:100], batch_size=1, instance_id=None, payloads=PAYLOADS)
    assert "fan_out" not in wire(flat)
    assert flat.instance_id != tree.instance_id


def test_a_run_in_another_tree_is_of_the_same_orders() -> None:
    tree = Submission.of(ORDERS, batch_size=1, instance_id=None, payloads=PAYLOADS)
    flat = {name: value for name, value in wire(tree).items() if name != "fan_out"}
    assert tree.is_like(wire(tree))
    assert tree.is_like(flat)
    assert tree.is_like(flat | {"fan_out": 99})
    assert not tree.is_like(flat | {"batch_size": 2})
    assert not tree.is_like(flat | {"more": 1})
    assert not tree.is_like({})
    assert not tree.is_like("orders")


def test_an_id_without_room_for_the_parts_below_is_refused() -> None:
    part = Part(instance_id="i" * 80, orders=range(63), batch_size=7, fan_out=2)
    assert part.levels == 4
    check_depth(part, [100] * 63)
    with pytest.raises(BadInputError, match=r"9 batches need 5 levels .* at most 75 characters"):
        check_depth(part, [20_000] * 63)
