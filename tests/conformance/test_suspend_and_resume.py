from datetime import timedelta
from threading import Event

import grpc
import pytest
from durabletask import history, task

from tests.conformance.hub import SECONDS_MAX, Hub, Steps
from tests.conformance.readings import refused, state_of, status_of
from tests.conformance.waiting import GO, echo, fails, waits_for_go

TIMER_SECONDS = 0.3


def waits_for_three(ctx: task.OrchestrationContext, _: None) -> Steps:
    first = yield ctx.wait_for_external_event("first")
    second = yield ctx.wait_for_external_event("second")
    third = yield ctx.wait_for_external_event("third")
    return [first, second, third]


def sleeps_briefly(ctx: task.OrchestrationContext, _: None) -> Steps:
    yield ctx.create_timer(timedelta(seconds=TIMER_SECONDS))
    return "awake"


def suspended(hub: Hub, instance_id: str) -> str:
    hub.client.suspend_orchestration(instance_id)
    hub.until_it_is("SUSPENDED", instance_id)
    return instance_id


def test_a_suspended_orchestration_keeps_events_until_it_is_resumed(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_three, echo]):
        instance_id = suspended(hub, hub.client.schedule_new_orchestration(waits_for_three))
        for number, name in enumerate(("third", "first", "second")):
            hub.client.raise_orchestration_event(instance_id, name, data=number)
        hub.ran(echo)
        assert status_of(hub, instance_id) == "SUSPENDED"
        hub.client.resume_orchestration(instance_id)
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "COMPLETED"
    assert state.get_output() == [1, 2, 0]


def test_a_suspended_orchestration_keeps_the_result_of_an_activity(hub: Hub) -> None:
    begun, released = Event(), Event()
    runs = []

    def works(_: task.ActivityContext, text: str) -> str:
        runs.append(text)
        begun.set()
        assert released.wait(SECONDS_MAX)
        return text.upper()

    def calls_it(ctx: task.OrchestrationContext, text: str) -> Steps:
        return (yield ctx.call_activity(works, input=text))

    with hub.worker(orchestrators=[calls_it, echo], activities=[works]):
        instance_id = hub.client.schedule_new_orchestration(calls_it, input="kept")
        assert begun.wait(SECONDS_MAX)
        suspended(hub, instance_id)
        released.set()
        hub.ran(echo)
        assert status_of(hub, instance_id) == "SUSPENDED"
        hub.client.resume_orchestration(instance_id)
        state = hub.ended(instance_id)
    assert state.get_output() == "KEPT"
    assert runs == ["kept"]


def test_a_timer_that_fires_during_a_suspension_is_seen_after_it(hub: Hub) -> None:
    with hub.worker(orchestrators=[sleeps_briefly]):
        instance_id = hub.client.schedule_new_orchestration(sleeps_briefly)
        hub.client.wait_for_orchestration_start(instance_id)
        suspended(hub, instance_id)
        hub.ran(sleeps_briefly)
        assert status_of(hub, instance_id) == "SUSPENDED"
        hub.client.resume_orchestration(instance_id)
        state = hub.ended(instance_id)
    assert state.get_output() == "awake"


def test_a_resumed_orchestration_runs_again_before_it_ends(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = suspended(hub, hub.client.schedule_new_orchestration(waits_for_go))
        hub.client.resume_orchestration(instance_id)
        hub.until_it_is("RUNNING", instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="on")
        assert hub.ended(instance_id).get_output() == "on"


def test_one_resume_ends_two_suspensions(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = suspended(hub, hub.client.schedule_new_orchestration(waits_for_go))
        hub.client.suspend_orchestration(instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="once")
        hub.client.resume_orchestration(instance_id)
        state = hub.ended(instance_id)
    assert state.get_output() == "once"


def test_one_resume_ends_suspensions_that_came_before_the_first_turn(hub: Hub) -> None:
    # A worker that is handed a second suspension during the first never gets out of it.
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    hub.client.suspend_orchestration(instance_id)
    hub.client.suspend_orchestration(instance_id)
    with hub.worker(orchestrators=[waits_for_go]):
        hub.until_it_is("SUSPENDED", instance_id)
        hub.client.resume_orchestration(instance_id)
        hub.until_it_is("RUNNING", instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="on")
        assert hub.ended(instance_id).get_output() == "on"


def test_a_second_resume_changes_nothing(hub: Hub) -> None:
    # A worker that is handed a resume outside of a suspension fails the orchestration.
    with hub.worker(orchestrators=[waits_for_go, echo]):
        instance_id = suspended(hub, hub.client.schedule_new_orchestration(waits_for_go))
        hub.client.resume_orchestration(instance_id)
        hub.client.resume_orchestration(instance_id)
        hub.ran(echo)
        assert status_of(hub, instance_id) == "RUNNING"
        hub.client.raise_orchestration_event(instance_id, GO, data="on")
        assert hub.ended(instance_id).get_output() == "on"


def test_an_orchestration_can_be_suspended_again_after_a_resume(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = suspended(hub, hub.client.schedule_new_orchestration(waits_for_go))
        hub.client.resume_orchestration(instance_id)
        hub.until_it_is("RUNNING", instance_id)
        suspended(hub, instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="late")
        hub.client.resume_orchestration(instance_id)
        state = hub.ended(instance_id)
    assert state.get_output() == "late"


def test_a_resume_without_a_suspension_changes_nothing(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go, echo]):
        instance_id = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.wait_for_orchestration_start(instance_id)
        hub.client.resume_orchestration(instance_id)
        hub.ran(echo)
        assert status_of(hub, instance_id) == "RUNNING"
        hub.client.raise_orchestration_event(instance_id, GO, data="on")
        assert hub.ended(instance_id).get_output() == "on"


def test_a_suspension_outlives_its_worker(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = suspended(hub, hub.client.schedule_new_orchestration(waits_for_go))
    hub.client.raise_orchestration_event(instance_id, GO, data="kept")
    with hub.worker(orchestrators=[waits_for_go, echo]):
        hub.ran(echo)
        assert status_of(hub, instance_id) == "SUSPENDED"
        hub.client.resume_orchestration(instance_id)
        assert hub.ended(instance_id).get_output() == "kept"


def test_a_suspended_orchestration_can_be_terminated(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = suspended(hub, hub.client.schedule_new_orchestration(waits_for_go))
        hub.client.terminate_orchestration(instance_id, output="enough")
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "TERMINATED"
    assert state.get_output() == "enough"


def test_a_suspended_parent_keeps_the_result_of_its_child(hub: Hub) -> None:
    child_id = hub.fresh()

    def has_a_child(ctx: task.OrchestrationContext, _: None) -> Steps:
        return (yield ctx.call_sub_orchestrator(waits_for_go, instance_id=child_id))

    with hub.worker(orchestrators=[has_a_child, waits_for_go, echo]):
        instance_id = hub.client.schedule_new_orchestration(has_a_child)
        hub.until_it_is("RUNNING", child_id)
        suspended(hub, instance_id)
        hub.client.raise_orchestration_event(child_id, GO, data="from the child")
        assert hub.ended(child_id).runtime_status.name == "COMPLETED"
        hub.ran(echo)
        assert status_of(hub, instance_id) == "SUSPENDED"
        hub.client.resume_orchestration(instance_id)
        assert hub.ended(instance_id).get_output() == "from the child"


def test_the_reasons_stand_in_the_history(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.suspend_orchestration(instance_id, reason="a pause")
        hub.until_it_is("SUSPENDED", instance_id)
        hub.client.resume_orchestration(instance_id, reason="an end of it")
        hub.client.raise_orchestration_event(instance_id, GO)
        hub.ended(instance_id)
    events = hub.client.get_orchestration_history(instance_id)
    assert [
        (type(event), event.input)
        for event in events
        if isinstance(event, history.ExecutionSuspendedEvent | history.ExecutionResumedEvent)
    ] == [
        (history.ExecutionSuspendedEvent, "a pause"),
        (history.ExecutionResumedEvent, "an end of it"),
    ]


@pytest.mark.parametrize("orchestrator", [echo, fails])
def test_a_finished_orchestration_takes_suspend_and_resume_and_stays_as_it_is(
    hub: Hub, orchestrator: object
) -> None:
    name = getattr(orchestrator, "__name__", "")
    with hub.worker(orchestrators=[echo, fails]):
        instance_id = hub.client.schedule_new_orchestration(name, input="done")
        hub.ended(instance_id)
        before = state_of(hub, instance_id)
        hub.client.suspend_orchestration(instance_id)
        hub.client.resume_orchestration(instance_id)
        hub.ran(echo)
        assert state_of(hub, instance_id) == before


def test_a_missing_orchestration_can_be_neither_suspended_nor_resumed(hub: Hub) -> None:
    missing = hub.fresh("missing")
    with refused(grpc.StatusCode.NOT_FOUND):
        hub.client.suspend_orchestration(missing)
    with refused(grpc.StatusCode.NOT_FOUND):
        hub.client.resume_orchestration(missing)
