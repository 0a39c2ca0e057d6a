from hypothesis import given
from hypothesis import strategies as st

from services.shared.batches import child_instance_id, split


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
