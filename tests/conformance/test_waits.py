from collections.abc import Callable

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.conformance.hub import SECONDS_MAX, Hub
from tests.conformance.readings import refused, status_of
from tests.conformance.waiting import GO, echo, waits_for_go


@pytest.mark.parametrize(
    "ask",
    [
        lambda hub: hub.client.wait_for_orchestration_start,
        lambda hub: hub.client.wait_for_orchestration_completion,
    ],
    ids=["start", "completion"],
)
def test_a_wait_gives_up_at_its_deadline(
    hub: Hub, ask: Callable[[Hub], Callable[..., object]]
) -> None:
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    with pytest.raises(TimeoutError):
        ask(hub)(instance_id, timeout=0.3)
    assert status_of(hub, instance_id) == "PENDING"
    hub.client.terminate_orchestration(instance_id)


def test_a_wait_for_what_has_already_come_answers_at_once(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo, input="here").instance_id
    started = hub.client.wait_for_orchestration_start(instance_id, timeout=2)
    ended = hub.client.wait_for_orchestration_completion(instance_id, timeout=2)
    assert started is not None
    assert ended is not None
    assert (started.runtime_status.name, ended.get_output()) == ("COMPLETED", "here")


def test_a_deadline_on_the_wire_is_told_as_exceeded(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    with hub.stub() as stub:
        for wait in (stub.WaitForInstanceStart, stub.WaitForInstanceCompletion):
            with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
                wait(pb.GetInstanceRequest(instanceId=instance_id), timeout=0.3)
    hub.client.terminate_orchestration(instance_id)


# None at all, and one of 150 years: some clients send what they take for the end of time.
@pytest.mark.parametrize("seconds", [None, 5e9])
def test_a_wait_without_an_end_lasts_until_the_orchestration_ends(
    hub: Hub, seconds: float | None
) -> None:
    with hub.worker(orchestrators=[waits_for_go, echo]), hub.stub() as stub:
        instance_id = hub.client.schedule_new_orchestration(waits_for_go)
        request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        started = stub.WaitForInstanceStart(request, timeout=seconds)
        assert started.orchestrationState.orchestrationStatus == pb.ORCHESTRATION_STATUS_RUNNING
        wait = stub.WaitForInstanceCompletion.future(request, timeout=seconds)
        hub.ran(echo)
        assert not wait.done()
        hub.client.raise_orchestration_event(instance_id, GO, data="at last")
        answer = wait.result(timeout=5)
    assert answer.exists
    assert answer.orchestrationState.output.value == '"at last"'


def test_many_may_wait_for_one_orchestration(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
    with hub.stub() as stub, hub.worker(orchestrators=[waits_for_go]):
        waits = [
            stub.WaitForInstanceCompletion.future(request, timeout=SECONDS_MAX) for _ in range(20)
        ]
        hub.client.raise_orchestration_event(instance_id, GO, data="all")
        outputs = {wait.result(timeout=5).orchestrationState.output.value for wait in waits}
    assert outputs == {'"all"'}


def test_a_wait_outlives_the_end_of_another_waiter(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    request = pb.GetInstanceRequest(instanceId=instance_id)
    with hub.stub() as stub, hub.worker(orchestrators=[waits_for_go]):
        patient = stub.WaitForInstanceCompletion.future(request, timeout=SECONDS_MAX)
        with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
            stub.WaitForInstanceCompletion(request, timeout=0.2)
        hub.client.raise_orchestration_event(instance_id, GO)
        assert patient.result(timeout=5).exists


def test_a_wait_for_a_missing_orchestration_ends_at_its_deadline(hub: Hub) -> None:
    with pytest.raises(TimeoutError):
        hub.client.wait_for_orchestration_completion(hub.fresh("missing"), timeout=1)


def test_a_wait_for_a_missing_orchestration_is_answered_when_it_comes(hub: Hub) -> None:
    instance_id = hub.fresh()
    with hub.stub() as stub, hub.worker(orchestrators=[echo]):
        request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        wait = stub.WaitForInstanceCompletion.future(request, timeout=SECONDS_MAX)
        hub.ran(echo)
        hub.ran(echo, instance_id=instance_id, input="come")
        answer = wait.result(timeout=5)
    assert answer.orchestrationState.output.value == '"come"'
