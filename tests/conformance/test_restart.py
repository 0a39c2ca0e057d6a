from typing import Any

import grpc
import pytest
from durabletask import task

from tests.conformance.hub import Hub
from tests.conformance.readings import execution_of, kinds_of, refused, state_of, status_of
from tests.conformance.waiting import GO, echo, fails, waits_for_go


def tells_its_version(ctx: task.OrchestrationContext, _: Any) -> str | None:
    return ctx.version


@pytest.mark.parametrize("new_id", [False, True])
@pytest.mark.parametrize("given", [{"number": 7}, "", 0, False, []])
def test_a_restarted_orchestration_runs_again_with_its_input(
    hub: Hub, given: Any, *, new_id: bool
) -> None:
    with hub.worker(orchestrators=[echo]):
        first = hub.ran(echo, input=given)
        restarted_id = hub.client.restart_orchestration(
            first.instance_id, restart_with_new_instance_id=new_id
        )
        again = hub.ended(restarted_id)
    assert (restarted_id != first.instance_id) is new_id
    assert again.runtime_status.name == "COMPLETED"
    assert again.name == "echo"
    assert again.serialized_input == first.serialized_input
    assert again.get_output() == given


def test_a_restart_under_the_same_id_is_another_execution(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo, input="again").instance_id
        before, kinds = execution_of(hub, instance_id), kinds_of(hub, instance_id)
        assert hub.client.restart_orchestration(instance_id) == instance_id
        hub.ended(instance_id)
    assert execution_of(hub, instance_id) != before
    assert kinds_of(hub, instance_id) == kinds


def test_a_restart_under_a_new_id_leaves_the_first_as_it_was(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo, input="kept").instance_id
        before, kinds = state_of(hub, instance_id), kinds_of(hub, instance_id)
        hub.ended(hub.client.restart_orchestration(instance_id, restart_with_new_instance_id=True))
    assert state_of(hub, instance_id) == before
    assert kinds_of(hub, instance_id) == kinds


@pytest.mark.parametrize("new_id", [False, True])
def test_a_restart_keeps_tags_and_version(hub: Hub, *, new_id: bool) -> None:
    tags = {"region": "north", "empty": ""}
    with hub.worker(orchestrators=[tells_its_version]):
        first = hub.ran(tells_its_version, tags=tags, version="1.2")
        restarted_id = hub.client.restart_orchestration(
            first.instance_id, restart_with_new_instance_id=new_id
        )
        again = hub.ended(restarted_id)
    assert again.get_output() == "1.2"
    state = state_of(hub, restarted_id)
    assert dict(state.tags) == tags
    assert state.version.value == "1.2"


def test_a_restart_forgets_output_custom_status_and_failure(hub: Hub) -> None:
    def speaks_up_and_fails(ctx: task.OrchestrationContext, _: None) -> None:
        ctx.set_custom_status("failing")
        raise ValueError("once")

    with hub.worker(orchestrators=[speaks_up_and_fails]):
        instance_id = hub.ran(speaks_up_and_fails).instance_id
    hub.client.restart_orchestration(instance_id)
    state = hub.client.get_orchestration_state(instance_id)
    assert state is not None
    assert state.runtime_status.name == "PENDING"
    assert state.serialized_output is None
    assert state.serialized_custom_status is None
    assert state.failure_details is None
    hub.client.terminate_orchestration(instance_id)


@pytest.mark.parametrize("new_id", [False, True])
def test_a_failed_orchestration_can_be_restarted(hub: Hub, *, new_id: bool) -> None:
    with hub.worker(orchestrators=[fails]):
        instance_id = hub.ran(fails, input="no luck").instance_id
        restarted_id = hub.client.restart_orchestration(
            instance_id, restart_with_new_instance_id=new_id
        )
        again = hub.ended(restarted_id)
    assert again.runtime_status.name == "FAILED"
    assert again.failure_details is not None
    assert again.failure_details.message == "no luck"


def test_a_terminated_orchestration_can_be_restarted(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.terminate_orchestration(instance_id, output="stopped")
        hub.ended(instance_id)
        hub.client.restart_orchestration(instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="on")
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "COMPLETED"
    assert state.get_output() == "on"


def test_an_event_for_the_first_execution_does_not_reach_the_second(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go, echo]):
        instance_id = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.raise_orchestration_event(instance_id, GO, data="first")
        hub.ended(instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="after the end")
        hub.client.restart_orchestration(instance_id)
        hub.until_it_is("RUNNING", instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="second")
        assert hub.ended(instance_id).get_output() == "second"


@pytest.mark.parametrize("status", ["RUNNING", "SUSPENDED"])
def test_what_still_runs_cannot_be_restarted_under_its_id(hub: Hub, status: str) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.wait_for_orchestration_start(instance_id)
        if status == "SUSPENDED":
            hub.client.suspend_orchestration(instance_id)
        hub.until_it_is(status, instance_id)
        with refused(grpc.StatusCode.FAILED_PRECONDITION):
            hub.client.restart_orchestration(instance_id)
        assert status_of(hub, instance_id) == status
        if status == "SUSPENDED":
            hub.client.resume_orchestration(instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="unharmed")
        assert hub.ended(instance_id).get_output() == "unharmed"


def test_what_still_runs_can_be_restarted_under_a_new_id(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = hub.client.schedule_new_orchestration(waits_for_go, input="shared")
        hub.client.wait_for_orchestration_start(instance_id)
        restarted_id = hub.client.restart_orchestration(
            instance_id, restart_with_new_instance_id=True
        )
        assert restarted_id != instance_id
        hub.client.raise_orchestration_event(restarted_id, GO, data="second")
        again = hub.ended(restarted_id)
        assert status_of(hub, instance_id) == "RUNNING"
        hub.client.raise_orchestration_event(instance_id, GO, data="first")
        first = hub.ended(instance_id)
    assert (first.get_output(), again.get_output()) == ("first", "second")
    assert again.get_input() == "shared"


@pytest.mark.parametrize("new_id", [False, True])
def test_a_missing_orchestration_cannot_be_restarted(hub: Hub, *, new_id: bool) -> None:
    with refused(grpc.StatusCode.NOT_FOUND):
        hub.client.restart_orchestration(hub.fresh("missing"), restart_with_new_instance_id=new_id)
