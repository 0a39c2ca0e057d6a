import asyncio

from services.scheduler.dispatch.ages import Ages
from services.scheduler.dispatch.items import Kind
from tests.unit.dispatch.recorder import (
    Recorder,
    activity_of_instance,
    held,
    terms,
    token_of,
)
from tests.unit.dispatch.virtual_time import in_virtual_time


def test_an_age_is_right_to_the_second() -> None:
    ages = Ages()
    for order in range(1, 101):
        ages.note(order, order / 10)
    for order in range(1, 101):
        assert 0 <= ages.age(order, 20.0) - (20.0 - order / 10) <= 1.0
    assert ages.age(0, 20.0) == 0.0


def test_marks_are_bounded_and_old_ones_stay() -> None:
    ages = Ages()
    for order in range(1, 20_001):
        ages.note(order, float(order))
    assert ages.age(1, 20_000.0) == 19_999.0
    # The older, the less exact.
    assert 10_000 <= ages.age(10_000, 20_000.0) <= 11_500
    assert 1_000 <= ages.age(19_000, 20_000.0) <= 1_100
    assert ages.age(20_000, 20_000.0) <= 1.0
    assert len(ages._times) <= 3_600  # noqa: SLF001 - the bound itself is what is tested


@in_virtual_time
async def test_the_age_of_ready_work_is_that_of_what_has_waited_longest() -> None:
    hub = Recorder()
    assert set(hub.dispatcher.ages().values()) == {0.0}
    hub.offer(activity_of_instance(1, 11), activity_of_instance(2, 21))
    await asyncio.sleep(100)
    # Next to go, as its execution is older, and yet it has not waited long.
    hub.offer(activity_of_instance(1, 12))
    assert hub.dispatcher.ages()[Kind.ACTIVITY] == 100.0
    worker = hub.connect(terms(1))
    for seq in (11, 12):
        hub.dispatcher.complete(token_of(worker, seq))
        if seq == 11:
            hub.dispatcher.pump()
    assert held(worker) == []
    assert hub.dispatcher.ages()[Kind.ACTIVITY] == 100.0
    hub.dispatcher.pump()
    assert held(worker) == [21]
    assert hub.dispatcher.ages()[Kind.ACTIVITY] == 0.0
