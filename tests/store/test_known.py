"""What is remembered of instances is what the disk would say, by number and by id."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from services.scheduler.engine.effects import Ending
from services.scheduler.engine.status import Status
from services.scheduler.store.known import KnownInstances
from services.scheduler.store.rows import InstanceRow
from services.scheduler.store.store import Store
from tests.store.test_store_instances import added
from tests.unit.engine import given
from tests.unit.engine.given import NOW

THEN: Final = NOW + timedelta(seconds=5)
LARGE: Final = "x" * 20_000
CHANGES: Final[dict[str, Callable[[Store, InstanceRow], object]]] = {
    "turn": lambda store, row: store.save_turn(replace(row, custom_status="s"), THEN),
    "large turn": lambda store, row: store.save_turn(replace(row, custom_status=LARGE), THEN),
    "status": lambda store, row: store.save_status(row.seq, Status.SUSPENDED, THEN),
    "end": lambda store, row: store.save_ending(row, Ending(status=Status.COMPLETED), THEN),
    "next execution": lambda store, row: store.save_next_execution(
        row.seq, given.started(version=given.text("2.0")), THEN
    ),
    "rewinding": lambda store, row: store.save_rewinding(row.seq, THEN),
    "rewound": lambda store, row: store.save_rewound(row.seq, given.started(), THEN),
    "another parent's execution": lambda store, row: store.save_parent_execution(row.seq, "e" * 32),
    "an event": lambda store, row: store.touch_instance(row.seq, THEN),
    "a lost delivery": lambda store, row: store.count_delivery("instance", row.seq, row.seq),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_instance_is_found_as_it_has_become(
    store: Store, change: Callable[[Store, InstanceRow], object]
) -> None:
    row = added(store)
    change(store, row)
    found = (store.find_instance(row.instance_id), store.load_instance(row.seq))
    store.forget()
    assert found == (store.find_instance(row.instance_id), store.load_instance(row.seq))
    assert found[0] != row


def test_an_id_leads_to_who_has_it_now(store: Store) -> None:
    first = added(store)
    store.delete_instance(first.seq)
    assert store.find_instance(first.instance_id) is None
    assert store.load_instance(first.seq) is None
    second = added(store)
    assert store.find_instance(first.instance_id) == second


def test_what_was_rolled_back_is_not_remembered(store: Store) -> None:
    known = KnownInstances()
    row = added(store)
    known.keep(row)
    known.forget_all()
    assert known.row(row.seq) is None
    assert known.named(row.instance_id) is None


def test_what_is_remembered_is_bounded_in_number_and_size(store: Store) -> None:
    known = KnownInstances()
    row = added(store)
    for number in range(5_000):
        known.keep(replace(row, seq=number, instance_id=f"order-{number}"))
    kept = [number for number in range(5_000) if known.row(number) is not None]
    assert kept == list(range(5_000 - 4_096, 5_000))
    assert known.named("order-903") is None
    assert known.named("order-904") == known.row(904)
    known.keep(replace(row, seq=4_999, instance_id="order-4999", custom_status=LARGE))
    assert known.named("order-4999") is None
    assert known.row(4_999) is None
