import threading
from datetime import timedelta
from typing import Any

import pytest
from durabletask import history, task
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.conformance.deliveries import Deliveries
from tests.conformance.histories import execution_id, kinds, of
from tests.conformance.hub import SECONDS_MAX, Hub, Steps

A_MOMENT = timedelta(seconds=0.4)


def echo(_: task.ActivityContext, value: Any) -> Any:
    return value


def test_an_orchestration_goes_through_ten_generations(hub: Hub) -> None:
    def count(ctx: task.OrchestrationContext, number: int) -> Steps:
        number = 1 + (yield ctx.call_activity(echo, input=number))
        if number < 10:
            ctx.continue_as_new(number)
            return None
        return number

    with hub.worker(orchestrators=[count], activities=[echo]):
        state = hub.ran(count, input=0)
    assert (state.runtime_status.name, state.get_output()) == ("COMPLETED", 10)
    assert (state.name, state.get_input()) == ("count", 9)
    assert kinds(hub.client.get_orchestration_history(state.instance_id)) == [
        "OrchestratorStarted",
        "ExecutionStarted",
        "TaskScheduled",
        "OrchestratorStarted",
        "TaskCompleted",
        "ExecutionCompleted",
    ]


@pytest.mark.parametrize("value", [0, "", False, None, [], {}], ids=repr)
def test_a_falsy_input_reaches_the_next_generation_exactly(hub: Hub, value: Any) -> None:
    def again(ctx: task.OrchestrationContext, received: Any) -> Any:
        if received == "first":
            return ctx.continue_as_new(value)
        return [received]

    with hub.worker(orchestrators=[again]):
        output = hub.ran(again, input="first").get_output()
    assert repr(output) == repr([value])


def test_a_generation_has_an_execution_id_of_its_own(hub: Hub) -> None:
    def twice(ctx: task.OrchestrationContext, generation: int) -> Steps:
        ctx.set_custom_status(generation)
        yield ctx.wait_for_external_event("go")
        if generation == 1:
            ctx.continue_as_new(2)

    with hub.worker(orchestrators=[twice]):
        instance_id = hub.client.schedule_new_orchestration(twice, input=1)
        hub.until_status(instance_id, 1)
        first = execution_id(hub.client.get_orchestration_history(instance_id))
        hub.client.raise_orchestration_event(instance_id, "go")
        hub.until_status(instance_id, 2)
        second = execution_id(hub.client.get_orchestration_history(instance_id))
        hub.client.raise_orchestration_event(instance_id, "go")
        hub.ended(instance_id)
    last = execution_id(hub.client.get_orchestration_history(instance_id))
    assert first is not None
    assert second is not None
    assert first != second
    assert last == second


def test_unprocessed_events_are_carried_over(hub: Hub) -> None:
    def one_each(ctx: task.OrchestrationContext, received: list[str]) -> Steps:
        received = [*received, (yield ctx.wait_for_external_event("item"))]
        if len(received) == 4:
            return received
        return ctx.continue_as_new(received, save_events=True)

    instance_id = hub.client.schedule_new_orchestration(one_each, input=[])
    for item in "abcd":
        hub.client.raise_orchestration_event(instance_id, "item", data=item)
    with hub.worker(orchestrators=[one_each]):
        assert hub.ended(instance_id).get_output() == ["a", "b", "c", "d"]


def test_events_of_several_names_are_carried_over_in_order(hub: Hub) -> None:
    def gather(ctx: task.OrchestrationContext, generation: int) -> Steps:
        if generation == 1:
            yield ctx.wait_for_external_event("go")
            return ctx.continue_as_new(2, save_events=True)
        received = []
        for name in ("b", "a", "a"):
            received.append((yield ctx.wait_for_external_event(name)))  # noqa: PERF401 - a comprehension cannot yield
        return received

    instance_id = hub.client.schedule_new_orchestration(gather, input=1)
    for name, value in (("a", 0), ("b", None), ("A", 2), ("go", None)):
        hub.client.raise_orchestration_event(instance_id, name, data=value)
    with hub.worker(orchestrators=[gather]):
        assert hub.ended(instance_id).get_output() == [None, 0, 2]


def test_events_are_dropped_when_they_are_not_saved(hub: Hub) -> None:
    def forget(ctx: task.OrchestrationContext, generation: int) -> Steps:
        if generation == 1:
            yield ctx.wait_for_external_event("go")
            return ctx.continue_as_new(2, save_events=False)
        event, timeout = ctx.wait_for_external_event("item"), ctx.create_timer(A_MOMENT)
        return (yield task.when_any([event, timeout])) is event

    instance_id = hub.client.schedule_new_orchestration(forget, input=1)
    hub.client.raise_orchestration_event(instance_id, "item")
    hub.client.raise_orchestration_event(instance_id, "go")
    with hub.worker(orchestrators=[forget]):
        assert hub.ended(instance_id).get_output() is False


def test_an_event_reaches_whichever_generation_waits(hub: Hub) -> None:
    def relay(ctx: task.OrchestrationContext, received: list[int]) -> Steps:
        ctx.set_custom_status(len(received))
        received = [*received, (yield ctx.wait_for_external_event("item"))]
        if len(received) == 3:
            return received
        return ctx.continue_as_new(received)

    with hub.worker(orchestrators=[relay]):
        instance_id = hub.client.schedule_new_orchestration(relay, input=[])
        for number in range(3):
            hub.until_status(instance_id, number)
            hub.client.raise_orchestration_event(instance_id, "item", data=number)
        assert hub.ended(instance_id).get_output() == [0, 1, 2]


def test_a_timer_of_the_last_generation_does_not_fire_in_the_next(hub: Hub) -> None:
    def sleeper(ctx: task.OrchestrationContext, generation: int) -> Steps:
        if generation == 1:
            ctx.create_timer(A_MOMENT)
            yield ctx.create_timer(timedelta(0))
            return ctx.continue_as_new(2)
        before = ctx.current_utc_datetime
        # The same number as the one that the last generation left behind.
        yield ctx.create_timer(3 * A_MOMENT)
        return (ctx.current_utc_datetime - before).total_seconds()

    with hub.worker(orchestrators=[sleeper]):
        slept = hub.ran(sleeper, input=1).get_output(float)
    assert slept is not None
    assert timedelta(seconds=slept) >= 3 * A_MOMENT


def test_an_activity_of_the_last_generation_does_not_answer_the_next(hub: Hub) -> None:
    gates = {"old": threading.Event(), "new": threading.Event()}
    begun = {"old": threading.Event(), "new": threading.Event()}
    deliveries = Deliveries()

    def held(_: task.ActivityContext, name: str) -> str:
        begun[name].set()
        gates[name].wait(SECONDS_MAX)
        return name

    def again(ctx: task.OrchestrationContext, name: str) -> Steps:
        activity = ctx.call_activity(held, input=name)
        if name == "new":
            return (yield activity)
        yield ctx.wait_for_external_event("go")
        return ctx.continue_as_new("new")

    with hub.worker(orchestrators=[again], activities=[held], interceptors=[deliveries]):
        instance_id = hub.client.schedule_new_orchestration(again, input="old")
        try:
            assert begun["old"].wait(SECONDS_MAX)
            hub.client.raise_orchestration_event(instance_id, "go")
            assert begun["new"].wait(SECONDS_MAX)
            gates["old"].set()
            deliveries.wait_for(1)
        finally:
            for gate in gates.values():
                gate.set()
        assert hub.ended(instance_id).get_output() == "new"


def test_a_child_that_continues_as_new_answers_its_parent_once(hub: Hub) -> None:
    def child(ctx: task.OrchestrationContext, number: int) -> Steps:
        yield ctx.call_activity(echo)
        if number < 5:
            return ctx.continue_as_new(number + 1)
        return [number, ctx.parent_instance_id]

    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        result = yield ctx.call_sub_orchestrator(child, input=1)
        yield ctx.create_timer(timedelta(0))
        return result

    with hub.worker(orchestrators=[parent, child], activities=[echo]):
        state = hub.ran(parent)
    assert state.get_output() == [5, state.instance_id]
    events = hub.client.get_orchestration_history(state.instance_id)
    assert kinds(events).count("SubOrchestrationInstanceCreated") == 1
    assert kinds(events).count("SubOrchestrationInstanceCompleted") == 1
    of_child = hub.client.get_orchestration_history(f"{state.instance_id}:0001")
    (started,) = of(history.ExecutionStartedEvent, of_child)
    assert started.parent_instance is not None
    assert started.parent_instance.task_scheduled_id == 1


def test_a_child_of_the_last_generation_does_not_answer_the_next(hub: Hub) -> None:
    def child(ctx: task.OrchestrationContext, _: object) -> Steps:
        ctx.set_custom_status("waits")
        return (yield ctx.wait_for_external_event("end"))

    def parent(ctx: task.OrchestrationContext, generation: int) -> Steps:
        answer = ctx.call_sub_orchestrator(child, instance_id=f"{ctx.instance_id}/{generation}")
        ctx.set_custom_status(generation)
        if generation == 1:
            yield ctx.wait_for_external_event("go")
            return ctx.continue_as_new(2)
        return (yield answer)

    with hub.worker(orchestrators=[parent, child]):
        instance_id = hub.client.schedule_new_orchestration(parent, input=1)
        hub.until_status(instance_id, 1)
        hub.client.raise_orchestration_event(instance_id, "go")
        hub.until_status(instance_id, 2)
        for generation in (1, 2):
            child_id = f"{instance_id}/{generation}"
            hub.until_status(child_id, "waits")
            hub.client.raise_orchestration_event(child_id, "end", data=generation)
            assert hub.ended(child_id).get_output() == generation
        assert hub.ended(instance_id).get_output() == 2


def test_tags_stay_with_the_orchestration(hub: Hub) -> None:
    def again(ctx: task.OrchestrationContext, generation: int) -> int:
        if generation < 3:
            ctx.continue_as_new(generation + 1)
        return generation

    tags = {"team": "orders", "größe": ""}
    with hub.worker(orchestrators=[again]), hub.stub() as stub:
        state = hub.ran(again, input=1, tags=tags)
        kept = stub.GetInstance(pb.GetInstanceRequest(instanceId=state.instance_id))
    assert dict(kept.orchestrationState.tags) == tags
    events = hub.client.get_orchestration_history(state.instance_id)
    assert of(history.ExecutionStartedEvent, events)[0].tags == tags


@pytest.mark.parametrize(("new", "expected"), [("2.0", "2.0"), (None, "1.0")])
def test_the_version_changes_only_when_it_is_told_to(
    hub: Hub, new: str | None, expected: str
) -> None:
    def again(ctx: task.OrchestrationContext, versions: list[str | None]) -> Any:
        versions = [*versions, ctx.version]
        if len(versions) == 1:
            return ctx.continue_as_new(versions, new_version=new)
        return versions

    with hub.worker(orchestrators=[again]):
        state = hub.ran(again, input=[], version="1.0")
    assert state.get_output() == ["1.0", expected]


def test_a_generation_fails_like_any_other(hub: Hub) -> None:
    def again(ctx: task.OrchestrationContext, generation: int) -> None:
        if generation == 2:
            raise RuntimeError("the second goes wrong")
        ctx.continue_as_new(2)

    with hub.worker(orchestrators=[again]):
        state = hub.ran(again, input=1)
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    assert state.failure_details.message == "the second goes wrong"
