from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from durabletask import task
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.entities import EntityInstanceId
from durabletask.worker import (
    ActivityWorkItemFilter,
    EntityWorkItemFilter,
    OrchestrationWorkItemFilter,
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
    WorkItemFilters,
)

from tests.conformance.hub import Hub, Steps
from tests.conformance.readings import kinds_of, status_of
from tests.conformance.waiting import echo

Configure = Callable[[DurableTaskSchedulerWorker], object]


def accepted(ctx: task.OrchestrationContext, _: Any) -> str | None:
    return ctx.version


def shout(_: task.ActivityContext, text: str) -> str:
    return text.upper()


def shouts(ctx: task.OrchestrationContext, text: str) -> Steps:
    return (yield ctx.call_activity(shout, input=text))


def keeper(ctx: Any, value: Any) -> None:
    ctx.set_state(value)


def own(worker: DurableTaskSchedulerWorker) -> None:
    """Only what the worker has registered."""
    worker.use_work_item_filters()


def only(
    *,
    orchestrations: Sequence[OrchestrationWorkItemFilter] = (),
    activities: Sequence[ActivityWorkItemFilter] = (),
    entities: Sequence[EntityWorkItemFilter] = (),
) -> Configure:
    filters = WorkItemFilters([*orchestrations], [*activities], [*entities])
    return lambda worker: worker.use_work_item_filters(filters)


def versions(*accepted_versions: str) -> Configure:
    """Of `accepted`, these versions; and every `echo`."""
    return only(
        orchestrations=[
            OrchestrationWorkItemFilter("accepted", [*accepted_versions]),
            OrchestrationWorkItemFilter("echo"),
        ]
    )


@contextmanager
def all_taken(hub: Hub, configure: Configure) -> Iterator[None]:
    """A worker that has, once the block begins, been offered all that waits for it."""
    with hub.worker(orchestrators=[accepted, shouts, echo], configure=configure):
        hub.ran(echo)
        hub.ran(echo)
        yield


def test_an_orchestration_that_no_worker_accepts_waits_for_one_that_does(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(accepted, version="7")
    with hub.worker(orchestrators=[echo], configure=own):
        hub.ran(echo)
        assert status_of(hub, instance_id) == "PENDING"
        with hub.worker(orchestrators=[accepted], configure=own):
            assert hub.ended(instance_id).get_output() == "7"


def test_an_orchestration_goes_to_the_worker_that_accepts_it(hub: Hub) -> None:
    def here(_: task.OrchestrationContext, __: None) -> str:
        return "here"

    def there(_: task.OrchestrationContext, __: None) -> str:
        return "there"

    with (
        hub.worker(orchestrators=[here], configure=own),
        hub.worker(orchestrators=[there], configure=own),
    ):
        names = ["here", "there"] * 5
        ids = [hub.client.schedule_new_orchestration(name) for name in names]
        assert [hub.ended(instance_id).get_output() for instance_id in ids] == names


def test_an_activity_that_no_worker_accepts_waits_for_one_that_does(hub: Hub) -> None:
    with hub.worker(orchestrators=[shouts, echo], configure=own):
        instance_id = hub.client.schedule_new_orchestration(shouts, input="at last")
        hub.until(lambda: "TaskScheduled" in kinds_of(hub, instance_id))
        hub.ran(echo)
        assert status_of(hub, instance_id) == "RUNNING"
        with hub.worker(activities=[shout], configure=own):
            assert hub.ended(instance_id).get_output() == "AT LAST"


def test_an_entity_that_no_worker_accepts_waits_for_one_that_does(hub: Hub) -> None:
    entity_id = EntityInstanceId("keeper", hub.fresh())

    def kept() -> object:
        entity = hub.client.get_entity(entity_id)
        return entity is not None and entity.get_typed_state(str)

    with hub.worker(orchestrators=[echo], configure=own):
        hub.client.signal_entity(entity_id, "keep", input="this")
        hub.ran(echo)
        assert not kept()
        with hub.worker(entities=[keeper], configure=own):
            hub.until(kept)
    assert kept() == "this"


def test_a_name_without_versions_accepts_every_version(hub: Hub) -> None:
    wanted = ["1.0", "2.0", None]
    ids = [hub.client.schedule_new_orchestration(accepted, version=each) for each in wanted]
    with hub.worker(orchestrators=[accepted], configure=own):
        assert [hub.ended(instance_id).get_output() for instance_id in ids] == wanted


@pytest.mark.parametrize("other", ["1.0", "2", "2.0.0", "2.0-rc", "v2.0", None])
def test_a_version_is_accepted_only_when_it_is_the_same(hub: Hub, other: str | None) -> None:
    instance_id = hub.client.schedule_new_orchestration(accepted, version=other)
    same = hub.client.schedule_new_orchestration(accepted, version="2.0")
    with all_taken(hub, versions("2.0")):
        assert hub.ended(same).get_output() == "2.0"
        assert status_of(hub, instance_id) == "PENDING"
    with hub.worker(orchestrators=[accepted]):
        assert hub.ended(instance_id).get_output() == other


def test_each_of_several_versions_is_accepted(hub: Hub) -> None:
    first = hub.client.schedule_new_orchestration(accepted, version="1.0")
    second = hub.client.schedule_new_orchestration(accepted, version="2.0")
    third = hub.client.schedule_new_orchestration(accepted, version="3.0")
    with all_taken(hub, versions("1.0", "3.0")):
        assert hub.ended(first).get_output() == "1.0"
        assert hub.ended(third).get_output() == "3.0"
        assert status_of(hub, second) == "PENDING"
    with hub.worker(orchestrators=[accepted]):
        hub.ended(second)


def test_versions_of_one_name_do_not_count_for_another(hub: Hub) -> None:
    with all_taken(hub, versions("2.0")):
        assert hub.ran(echo, version="1.0", input="taken").get_output() == "taken"


def test_an_unversioned_activity_is_not_of_a_version(hub: Hub) -> None:
    versioned = only(activities=[ActivityWorkItemFilter("shout", ["2.0"])])
    with (
        hub.worker(orchestrators=[shouts, echo], configure=own),
        hub.worker(activities=[shout], configure=versioned),
    ):
        instance_id = hub.client.schedule_new_orchestration(shouts, input="later")
        hub.until(lambda: "TaskScheduled" in kinds_of(hub, instance_id))
        hub.ran(echo)
        assert status_of(hub, instance_id) == "RUNNING"
        with hub.worker(activities=[shout], configure=own):
            assert hub.ended(instance_id).get_output() == "LATER"


def test_a_strict_worker_is_sent_its_own_version_only(hub: Hub) -> None:
    def strict(worker: DurableTaskSchedulerWorker) -> None:
        worker.use_versioning(
            VersioningOptions(
                version="2.0",
                match_strategy=VersionMatchStrategy.STRICT,
                failure_strategy=VersionFailureStrategy.FAIL,
            )
        )
        worker.use_work_item_filters()

    older = hub.client.schedule_new_orchestration(accepted, version="1.0")
    with hub.worker(orchestrators=[accepted], configure=strict):
        assert hub.ran(accepted, version="2.0").get_output() == "2.0"
        assert status_of(hub, older) == "PENDING"
    with hub.worker(orchestrators=[accepted]):
        assert hub.ended(older).get_output() == "1.0"


def test_empty_filters_accept_nothing(hub: Hub) -> None:
    entity_id = EntityInstanceId("keeper", hub.fresh())
    with hub.worker(orchestrators=[accepted], entities=[keeper], configure=only()):
        instance_id = hub.client.schedule_new_orchestration(accepted)
        hub.client.signal_entity(entity_id, "keep", input="this")
        with hub.worker(orchestrators=[echo], configure=own):
            hub.ran(echo)
        assert status_of(hub, instance_id) == "PENDING"
    with hub.worker(orchestrators=[accepted], entities=[keeper]):
        assert hub.ended(instance_id).runtime_status.name == "COMPLETED"


def test_a_worker_without_filters_is_sent_everything(hub: Hub) -> None:
    def clear(worker: DurableTaskSchedulerWorker) -> None:
        worker.use_work_item_filters(WorkItemFilters())
        worker.use_work_item_filters(None)

    with hub.worker(orchestrators=[shouts], activities=[shout], configure=clear):
        assert hub.ran(shouts, input="all", version="1.0").get_output() == "ALL"


def test_a_child_waits_for_a_worker_that_accepts_it(hub: Hub) -> None:
    child_id = hub.fresh()

    def parent(ctx: task.OrchestrationContext, _: None) -> Steps:
        return (yield ctx.call_sub_orchestrator(accepted, instance_id=child_id, version="5.0"))

    with hub.worker(orchestrators=[parent, echo], configure=own):
        instance_id = hub.client.schedule_new_orchestration(parent)
        hub.until_it_is("PENDING", child_id)
        hub.ran(echo)
        assert status_of(hub, child_id) == "PENDING"
        with hub.worker(orchestrators=[accepted], configure=own):
            assert hub.ended(instance_id).get_output() == "5.0"


def test_what_waits_for_no_worker_does_not_hold_up_what_comes_after(hub: Hub) -> None:
    waiting = [hub.client.schedule_new_orchestration(accepted) for _ in range(50)]
    with hub.worker(orchestrators=[echo], configure=own):
        assert hub.ran(echo, input="passed").get_output() == "passed"
        assert {status_of(hub, instance_id) for instance_id in waiting} == {"PENDING"}
    with hub.worker(orchestrators=[accepted], configure=own):
        statuses = {hub.ended(instance_id).runtime_status.name for instance_id in waiting}
    assert statuses == {"COMPLETED"}
