from datetime import UTC, datetime, timedelta

import grpc
import pytest
from durabletask import task
from durabletask.client import OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.conformance.hub import Hub, Steps
from tests.conformance.readings import middle, refused, status_of
from tests.conformance.waiting import GO, echo, fails, waits_for_go

BATCH_MAX = 500
A_MOMENT = timedelta(milliseconds=1)


def parent(ctx: task.OrchestrationContext, child_ids: list[str]) -> Steps:
    """The ids name a child, its child, and so on."""
    if child_ids:
        yield ctx.call_sub_orchestrator(parent, instance_id=child_ids[0], input=child_ids[1:])
    return len(child_ids)


def purged(hub: Hub, *instance_ids: str, recursive: bool = False) -> pb.PurgeInstancesResponse:
    """A purge of several instances by their ids, which only the bare wire has."""
    with hub.stub() as stub:
        answer: pb.PurgeInstancesResponse = stub.PurgeInstances(
            pb.PurgeInstancesRequest(
                instanceBatch=pb.InstanceBatch(instanceIds=instance_ids),
                recursive=recursive,
                isOrchestration=True,
            )
        )
    return answer


def test_a_purged_orchestration_is_gone(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo, input="gone").instance_id
    result = hub.client.purge_orchestration(instance_id)
    assert result.deleted_instance_count == 1
    assert result.is_complete is not False
    assert hub.client.get_orchestration_state(instance_id) is None
    with refused(grpc.StatusCode.NOT_FOUND):
        hub.client.get_orchestration_history(instance_id)


def test_an_orchestration_is_purged_once(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo).instance_id
    assert hub.client.purge_orchestration(instance_id).deleted_instance_count == 1
    assert hub.client.purge_orchestration(instance_id).deleted_instance_count == 0


def test_a_purge_of_a_missing_orchestration_deletes_nothing(hub: Hub) -> None:
    assert hub.client.purge_orchestration(hub.fresh("missing")).deleted_instance_count == 0


@pytest.mark.parametrize("recursive", [False, True])
def test_what_still_runs_is_not_purged(hub: Hub, *, recursive: bool) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.wait_for_orchestration_start(instance_id)
        result = hub.client.purge_orchestration(instance_id, recursive=recursive)
        assert result.deleted_instance_count == 0
        hub.client.raise_orchestration_event(instance_id, GO, data="unharmed")
        assert hub.ended(instance_id).get_output() == "unharmed"


def test_what_has_not_begun_is_not_purged(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    assert hub.client.purge_orchestration(instance_id).deleted_instance_count == 0
    assert status_of(hub, instance_id) == "PENDING"
    hub.client.terminate_orchestration(instance_id)


def test_the_id_of_a_purged_orchestration_can_be_used_again(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo, waits_for_go]):
        instance_id = hub.ran(echo, input="first").instance_id
        hub.client.raise_orchestration_event(instance_id, GO, data="left over")
        hub.client.purge_orchestration(instance_id)
        hub.client.schedule_new_orchestration(waits_for_go, instance_id=instance_id)
        hub.until_it_is("RUNNING", instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="second")
        state = hub.ended(instance_id)
    assert state.name == "waits_for_go"
    assert state.get_output() == "second"


def test_a_recursive_purge_deletes_the_children_too(hub: Hub) -> None:
    child_ids = [hub.fresh(), hub.fresh()]
    with hub.worker(orchestrators=[parent]):
        instance_id = hub.ran(parent, input=child_ids).instance_id
    result = hub.client.purge_orchestration(instance_id, recursive=True)
    assert result.deleted_instance_count == 3
    assert {status_of(hub, member) for member in (instance_id, *child_ids)} == {"MISSING"}


def test_a_purge_that_is_not_recursive_deletes_exactly_one(hub: Hub) -> None:
    child_ids = [hub.fresh(), hub.fresh()]
    with hub.worker(orchestrators=[parent]):
        instance_id = hub.ran(parent, input=child_ids).instance_id
    result = hub.client.purge_orchestration(instance_id, recursive=False)
    assert result.deleted_instance_count == 1
    assert status_of(hub, instance_id) == "MISSING"
    assert {status_of(hub, child_id) for child_id in child_ids} == {"COMPLETED"}


def test_a_batch_of_ids_is_purged_in_one_call(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo, waits_for_go]):
        finished = [hub.ran(echo).instance_id for _ in range(3)]
        started = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.wait_for_orchestration_start(started)
        answer = purged(hub, finished[0], started, hub.fresh("missing"), finished[1])
        assert answer.deletedInstanceCount == 2
        assert status_of(hub, started) == "RUNNING"
        hub.client.raise_orchestration_event(started, GO)
        hub.ended(started)
    assert [status_of(hub, each) for each in finished] == ["MISSING", "MISSING", "COMPLETED"]


def test_a_batch_purge_can_be_recursive(hub: Hub) -> None:
    child_id = hub.fresh()
    with hub.worker(orchestrators=[parent]):
        instance_id = hub.ran(parent, input=[child_id]).instance_id
    assert purged(hub, instance_id, recursive=True).deletedInstanceCount == 2
    assert status_of(hub, child_id) == "MISSING"


def test_a_batch_purge_takes_no_more_than_a_batch(hub: Hub) -> None:
    missing = [hub.fresh("missing") for _ in range(BATCH_MAX + 1)]
    assert purged(hub, *missing[:BATCH_MAX]).deletedInstanceCount == 0
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        purged(hub, *missing)


def test_a_purge_by_time_deletes_what_was_created_in_it(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        before = hub.ran(echo)
        within = [hub.ran(echo) for _ in range(3)]
        after = hub.ran(echo)
    assert before.created_at < within[0].created_at
    result = hub.client.purge_orchestrations_by(
        created_time_from=middle(before.created_at, within[0].created_at),
        created_time_to=middle(within[-1].created_at, after.created_at),
    )
    assert result.deleted_instance_count == 3
    assert result.is_complete is True
    assert {status_of(hub, state.instance_id) for state in within} == {"MISSING"}
    assert status_of(hub, before.instance_id) == "COMPLETED"
    assert status_of(hub, after.instance_id) == "COMPLETED"


def test_a_purge_by_status_leaves_the_other_statuses(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo, fails, waits_for_go]):
        first = hub.ran(echo)
        completed = first.instance_id
        failed = hub.ran(fails, input="to be purged").instance_id
        terminated = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.terminate_orchestration(terminated)
        hub.ended(terminated)
    result = hub.client.purge_orchestrations_by(
        created_time_from=first.created_at - A_MOMENT,
        runtime_status=[OrchestrationStatus.FAILED, OrchestrationStatus.TERMINATED],
    )
    assert result.deleted_instance_count == 2
    assert status_of(hub, completed) == "COMPLETED"
    assert status_of(hub, failed) == "MISSING"
    assert status_of(hub, terminated) == "MISSING"


def test_a_purge_by_time_leaves_what_still_runs(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo, waits_for_go]):
        first = hub.ran(echo)
        finished = first.instance_id
        started = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.wait_for_orchestration_start(started)
        result = hub.client.purge_orchestrations_by(created_time_from=first.created_at - A_MOMENT)
        assert result.deleted_instance_count == 1
        assert status_of(hub, finished) == "MISSING"
        hub.client.raise_orchestration_event(started, GO, data="unharmed")
        assert hub.ended(started).get_output() == "unharmed"


def test_a_purge_by_filter_that_matches_nothing_deletes_nothing(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo).instance_id
    result = hub.client.purge_orchestrations_by(
        created_time_to=datetime(2001, 1, 1, tzinfo=UTC),
        runtime_status=[OrchestrationStatus.COMPLETED],
    )
    assert result.deleted_instance_count == 0
    assert result.is_complete is True
    assert status_of(hub, instance_id) == "COMPLETED"
