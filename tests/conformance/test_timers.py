from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from durabletask import history, task

from tests.conformance.histories import kinds, of
from tests.conformance.hub import Hub, Steps

NO_TIME = timedelta(0)
A_MOMENT = timedelta(seconds=0.2)


@pytest.mark.parametrize("delay", [NO_TIME, timedelta(days=-1)], ids=["now", "a day ago"])
def test_a_timer_that_is_due_fires_at_once(hub: Hub, delay: timedelta) -> None:
    def sleeper(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.create_timer(delay)
        return "awake"

    with hub.worker(orchestrators=[sleeper]):
        state = hub.ran(sleeper)
    assert state.get_output() == "awake"
    assert state.last_updated_at - state.created_at < timedelta(seconds=2)


def test_a_timer_fires_at_its_time_and_never_before(hub: Hub) -> None:
    def sleeper(ctx: task.OrchestrationContext, _: object) -> Steps:
        before = ctx.current_utc_datetime
        yield ctx.create_timer(A_MOMENT)
        return (ctx.current_utc_datetime - before).total_seconds()

    with hub.worker(orchestrators=[sleeper]):
        slept = hub.ran(sleeper).get_output(float)
    assert slept is not None
    assert 0.2 <= slept < 2


def test_a_timers_events_carry_its_number_and_its_time(hub: Hub) -> None:
    def sleeper(ctx: task.OrchestrationContext, _: object) -> Steps:
        fire_at = ctx.current_utc_datetime + A_MOMENT
        yield ctx.create_timer(fire_at)
        return fire_at.replace(tzinfo=UTC).isoformat()

    with hub.worker(orchestrators=[sleeper]):
        state = hub.ran(sleeper)
    fire_at = datetime.fromisoformat(str(state.get_output()))
    events = hub.client.get_orchestration_history(state.instance_id)
    (created,) = of(history.TimerCreatedEvent, events)
    (fired,) = of(history.TimerFiredEvent, events)
    assert (created.event_id, created.fire_at) == (1, fire_at)
    assert (fired.event_id, fired.timer_id, fired.fire_at) == (-1, 1, fire_at)
    assert fired.timestamp >= fire_at


def test_a_timer_may_be_set_in_any_time_zone(hub: Hub) -> None:
    def sleeper(ctx: task.OrchestrationContext, _: object) -> Steps:
        now = ctx.current_utc_datetime.replace(tzinfo=UTC)
        yield ctx.create_timer((now + A_MOMENT).astimezone(timezone(timedelta(hours=9))))
        return (ctx.current_utc_datetime.replace(tzinfo=UTC) - now).total_seconds()

    with hub.worker(orchestrators=[sleeper]):
        slept = hub.ran(sleeper).get_output(float)
    assert slept is not None
    assert 0.2 <= slept < 2


def test_timers_fire_in_the_order_of_their_times(hub: Hub) -> None:
    def sleeper(ctx: task.OrchestrationContext, _: object) -> Steps:
        seconds = [0.6, 0.2, 0.4]
        yield task.when_all([ctx.create_timer(timedelta(seconds=one)) for one in seconds])

    with hub.worker(orchestrators=[sleeper]):
        state = hub.ran(sleeper)
    events = hub.client.get_orchestration_history(state.instance_id)
    assert [one.timer_id for one in of(history.TimerFiredEvent, events)] == [2, 3, 1]


def test_two_hundred_timers_all_fire(hub: Hub) -> None:
    def sleeper(ctx: task.OrchestrationContext, count: int) -> Steps:
        timers: list[task.Task[Any]] = [
            ctx.create_timer(timedelta(milliseconds=one)) for one in range(count)
        ]
        yield task.when_all(timers)

    with hub.worker(orchestrators=[sleeper]):
        state = hub.ran(sleeper, input=200)
    assert state.runtime_status.name == "COMPLETED"
    events = hub.client.get_orchestration_history(state.instance_id)
    fired = [one.timer_id for one in of(history.TimerFiredEvent, events)]
    assert sorted(fired) == list(range(1, 201))


@pytest.mark.parametrize(
    "fire_at", [timedelta(hours=1), datetime(9999, 12, 31, tzinfo=UTC)], ids=["an hour", "ages"]
)
def test_an_event_wins_against_a_timer_of_any_length(hub: Hub, fire_at: Any) -> None:
    def race(ctx: task.OrchestrationContext, _: object) -> Steps:
        timeout, event = ctx.create_timer(fire_at), ctx.wait_for_external_event("go")
        winner = yield task.when_any([timeout, event])
        return "event" if winner is event else "timer"

    with hub.worker(orchestrators=[race]):
        instance_id = hub.client.schedule_new_orchestration(race)
        hub.client.wait_for_orchestration_start(instance_id)
        hub.client.raise_orchestration_event(instance_id, "go")
        state = hub.ended(instance_id)
    assert state.get_output() == "event"
    assert "TimerFired" not in kinds(hub.client.get_orchestration_history(instance_id))


def test_a_timer_wins_against_an_event_that_does_not_come(hub: Hub) -> None:
    def race(ctx: task.OrchestrationContext, _: object) -> Steps:
        event, timeout = ctx.wait_for_external_event("go"), ctx.create_timer(A_MOMENT)
        winner = yield task.when_any([event, timeout])
        return "timer" if winner is timeout else "event"

    with hub.worker(orchestrators=[race]):
        assert hub.ran(race).get_output() == "timer"


def test_a_timer_that_is_cancelled_at_once_is_never_created(hub: Hub) -> None:
    def change_of_mind(ctx: task.OrchestrationContext, _: object) -> Steps:
        cancelled = ctx.create_timer(timedelta(hours=1)).cancel()
        yield ctx.create_timer(NO_TIME)
        return cancelled

    with hub.worker(orchestrators=[change_of_mind]):
        state = hub.ran(change_of_mind)
    assert state.get_output() is True
    events = hub.client.get_orchestration_history(state.instance_id)
    assert [one.event_id for one in of(history.TimerCreatedEvent, events)] == [2]


def test_a_timer_that_is_cancelled_later_fires_for_nobody(hub: Hub) -> None:
    def change_of_mind(ctx: task.OrchestrationContext, _: object) -> Steps:
        first = ctx.create_timer(timedelta(seconds=0.4))
        yield ctx.create_timer(NO_TIME)
        cancelled = first.cancel()
        yield ctx.create_timer(timedelta(seconds=0.8))
        return [cancelled, first.is_cancelled]

    with hub.worker(orchestrators=[change_of_mind]):
        state = hub.ran(change_of_mind)
    assert state.get_output() == [True, True]


def test_a_timer_that_is_left_behind_does_not_touch_the_finished_orchestration(hub: Hub) -> None:
    def hasty(ctx: task.OrchestrationContext, _: object) -> str:
        ctx.create_timer(timedelta(seconds=0.3))
        return "done"

    def patient(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.create_timer(timedelta(seconds=0.6))

    with hub.worker(orchestrators=[hasty, patient]):
        state = hub.ran(hasty)
        events = hub.client.get_orchestration_history(state.instance_id)
        # Its timer came later, so the other one has fired.
        hub.ran(patient)
    assert state.get_output() == "done"
    assert hub.client.get_orchestration_history(state.instance_id) == events
    assert hub.client.get_orchestration_state(state.instance_id) == state


def test_a_timer_fires_while_no_worker_is_there(hub: Hub) -> None:
    def sleeper(ctx: task.OrchestrationContext, _: object) -> Steps:
        ctx.set_custom_status("asleep")
        yield ctx.create_timer(timedelta(seconds=0.5))
        return "awake"

    with hub.worker(orchestrators=[sleeper]):
        instance_id = hub.client.schedule_new_orchestration(sleeper)
        hub.until_status(instance_id, "asleep")
    with hub.worker(orchestrators=[sleeper]):
        assert hub.ended(instance_id).get_output() == "awake"


def test_an_orchestration_starts_at_the_time_that_it_is_scheduled_for(hub: Hub) -> None:
    def when(ctx: task.OrchestrationContext, _: object) -> str:
        return ctx.current_utc_datetime.isoformat()

    start_at = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)
    with hub.worker(orchestrators=[when]):
        instance_id = hub.client.schedule_new_orchestration(when, start_at=start_at)
        with pytest.raises(TimeoutError):
            hub.client.wait_for_orchestration_start(instance_id, timeout=0.3)
        state = hub.ended(instance_id)
    assert datetime.fromisoformat(str(state.get_output())) >= start_at
