from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from durabletask import task
from durabletask.azuremanaged.client import DurableTaskSchedulerClient
from durabletask.client import EntityQuery, OrchestrationQuery
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from tests.conformance.cell import cell, cell_id, value_of
from tests.conformance.hub import Hub, Steps
from tests.conformance.raw_worker import METHODS, answer_to_nothing, finishes, raw_worker, start


@pytest.fixture
def other(hub: Hub, new_hub_name: Callable[[], str]) -> Iterator[Hub]:
    """A second task hub of the same scheduler."""
    name = new_hub_name()
    if name == hub.name:
        pytest.skip("there is only one hub at --endpoint")
    with DurableTaskSchedulerClient(
        host_address=hub.address, taskhub=name, token_credential=None, secure_channel=False
    ) as client:
        yield Hub(endpoint=hub.endpoint, name=name, client=client)


def refusals(hub: Hub, task_hub: str) -> dict[str, tuple[grpc.StatusCode, str]]:
    """How each method refuses a call in the name of a task hub."""
    found = {}
    with hub.stub(task_hub=task_hub) as stub:
        for method in METHODS:
            with pytest.raises(grpc.RpcError) as refused:
                answer_to_nothing(stub, method, seconds=5)
            found[method.name] = (refused.value.code(), refused.value.details() or "")
    return found


def echo(_: task.OrchestrationContext, given: Any) -> Any:
    """Returns its input."""
    return given


def test_no_method_serves_an_unknown_hub(hub: Hub) -> None:
    unknown = hub.fresh("nowhere")
    expected = (grpc.StatusCode.NOT_FOUND, f"Task hub not found: {unknown}")
    assert refusals(hub, unknown) == {method.name: expected for method in METHODS}


def test_no_method_serves_a_call_without_a_hub(hub: Hub) -> None:
    found = {name: (code, text.strip()) for name, (code, text) in refusals(hub, "").items()}
    expected = (grpc.StatusCode.NOT_FOUND, "Task hub not found:")
    assert found == {method.name: expected for method in METHODS}


def test_a_client_of_an_unknown_hub_is_told_its_name(hub: Hub) -> None:
    unknown = hub.fresh("nowhere")
    with (
        DurableTaskSchedulerClient(
            host_address=hub.address, taskhub=unknown, token_credential=None, secure_channel=False
        ) as client,
        pytest.raises(grpc.RpcError, match=f"Task hub not found: {unknown}"),
    ):
        client.schedule_new_orchestration("anything")


def test_one_instance_id_lives_in_two_hubs(hub: Hub, other: Hub) -> None:
    instance_id = hub.fresh()
    for place, given in ((hub, "here"), (other, "there")):
        place.client.schedule_new_orchestration(echo, input=given, instance_id=instance_id)
    for place in (hub, other):
        with place.worker(orchestrators=[echo]):
            place.ended(instance_id)
    assert hub.ended(instance_id).get_output() == "here"
    assert other.ended(instance_id).get_output() == "there"


def test_a_worker_gets_the_work_of_its_own_hub_only(hub: Hub, other: Hub) -> None:
    name = hub.fresh("own")
    with (
        raw_worker(hub, orchestrations=[name]) as here,
        raw_worker(other, orchestrations=[name]) as there,
    ):
        instance_id = start(other, name)
        item = there.item()
        assert item.orchestratorRequest.instanceId == instance_id
        assert here.rest() == []
        there.decide(item, finishes(1))


def test_a_token_of_one_hub_completes_nothing_in_another(hub: Hub, other: Hub) -> None:
    name, instance_id = hub.fresh("own"), hub.fresh()
    with (
        raw_worker(hub, orchestrations=[name]) as here,
        raw_worker(other, orchestrations=[name]) as there,
    ):
        for place in (hub, other):
            start(place, name, instance_id)
        items = here.item(), there.item()
        there.decide(items[0], finishes(1, '"of the other"'))
        here.decide(items[0], finishes(1, '"here"'))
        there.decide(items[1], finishes(1, '"there"'))
    assert hub.ended(instance_id).get_output() == "here"
    assert other.ended(instance_id).get_output() == "there"


def test_an_event_reaches_the_instance_of_its_own_hub_only(hub: Hub, other: Hub) -> None:
    def wait(ctx: task.OrchestrationContext, _: Any) -> Steps:
        return (yield ctx.wait_for_external_event("go"))

    instance_id = hub.fresh()
    with hub.worker(orchestrators=[wait]), other.worker(orchestrators=[wait]):
        for place in (hub, other):
            place.client.schedule_new_orchestration(wait, instance_id=instance_id)
        other.client.raise_orchestration_event(instance_id, "go", data="there")
        assert other.ended(instance_id).get_output() == "there"
        hub.client.raise_orchestration_event(instance_id, "go", data="here")
        assert hub.ended(instance_id).get_output() == "here"


def test_an_entity_is_one_of_its_own_hub(hub: Hub, other: Hub) -> None:
    key = hub.fresh()
    with hub.worker(entities=[cell]), other.worker(entities=[cell]):
        hub.client.signal_entity(cell_id(key), "set", "here")
        other.client.signal_entity(cell_id(key), "set", "there")
        hub.until(lambda: value_of(hub, key) == "here")
        hub.until(lambda: value_of(other, key) == "there")
    query = EntityQuery(instance_id_starts_with=str(cell_id(key)))
    assert [it.get_typed_state() for it in other.client.get_all_entities(query)] == ["there"]


def test_queries_and_purges_see_their_own_hub_only(hub: Hub, other: Hub) -> None:
    instance_id = hub.fresh()
    for place in (hub, other):
        with place.worker(orchestrators=[echo]):
            place.ran(echo, instance_id=instance_id, input=place.name)
    query = OrchestrationQuery(instance_id_prefix=instance_id, fetch_inputs_and_outputs=True)
    assert hub.client.purge_orchestration(instance_id).deleted_instance_count == 1
    assert hub.client.get_all_orchestration_states(query) == []
    assert [state.get_output() for state in other.client.get_all_orchestration_states(query)] == [
        other.name
    ]


def test_calls_of_two_hubs_share_a_connection(hub: Hub, other: Hub) -> None:
    instance_id = start(other, hub.fresh())
    request = pb.GetInstanceRequest(instanceId=instance_id)
    with grpc.insecure_channel(hub.address) as channel:
        get = channel.unary_unary(
            "/TaskHubSidecarService/GetInstance",
            request_serializer=pb.GetInstanceRequest.SerializeToString,
            response_deserializer=pb.GetInstanceResponse.FromString,
        )
        found = [
            get(request, metadata=(("taskhub", place.name),)).exists for place in (hub, other) * 2
        ]
    assert found == [False, True, False, True]


def test_an_unknown_hub_costs_the_others_nothing(hub: Hub) -> None:
    with hub.stub(task_hub="x" * 4_000) as stub, pytest.raises(grpc.RpcError) as refused:
        stub.Hello(Empty(), timeout=5)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    with hub.stub() as stub:
        stub.Hello(Empty(), timeout=5)
