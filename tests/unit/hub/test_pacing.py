"""When an instance that waits for many is due again."""

import asyncio

from services.scheduler.engine.protos import pb
from services.scheduler.hub.pacing import Pacing
from tests.unit.dispatch.virtual_time import elapsed, in_virtual_time
from tests.unit.engine import given

ONE = 7
MANY = 8
ANSWER = given.event(taskCompleted=pb.TaskCompletedEvent(taskScheduledId=1))
FAILED_CHILD = given.event(
    subOrchestrationInstanceFailed=pb.SubOrchestrationInstanceFailedEvent(taskScheduledId=2)
)
RAISED = given.raised("go")


class Woken:
    """Pacing, and when it has woken whom."""

    def __init__(self) -> None:
        self.times: list[tuple[int, float]] = []
        self.pacing = Pacing(lambda seq: self.times.append((seq, elapsed())))

    def turn(self, *, seconds: float, waits_for: int, meanwhile: int = 0, before: int = 0) -> bool:
        """A turn from its dispatch to its answer; whether another one is due at once."""
        self.pacing.began(ONE)
        for _ in range(meanwhile):
            self.pacing.is_due(ONE, [ANSWER])
        return self.pacing.ended(
            ONE, seconds=seconds, waits_for=waits_for, inbox=meanwhile + before
        )


@in_virtual_time
async def test_an_instance_that_has_had_no_turn_yet_is_due() -> None:
    woken = Woken()
    assert woken.pacing.is_due(ONE, [ANSWER])


@in_virtual_time
async def test_one_of_a_few_results_is_due_at_once() -> None:
    woken = Woken()
    woken.turn(seconds=0.1, waits_for=MANY - 1)
    assert woken.pacing.is_due(ONE, [ANSWER])


@in_virtual_time
async def test_one_of_many_results_waits_for_others_three_turns_long() -> None:
    woken = Woken()
    woken.turn(seconds=0.1, waits_for=MANY)
    assert not woken.pacing.is_due(ONE, [ANSWER])
    assert not woken.pacing.is_due(ONE, [FAILED_CHILD])
    await asyncio.sleep(1)
    assert woken.times == [(ONE, 0.3)]


@in_virtual_time
async def test_the_last_of_many_results_is_due_at_once() -> None:
    woken = Woken()
    woken.turn(seconds=0.1, waits_for=MANY)
    assert not woken.pacing.is_due(ONE, [ANSWER] * (MANY - 2))
    assert woken.pacing.is_due(ONE, [ANSWER, FAILED_CHILD])
    woken.pacing.began(ONE)
    await asyncio.sleep(1)
    assert woken.times == []


@in_virtual_time
async def test_what_is_due_is_woken_all_the_same_if_its_turn_does_not_begin() -> None:
    woken = Woken()
    woken.turn(seconds=0.1, waits_for=MANY)
    assert not woken.pacing.is_due(ONE, [ANSWER])
    # As in a use case that is rolled back.
    assert woken.pacing.is_due(ONE, [RAISED])
    await asyncio.sleep(1)
    assert woken.times == [(ONE, 0.3)]


@in_virtual_time
async def test_a_first_result_that_comes_late_waits_for_others_all_the_same() -> None:
    woken = Woken()
    woken.turn(seconds=0.1, waits_for=MANY)
    await asyncio.sleep(10)
    assert not woken.pacing.is_due(ONE, [ANSWER])
    await asyncio.sleep(1)
    assert woken.times == [(ONE, 10.3)]


@in_virtual_time
async def test_what_is_no_result_is_due_at_once_with_all_that_waits() -> None:
    woken = Woken()
    woken.turn(seconds=0.1, waits_for=MANY)
    assert not woken.pacing.is_due(ONE, [ANSWER])
    assert woken.pacing.is_due(ONE, [RAISED])


@in_virtual_time
async def test_nothing_waits_longer_than_half_a_second() -> None:
    woken = Woken()
    woken.turn(seconds=3600, waits_for=MANY)
    assert not woken.pacing.is_due(ONE, [ANSWER])
    await asyncio.sleep(1)
    assert woken.times == [(ONE, 0.5)]


@in_virtual_time
async def test_results_that_came_during_a_turn_wait_for_others_too() -> None:
    woken = Woken()
    assert not woken.turn(seconds=0.1, waits_for=MANY, meanwhile=2)
    await asyncio.sleep(0.15)
    assert woken.times == []
    await asyncio.sleep(1)
    assert woken.times == [(ONE, 0.3)]


@in_virtual_time
async def test_all_results_that_came_during_a_turn_are_due_after_it() -> None:
    woken = Woken()
    assert woken.turn(seconds=0.1, waits_for=MANY, meanwhile=MANY)


@in_virtual_time
async def test_an_event_that_came_during_a_turn_is_due_after_it() -> None:
    woken = Woken()
    woken.pacing.began(ONE)
    woken.pacing.is_due(ONE, [ANSWER])
    woken.pacing.is_due(ONE, [RAISED])
    assert woken.pacing.ended(ONE, seconds=0.1, waits_for=MANY, inbox=2)


@in_virtual_time
async def test_what_a_turn_has_left_in_the_inbox_is_due_after_it() -> None:
    assert Woken().turn(seconds=0.1, waits_for=MANY, before=1)
    assert Woken().turn(seconds=0.1, waits_for=MANY, before=1, meanwhile=2)


@in_virtual_time
async def test_an_instance_that_is_no_more_is_not_woken() -> None:
    woken = Woken()
    woken.turn(seconds=0.1, waits_for=MANY)
    woken.pacing.is_due(ONE, [ANSWER])
    woken.pacing.forget(ONE)
    await asyncio.sleep(1)
    assert woken.times == []
    assert woken.pacing.is_due(ONE, [ANSWER])


@in_virtual_time
async def test_nobody_is_woken_after_a_stop() -> None:
    woken = Woken()
    woken.turn(seconds=0.1, waits_for=MANY)
    woken.pacing.is_due(ONE, [ANSWER])
    woken.pacing.stop()
    await asyncio.sleep(1)
    assert woken.times == []
