"""How much one worker is given, and how many workers there may be."""

import pytest

from services.scheduler.bounds import Bounds
from services.scheduler.dispatch.dispatcher import Dispatcher
from services.scheduler.dispatch.items import Kind
from services.scheduler.dispatch.streams import WorkerStream
from services.scheduler.errors import OverloadError
from tests.store.loops import on_a_loop
from tests.unit.dispatch.recorder import Recorder, activity, held, terms, token_of, turn
from tests.unit.engine.given import NOW


def recorder(bounds: Bounds) -> Recorder:
    made = Recorder()
    made.dispatcher = Dispatcher(run_id="run", bounds=bounds)
    made.dispatcher.serve(made)
    return made


@on_a_loop
async def test_one_worker_too_many_is_refused_and_one_that_leaves_makes_room() -> None:
    hub = recorder(Bounds(workers_max=2))
    first = hub.connect()
    hub.connect()
    with pytest.raises(OverloadError, match=r"the bound is 2 \(SCHEDULER_WORKERS_MAX\)"):
        hub.connect()
    assert len(hub.dispatcher.streams) == 2
    hub.dispatcher.disconnect(first)
    hub.connect()


@on_a_loop
async def test_a_worker_that_asks_for_everything_is_given_what_the_bound_allows() -> None:
    hub = recorder(Bounds(work_items_max=3))
    worker = hub.connect(terms(2**31 - 1, others=2))
    hub.offer(*(activity(seq) for seq in range(10)))
    assert held(worker) == [0, 1, 2]
    assert worker.terms.limits[Kind.ORCHESTRATION] == 2


@on_a_loop
async def test_a_worker_that_does_not_read_is_given_no_more_until_it_does() -> None:
    hub = recorder(Bounds(unread_bytes_max=10))
    unread = 0
    stream = hub.dispatcher.connect(terms(), NOW, hub.sent.append, lambda: unread)
    hub.offer(activity(1))
    unread = 10
    hub.offer(activity(2), turn(3))
    assert held(stream) == [1]
    other = hub.connect()
    assert held(other) == [3, 2]
    hub.dispatcher.disconnect(other)
    unread = 9
    hub.dispatcher.pump()
    assert sorted(held(stream)) == [1, 2, 3]


@on_a_loop
async def test_what_is_remembered_of_turns_is_bounded_and_shared() -> None:
    # An item's bytes are those of its token.
    hub = recorder(Bounds(work_item_bytes_max=1))
    worker = hub.connect()
    hub.offer(turn(1), turn(2), activity(3), activity(4))
    assert held(worker) == [1, 3, 4]
    hub.dispatcher.complete(token_of(worker, 1))
    hub.dispatcher.pump()
    assert held(worker) == [3, 4, 2]


@on_a_loop
async def test_more_workers_than_bytes_are_given_a_turn_each() -> None:
    hub = recorder(Bounds(work_item_bytes_max=1))
    workers = [hub.connect() for _ in range(3)]
    hub.offer(*(turn(seq) for seq in range(1, 5)))
    assert sorted(len(held(worker)) for worker in workers) == [1, 1, 1]


@on_a_loop
async def test_workers_share_what_is_remembered_and_one_that_leaves_leaves_its_share() -> None:
    hub = recorder(Bounds(work_item_bytes_max=400))
    first, second = (hub.connect(terms(others=100)) for _ in range(2))
    hub.offer(*(turn(seq) for seq in range(1, 101)))

    def remembered(stream: WorkerStream) -> int:
        return sum(lease.size for lease in stream.leases.values())

    # The last item goes beyond: one is always given.
    item = max(lease.size for one in (first, second) for lease in one.leases.values())
    assert all(200 <= remembered(stream) < 200 + item for stream in (first, second))
    hub.dispatcher.disconnect(second)
    hub.dispatcher.pump()
    assert 400 <= remembered(first) < 400 + item + 1
