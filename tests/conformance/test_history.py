from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from durabletask import history, task
from durabletask.grpc_options import GrpcChannelOptions

from tests.conformance.hub import Hub, Steps
from tests.conformance.readings import execution_of, kinds_of, refused, start_of, state_of
from tests.conformance.waiting import GO, echo, fails, waits_for_go

SKEW = timedelta(seconds=1)
# More than a client takes in one message (4 MiB), in payloads that are allowed (1 MB).
LARGE_PARTS, LARGE_CHARS = 5, 900_000
EVENTS = 500
FIRST_TURN = ["OrchestratorStarted", "ExecutionStarted"]


def shout(_: task.ActivityContext, text: str) -> str:
    return text.upper()


def every_kind(ctx: task.OrchestrationContext, child_id: str) -> Steps:
    yield ctx.call_activity(shout, input="a")
    yield ctx.create_timer(timedelta(milliseconds=10))
    yield ctx.call_sub_orchestrator(echo, instance_id=child_id, input="b")
    return "c"


def test_a_history_tells_all_that_happened_in_its_order(hub: Hub) -> None:
    child_id = hub.fresh()
    with hub.worker(orchestrators=[every_kind, echo], activities=[shout]):
        instance_id = hub.ran(every_kind, input=child_id).instance_id
    assert kinds_of(hub, instance_id) == [
        *FIRST_TURN,
        "TaskScheduled",
        "OrchestratorStarted",
        "TaskCompleted",
        "TimerCreated",
        "OrchestratorStarted",
        "TimerFired",
        "SubOrchestrationInstanceCreated",
        "OrchestratorStarted",
        "SubOrchestrationInstanceCompleted",
        "ExecutionCompleted",
    ]


def test_results_in_a_history_name_what_they_belong_to(hub: Hub) -> None:
    child_id = hub.fresh()
    with hub.worker(orchestrators=[every_kind, echo], activities=[shout]):
        instance_id = hub.ran(every_kind, input=child_id).instance_id
    events = {type(event): event for event in hub.client.get_orchestration_history(instance_id)}
    scheduled = events[history.TaskScheduledEvent]
    completed = events[history.TaskCompletedEvent]
    created = events[history.SubOrchestrationInstanceCreatedEvent]
    child = events[history.SubOrchestrationInstanceCompletedEvent]
    timer, fired = events[history.TimerCreatedEvent], events[history.TimerFiredEvent]
    assert isinstance(scheduled, history.TaskScheduledEvent)
    assert (scheduled.event_id, scheduled.name, scheduled.input) == (1, "shout", '"a"')
    assert isinstance(completed, history.TaskCompletedEvent)
    assert (completed.event_id, completed.task_scheduled_id, completed.result) == (-1, 1, '"A"')
    assert isinstance(timer, history.TimerCreatedEvent)
    assert isinstance(fired, history.TimerFiredEvent)
    assert (timer.event_id, fired.event_id, fired.timer_id) == (2, -1, 2)
    assert timer.fire_at == fired.fire_at
    assert isinstance(created, history.SubOrchestrationInstanceCreatedEvent)
    assert (created.event_id, created.name, created.input) == (3, "echo", '"b"')
    assert created.instance_id == child_id
    assert isinstance(child, history.SubOrchestrationInstanceCompletedEvent)
    assert (child.event_id, child.task_scheduled_id, child.result) == (-1, 3, '"b"')


def test_every_event_of_a_history_has_the_time_when_it_happened(hub: Hub) -> None:
    begin = datetime.now(UTC) - SKEW
    with hub.worker(orchestrators=[every_kind, echo], activities=[shout]):
        instance_id = hub.ran(every_kind, input=hub.fresh()).instance_id
    times = [event.timestamp for event in hub.client.get_orchestration_history(instance_id)]
    assert begin < min(times)
    assert max(times) < datetime.now(UTC) + SKEW


def test_a_history_begins_with_how_the_orchestration_was_started(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo, input=0, version="1.5", tags={"a": "b"}).instance_id
    start = start_of(hub, instance_id)
    assert (start.event_id, start.name, start.input, start.version) == (-1, "echo", "0", "1.5")
    assert start.tags == {"a": "b"}
    assert start.parent_instance is None
    assert start.orchestration_instance == history.OrchestrationInstance(
        instance_id, state_of(hub, instance_id).executionId.value
    )


def test_the_history_of_a_child_names_its_parent(hub: Hub) -> None:
    child_id = hub.fresh()
    with hub.worker(orchestrators=[every_kind, echo], activities=[shout]):
        instance_id = hub.ran(every_kind, input=child_id).instance_id
    parent = start_of(hub, child_id).parent_instance
    assert parent is not None
    assert (parent.task_scheduled_id, parent.name) == (3, "every_kind")
    assert parent.orchestration_instance == history.OrchestrationInstance(
        instance_id, execution_of(hub, instance_id)
    )


def test_a_history_ends_with_the_output(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo, input=False).instance_id
    end = hub.client.get_orchestration_history(instance_id)[-1]
    assert isinstance(end, history.ExecutionCompletedEvent)
    assert end.result == "false"
    assert end.failure_details is None
    assert end.orchestration_status == state_of(hub, instance_id).orchestrationStatus


def test_a_history_ends_with_the_failure(hub: Hub) -> None:
    with hub.worker(orchestrators=[fails]):
        instance_id = hub.ran(fails, input="no luck").instance_id
    end = hub.client.get_orchestration_history(instance_id)[-1]
    assert isinstance(end, history.ExecutionCompletedEvent)
    assert not end.result
    assert end.failure_details is not None
    assert end.failure_details.message == "no luck"


def test_the_history_of_a_running_orchestration_can_be_read(hub: Hub) -> None:
    def works_then_waits(ctx: task.OrchestrationContext, _: None) -> Steps:
        yield ctx.call_activity(shout, input="a")
        ctx.set_custom_status("waiting")
        yield ctx.wait_for_external_event(GO)

    def is_waiting() -> bool:
        state = hub.client.get_orchestration_state(instance_id)
        return state is not None and state.serialized_custom_status == '"waiting"'

    with hub.worker(orchestrators=[works_then_waits], activities=[shout]):
        instance_id = hub.client.schedule_new_orchestration(works_then_waits)
        hub.until(is_waiting)
        kinds = kinds_of(hub, instance_id)
        hub.client.raise_orchestration_event(instance_id, GO)
        hub.ended(instance_id)
    assert kinds == [*FIRST_TURN, "TaskScheduled", "OrchestratorStarted", "TaskCompleted"]


def test_an_orchestration_that_continued_as_new_has_the_history_of_its_last_execution(
    hub: Hub,
) -> None:
    def counts_down(ctx: task.OrchestrationContext, left: int) -> Steps:
        yield ctx.call_activity(shout, input=str(left))
        if left:
            ctx.continue_as_new(left - 1)
        return left

    with hub.worker(orchestrators=[counts_down], activities=[shout]):
        state = hub.ran(counts_down, input=2)
    assert state.get_output() == 0
    assert start_of(hub, state.instance_id).input == "0"
    assert kinds_of(hub, state.instance_id) == [
        *FIRST_TURN,
        "TaskScheduled",
        "OrchestratorStarted",
        "TaskCompleted",
        "ExecutionCompleted",
    ]


def test_a_history_of_many_events_is_complete_and_in_order(hub: Hub) -> None:
    def collects(ctx: task.OrchestrationContext, count: int) -> Steps:
        tasks: list[task.Task[Any]] = [ctx.wait_for_external_event(GO) for _ in range(count)]
        return (yield task.when_all(tasks))

    instance_id = hub.client.schedule_new_orchestration(collects, input=EVENTS)
    for number in range(EVENTS):
        hub.client.raise_orchestration_event(instance_id, GO, data=number)
    with hub.worker(orchestrators=[collects]):
        state = hub.ended(instance_id)
    assert state.get_output() == list(range(EVENTS))
    events = hub.client.get_orchestration_history(instance_id)
    raised = [event for event in events if isinstance(event, history.EventRaisedEvent)]
    assert [event.input for event in raised] == [str(number) for number in range(EVENTS)]
    assert {event.name for event in raised} == {GO}


def test_a_history_of_many_activities_is_complete(hub: Hub) -> None:
    def fans_out(ctx: task.OrchestrationContext, count: int) -> Steps:
        tasks: list[task.Task[Any]] = [
            ctx.call_activity(shout, input=str(number)) for number in range(count)
        ]
        return (yield task.when_all(tasks))

    count = EVENTS // 2
    with hub.worker(orchestrators=[fans_out], activities=[shout]):
        instance_id = hub.ran(fans_out, input=count).instance_id
    events = hub.client.get_orchestration_history(instance_id)
    scheduled = [event for event in events if isinstance(event, history.TaskScheduledEvent)]
    completed = [event for event in events if isinstance(event, history.TaskCompletedEvent)]
    assert [event.event_id for event in scheduled] == list(range(1, count + 1))
    assert Counter(event.task_scheduled_id for event in completed) == dict.fromkeys(
        range(1, count + 1), 1
    )


def test_a_history_larger_than_a_message_comes_in_parts(hub: Hub) -> None:
    def fill(_: task.ActivityContext, letter: str) -> str:
        return letter * LARGE_CHARS

    def fans_out(ctx: task.OrchestrationContext, letters: str) -> Steps:
        parts = yield task.when_all([ctx.call_activity(fill, input=each) for each in letters])
        return [len(part) for part in parts]

    letters = "abcdefgh"[:LARGE_PARTS]
    no_limit = GrpcChannelOptions(max_receive_message_length=-1)
    with hub.worker(orchestrators=[fans_out], activities=[fill], channel_options=no_limit):
        state = hub.ran(fans_out, input=letters)
    assert state.get_output() == [LARGE_CHARS] * LARGE_PARTS
    # The client takes no more than 4 MiB in a message.
    results = [
        event.result or ""
        for event in hub.client.get_orchestration_history(state.instance_id)
        if isinstance(event, history.TaskCompletedEvent)
    ]
    assert sorted(result[1] for result in results) == list(letters)
    assert {len(result) for result in results} == {LARGE_CHARS + 2}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("for_work", [False, True])
def test_a_history_is_the_same_for_whoever_asks(hub: Hub, *, named: bool, for_work: bool) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.raise_orchestration_event(instance_id, GO, data="seen")
        hub.ended(instance_id)
    execution_id = execution_of(hub, instance_id) if named else None
    assert hub.client.get_orchestration_history(
        instance_id, execution_id=execution_id, for_work_item_processing=for_work
    ) == hub.client.get_orchestration_history(instance_id)


def test_a_missing_orchestration_has_no_history(hub: Hub) -> None:
    with refused(grpc.StatusCode.NOT_FOUND):
        hub.client.get_orchestration_history(hub.fresh("missing"))
