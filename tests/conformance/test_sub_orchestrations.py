import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from durabletask import history, task
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.task import RetryPolicy

from tests.conformance.histories import execution_id, kinds, of
from tests.conformance.hub import SECONDS_MAX, Hub, Steps

THRICE = RetryPolicy(first_retry_interval=timedelta(0), max_number_of_attempts=3)
FALSY: list[Any] = [0, "", False, None, [], {}]


def echo(_: task.ActivityContext, value: Any) -> Any:
    return value


def child(_: task.OrchestrationContext, value: Any) -> Any:
    return value


def test_a_parent_gets_its_childs_output(hub: Hub) -> None:
    def double(ctx: task.OrchestrationContext, number: int) -> Steps:
        return 2 * (yield ctx.call_activity(echo, input=number))

    def parent(ctx: task.OrchestrationContext, number: int) -> Steps:
        once = yield ctx.call_sub_orchestrator(double, input=number)
        return (yield ctx.call_sub_orchestrator(double, input=once))

    with hub.worker(orchestrators=[parent, double], activities=[echo]):
        assert hub.ran(parent, input=5).get_output() == 20


def test_a_child_is_found_by_name(hub: Hub) -> None:
    def parent(ctx: task.OrchestrationContext, value: str) -> Steps:
        return (yield ctx.call_sub_orchestrator("child", input=value))

    with hub.worker(orchestrators=[parent, child]):
        assert hub.ran(parent, input="named").get_output() == "named"


def test_a_child_has_an_id_made_of_its_parents_and_its_number(hub: Hub) -> None:
    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.call_activity(echo)
        return (yield ctx.call_sub_orchestrator(child, input="mine"))

    with hub.worker(orchestrators=[parent, child], activities=[echo]):
        state = hub.ran(parent)
    of_child = hub.client.get_orchestration_state(f"{state.instance_id}:0002")
    assert of_child is not None
    assert (of_child.name, of_child.runtime_status.name) == ("child", "COMPLETED")
    assert of_child.get_input() == of_child.get_output() == "mine"


def test_a_child_takes_the_id_that_it_is_given(hub: Hub) -> None:
    instance_id = hub.fresh("child")

    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        return (yield ctx.call_sub_orchestrator(child, input=7, instance_id=instance_id))

    with hub.worker(orchestrators=[parent, child]):
        state = hub.ran(parent)
    of_child = hub.client.get_orchestration_state(instance_id)
    assert of_child is not None
    assert (state.get_output(), of_child.get_output()) == (7, 7)
    created = of(
        history.SubOrchestrationInstanceCreatedEvent,
        hub.client.get_orchestration_history(state.instance_id),
    )
    assert [(one.event_id, one.instance_id, one.name, one.input) for one in created] == [
        (1, instance_id, "child", "7")
    ]


@pytest.mark.parametrize("value", FALSY, ids=repr)
def test_a_falsy_payload_reaches_the_child_and_comes_back_exactly(hub: Hub, value: Any) -> None:
    seen: list[Any] = []

    def keep(_: task.OrchestrationContext, received: Any) -> Any:
        seen.append(received)
        return received

    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        seen.append((yield ctx.call_sub_orchestrator(keep, input=value)))

    with hub.worker(orchestrators=[parent, keep]):
        hub.ran(parent)
    # As JSON, because to Python 0 and False are equal.
    assert {json.dumps(one) for one in seen} == {json.dumps(value)}


def test_children_know_their_parent(hub: Hub) -> None:
    def who(ctx: task.OrchestrationContext, _: object) -> list[str | None]:
        return [ctx.instance_id, ctx.parent_instance_id]

    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        return [ctx.parent_instance_id, (yield ctx.call_sub_orchestrator(who))]

    with hub.worker(orchestrators=[parent, who]):
        state = hub.ran(parent)
    child_id = f"{state.instance_id}:0001"
    assert state.get_output() == [None, [child_id, state.instance_id]]


def test_a_childs_history_names_its_parent(hub: Hub) -> None:
    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        return (yield ctx.call_sub_orchestrator(child))

    with hub.worker(orchestrators=[parent, child]):
        state = hub.ran(parent)
    events = hub.client.get_orchestration_history(f"{state.instance_id}:0001")
    of_parent = of(history.ExecutionStartedEvent, events)[0].parent_instance
    assert of_parent is not None
    assert (of_parent.task_scheduled_id, of_parent.name) == (1, "parent")
    assert of_parent.orchestration_instance == history.OrchestrationInstance(
        instance_id=state.instance_id,
        execution_id=execution_id(hub.client.get_orchestration_history(state.instance_id)),
    )


def test_a_childs_state_names_its_parent(hub: Hub) -> None:
    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        return (yield ctx.call_sub_orchestrator(child))

    with hub.worker(orchestrators=[parent, child]), hub.stub() as stub:
        parent_id = hub.ran(parent).instance_id
        states = [
            stub.GetInstance(pb.GetInstanceRequest(instanceId=one)).orchestrationState
            for one in (parent_id, f"{parent_id}:0001")
        ]
    assert [state.parentInstanceId.value for state in states] == ["", parent_id]


def test_children_are_nested_five_deep(hub: Hub) -> None:
    def nest(ctx: task.OrchestrationContext, depth: int) -> Steps:
        below = [] if depth == 1 else (yield ctx.call_sub_orchestrator("nest", input=depth - 1))
        return [*below, ctx.instance_id]

    with hub.worker(orchestrators=[nest]):
        state = hub.ran(nest, input=5)
    suffixes = [":0001" * depth for depth in (4, 3, 2, 1, 0)]
    assert state.get_output() == [state.instance_id + suffix for suffix in suffixes]


def test_a_hundred_children_run_at_once(hub: Hub) -> None:
    def parent(ctx: task.OrchestrationContext, count: int) -> Steps:
        return (
            yield task.when_all(
                [ctx.call_sub_orchestrator(child, input=number) for number in range(count)]
            )
        )

    with hub.worker(orchestrators=[parent, child]):
        state = hub.ran(parent, input=100)
    assert state.get_output() == list(range(100))
    events = hub.client.get_orchestration_history(state.instance_id)
    completed = of(history.SubOrchestrationInstanceCompletedEvent, events)
    assert sorted(one.task_scheduled_id for one in completed) == list(range(1, 101))
    assert kinds(events)[-1] == "ExecutionCompleted"


def test_a_childs_failure_reaches_its_parent_as_it_was(hub: Hub) -> None:
    def failing(_: task.OrchestrationContext, __: object) -> None:
        raise LookupError("nothing here")

    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        try:
            yield ctx.call_sub_orchestrator(failing)
        except task.TaskFailedError as error:
            return [error.details.error_type, error.details.message]

    with hub.worker(orchestrators=[parent, failing]):
        state = hub.ran(parent)
    assert state.get_output() == ["builtins.LookupError", "nothing here"]
    events = hub.client.get_orchestration_history(state.instance_id)
    (failed,) = of(history.SubOrchestrationInstanceFailedEvent, events)
    of_child = hub.client.get_orchestration_state(f"{state.instance_id}:0001")
    assert of_child is not None
    assert failed.task_scheduled_id == 1
    assert failed.failure_details == of_child.failure_details


def test_an_unregistered_child_fails(hub: Hub) -> None:
    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        try:
            yield ctx.call_sub_orchestrator("nobody")
        except task.TaskFailedError as error:
            return error.details.error_type

    with hub.worker(orchestrators=[parent]):
        state = hub.ran(parent)
    assert state.get_output() == "durabletask.worker.OrchestratorNotRegisteredError"


def test_a_child_outlives_a_parent_that_does_not_wait(hub: Hub) -> None:
    def late(ctx: task.OrchestrationContext, _: object) -> Steps:
        ctx.set_custom_status("waits")
        return (yield ctx.wait_for_external_event("end"))

    def parent(ctx: task.OrchestrationContext, _: object) -> str:
        ctx.call_sub_orchestrator(late)
        return "gone"

    with hub.worker(orchestrators=[parent, late]):
        state = hub.ran(parent)
        events = hub.client.get_orchestration_history(state.instance_id)
        child_id = f"{state.instance_id}:0001"
        hub.until_status(child_id, "waits")
        hub.client.raise_orchestration_event(child_id, "end", data="later")
        assert hub.ended(child_id).get_output() == "later"
    assert state.get_output() == "gone"
    assert hub.client.get_orchestration_history(state.instance_id) == events


def test_a_child_and_an_activity_run_at_the_same_time(hub: Hub) -> None:
    gate = threading.Event()

    def held(_: task.ActivityContext, __: object) -> bool:
        return gate.wait(SECONDS_MAX)

    def opens(_: task.ActivityContext, __: object) -> None:
        gate.set()

    def opener(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.call_activity(opens)
        return "opened"

    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        activity = ctx.call_activity(held)
        return (yield task.when_all([activity, ctx.call_sub_orchestrator(opener)]))

    with hub.worker(orchestrators=[parent, opener], activities=[held, opens]):
        assert hub.ran(parent).get_output() == [True, "opened"]


def test_a_retried_child_is_created_again_under_its_id(hub: Hub) -> None:
    attempts: list[str] = []

    def child(ctx: task.OrchestrationContext, _: object) -> str:
        attempts.append(ctx.instance_id)
        if len(attempts) < 3:
            raise ConnectionError(f"attempt {len(attempts)}")
        return "third"

    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        return (yield ctx.call_sub_orchestrator(child, input="in", retry_policy=THRICE))

    with hub.worker(orchestrators=[parent, child]):
        state = hub.ran(parent)
    child_id = f"{state.instance_id}:0001"
    assert state.get_output() == "third"
    assert attempts == [child_id] * 3
    events = hub.client.get_orchestration_history(state.instance_id)
    created = of(history.SubOrchestrationInstanceCreatedEvent, events)
    assert [(one.event_id, one.instance_id, one.input) for one in created] == [
        (1, child_id, '"in"')
    ] * 3
    of_child = hub.client.get_orchestration_state(child_id)
    assert of_child is not None
    assert (of_child.runtime_status.name, of_child.failure_details) == ("COMPLETED", None)
    assert kinds(hub.client.get_orchestration_history(child_id)).count("ExecutionStarted") == 1


def test_a_child_that_always_fails_fails_its_parent_with_its_last_failure(hub: Hub) -> None:
    attempts: list[int] = []

    def child(_: task.OrchestrationContext, __: object) -> None:
        attempts.append(1)
        raise ConnectionError(f"attempt {len(attempts)}")

    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.call_sub_orchestrator(child, retry_policy=THRICE)

    with hub.worker(orchestrators=[parent, child]):
        details = hub.ran(parent).failure_details
    assert len(attempts) == 3
    assert details is not None
    assert details.inner_failure is not None
    assert details.inner_failure.message == "attempt 3"
