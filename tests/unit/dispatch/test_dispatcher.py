"""Ready work goes to workers that have room, oldest first; leases are fenced by their tokens."""

import pytest

from services.scheduler.dispatch.dispatcher import Dispatcher
from services.scheduler.dispatch.items import Kind, Work, activity_of
from services.scheduler.dispatch.suspects import SUSPECT_DELIVERIES
from services.scheduler.engine.protos import pb
from tests.unit.dispatch.recorder import (
    Recorder,
    activity,
    activity_of_instance,
    held,
    terms,
    token_of,
    turn,
)
from tests.unit.dispatch.virtual_time import in_virtual_time
from tests.unit.engine.given import NOW


@in_virtual_time
async def test_work_waits_for_a_worker_and_goes_oldest_first() -> None:
    hub = Recorder()
    hub.offer(activity(2, "b"), activity(9, "a"), activity(1, "b"))
    assert hub.dispatcher.waiting()[Kind.ACTIVITY] == 3
    worker = hub.connect()
    assert held(worker) == [2, 9, 1]
    assert hub.dispatcher.waiting()[Kind.ACTIVITY] == 0
    assert hub.dispatcher.in_air()[Kind.ACTIVITY] == 3


@in_virtual_time
@pytest.mark.parametrize("name", ["act", "other"])
async def test_what_an_execution_does_later_is_as_old_as_what_it_did_first(name: str) -> None:
    hub = Recorder()
    worker = hub.connect(terms(1))
    hub.offer(*(activity_of_instance(1, seq) for seq in (11, 12)))
    hub.offer(*(activity_of_instance(2, seq) for seq in (21, 22)))
    # A retry, or a next step.
    hub.offer(activity_of_instance(1, 13, name))
    order = []
    while held(worker):
        order += held(worker)
        hub.dispatcher.complete(token_of(worker, order[-1]))
        hub.dispatcher.pump()
    assert order == [11, 12, 13, 21, 22]


@in_virtual_time
async def test_what_an_instance_does_after_its_execution_has_ended_is_new() -> None:
    hub = Recorder()
    hub.offer(activity_of_instance(1, 11), activity_of_instance(2, 21))
    hub.dispatcher.forget_rank(1)
    hub.offer(activity_of_instance(1, 12))
    assert held(hub.connect()) == [11, 21, 12]


@in_virtual_time
async def test_a_worker_is_sent_what_the_hub_has_prepared() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(7))
    token = token_of(worker, 7)
    lease = hub.dispatcher.lease_of(token)
    assert lease is not None
    assert (lease.work, lease.size, lease.memo) == (activity(7), len(token), ("memo", 7))
    assert hub.sent == [token.encode()]
    assert activity_of(token) == (0, 7)


@in_virtual_time
async def test_a_worker_never_has_more_of_a_kind_than_its_limit() -> None:
    hub = Recorder()
    worker = hub.connect(terms(2, others=1))
    turns = [Work(kind=Kind.ORCHESTRATION, seq=seq, name="main") for seq in (1, 2)]
    hub.offer(*(activity(seq) for seq in (1, 2, 3)), *turns)
    assert hub.dispatcher.in_air() == {Kind.ACTIVITY: 2, Kind.ORCHESTRATION: 1, Kind.ENTITY: 0}
    hub.dispatcher.complete(token_of(worker, 2))
    hub.dispatcher.pump()
    assert [lease.work.key for lease in worker.leases.values()] == [
        (Kind.ORCHESTRATION, 1),
        (Kind.ACTIVITY, 1),
        (Kind.ACTIVITY, 3),
    ]


@in_virtual_time
async def test_equal_workers_share_evenly() -> None:
    hub = Recorder()
    workers = [hub.connect() for _ in range(3)]
    hub.offer(*(activity(seq) for seq in range(31)))
    assert sorted(len(worker.leases) for worker in workers) == [10, 10, 11]


@in_virtual_time
async def test_work_goes_to_the_worker_with_the_most_room() -> None:
    hub = Recorder()
    small, large = hub.connect(terms(2)), hub.connect(terms(4))
    hub.offer(*(activity(seq) for seq in range(4)))
    assert (len(small.leases), len(large.leases)) == (1, 3)
    hub.offer(*(activity(seq) for seq in range(4, 9)))
    assert (len(small.leases), len(large.leases)) == (2, 4)


@in_virtual_time
async def test_work_that_nobody_accepts_waits_and_holds_up_nothing() -> None:
    hub = Recorder()
    worker = hub.connect(terms(only=["known"]))
    hub.offer(activity(1, "unknown"), activity(2, "known"))
    assert held(worker) == [2]
    assert hub.dispatcher.waiting()[Kind.ACTIVITY] == 1
    assert held(hub.connect(terms(only=["unknown"]))) == [1]


@in_virtual_time
async def test_unversioned_work_is_not_for_a_worker_of_one_version() -> None:
    hub = Recorder()
    worker = hub.connect(terms(only=["act"], versions=["2.0"]))
    hub.offer(activity(1), activity(2, version="2.0"), activity(3, version="1.0"))
    assert held(worker) == [2]
    assert held(hub.connect(terms(only=["act"], versions=[""]))) == [1]


@in_virtual_time
async def test_work_is_given_once_however_often_it_is_offered() -> None:
    hub = Recorder()
    hub.offer(activity(1), activity(1))
    worker = hub.connect()
    hub.offer(activity(1))
    assert held(worker) == [1]
    assert sum(hub.dispatcher.waiting().values()) == 0


@in_virtual_time
async def test_work_may_come_again_after_it_has_been_answered() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(1))
    before = token_of(worker, 1)
    hub.dispatcher.complete(before)
    hub.offer(activity(1))
    assert token_of(worker, 1) != before


@in_virtual_time
async def test_work_that_is_nothing_any_more_is_given_to_nobody() -> None:
    hub = Recorder()
    worker = hub.connect(terms(1))
    hub.gone.add(1)
    hub.offer(activity(1), activity(2))
    assert held(worker) == [2]
    assert not hub.dispatcher.is_leased(Kind.ACTIVITY, 1)
    assert sum(hub.dispatcher.waiting().values()) == 0


@in_virtual_time
async def test_a_lease_ends_once() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(1))
    token = token_of(worker, 1)
    assert hub.dispatcher.is_leased(Kind.ACTIVITY, 1)
    ended = hub.dispatcher.complete(token)
    assert ended is not None
    assert ended.work == activity(1)
    assert hub.dispatcher.complete(token) is None
    assert hub.dispatcher.lease_of(token) is None
    assert not hub.dispatcher.is_leased(Kind.ACTIVITY, 1)
    assert worker.in_air[Kind.ACTIVITY] == 0


@in_virtual_time
async def test_an_old_token_neither_ends_nor_returns_a_newer_lease() -> None:
    hub = Recorder()
    hub.offer(activity(1))
    first = hub.connect()
    old = token_of(first, 1)
    hub.dispatcher.disconnect(first)
    second = hub.connect()
    assert held(second) == [1]
    assert hub.dispatcher.complete(old) is None
    assert hub.dispatcher.give_back(old) == 0
    hub.dispatcher.abandon(old)
    assert held(second) == [1]
    assert hub.dispatcher.is_leased(Kind.ACTIVITY, 1)


@in_virtual_time
async def test_what_is_withdrawn_is_given_to_nobody() -> None:
    hub = Recorder()
    hub.offer(activity(1), activity(2))
    hub.dispatcher.withdraw(Kind.ACTIVITY, 1)
    assert held(hub.connect()) == [2]


@in_virtual_time
async def test_what_is_withdrawn_from_a_worker_keeps_its_room_until_it_answers() -> None:
    hub = Recorder()
    worker = hub.connect(terms(1))
    hub.offer(activity(1))
    token = token_of(worker, 1)
    lease = hub.dispatcher.lease_of(token)
    assert lease is not None
    assert hub.dispatcher.is_current(lease)
    hub.dispatcher.withdraw(Kind.ACTIVITY, 1)
    assert not hub.dispatcher.is_current(lease)
    hub.offer(activity(2))
    assert held(worker) == [1]
    assert hub.dispatcher.complete(token) is None
    hub.dispatcher.pump()
    assert held(worker) == [2]


@in_virtual_time
async def test_a_paused_hub_takes_answers_and_gives_nothing() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.offer(activity(1))
    hub.dispatcher.pause()
    hub.offer(activity(2))
    assert held(worker) == [1]
    assert hub.dispatcher.complete(token_of(worker, 1)) is not None


@in_virtual_time
async def test_a_stopped_hub_ends_its_streams_and_those_that_come_late() -> None:
    hub = Recorder()
    early = hub.connect()
    hub.dispatcher.stop()
    await early.closed()
    await hub.connect().closed()


@in_virtual_time
async def test_the_open_streams_are_those_that_have_not_been_disconnected() -> None:
    hub = Recorder()
    first, second = hub.connect(), hub.connect()
    hub.dispatcher.disconnect(first)
    hub.dispatcher.disconnect(first)
    assert hub.dispatcher.streams == (second,)


@in_virtual_time
async def test_only_turns_are_given_before_they_are_on_the_disk_and_no_suspects() -> None:
    hub = Recorder()
    worker = hub.connect()
    entity = Work(kind=Kind.ENTITY, seq=2, name="counter")
    for work in (activity(1), entity, turn(3), turn(4, lost=SUSPECT_DELIVERIES)):
        hub.dispatcher.offer(work)
    hub.dispatcher.pump_turns()
    assert held(worker) == [3]
    hub.dispatcher.pump()
    assert held(worker) == [3, 1, 2]


@in_virtual_time
async def test_a_paused_dispatcher_gives_no_turns() -> None:
    hub = Recorder()
    worker = hub.connect()
    hub.dispatcher.offer(turn(1))
    hub.dispatcher.pause()
    hub.dispatcher.pump_turns()
    assert held(worker) == []


@in_virtual_time
async def test_before_there_is_a_hub_there_is_no_work_to_prepare() -> None:
    dispatcher = Dispatcher(run_id="run")
    dispatcher.connect(terms(), NOW, print)
    dispatcher.pump()
    dispatcher.offer(activity(1))
    with pytest.raises(NotImplementedError):
        dispatcher.pump()


@pytest.mark.parametrize(
    ("token", "named"),
    [
        ("a3.1-run-1", (3, 1)),
        ("a0.42-run-1", (0, 42)),
        ("i0.42-run-1", None),
        ("e0.9-run-1", None),
        ("", None),
        ("a", None),
        ("a1-run-1", None),
        ("a1.2", None),
        ("a1.b-run-1", None),
        ("a1." + "9" * 19 + "-run-1", None),
        (pb.ActivityResponse().completionToken, None),
    ],
)
def test_a_token_names_its_activity_and_anything_else_names_none(
    token: str, named: tuple[int, int] | None
) -> None:
    assert activity_of(token) == named


@in_virtual_time
async def test_waiting_work_that_is_offered_under_another_version_is_for_that_one() -> None:
    hub = Recorder()
    hub.offer(activity(1, version="1.0"), activity(1, version="2.0"))
    assert held(hub.connect(terms(only=["act"], versions=["1.0"]))) == []
    assert held(hub.connect(terms(only=["act"], versions=["2.0"]))) == [1]
