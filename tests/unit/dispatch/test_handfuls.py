"""A worker that is nearly full is given more activities in handfuls, and never waits for long."""

import asyncio

from services.scheduler.dispatch.handfuls import HANDFUL_SECONDS
from services.scheduler.dispatch.items import Kind
from services.scheduler.dispatch.streams import WorkerStream
from tests.unit.dispatch.recorder import Recorder, activity, held, terms, token_of, turn
from tests.unit.dispatch.virtual_time import elapsed, in_virtual_time


def full_worker(hub: Recorder, takes: int, others: int = 100) -> WorkerStream:
    """A worker that has all the activities that it takes at once, while as many are ready."""
    worker = hub.connect(terms(takes, others=others))
    hub.offer(*(activity(seq) for seq in range(2 * takes)))
    assert held(worker) == list(range(takes))
    return worker


def answer(hub: Recorder, worker: WorkerStream, *seqs: int) -> None:
    for seq in seqs:
        hub.dispatcher.complete(token_of(worker, seq))
        hub.dispatcher.pump()


@in_virtual_time
async def test_a_nearly_full_worker_is_given_nothing_before_a_handful_is_wanted() -> None:
    hub = Recorder()
    worker = full_worker(hub, 80)
    answer(hub, worker, *range(9))
    assert held(worker) == list(range(9, 80))
    answer(hub, worker, 9)
    assert held(worker) == list(range(10, 90))
    assert elapsed() == 0.0


@in_virtual_time
async def test_what_a_worker_has_room_for_waits_for_a_moment_only() -> None:
    hub = Recorder()
    worker = full_worker(hub, 80)
    answer(hub, worker, 3)
    await hub.woken()
    assert elapsed() == HANDFUL_SECONDS
    assert held(worker)[-1] == 80
    assert len(worker.leases) == 80
    # The next one waits again.
    answer(hub, worker, 4)
    assert len(worker.leases) == 79
    await hub.woken()
    assert len(worker.leases) == 80
    assert elapsed() == 2 * HANDFUL_SECONDS


@in_virtual_time
async def test_a_worker_that_takes_few_is_given_each_at_once() -> None:
    hub = Recorder()
    worker = full_worker(hub, 8)
    answer(hub, worker, 5)
    assert held(worker)[-1] == 8
    assert elapsed() == 0.0


@in_virtual_time
async def test_who_has_room_for_a_handful_is_given_what_others_wait_for() -> None:
    hub = Recorder()
    busy = full_worker(hub, 80)
    answer(hub, busy, 0)
    idle = hub.connect(terms(80))
    assert held(idle) == list(range(80, 160))
    assert len(busy.leases) == 79


@in_virtual_time
async def test_turns_never_wait_for_others() -> None:
    hub = Recorder()
    worker = full_worker(hub, 80, others=8)
    hub.offer(*(turn(seq) for seq in range(1000, 1009)))
    answer(hub, worker, 0)
    hub.dispatcher.complete(token_of(worker, 1000))
    hub.dispatcher.pump()
    assert held(worker)[-1] == 1008
    assert worker.in_air[Kind.ORCHESTRATION] == 8


@in_virtual_time
async def test_nobody_is_woken_while_nothing_is_ready() -> None:
    hub = Recorder()
    worker = hub.connect(terms(80))
    hub.offer(*(activity(seq) for seq in range(80)))
    hub.pumped.clear()
    answer(hub, worker, 0)
    await asyncio.sleep(1.0)
    assert not hub.pumped.is_set()
    hub.offer(activity(80))
    assert len(worker.leases) == 79
    await hub.woken()
    assert held(worker)[-1] == 80
    assert elapsed() == 1.0 + HANDFUL_SECONDS


@in_virtual_time
async def test_a_hub_that_stops_looks_at_no_handful_any_more() -> None:
    hub = Recorder()
    worker = full_worker(hub, 80)
    answer(hub, worker, 0)
    hub.dispatcher.stop()
    hub.pumped.clear()
    await hub.aged()
    assert not hub.pumped.is_set()
