from collections.abc import Iterator
from typing import Any, Final

import grpc
import pytest
from durabletask import task
from durabletask.client import OrchestrationQuery, OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from tests.conformance.hub import Hub, Steps
from tests.conformance.readings import middle, refused
from tests.conformance.waiting import echo, fails, waits_for_go

PAGE_SIZE_MAX: Final = 2**31 - 1


def found(hub: Hub, prefix: str, **options: Any) -> list[OrchestrationState]:
    query = OrchestrationQuery(instance_id_prefix=prefix, **options)
    return hub.client.get_all_orchestration_states(query)


def ids_found(hub: Hub, prefix: str, **options: Any) -> list[str]:
    return sorted(state.instance_id for state in found(hub, prefix, **options))


def page_of(
    hub: Hub, prefix: str, size: int, token: str | None = None
) -> tuple[list[str], str | None]:
    """The ids of one page, and the token of the next; None without one."""
    query = pb.InstanceQuery(
        instanceIdPrefix=StringValue(value=prefix),
        maxInstanceCount=size,
        continuationToken=None if token is None else StringValue(value=token),
    )
    with hub.stub() as stub:
        page = stub.QueryInstances(pb.QueryInstancesRequest(query=query))
    following = page.continuationToken.value if page.HasField("continuationToken") else ""
    # The SDK takes "0" for the end, as some schedulers mean it.
    assert following != "0"
    return [state.instanceId for state in page.orchestrationState], following or None


def pages_of(hub: Hub, prefix: str, size: int) -> Iterator[list[str]]:
    token = None
    tokens = set()
    while True:
        ids, token = page_of(hub, prefix, size, token)
        yield ids
        if token is None:
            return
        assert token not in tokens
        tokens.add(token)


def start_many(hub: Hub, prefix: str, count: int) -> list[str]:
    return [
        hub.client.schedule_new_orchestration(echo, instance_id=f"{prefix}-{number:03}")
        for number in range(count)
    ]


def one_of_each_status(hub: Hub, prefix: str) -> dict[str, str]:
    """Statuses to the ids of instances that have them; none is left to a worker."""
    ids = {status.name: f"{prefix}-{status.name}" for status in OrchestrationStatus}
    del ids["CONTINUED_AS_NEW"]
    with hub.worker(orchestrators=[echo, fails, waits_for_go]):
        for status in ("RUNNING", "SUSPENDED", "TERMINATED"):
            hub.client.schedule_new_orchestration(waits_for_go, instance_id=ids[status])
        hub.client.suspend_orchestration(ids["SUSPENDED"])
        hub.client.terminate_orchestration(ids["TERMINATED"])
        hub.ran(echo, instance_id=ids["COMPLETED"])
        hub.ran(fails, instance_id=ids["FAILED"], input="found")
        hub.ended(ids["TERMINATED"])
        hub.until_it_is("SUSPENDED", ids["SUSPENDED"])
        hub.until_it_is("RUNNING", ids["RUNNING"])
    hub.client.schedule_new_orchestration(waits_for_go, instance_id=ids["PENDING"])
    return ids


def test_a_query_finds_by_one_status_and_by_several(hub: Hub) -> None:
    prefix = hub.fresh()
    ids = one_of_each_status(hub, prefix)
    assert ids_found(hub, prefix) == sorted(ids.values())
    for name, instance_id in ids.items():
        [state] = found(hub, prefix, runtime_status=[OrchestrationStatus[name]])
        assert (state.instance_id, state.runtime_status.name) == (instance_id, name)
    several = ["PENDING", "SUSPENDED", "FAILED"]
    assert ids_found(
        hub, prefix, runtime_status=[OrchestrationStatus[name] for name in several]
    ) == sorted(ids[name] for name in several)
    for name in ("PENDING", "RUNNING", "SUSPENDED"):
        hub.client.terminate_orchestration(ids[name])


def test_a_query_finds_by_the_beginning_of_the_id(hub: Hub) -> None:
    prefix = hub.fresh()
    names = ["a", "a-1", "a-2", "b"]
    for name in names:
        hub.client.schedule_new_orchestration(echo, instance_id=f"{prefix}-{name}")
    assert ids_found(hub, f"{prefix}-a") == [f"{prefix}-{name}" for name in names[:3]]
    assert ids_found(hub, f"{prefix}-a-") == [f"{prefix}-{name}" for name in names[1:3]]
    assert ids_found(hub, f"{prefix}-b-") == []


@pytest.mark.parametrize("literal", ["%", "_", "*", "?", "[a]", "\\", "'", '"'])
def test_no_character_of_a_prefix_stands_for_another(hub: Hub, literal: str) -> None:
    prefix = hub.fresh()
    hub.client.schedule_new_orchestration(echo, instance_id=f"{prefix}-aa")
    wanted = f"{prefix}-{literal}b"
    hub.client.schedule_new_orchestration(echo, instance_id=wanted)
    assert ids_found(hub, f"{prefix}-{literal}") == [wanted]


def test_a_prefix_minds_upper_and_lower_case(hub: Hub) -> None:
    prefix = hub.fresh()
    for name in ("case", "Case"):
        hub.client.schedule_new_orchestration(echo, instance_id=f"{prefix}-{name}")
    assert ids_found(hub, f"{prefix}-C") == [f"{prefix}-Case"]


def test_a_query_finds_by_the_time_of_creation(hub: Hub) -> None:
    prefix = hub.fresh()
    with hub.worker(orchestrators=[echo]):
        first, second, third = (
            hub.ran(echo, instance_id=f"{prefix}-{number}") for number in range(3)
        )
    assert first.created_at < second.created_at < third.created_at
    early = middle(first.created_at, second.created_at)
    late = middle(second.created_at, third.created_at)
    assert ids_found(hub, prefix, created_time_from=early) == [f"{prefix}-1", f"{prefix}-2"]
    assert ids_found(hub, prefix, created_time_to=late) == [f"{prefix}-0", f"{prefix}-1"]
    assert ids_found(hub, prefix, created_time_from=early, created_time_to=late) == [f"{prefix}-1"]


def test_a_query_gives_inputs_and_outputs_only_when_asked(hub: Hub) -> None:
    def speaks_up(ctx: task.OrchestrationContext, number: int) -> int:
        ctx.set_custom_status("speaking")
        return number + 1

    prefix = hub.fresh()
    with hub.worker(orchestrators=[speaks_up]):
        hub.ran(speaks_up, instance_id=prefix, input=-1)
    [without] = found(hub, prefix)
    assert (without.serialized_input, without.serialized_output) == (None, None)
    [state] = found(hub, prefix, fetch_inputs_and_outputs=True)
    assert (state.get_input(), state.get_output()) == (-1, 0)
    assert state.get_custom_status() == "speaking"


def test_a_query_tells_what_a_look_at_the_instance_tells(hub: Hub) -> None:
    prefix = hub.fresh()
    with hub.worker(orchestrators=[echo]):
        state = hub.ran(echo, instance_id=prefix, input={"falsy": [0, "", False, None]})
    assert found(hub, prefix, fetch_inputs_and_outputs=True) == [state]


def test_a_query_tells_why_an_orchestration_failed(hub: Hub) -> None:
    prefix = hub.fresh()
    with hub.worker(orchestrators=[fails]):
        hub.ran(fails, instance_id=prefix, input="no luck")
    [state] = found(hub, prefix, fetch_inputs_and_outputs=True)
    assert state.failure_details is not None
    assert state.failure_details.message == "no luck"


def test_a_query_finds_sub_orchestrations_too(hub: Hub) -> None:
    def parent(ctx: task.OrchestrationContext, child_id: str) -> Steps:
        yield ctx.call_sub_orchestrator(echo)
        yield ctx.call_sub_orchestrator(echo, instance_id=child_id)

    prefix = hub.fresh()
    child_id = f"{prefix}-child"
    with hub.worker(orchestrators=[parent, echo]):
        hub.ran(parent, instance_id=prefix, input=child_id)
    assert ids_found(hub, prefix) == sorted([prefix, child_id, f"{prefix}:0001"])


def test_a_query_finds_no_entities(hub: Hub) -> None:
    def entity(ctx: Any, _: Any) -> None:
        ctx.set_state("here")

    name = hub.fresh("e").replace("-", "")
    with hub.worker(orchestrators=[echo], configure=lambda worker: worker.add_entity(entity, name)):
        hub.client.signal_entity(EntityInstanceId(name, "key"), "begin")
        hub.until(lambda: hub.client.get_entity(EntityInstanceId(name, "key")) is not None)
    assert ids_found(hub, f"@{name}") == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, PAGE_SIZE_MAX])
def test_pages_of_any_size_hold_every_instance_once(hub: Hub, size: int) -> None:
    prefix = hub.fresh()
    ids = start_many(hub, prefix, 7)
    pages = list(pages_of(hub, prefix, size))
    assert sorted(instance_id for page in pages for instance_id in page) == ids
    assert max(len(page) for page in pages) <= size
    assert ids_found(hub, prefix, max_instance_count=size) == ids


def test_a_page_size_of_zero_leaves_the_size_to_the_scheduler(hub: Hub) -> None:
    prefix = hub.fresh()
    ids = start_many(hub, prefix, 3)
    assert sorted(id_ for page in pages_of(hub, prefix, 0) for id_ in page) == ids


def test_pages_hold_every_instance_once_while_others_are_created(hub: Hub) -> None:
    prefix = hub.fresh()
    ids = [f"{prefix}-m{number}" for number in range(6)]
    for instance_id in ids:
        hub.client.schedule_new_orchestration(echo, instance_id=instance_id)
    seen = []
    for number, page in enumerate(pages_of(hub, prefix, 2)):
        seen += page
        # Before and behind what is there, in the order of ids.
        if number < 3:
            for letter in "az":
                hub.client.schedule_new_orchestration(
                    echo, instance_id=f"{prefix}-{letter}{number}"
                )
    assert len(seen) == len(set(seen))
    assert set(ids) <= set(seen)


def test_pages_hold_every_instance_once_while_others_are_purged(hub: Hub) -> None:
    prefix = hub.fresh()
    with hub.worker(orchestrators=[echo]):
        ids = start_many(hub, prefix, 6)
        for instance_id in ids:
            hub.ended(instance_id)
    seen = []
    for page in pages_of(hub, prefix, 2):
        seen += page
        for instance_id in page:
            assert hub.client.purge_orchestration(instance_id).deleted_instance_count == 1
    assert sorted(seen) == ids


def test_a_query_that_finds_nothing_has_one_empty_page(hub: Hub) -> None:
    assert page_of(hub, hub.fresh("missing"), 10) == ([], None)


def test_a_negative_page_size_is_refused(hub: Hub) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        page_of(hub, hub.fresh(), -1)
