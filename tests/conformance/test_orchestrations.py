import asyncio
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask import history, task
from durabletask.azuremanaged.client import AsyncDurableTaskSchedulerClient
from durabletask.worker import ConcurrencyOptions

from tests.conformance.deliveries import Deliveries
from tests.conformance.histories import execution_id, of
from tests.conformance.hub import SECONDS_MAX, Hub, Steps

FALSY: list[Any] = [0, 0.0, "", False, None, [], {}]
# Together with its copies in a history it stays below the 4 MiB that a default client takes.
NEARLY_A_MEGABYTE = 900_000


def echo(_: task.ActivityContext, value: Any) -> Any:
    return value


def through_an_activity(ctx: task.OrchestrationContext, value: Any) -> Steps:
    return (yield ctx.call_activity(echo, input=value))


def test_an_orchestration_returns_its_output(hub: Hub) -> None:
    def double(_: task.ActivityContext, number: int) -> int:
        return number * 2

    def chain(ctx: task.OrchestrationContext, number: int) -> Steps:
        once = yield ctx.call_activity(double, input=number)
        return (yield ctx.call_activity(double, input=once))

    with hub.worker(orchestrators=[chain], activities=[double]):
        state = hub.ran(chain, input=4)
    assert state.runtime_status.name == "COMPLETED"
    assert state.get_output(int) == 16


def test_an_orchestration_without_tasks_completes(hub: Hub) -> None:
    def plain(_: task.OrchestrationContext, number: int) -> int:
        return number + 1

    with hub.worker(orchestrators=[plain]):
        state = hub.ran(plain, input=41)
    assert (state.runtime_status.name, state.get_output()) == ("COMPLETED", 42)


def test_the_state_tells_name_id_input_and_times(hub: Hub) -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    instance_id = hub.fresh()
    with hub.worker(orchestrators=[through_an_activity], activities=[echo]):
        state = hub.ran(through_an_activity, input={"a": [1]}, instance_id=instance_id)
    assert state.instance_id == instance_id
    assert state.name == "through_an_activity"
    assert state.serialized_input == state.serialized_output == '{"a": [1]}'
    assert state.failure_details is None
    assert abs(state.created_at - before) < timedelta(minutes=5)
    assert state.created_at <= state.last_updated_at


def test_orchestrators_and_activities_are_found_by_name(hub: Hub) -> None:
    def by_name(ctx: task.OrchestrationContext, value: str) -> Steps:
        return (yield ctx.call_activity("echo", input=value))

    with hub.worker(orchestrators=[by_name], activities=[echo]):
        assert hub.ran("by_name", input="hello").get_output() == "hello"


def test_a_fan_out_gives_its_results_in_the_order_of_its_calls(hub: Hub) -> None:
    def fan_out(ctx: task.OrchestrationContext, count: int) -> Steps:
        return (
            yield task.when_all([ctx.call_activity(echo, input=number) for number in range(count)])
        )

    with hub.worker(orchestrators=[fan_out], activities=[echo]):
        state = hub.ran(fan_out, input=50)
    assert state.get_output() == list(range(50))
    events = hub.client.get_orchestration_history(state.instance_id)
    assert [event.event_id for event in of(history.TaskScheduledEvent, events)] == list(
        range(1, 51)
    )
    completed = of(history.TaskCompletedEvent, events)
    assert sorted(event.task_scheduled_id for event in completed) == list(range(1, 51))


def test_the_first_of_several_tasks_goes_on_and_the_late_one_changes_nothing(hub: Hub) -> None:
    gate, deliveries = threading.Event(), Deliveries()

    def held(_: task.ActivityContext, value: str) -> str:
        gate.wait(SECONDS_MAX)
        return value

    def race(ctx: task.OrchestrationContext, _: object) -> Steps:
        slow = ctx.call_activity(held, input="slow")
        fast = ctx.call_activity(echo, input="fast")
        winner = yield task.when_any([slow, fast])
        return winner.get_result(), winner is fast

    with hub.worker(orchestrators=[race], activities=[echo, held], interceptors=[deliveries]):
        try:
            state = hub.ran(race)
            events = hub.client.get_orchestration_history(state.instance_id)
        finally:
            gate.set()
        deliveries.wait_for(2)
    assert state.get_output() == ["fast", True]
    assert hub.client.get_orchestration_history(state.instance_id) == events
    assert hub.client.get_orchestration_state(state.instance_id) == state


@pytest.mark.parametrize("value", FALSY, ids=repr)
def test_a_falsy_payload_is_kept_exactly(hub: Hub, value: Any) -> None:
    seen: list[Any] = []

    def keep(_: task.ActivityContext, received: Any) -> Any:
        seen.append(received)
        return received

    def through(ctx: task.OrchestrationContext, received: Any) -> Steps:
        seen.append(received)
        seen.append((yield ctx.call_activity(keep, input=received)))
        return received

    with hub.worker(orchestrators=[through], activities=[keep]):
        state = hub.ran(through, input=value)
    # As JSON, because to Python 0 and False are equal.
    assert {json.dumps(one) for one in seen} == {json.dumps(value)}
    encoded = None if value is None else json.dumps(value)
    assert (state.serialized_input, state.serialized_output) == (encoded, encoded)


def test_a_payload_of_nearly_a_megabyte_passes(hub: Hub) -> None:
    text = "x" * NEARLY_A_MEGABYTE
    with hub.worker(orchestrators=[through_an_activity], activities=[echo]):
        state = hub.ran(through_an_activity, input=text)
    assert state.get_input() == text
    assert state.get_output() == text


def test_names_and_ids_and_payloads_of_any_script_pass(hub: Hub) -> None:
    def greet(_: task.ActivityContext, name: str) -> str:
        return f"Grüße, {name}! 🚀 \x00\u2028"

    def orchestrator(ctx: task.OrchestrationContext, name: str) -> Steps:
        return (yield ctx.call_activity("grüße 漢字", input=name))

    greet.__name__ = "grüße 漢字"
    orchestrator.__name__ = "оркестр 🎻"
    instance_id = hub.fresh("with space / ~ #%")
    with hub.worker(orchestrators=[orchestrator], activities=[greet]):
        state = hub.ran("оркестр 🎻", input="Zoë", instance_id=instance_id)
    assert (state.instance_id, state.name) == (instance_id, "оркестр 🎻")
    assert state.get_output() == "Grüße, Zoë! 🚀 \x00\u2028"


def test_an_activity_knows_its_orchestration_and_its_number(hub: Hub) -> None:
    def who(ctx: task.ActivityContext, _: object) -> tuple[str, int]:
        return ctx.orchestration_id, ctx.task_id

    def ask(ctx: task.OrchestrationContext, _: object) -> Steps:
        return (yield task.when_all([ctx.call_activity(who), ctx.call_activity(who)]))

    with hub.worker(orchestrators=[ask], activities=[who]):
        state = hub.ran(ask)
    assert state.get_output() == [[state.instance_id, 1], [state.instance_id, 2]]


def test_the_clock_is_the_histories_and_the_same_in_every_replay(hub: Hub) -> None:
    seen: dict[int, set[datetime]] = {}

    def clock(ctx: task.OrchestrationContext, _: object) -> Steps:
        for step in range(4):
            seen.setdefault(step, set()).add(ctx.current_utc_datetime)
            yield ctx.call_activity(echo, input=step)

    with hub.worker(orchestrators=[clock], activities=[echo]):
        state = hub.ran(clock)
    assert [len(times) for times in seen.values()] == [1, 1, 1, 1]
    times = [min(seen[step]) for step in range(4)]
    assert times == sorted(times)
    assert times[0] < times[-1]
    events = hub.client.get_orchestration_history(state.instance_id)
    turns = [
        one.timestamp.replace(tzinfo=None) for one in of(history.OrchestratorStartedEvent, events)
    ]
    assert turns[:4] == times


def test_new_uuids_differ_and_are_the_same_in_every_replay(hub: Hub) -> None:
    seen: set[tuple[str, str]] = set()

    def name_things(ctx: task.OrchestrationContext, _: object) -> Steps:
        names = ctx.new_uuid(), ctx.new_uuid()
        seen.add(names)
        yield ctx.call_activity(echo, input=1)
        return names

    with hub.worker(orchestrators=[name_things], activities=[echo]):
        first, second = hub.ran(name_things).get_output()
    assert seen == {(first, second)}
    assert first != second
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first)


def test_only_what_happened_before_is_replayed(hub: Hub) -> None:
    seen: list[bool] = []

    def replays(ctx: task.OrchestrationContext, _: object) -> Steps:
        seen.append(ctx.is_replaying)
        yield ctx.call_activity(echo, input=1)
        seen.append(ctx.is_replaying)
        yield ctx.call_activity(echo, input=2)
        seen.append(ctx.is_replaying)

    with hub.worker(orchestrators=[replays], activities=[echo]):
        hub.ran(replays)
    assert seen == [False, True, False, True, True, False]


def test_workers_share_the_work(hub: Hub) -> None:
    # Each worker takes one activity at a time, and each activity waits for the other.
    meeting = threading.Barrier(2)
    one_at_a_time = ConcurrencyOptions(maximum_concurrent_activity_work_items=1)

    def meet(_: task.ActivityContext, __: object) -> str:
        meeting.wait(3)
        return "met"

    def meet_twice(ctx: task.OrchestrationContext, _: object) -> Steps:
        return (yield task.when_all([ctx.call_activity(meet), ctx.call_activity(meet)]))

    parts: dict[str, Any] = {
        "orchestrators": [meet_twice],
        "activities": [meet],
        "concurrency": one_at_a_time,
    }
    with hub.worker(**parts), hub.worker(**parts):
        assert hub.ran(meet_twice).get_output() == ["met", "met"]


def test_another_worker_goes_on_where_one_stopped(hub: Hub) -> None:
    def two_halves(ctx: task.OrchestrationContext, _: object) -> Steps:
        first = yield ctx.call_activity(echo, input="first")
        ctx.set_custom_status("half")
        yield ctx.wait_for_external_event("go")
        second = yield ctx.call_activity(echo, input="second")
        return [first, second]

    with hub.worker(orchestrators=[two_halves], activities=[echo]):
        instance_id = hub.client.schedule_new_orchestration(two_halves)
        hub.until_status(instance_id, "half")
    hub.client.raise_orchestration_event(instance_id, "go")
    with hub.worker(orchestrators=[two_halves], activities=[echo]):
        assert hub.ended(instance_id).get_output() == ["first", "second"]


def test_work_waits_for_a_worker(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(through_an_activity, input="patient")
    with pytest.raises(TimeoutError):
        hub.client.wait_for_orchestration_start(instance_id, timeout=0.3)
    state = hub.client.get_orchestration_state(instance_id)
    assert state is not None
    assert state.runtime_status.name == "PENDING"
    with hub.worker(orchestrators=[through_an_activity], activities=[echo]):
        assert hub.ended(instance_id).get_output() == "patient"


def test_a_wait_for_the_start_ends_while_the_orchestration_runs(hub: Hub) -> None:
    def wait(ctx: task.OrchestrationContext, _: object) -> Steps:
        return (yield ctx.wait_for_external_event("end"))

    instance_id = hub.client.schedule_new_orchestration(wait, input="in")
    with hub.worker(orchestrators=[wait]):
        state = hub.client.wait_for_orchestration_start(instance_id, fetch_payloads=True)
        assert state is not None
        assert (state.runtime_status.name, state.get_input()) == ("RUNNING", "in")
        with pytest.raises(TimeoutError):
            hub.client.wait_for_orchestration_completion(instance_id, timeout=0.3)
        hub.client.raise_orchestration_event(instance_id, "end", data="over")
        assert hub.ended(instance_id).get_output() == "over"


def test_payloads_are_left_out_unless_asked_for(hub: Hub) -> None:
    with hub.worker(orchestrators=[through_an_activity], activities=[echo]):
        instance_id = hub.ran(through_an_activity, input="secret").instance_id
    bare = hub.client.wait_for_orchestration_completion(instance_id, fetch_payloads=False)
    assert bare is not None
    assert (bare.serialized_input, bare.serialized_output) == (None, None)


def test_many_orchestrations_run_side_by_side(hub: Hub) -> None:
    with hub.worker(orchestrators=[through_an_activity], activities=[echo]):
        started = [
            hub.client.schedule_new_orchestration(through_an_activity, input=number)
            for number in range(50)
        ]
        assert [hub.ended(one).get_output() for one in started] == list(range(50))


def test_every_execution_has_an_id_of_32_hexadecimal_characters(hub: Hub) -> None:
    with hub.worker(orchestrators=[through_an_activity], activities=[echo]):
        ids = {
            execution_id(hub.client.get_orchestration_history(state.instance_id))
            for state in (hub.ran(through_an_activity), hub.ran(through_an_activity))
        }
    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", str(one)) for one in ids)


def test_the_asynchronous_client_serves_the_same_orchestrations(hub: Hub) -> None:
    def wait(ctx: task.OrchestrationContext, name: str) -> Steps:
        greeting = yield ctx.wait_for_external_event("greeting")
        return f"{greeting}, {name}"

    async def use_it() -> Any:
        async with AsyncDurableTaskSchedulerClient(
            host_address=hub.address, taskhub=hub.name, token_credential=None, secure_channel=False
        ) as client:
            instance_id = await client.schedule_new_orchestration(wait, input="you")
            started = await client.wait_for_orchestration_start(instance_id)
            assert started is not None
            with pytest.raises(TimeoutError):
                await client.wait_for_orchestration_completion(instance_id, timeout=0.2)
            await client.raise_orchestration_event(instance_id, "greeting", data="hello")
            state = await client.wait_for_orchestration_completion(instance_id, timeout=SECONDS_MAX)
            assert state is not None
            return state.get_output()

    with hub.worker(orchestrators=[wait]):
        assert asyncio.run(use_it()) == "hello, you"
