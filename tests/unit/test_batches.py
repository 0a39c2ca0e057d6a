import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.shared.batches import (
    ATTEMPTS_MAX,
    BATCH_LEVELS_MAX,
    CHILD_ID_CHARS,
    FAN_OUT,
    Part,
    batch_levels,
    child_instance_id,
    cut_batch,
    fan_out_for,
    order_bytes,
    split,
)

MIB = 1024 * 1024
ORDERS = st.lists(
    st.builds(lambda chars: {"order_id": "o" * chars}, st.sampled_from([5, 2_000, 16_000, 25_000])),
    max_size=200,
)


def submission(orders: int, *, batch_size: int = 1, fan_out: int | None = FAN_OUT) -> Part:
    return Part(instance_id="x", orders=range(orders), batch_size=batch_size, fan_out=fan_out)


def parts_below(part: Part) -> Iterator[Part]:
    for child in part.children:
        yield child
        yield from parts_below(child)


def sizes_of(orders: int) -> list[int]:
    """Those of ordinary orders."""
    return [135] * orders


@given(st.lists(st.integers()), st.integers(1, 20))
def test_batches_keep_every_item_in_its_order(items: list[int], size: int) -> None:
    batches = split(items, size)
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(1 <= len(batch) <= size for batch in batches)


def test_children_are_named_as_the_sdk_names_them() -> None:
    assert child_instance_id("orders-1", 1) == "orders-1:0001"
    assert child_instance_id("orders-1", 255) == "orders-1:00ff"
    assert child_instance_id("orders-1", 70_000) == "orders-1:11170"


def test_without_a_fan_out_every_batch_is_a_child_of_the_submission() -> None:
    children = list(submission(7_000, fan_out=None).children)
    assert len(children) == 7_000
    assert all(child.is_batch for child in children)


def test_a_tree_is_no_deeper_than_it_must_be() -> None:
    assert [part.instance_id for part in parts_below(submission(3, fan_out=2))] == [
        "x:0001", "x:0001:0001", "x:0001:0002", "x:0002", "x:0002:0001",
    ]  # fmt: skip
    assert submission(FAN_OUT).levels == 1
    assert submission(FAN_OUT + 1).levels == 2
    assert submission(100_000, batch_size=10).levels == 3
    assert submission(100_000).levels == 4


@settings(deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 50), st.integers(2, 100))
def test_a_tree_holds_every_order_once_and_in_its_order(
    orders: int, batch_size: int, fan_out: int
) -> None:
    root = submission(orders, batch_size=batch_size, fan_out=fan_out)
    parts = [root, *parts_below(root)]
    batches = [part for part in parts if part.is_batch]
    assert [place for batch in batches for place in batch.orders] == list(range(orders))
    assert [list(batch.orders) for batch in batches] == split(list(range(orders)), batch_size)
    assert root.batches == len(batches)
    assert len({part.instance_id for part in parts}) == len(parts)
    for part in parts:
        children = list(part.children)
        assert len(children) <= fan_out
        assert sum(child.batches for child in children) == (0 if part.is_batch else part.batches)
        assert part.holds_batches == (not part.is_batch and all(c.is_batch for c in children))
    deepest = max(len(part.instance_id) for part in parts)
    assert deepest <= len(root.instance_id) + root.levels * CHILD_ID_CHARS


def test_small_submissions_stay_flat_and_heavy_ones_do_not() -> None:
    assert fan_out_for(sizes_of(1_000), 10) is None
    assert fan_out_for(sizes_of(101), 1) == FAN_OUT
    assert fan_out_for(sizes_of(5_000), 50) == FAN_OUT
    assert fan_out_for(sizes_of(80), 80) is None
    assert fan_out_for(sizes_of(200), 200) == FAN_OUT
    assert fan_out_for([], 10) is None


@settings(deadline=None)
@given(ORDERS, st.integers(2, 100))
def test_a_batch_is_cut_by_what_its_history_may_hold(
    orders: list[dict[str, Any]], fan_out: int
) -> None:
    slices = cut_batch(orders, fan_out)
    assert [order for piece in slices for order in piece] == orders
    assert 1 <= len(slices) <= fan_out
    levels = batch_levels(list(map(order_bytes, orders)), fan_out)
    assert (levels > 0) == (len(slices) > 1)
    leaves = [leaf for piece in slices for leaf in cut_batch(piece, fan_out)]
    if fan_out == 100:
        assert levels <= BATCH_LEVELS_MAX
    if levels < BATCH_LEVELS_MAX:
        assert leaves == slices
    for leaf in leaves:
        tries = sum(min(len(json.dumps(order)), 16_384) + 930 for order in leaf)
        assert tries * ATTEMPTS_MAX < MIB


def test_the_largest_batch_is_cut_twice_and_not_more() -> None:
    largest = [{"order_id": "o" * 20_000}] * 1_000
    assert batch_levels(list(map(order_bytes, largest)), FAN_OUT) == 2
    for piece in cut_batch(largest, FAN_OUT):
        leaves = cut_batch(piece, FAN_OUT)
        assert len(leaves) > 1
        assert all(len(cut_batch(leaf, FAN_OUT)) == 1 for leaf in leaves)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 50), st.one_of(st.none(), st.integers(2, 100)))
def test_the_numbers_of_an_id_lead_to_its_part(
    orders: int, batch_size: int, fan_out: int | None
) -> None:
    root = submission(orders, batch_size=batch_size, fan_out=fan_out)
    for part in parts_below(root):
        numbers = [int(text, 16) for text in part.instance_id.split(":")[1:]]
        assert root.below(numbers) == part
        if part.is_batch:
            assert root.below([*numbers, 1]) is None
    assert root.below([root.batches + 1]) is None
    assert root.below([0]) is None
