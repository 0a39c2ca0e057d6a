from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import grpc
import pytest
from durabletask import task
from durabletask.entities import EntityInstanceId
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.conformance.hub import SECONDS_MAX, Hub, Steps
from tests.conformance.readings import kinds_of, refused, state_of, status_of
from tests.conformance.waiting import GO, echo, waits_for_go

BATCH_MAX = 500


def parent(ctx: task.OrchestrationContext, child_ids: list[str]) -> Steps:
    """The ids name a child, its child, and so on: the last waits for the event."""
    first, *others = child_ids
    if others:
        return (yield ctx.call_sub_orchestrator(parent, instance_id=first, input=others))
    return (yield ctx.call_sub_orchestrator(waits_for_go, instance_id=first))


def running(hub: Hub) -> str:
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    hub.client.wait_for_orchestration_start(instance_id)
    return instance_id


def a_family(hub: Hub) -> tuple[str, str, str]:
    grandparent_id, parent_id, child_id = hub.fresh(), hub.fresh(), hub.fresh()
    hub.client.schedule_new_orchestration(
        parent, instance_id=grandparent_id, input=[parent_id, child_id]
    )
    hub.until_it_is("RUNNING", child_id)
    return grandparent_id, parent_id, child_id


def terminated_at_once(hub: Hub, *instance_ids: str) -> list[str]:
    """What was not terminated of these, the graceful way being skipped."""
    batch = pb.InstanceBatch(instanceIds=instance_ids)
    request = pb.SkipGracefulOrchestrationTerminationsRequest(instanceBatch=batch)
    with hub.stub() as stub:
        answer = stub.SkipGracefulOrchestrationTerminations(request)
    return list(answer.unterminatedInstanceIds)


@pytest.mark.parametrize("output", ["stopped", 0, False, "", [], {"because": None}])
def test_a_terminated_orchestration_has_the_output_that_came_with_it(hub: Hub, output: Any) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = running(hub)
        hub.client.terminate_orchestration(instance_id, output=output)
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "TERMINATED"
    assert state.failure_details is None
    assert state.serialized_output is not None
    assert state.get_output() == output
    assert type(state.get_output()) is type(output)


def test_an_orchestration_terminated_without_output_has_none(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = running(hub)
        hub.client.terminate_orchestration(instance_id)
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "TERMINATED"
    assert state.serialized_output is None


def test_the_history_of_a_terminated_orchestration_says_so(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = running(hub)
        hub.client.terminate_orchestration(instance_id)
        hub.ended(instance_id)
    assert kinds_of(hub, instance_id)[-2:] == ["ExecutionTerminated", "ExecutionCompleted"]


def test_a_recursive_termination_reaches_grandchildren(hub: Hub) -> None:
    with hub.worker(orchestrators=[parent, waits_for_go]):
        family = a_family(hub)
        hub.client.terminate_orchestration(family[0], output="all", recursive=True)
        states = [hub.ended(member) for member in family]
    assert [state.runtime_status.name for state in states] == ["TERMINATED"] * 3
    assert states[0].get_output() == "all"


def test_a_termination_that_is_not_recursive_leaves_the_children(hub: Hub) -> None:
    with hub.worker(orchestrators=[parent, waits_for_go, echo]):
        grandparent_id, parent_id, child_id = a_family(hub)
        hub.client.terminate_orchestration(grandparent_id, recursive=False)
        assert hub.ended(grandparent_id).runtime_status.name == "TERMINATED"
        hub.ran(echo)
        assert status_of(hub, parent_id) == "RUNNING"
        assert status_of(hub, child_id) == "RUNNING"
        hub.client.raise_orchestration_event(child_id, GO, data="alone")
        assert hub.ended(parent_id).get_output() == "alone"
    assert status_of(hub, grandparent_id) == "TERMINATED"


def test_a_terminated_child_is_a_failure_to_its_parent(hub: Hub) -> None:
    def minds_its_child(ctx: task.OrchestrationContext, child_id: str) -> Steps:
        try:
            yield ctx.call_sub_orchestrator(waits_for_go, instance_id=child_id)
        except task.TaskFailedError:
            return "lost it"
        return "kept it"

    child_id = hub.fresh()
    with hub.worker(orchestrators=[minds_its_child, waits_for_go]):
        instance_id = hub.client.schedule_new_orchestration(minds_its_child, input=child_id)
        hub.until_it_is("RUNNING", child_id)
        hub.client.terminate_orchestration(child_id)
        assert hub.ended(instance_id).get_output() == "lost it"
    assert status_of(hub, child_id) == "TERMINATED"


def test_a_termination_of_a_missing_orchestration_is_accepted(hub: Hub) -> None:
    missing = hub.fresh("missing")
    hub.client.terminate_orchestration(missing, output="nobody")
    assert status_of(hub, missing) == "MISSING"


def test_a_termination_that_came_for_a_missing_one_does_not_wait_for_it(hub: Hub) -> None:
    instance_id = hub.fresh()
    hub.client.terminate_orchestration(instance_id)
    with hub.worker(orchestrators=[echo]):
        state = hub.ran(echo, instance_id=instance_id, input="alive")
    assert state.get_output() == "alive"


def test_a_termination_of_a_finished_orchestration_changes_nothing(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo, input="done").instance_id
        before = state_of(hub, instance_id)
        hub.client.terminate_orchestration(instance_id, output="too late")
        hub.ran(echo)
        assert state_of(hub, instance_id) == before


def test_a_second_termination_changes_nothing(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go, echo]):
        instance_id = running(hub)
        hub.client.terminate_orchestration(instance_id, output="first")
        hub.ended(instance_id)
        hub.client.terminate_orchestration(instance_id, output="second")
        hub.ran(echo)
        assert hub.ended(instance_id).get_output() == "first"


def test_an_orchestration_that_no_worker_has_seen_can_be_terminated(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    assert status_of(hub, instance_id) == "PENDING"
    hub.client.terminate_orchestration(instance_id, output="never mind")
    with hub.worker(orchestrators=[waits_for_go]):
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "TERMINATED"
    assert state.get_output() == "never mind"


def test_an_orchestration_that_has_not_begun_yet_can_be_terminated(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.client.schedule_new_orchestration(
            echo, start_at=datetime.now(UTC) + timedelta(hours=1), input="later"
        )
        hub.client.terminate_orchestration(instance_id, output="never")
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "TERMINATED"
    assert state.get_output() == "never"


def test_the_result_of_an_activity_after_the_termination_changes_nothing(hub: Hub) -> None:
    begun, released = Event(), Event()

    def works(_: task.ActivityContext, __: None) -> str:
        begun.set()
        assert released.wait(SECONDS_MAX)
        return "too late"

    def calls_it(ctx: task.OrchestrationContext, _: None) -> Steps:
        return (yield ctx.call_activity(works))

    # The worker sends the result before the end of its block.
    with hub.worker(orchestrators=[calls_it], activities=[works]):
        instance_id = hub.client.schedule_new_orchestration(calls_it)
        assert begun.wait(SECONDS_MAX)
        hub.client.terminate_orchestration(instance_id, output="stopped")
        hub.ended(instance_id)
        before, history_before = state_of(hub, instance_id), kinds_of(hub, instance_id)
        released.set()
    with hub.worker(orchestrators=[calls_it, echo]):
        hub.ran(echo)
    assert state_of(hub, instance_id) == before
    assert kinds_of(hub, instance_id) == history_before


def test_an_event_after_the_termination_is_accepted_and_changes_nothing(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go, echo]):
        instance_id = running(hub)
        hub.client.terminate_orchestration(instance_id)
        hub.ended(instance_id)
        before = state_of(hub, instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="too late")
        hub.ran(echo)
        assert state_of(hub, instance_id) == before


def test_skipping_the_graceful_way_terminates_at_once_and_without_a_worker(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        started = running(hub)
    pending = hub.client.schedule_new_orchestration(waits_for_go)
    assert terminated_at_once(hub, started, pending) == []
    assert status_of(hub, started) == "TERMINATED"
    assert status_of(hub, pending) == "TERMINATED"


def test_skipping_the_graceful_way_names_what_it_did_not_terminate(hub: Hub) -> None:
    missing = hub.fresh("missing")
    entity = str(EntityInstanceId(hub.fresh("entity"), "key"))
    with hub.worker(orchestrators=[echo]):
        finished = hub.ran(echo, input="done").instance_id
    pending = hub.client.schedule_new_orchestration(waits_for_go)
    unterminated = terminated_at_once(hub, missing, pending, finished, entity)
    assert sorted(unterminated) == sorted([missing, finished, entity])
    assert status_of(hub, pending) == "TERMINATED"
    assert status_of(hub, finished) == "COMPLETED"


def test_skipping_the_graceful_way_takes_no_more_than_a_batch(hub: Hub) -> None:
    missing = [hub.fresh("missing") for _ in range(BATCH_MAX + 1)]
    assert sorted(terminated_at_once(hub, *missing[:BATCH_MAX])) == sorted(missing[:BATCH_MAX])
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        terminated_at_once(hub, *missing)
