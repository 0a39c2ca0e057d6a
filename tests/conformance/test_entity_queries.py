import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from durabletask import task
from durabletask.azuremanaged.client import AsyncDurableTaskSchedulerClient
from durabletask.client import EntityQuery
from durabletask.entities import EntityMetadata
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from tests.conformance.cell import ask, cell, cell_id, value_of
from tests.conformance.hub import Hub, Steps
from tests.conformance.raw_worker import finishes, raw_worker, start


def hold(ctx: task.OrchestrationContext, key: str) -> Steps:
    """Holds a cell until it is told to end."""
    with (yield ctx.lock_entities([cell_id(key)])):
        ctx.set_custom_status("holds")
        yield ctx.wait_for_external_event("end")


@contextmanager
def held(hub: Hub, key: str) -> Iterator[str]:
    """A cell that an orchestration holds, whose id this gives."""
    with hub.worker(orchestrators=[hold], entities=[cell]):
        holder = hub.client.schedule_new_orchestration(hold, input=key)
        hub.until(lambda: status_of(hub, holder) == "holds")
        yield holder
        hub.client.raise_orchestration_event(holder, "end")
        hub.ended(holder)


def status_of(hub: Hub, instance_id: str) -> object:
    """An instance's custom status."""
    state = hub.client.get_orchestration_state(instance_id)
    return None if state is None else state.get_custom_status()


def fill(hub: Hub, **values: object) -> None:
    """Sets cells, and returns once they hold what they were given."""
    with hub.worker(orchestrators=[ask], entities=[cell]):
        for key, value in values.items():
            hub.ran(ask, input=[key, "set", value])


def found(hub: Hub, prefix: str, **query: object) -> dict[str, EntityMetadata]:
    """The cells that a query finds, by key."""
    asked = EntityQuery(instance_id_starts_with=f"@cell@{prefix}", **query)  # type: ignore[arg-type]  # as the caller gives them
    return {entity.id.key: entity for entity in hub.client.get_all_entities(asked)}


def test_a_missing_entity_is_none(hub: Hub) -> None:
    assert hub.client.get_entity(cell_id(hub.fresh())) is None


def test_an_entity_is_read_with_its_state_or_without(hub: Hub) -> None:
    key = hub.fresh()
    fill(hub, **{key: {"a": 1}})
    with_state = hub.client.get_entity(cell_id(key))
    without = hub.client.get_entity(cell_id(key), include_state=False)
    assert with_state is not None
    assert without is not None
    assert (with_state.get_typed_state(), without.get_typed_state()) == ({"a": 1}, None)
    with hub.stub() as stub:
        answer = stub.GetEntity(pb.GetEntityRequest(instanceId=str(cell_id(key))))
    assert not answer.entity.HasField("serializedState")


def test_an_entity_tells_when_it_last_changed(hub: Hub) -> None:
    key, began = hub.fresh(), datetime.now(UTC)
    fill(hub, **{key: 1})
    first = hub.client.get_entity(cell_id(key))
    fill(hub, **{key: 2})
    second = hub.client.get_entity(cell_id(key))
    assert first is not None
    assert second is not None
    assert began <= first.last_modified < second.last_modified <= datetime.now(UTC)


def test_entities_are_found_by_the_beginning_of_their_id(hub: Hub) -> None:
    prefix, other = hub.fresh("found"), hub.fresh("other")
    fill(hub, **{f"{prefix}-a": 1, f"{prefix}-b": 2, other: 3})
    cells = found(hub, prefix)
    assert {key: cell.get_typed_state() for key, cell in cells.items()} == {
        f"{prefix}-a": 1,
        f"{prefix}-b": 2,
    }
    assert found(hub, f"{prefix}-none") == {}


def test_a_prefix_is_taken_literally(hub: Hub) -> None:
    prefix = hub.fresh("100%")
    fill(hub, **{f"{prefix}_x": 1, f"{prefix}yx": 2})
    assert list(found(hub, f"{prefix}_")) == [f"{prefix}_x"]
    assert found(hub, "%") == {}


def test_entities_are_found_with_their_state_or_without(hub: Hub) -> None:
    key = hub.fresh()
    fill(hub, **{key: "here"})
    assert found(hub, key, include_state=True)[key].get_typed_state() == "here"
    assert found(hub, key, include_state=False)[key].get_typed_state() is None
    with hub.stub() as stub:
        query = pb.EntityQuery(instanceIdStartsWith=StringValue(value=str(cell_id(key))))
        answer = stub.QueryEntities(pb.QueryEntitiesRequest(query=query))
    assert [entity.HasField("serializedState") for entity in answer.entities] == [False]


def test_entities_are_found_by_when_they_last_changed(hub: Hub) -> None:
    prefix = hub.fresh()
    early, late = f"{prefix}-early", f"{prefix}-late"
    fill(hub, **{early: 1})
    fill(hub, **{late: 1})
    boundary = found(hub, prefix)[late].last_modified
    assert list(found(hub, prefix, last_modified_from=boundary)) == [late]
    assert list(found(hub, prefix, last_modified_to=boundary - timedelta(milliseconds=1))) == [
        early
    ]
    hour = timedelta(hours=1)
    around = {"last_modified_from": boundary - hour, "last_modified_to": boundary + hour}
    assert set(found(hub, prefix, **around)) == {early, late}
    assert found(hub, prefix, last_modified_from=boundary + hour) == {}


@pytest.mark.parametrize("page_size", [1, 3, 7, 100])
def test_entities_come_in_pages(hub: Hub, page_size: int) -> None:
    prefix = hub.fresh()
    expected = [f"{prefix}-{number}" for number in range(7)]
    fill(hub, **dict.fromkeys(expected, 1))
    assert list(found(hub, prefix, page_size=page_size)) == expected
    pages, token = [], None
    with hub.stub() as stub:
        while True:
            query = pb.EntityQuery(
                instanceIdStartsWith=StringValue(value=f"@cell@{prefix}"),
                pageSize=Int32Value(value=page_size),
                continuationToken=token,
            )
            answer = stub.QueryEntities(pb.QueryEntitiesRequest(query=query))
            pages.append(len(answer.entities))
            token = answer.continuationToken
            if token.value in {"", "0"}:
                break
    assert max(pages) <= page_size
    assert sum(pages) == 7


def test_a_deleted_entity_is_not_found(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[ask], entities=[cell]):
        hub.ran(ask, input=[key, "set", 1])
        hub.ran(ask, input=[key, "delete", None])
    assert found(hub, key) == {}


def test_an_entity_that_is_only_locked_is_found_as_a_transient_one(hub: Hub) -> None:
    key = hub.fresh()
    with held(hub, key):
        assert found(hub, key) == {}
        assert list(found(hub, key, include_transient=True)) == [key]


def test_a_clean_up_removes_what_is_empty_and_nothing_else(hub: Hub) -> None:
    empty, full = hub.fresh(), hub.fresh()
    with hub.worker(orchestrators=[ask], entities=[cell]):
        for key in (empty, full):
            hub.ran(ask, input=[key, "set", 1])
        hub.ran(ask, input=[empty, "delete", None])
    hub.client.clean_entity_storage()
    assert found(hub, empty, include_transient=True) == {}
    assert value_of(hub, full) == 1
    assert hub.client.clean_entity_storage().empty_entities_removed == 0


def test_a_clean_up_keeps_the_lock_of_a_running_orchestration(hub: Hub) -> None:
    key = hub.fresh()
    fill(hub, **{key: "before"})
    with held(hub, key) as holder, hub.stub() as stub:
        assert hub.client.clean_entity_storage().orphaned_locks_released == 0
        answer = stub.GetEntity(pb.GetEntityRequest(instanceId=str(cell_id(key))))
        assert answer.entity.lockedBy.value == holder


def test_a_clean_up_frees_what_a_finished_orchestration_left_locked(hub: Hub) -> None:
    name, key = hub.fresh("forgetful"), hub.fresh()
    with raw_worker(hub, orchestrations=[name]) as worker:
        instance_id = start(hub, name)
        request = pb.EntityLockRequestedEvent(
            criticalSectionId=hub.fresh("section"),
            lockSet=[str(cell_id(key))],
            parentInstanceId=StringValue(value=instance_id),
        )
        message = pb.SendEntityMessageAction(entityLockRequested=request)
        worker.decide(worker.item(), pb.OrchestratorAction(id=1, sendEntityMessage=message))
        item = worker.item()
        granted = item.orchestratorRequest.newEvents[-1].entityLockGranted
        assert granted.criticalSectionId == request.criticalSectionId
        worker.decide(item, finishes(2))
    hub.ended(instance_id)
    hub.client.clean_entity_storage()
    with hub.worker(orchestrators=[hold], entities=[cell]):
        next_one = hub.client.schedule_new_orchestration(hold, input=key)
        hub.client.raise_orchestration_event(next_one, "end")
        assert hub.ended(next_one).runtime_status.name == "COMPLETED"


def test_the_async_client_signals_reads_and_finds_entities(hub: Hub) -> None:
    key = hub.fresh()

    def connect() -> AsyncDurableTaskSchedulerClient:
        return AsyncDurableTaskSchedulerClient(
            host_address=hub.address, taskhub=hub.name, token_credential=None, secure_channel=False
        )

    async def signal() -> None:
        async with connect() as client:
            await client.signal_entity(cell_id(key), "set", [1, 2])

    async def read() -> tuple[object, list[str]]:
        async with connect() as client:
            entity = await client.get_entity(cell_id(key))
            query = EntityQuery(instance_id_starts_with=str(cell_id(key)))
            listed = await client.get_all_entities(query)
        assert entity is not None
        return entity.get_typed_state(), [str(entity.id) for entity in listed]

    with hub.worker(entities=[cell]):
        asyncio.run(signal())
        hub.until(lambda: value_of(hub, key))
    assert asyncio.run(read()) == ([1, 2], [str(cell_id(key))])
