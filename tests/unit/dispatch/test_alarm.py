"""One timer for all that a hub waits for, by a clock that the test moves."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.scheduler.dispatch.alarm import Alarm
from tests.unit.dispatch.virtual_time import elapsed, in_virtual_time

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


class Clock:
    """It shows the loop's time, and what it has been set forward or back by."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        """What it shows."""
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time()) + self.shift


class Bell:
    """Counts how often an alarm rings, and lets a test wait for it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.times: list[float] = []
        self._rung = asyncio.Event()
        self.clock = clock or Clock()
        self.alarm = Alarm(self.clock.now, self._ring)

    def _ring(self) -> None:
        self.times.append(elapsed())
        self._rung.set()

    async def rung(self) -> float:
        """When it rings next, in seconds."""
        self._rung.clear()
        await self._rung.wait()
        return self.times[-1]


def after(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


@pytest.mark.parametrize("seconds", [0.0, 0.25, 5.0, 6.0, 30.0, 86_400.0])
@in_virtual_time
async def test_it_rings_once_at_the_time_that_it_was_set_to(seconds: float) -> None:
    bell = Bell()
    bell.alarm.set_to(after(seconds))
    assert await bell.rung() == pytest.approx(seconds, abs=0.002)
    await asyncio.sleep(200)
    assert len(bell.times) == 1


@in_virtual_time
async def test_a_time_in_the_past_rings_at_once_but_not_before_the_caller_is_done() -> None:
    bell = Bell()
    bell.alarm.set_to(after(-5))
    assert bell.times == []
    assert await bell.rung() == 0


@in_virtual_time
async def test_the_last_time_of_all_is_waited_for() -> None:
    bell = Bell()
    bell.alarm.set_to(datetime.max.replace(tzinfo=UTC))
    await asyncio.sleep(1_000_000)
    assert bell.times == []
    bell.alarm.stop()


@in_virtual_time
async def test_an_earlier_time_takes_the_place_of_a_later_one_and_not_the_other_way() -> None:
    bell = Bell()
    bell.alarm.set_to(after(30))
    bell.alarm.not_after(after(10))
    bell.alarm.not_after(after(20))
    assert await bell.rung() == 10
    await asyncio.sleep(100)
    assert bell.times == [10]


@in_virtual_time
async def test_setting_it_replaces_whatever_it_was_set_to() -> None:
    bell = Bell()
    bell.alarm.set_to(after(10))
    bell.alarm.set_to(after(20))
    assert await bell.rung() == 20


@in_virtual_time
async def test_it_can_be_set_from_nothing_by_not_after() -> None:
    bell = Bell()
    bell.alarm.not_after(after(10))
    assert await bell.rung() == 10


@in_virtual_time
async def test_set_to_nothing_or_stopped_it_does_not_ring() -> None:
    bell = Bell()
    bell.alarm.set_to(after(10))
    bell.alarm.set_to(None)
    await asyncio.sleep(100)
    bell.alarm.set_to(after(110))
    bell.alarm.stop()
    await asyncio.sleep(100)
    assert bell.times == []


@in_virtual_time
async def test_it_can_be_set_again_after_it_has_rung() -> None:
    bell = Bell()
    bell.alarm.set_to(after(10))
    await bell.rung()
    bell.alarm.set_to(after(10))
    assert await bell.rung() == 10
    bell.alarm.set_to(after(20))
    assert await bell.rung() == 20


@in_virtual_time
async def test_it_never_rings_before_the_clock_says_so() -> None:
    bell = Bell()
    bell.alarm.set_to(after(10))
    bell.clock.shift = timedelta(seconds=-3)
    assert await bell.rung() == 13


@in_virtual_time
async def test_a_clock_that_is_set_forward_is_noticed_within_seconds() -> None:
    bell = Bell()
    bell.alarm.set_to(after(86_400))
    await asyncio.sleep(10)
    bell.clock.shift = timedelta(days=2)
    assert await bell.rung() <= 15
