"""What becomes of work that workers abandon, cannot answer readably, or do not survive."""

import pytest

from services.scheduler.dispatch.items import Kind
from tests.unit.dispatch.recorder import Recorder, activity, held, terms, token_of, turn
from tests.unit.dispatch.virtual_time import elapsed, in_virtual_time


@in_virtual_time
async def test_a_stream_that_ends_gives_back_at_once_and_each_loss_is_counted() -> None:
    hub = Recorder()
    lost = hub.connect()
    hub.offer(activity(1), activity(2))
    hub.dispatcher.complete(token_of(lost, 2))
    hub.offer(activity(3))
    hub.dispatcher.disconnect(lost)
    assert hub.counted == [1, 3]
    other = hub.connect()
    assert [lease.work for lease in other.leases.values()] == [
        activity(1, lost=1),
        activity(3, lost=1),
    ]
    assert elapsed() == 0


@in_virtual_time
async def test_a_token_ends_with_its_stream_though_nobody_else_is_there() -> None:
    hub = Recorder()
    lost = hub.connect()
    hub.offer(turn(1))
    token = token_of(lost, 1)
    hub.dispatcher.disconnect(lost)
    assert hub.dispatcher.lease_of(token) is None
    assert hub.dispatcher.complete(token) is None
    assert held(hub.connect()) == [1]


@in_virtual_time
async def test_what_a_lost_worker_had_comes_before_what_is_newer() -> None:
    hub = Recorder()
    lost = hub.connect(terms(1))
    hub.offer(activity(1), activity(2))
    hub.dispatcher.disconnect(lost)
    assert held(hub.connect()) == [1, 2]


@in_virtual_time
async def test_what_was_withdrawn_is_not_given_back_and_not_counted() -> None:
    hub = Recorder()
    lost = hub.connect()
    hub.offer(activity(1))
    hub.dispatcher.withdraw(Kind.ACTIVITY, 1)
    hub.dispatcher.disconnect(lost)
    assert hub.counted == []
    assert held(hub.connect()) == []


@in_virtual_time
async def test_a_hub_that_stops_counts_nothing_against_what_its_workers_had() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(1))
    hub.dispatcher.stop()
    hub.dispatcher.disconnect(worker)
    assert hub.counted == []


@in_virtual_time
async def test_abandoned_work_comes_again_after_a_delay_that_doubles_up_to_a_limit() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(1))
    times = []
    for _ in range(8):
        hub.dispatcher.abandon(token_of(worker, 1))
        assert held(worker) == []
        assert hub.dispatcher.waiting()[Kind.ACTIVITY] == 1
        await hub.woken()
        assert held(worker) == [1]
        times.append(elapsed())
    assert times == [0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3]
    assert hub.counted == []


@in_virtual_time
async def test_the_delay_begins_anew_after_an_answer() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(1))
    for expected in (0.1, 0.3):
        hub.dispatcher.abandon(token_of(worker, 1))
        await hub.woken()
        assert elapsed() == expected
    hub.dispatcher.complete(token_of(worker, 1))
    hub.offer(activity(1))
    hub.dispatcher.abandon(token_of(worker, 1))
    await hub.woken()
    assert elapsed() == 0.4


@in_virtual_time
async def test_work_that_is_asleep_is_not_given_when_it_is_offered_again() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(1))
    hub.dispatcher.abandon(token_of(worker, 1))
    hub.offer(activity(1))
    assert held(worker) == []
    await hub.woken()
    assert held(worker) == [1]


@in_virtual_time
async def test_abandoned_work_keeps_its_place_before_what_is_newer() -> None:
    hub = Recorder()
    worker = hub.connect(terms(1))
    hub.offer(activity(1))
    hub.dispatcher.pump()
    hub.dispatcher.abandon(token_of(worker, 1))
    hub.offer(activity(2), activity(3))
    await hub.woken()
    assert held(worker) == [2]
    hub.dispatcher.complete(token_of(worker, 2))
    hub.dispatcher.pump()
    assert held(worker) == [1]


@in_virtual_time
async def test_work_that_is_withdrawn_while_it_is_asleep_never_wakes() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(1), activity(2))
    hub.dispatcher.abandon(token_of(worker, 1))
    hub.dispatcher.withdraw(Kind.ACTIVITY, 1)
    hub.dispatcher.abandon(token_of(worker, 2))
    await hub.woken()
    assert held(worker) == [2]
    assert sum(hub.dispatcher.waiting().values()) == 0


@in_virtual_time
async def test_unreadable_answers_are_counted_running_and_their_work_comes_again() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(1))
    for times in (1, 2, 3):
        assert hub.dispatcher.give_back(token_of(worker, 1)) == times
        await hub.woken()
    hub.dispatcher.complete(token_of(worker, 1))
    hub.offer(activity(1))
    assert hub.dispatcher.give_back(token_of(worker, 1)) == 1


@pytest.mark.parametrize(
    ("before", "seconds"), [(2, 0.5), (3, 1.0), (4, 2.0), (5, 4.0), (6, 8.0), (7, 16.0), (8, 32.0)]
)
@in_virtual_time
async def test_work_that_keeps_ending_streams_waits_longer_each_time(
    before: int, seconds: float
) -> None:
    hub = Recorder()
    hub.offer(activity(1, lost=before))
    killed = hub.connect()
    await hub.aged()
    assert held(killed) == [1]
    begun = elapsed()
    hub.dispatcher.disconnect(killed)
    other = hub.connect()
    assert held(other) == []
    assert hub.dispatcher.waiting()[Kind.ACTIVITY] == 1
    while not held(other):
        await hub.woken()
    assert elapsed() - begun == pytest.approx(seconds, abs=0.01)
    assert [lease.work.deliveries for lease in other.leases.values()] == [before + 1]


@in_virtual_time
async def test_work_is_given_up_after_ten_deliveries_that_ended_their_stream() -> None:
    hub = Recorder()
    hub.offer(activity(1))
    deliveries = 0
    while not hub.given_up:
        worker = hub.connect()
        if not worker.leases:
            await hub.woken()
        assert held(worker) == [1]
        size = len(token_of(worker, 1))
        deliveries += 1
        hub.dispatcher.disconnect(worker)
    assert deliveries == 10
    assert hub.counted == [1] * 10
    assert hub.given_up == [(activity(1, lost=10), size)]
    assert sum(hub.dispatcher.waiting().values()) == 0


@in_virtual_time
async def test_a_suspect_is_delivered_alone_to_a_worker_that_is_kept_free_for_it() -> None:
    hub = Recorder()
    worker = hub.connect()
    await hub.aged()
    hub.offer(activity(1), activity(2))
    hub.offer(activity(3, lost=3))
    assert held(worker) == [1, 2]
    hub.offer(activity(4))
    assert held(worker) == [1, 2]
    for seq in (1, 2):
        hub.dispatcher.complete(token_of(worker, seq))
        hub.dispatcher.pump()
    assert held(worker) == [3]
    hub.dispatcher.complete(token_of(worker, 3))
    hub.dispatcher.pump()
    assert held(worker) == [4]


@in_virtual_time
async def test_a_suspect_takes_the_worker_with_the_least_to_do_and_others_go_on() -> None:
    hub = Recorder()
    busy, idle = hub.connect(terms(only=["a"])), hub.connect()
    await hub.aged()
    hub.offer(activity(1, "a"))
    if held(idle):
        busy, idle = idle, busy
    hub.offer(activity(2, "a", lost=5), activity(3, "a"))
    assert held(busy) == [1, 3]
    assert held(idle) == [2]


@in_virtual_time
async def test_a_suspect_is_only_for_a_worker_that_accepts_it() -> None:
    hub = Recorder()
    worker = hub.connect(terms(only=["other"]))
    hub.offer(activity(1, "bad", lost=3), activity(2, "other"))
    accepting = hub.connect(terms(only=["bad"]))
    await hub.aged()
    assert held(worker) == [2]
    assert held(accepting) == [1]


@in_virtual_time
async def test_others_work_comes_first_on_a_new_stream() -> None:
    hub = Recorder()
    hub.offer(activity(1, lost=3), activity(2))
    worker = hub.connect()
    assert held(worker) == [2]
    hub.dispatcher.complete(token_of(worker, 2))
    while not held(worker):
        await hub.woken()
    assert held(worker) == [1]
    assert elapsed() == pytest.approx(0.5, abs=0.01)


@in_virtual_time
async def test_a_suspect_that_is_gone_frees_the_worker_that_it_would_have_had() -> None:
    hub = Recorder()
    hub.gone.add(1)
    worker = hub.connect()
    hub.offer(activity(1, lost=3), activity(2))
    assert held(worker) == [2]


@in_virtual_time
async def test_two_suspects_never_share_a_worker() -> None:
    hub = Recorder()
    worker = hub.connect()
    await hub.aged()
    hub.offer(activity(1, lost=3), activity(2, lost=3))
    assert held(worker) == [1]
    assert hub.dispatcher.waiting()[Kind.ACTIVITY] == 1
    hub.dispatcher.complete(token_of(worker, 1))
    hub.dispatcher.pump()
    assert held(worker) == [2]


@in_virtual_time
async def test_an_abandoned_suspect_frees_its_worker_until_it_comes_again() -> None:
    hub = Recorder()
    worker = hub.connect()
    await hub.aged()
    hub.offer(activity(1, lost=3), activity(2))
    assert held(worker) == [1]
    hub.dispatcher.abandon(token_of(worker, 1))
    hub.dispatcher.pump()
    assert held(worker) == [2]
    hub.dispatcher.complete(token_of(worker, 2))
    await hub.woken()
    assert held(worker) == [1]


@in_virtual_time
async def test_a_suspect_that_is_withdrawn_while_it_waits_is_given_to_nobody() -> None:
    hub = Recorder()
    hub.offer(activity(1, lost=3))
    hub.dispatcher.withdraw(Kind.ACTIVITY, 1)
    assert held(hub.connect()) == []
    assert sum(hub.dispatcher.waiting().values()) == 0


@in_virtual_time
async def test_a_suspect_that_waits_is_given_once_however_often_it_is_offered() -> None:
    hub = Recorder()
    hub.offer(activity(1, lost=3), activity(1, lost=3))
    assert hub.dispatcher.waiting()[Kind.ACTIVITY] == 1
    first, second = hub.connect(), hub.connect()
    await hub.aged()
    begun = elapsed()
    hub.dispatcher.disconnect(first)
    assert held(second) == []
    await hub.woken()
    assert elapsed() - begun == 1.0
    assert held(second) == [1]


@in_virtual_time
async def test_a_suspect_that_is_withdrawn_keeps_no_worker_free_for_it() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(1))
    hub.offer(activity(2, lost=3))
    hub.dispatcher.withdraw(Kind.ACTIVITY, 2)
    hub.offer(activity(3))
    assert held(worker) == [1, 3]
