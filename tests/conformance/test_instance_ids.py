import re
from collections.abc import Sequence
from threading import Event

import grpc
import pytest
from durabletask import task
from durabletask.client import OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.conformance.hub import SECONDS_MAX, Hub, Steps
from tests.conformance.readings import execution_of, kinds_of, refused, state_of, status_of
from tests.conformance.waiting import GO, echo, fails, waits_for_go

ID_CHARS_MAX = 100
RUNNING = OrchestrationStatus.RUNNING
COMPLETED = OrchestrationStatus.COMPLETED
FAILED = OrchestrationStatus.FAILED
TERMINATED = OrchestrationStatus.TERMINATED
PENDING = OrchestrationStatus.PENDING
SUSPENDED = OrchestrationStatus.SUSPENDED
ENDED = (COMPLETED, FAILED, TERMINATED)


def replacing(statuses: Sequence[OrchestrationStatus]) -> pb.OrchestrationIdReusePolicy:
    return pb.OrchestrationIdReusePolicy(
        replaceableStatus=[f"ORCHESTRATION_STATUS_{status.name}" for status in statuses]
    )


def an_instance(hub: Hub, status: OrchestrationStatus) -> str:
    """An instance of this status; the worker for it must be there."""
    if status is COMPLETED:
        return hub.ran(echo, input="first").instance_id
    if status is FAILED:
        return hub.ran(fails, input="first").instance_id
    instance_id = hub.client.schedule_new_orchestration(waits_for_go, input="first")
    hub.client.wait_for_orchestration_start(instance_id)
    if status is TERMINATED:
        hub.client.terminate_orchestration(instance_id)
    if status is SUSPENDED:
        hub.client.suspend_orchestration(instance_id)
    hub.until_it_is(status.name, instance_id)
    return instance_id


def test_an_id_of_a_hundred_characters_is_an_id(hub: Hub) -> None:
    longest = hub.fresh().ljust(ID_CHARS_MAX, "x")
    with hub.worker(orchestrators=[echo]):
        assert hub.ran(echo, instance_id=longest).instance_id == longest


def test_every_printable_character_may_stand_in_an_id(hub: Hub) -> None:
    printable = "".join(chr(code) for code in range(0x20, 0x7F))
    ids = [f"{hub.fresh()}{printable[:50]}", f"{hub.fresh()}{printable[50:]}"]
    with hub.worker(orchestrators=[echo]):
        assert [hub.ran(echo, instance_id=each).instance_id for each in ids] == ids


def test_ids_mind_upper_and_lower_case(hub: Hub) -> None:
    lower = hub.fresh("case")
    with hub.worker(orchestrators=[echo]):
        hub.ran(echo, instance_id=lower, input="lower")
        hub.ran(echo, instance_id=lower.upper(), input="upper")
    assert hub.ended(lower).get_output() == "lower"
    assert hub.ended(lower.upper()).get_output() == "upper"


@pytest.mark.parametrize(
    "bad",
    ["x" * (ID_CHARS_MAX + 1), "@reserved", "@entity@key", "a\nb", "a\x00b", "a\x7fb", "é"],
    ids=["too long", "reserved", "an entity", "line feed", "null", "delete", "not ASCII"],
)
def test_a_bad_id_is_refused(hub: Hub, bad: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        hub.client.schedule_new_orchestration(echo, instance_id=bad)


def test_an_orchestration_started_without_an_id_gets_one(hub: Hub) -> None:
    ids = {hub.client.schedule_new_orchestration(echo, instance_id="") for _ in range(2)}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}", instance_id) for instance_id in ids)


@pytest.mark.parametrize("status", [RUNNING, SUSPENDED, *ENDED])
def test_an_id_is_used_once_unless_the_request_says_otherwise(
    hub: Hub, status: OrchestrationStatus
) -> None:
    with hub.worker(orchestrators=[echo, fails, waits_for_go]):
        instance_id = an_instance(hub, status)
        with refused(grpc.StatusCode.ALREADY_EXISTS):
            hub.client.schedule_new_orchestration(echo, instance_id=instance_id, input="second")
        state = state_of(hub, instance_id)
        assert state.input.value == '"first"'
        assert state.orchestrationStatus == status.value
        hub.client.terminate_orchestration(instance_id)
        hub.ended(instance_id)


def test_an_id_that_waits_for_its_first_turn_is_used(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(echo, input="first")
    with refused(grpc.StatusCode.ALREADY_EXISTS):
        hub.client.schedule_new_orchestration(echo, instance_id=instance_id, input="second")
    with hub.worker(orchestrators=[echo]):
        assert hub.ended(instance_id).get_output() == "first"


@pytest.mark.parametrize("status", ENDED)
def test_an_instance_of_a_replaceable_status_is_replaced(
    hub: Hub, status: OrchestrationStatus
) -> None:
    with hub.worker(orchestrators=[echo, fails, waits_for_go]):
        instance_id = an_instance(hub, status)
        before = execution_of(hub, instance_id)
        again = hub.client.schedule_new_orchestration(
            echo, instance_id=instance_id, input="second", reuse_id_policy=replacing([status])
        )
        assert again == instance_id
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "COMPLETED"
    assert state.name == "echo"
    assert state.get_input() == "second"
    assert state.failure_details is None
    assert execution_of(hub, instance_id) != before
    assert kinds_of(hub, instance_id).count("ExecutionStarted") == 1


@pytest.mark.parametrize("status", ENDED)
def test_an_instance_of_another_status_is_not_replaced(
    hub: Hub, status: OrchestrationStatus
) -> None:
    others = [other for other in ENDED if other is not status]
    with hub.worker(orchestrators=[echo, fails, waits_for_go]):
        instance_id = an_instance(hub, status)
        before = state_of(hub, instance_id)
        with refused(grpc.StatusCode.ALREADY_EXISTS):
            hub.client.schedule_new_orchestration(
                echo, instance_id=instance_id, input="second", reuse_id_policy=replacing(others)
            )
    assert state_of(hub, instance_id) == before


@pytest.mark.parametrize("status", [RUNNING, SUSPENDED])
def test_what_still_runs_is_not_replaced_for_ended_statuses(
    hub: Hub, status: OrchestrationStatus
) -> None:
    with hub.worker(orchestrators=[echo, waits_for_go]):
        instance_id = an_instance(hub, status)
        with refused(grpc.StatusCode.ALREADY_EXISTS):
            hub.client.schedule_new_orchestration(
                echo, instance_id=instance_id, reuse_id_policy=replacing(ENDED)
            )
        assert status_of(hub, instance_id) == status.name
        hub.client.terminate_orchestration(instance_id)
        hub.ended(instance_id)


def test_a_replaceable_status_does_not_hinder_the_first_start(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        state = hub.ran(
            echo, instance_id=hub.fresh(), input="first", reuse_id_policy=replacing(ENDED)
        )
    assert state.get_output() == "first"


@pytest.mark.parametrize("status", [RUNNING, SUSPENDED])
def test_what_still_runs_can_be_replaced(hub: Hub, status: OrchestrationStatus) -> None:
    with hub.worker(orchestrators=[echo, waits_for_go]):
        instance_id = an_instance(hub, status)
        hub.client.schedule_new_orchestration(
            waits_for_go,
            instance_id=instance_id,
            input="second",
            reuse_id_policy=replacing([status, TERMINATED]),
        )
        hub.until_it_is("RUNNING", instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="on")
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "COMPLETED"
    assert state.get_input() == "second"
    assert state.get_output() == "on"


def test_what_was_replaced_gives_its_successor_no_results(hub: Hub) -> None:
    begun = {"first": Event(), "second": Event()}
    released = {"first": Event(), "second": Event()}

    def works(_: task.ActivityContext, text: str) -> str:
        begun[text].set()
        assert released[text].wait(SECONDS_MAX)
        return text

    def calls_it(ctx: task.OrchestrationContext, text: str) -> Steps:
        return (yield ctx.call_activity(works, input=text))

    with hub.worker(orchestrators=[calls_it, echo], activities=[works]):
        instance_id = hub.client.schedule_new_orchestration(calls_it, input="first")
        assert begun["first"].wait(SECONDS_MAX)
        hub.client.schedule_new_orchestration(
            calls_it,
            instance_id=instance_id,
            input="second",
            reuse_id_policy=replacing([RUNNING, TERMINATED]),
        )
        assert begun["second"].wait(SECONDS_MAX)
        released["first"].set()
        hub.ran(echo)
        assert status_of(hub, instance_id) == "RUNNING"
        released["second"].set()
        assert hub.ended(instance_id).get_output() == "second"


@pytest.mark.parametrize("status", [RUNNING, PENDING, SUSPENDED])
def test_a_policy_that_replaces_what_runs_but_not_what_was_terminated_is_refused(
    hub: Hub, status: OrchestrationStatus
) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = an_instance(hub, COMPLETED)
        before = state_of(hub, instance_id)
        with refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            "Invalid reusable statuses: cannot exclude 'Terminated' "
            "while also allowing reuse of running instances",
        ):
            hub.client.schedule_new_orchestration(
                echo,
                instance_id=instance_id,
                input="second",
                reuse_id_policy=replacing([COMPLETED, FAILED, status]),
            )
    assert state_of(hub, instance_id) == before
