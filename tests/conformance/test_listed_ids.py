"""`ListInstanceIds` knows no prefix: on a shared hub, other tests' instances stand between."""

from datetime import UTC, datetime
from typing import Any

from durabletask.client import OrchestrationStatus

from tests.conformance.hub import Hub
from tests.conformance.readings import middle, state_of
from tests.conformance.waiting import GO, echo, fails, waits_for_go


def clock_of(hub: Hub) -> datetime:
    """A moment of the scheduler's own clock, before what it does from now on."""
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    hub.client.terminate_orchestration(instance_id)
    return state_of(hub, instance_id).createdTimestamp.ToDatetime(UTC)


def listed(hub: Hub, since: datetime, size: int | None = None, **options: Any) -> list[str]:
    """The ids of every page, from this time of completion on."""
    ids, token = [], None
    while True:
        page = hub.client.list_instance_ids(
            completed_time_from=since, page_size=size, continuation_token=token, **options
        )
        assert size is None or len(page.items) <= size
        ids += page.items
        if page.continuation_token is None:
            return ids
        assert page.continuation_token != token
        token = page.continuation_token


def ended_in_order(hub: Hub, count: int) -> list[str]:
    """Instances that ended one after the other, the last started first."""
    ids = [hub.client.schedule_new_orchestration(waits_for_go) for _ in range(count)]
    ids.reverse()
    for instance_id in ids:
        hub.client.raise_orchestration_event(instance_id, GO)
        hub.ended(instance_id)
    return ids


def completed_at(hub: Hub, instance_id: str) -> datetime:
    return state_of(hub, instance_id).completedTimestamp.ToDatetime(UTC)


def test_ids_are_listed_in_the_order_of_completion(hub: Hub) -> None:
    begin = clock_of(hub)
    with hub.worker(orchestrators=[waits_for_go]):
        ids = ended_in_order(hub, 3)
    assert [each for each in listed(hub, begin) if each in ids] == ids


def test_pages_of_ids_hold_every_id_once(hub: Hub) -> None:
    begin = clock_of(hub)
    with hub.worker(orchestrators=[waits_for_go]):
        ids = ended_in_order(hub, 5)
    for size in (1, 2, 5, 6):
        assert [each for each in listed(hub, begin, size) if each in ids] == ids


def test_what_ends_between_two_pages_comes_last(hub: Hub) -> None:
    begin = clock_of(hub)
    with hub.worker(orchestrators=[waits_for_go]):
        ids = ended_in_order(hub, 2)
        page = hub.client.list_instance_ids(completed_time_from=begin, page_size=1)
        ids += ended_in_order(hub, 1)
    seen = page.items
    while page.continuation_token is not None:
        page = hub.client.list_instance_ids(
            completed_time_from=begin, page_size=1, continuation_token=page.continuation_token
        )
        seen += page.items
    assert [each for each in seen if each in ids] == ids


def test_ids_are_listed_by_status(hub: Hub) -> None:
    begin = clock_of(hub)
    with hub.worker(orchestrators=[echo, fails, waits_for_go]):
        completed = hub.ran(echo).instance_id
        failed = hub.ran(fails, input="listed").instance_id
        terminated = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.terminate_orchestration(terminated)
        hub.ended(terminated)
    mine = {completed, failed, terminated}

    def of(*statuses: OrchestrationStatus) -> list[str]:
        return [each for each in listed(hub, begin, runtime_status=[*statuses]) if each in mine]

    assert of(OrchestrationStatus.COMPLETED) == [completed]
    assert of(OrchestrationStatus.FAILED) == [failed]
    assert of(OrchestrationStatus.TERMINATED, OrchestrationStatus.COMPLETED) == [
        completed,
        terminated,
    ]
    assert of() == [completed, failed, terminated]


def test_ids_are_listed_by_the_time_of_completion(hub: Hub) -> None:
    with hub.worker(orchestrators=[waits_for_go]):
        ids = ended_in_order(hub, 3)
    first, second, third = (completed_at(hub, each) for each in ids)
    assert first < second < third
    page = hub.client.list_instance_ids(
        completed_time_from=middle(first, second), completed_time_to=middle(second, third)
    )
    assert (page.items, page.continuation_token) == ([ids[1]], None)


def test_what_has_not_ended_is_not_listed(hub: Hub) -> None:
    begin = clock_of(hub)
    with hub.worker(orchestrators=[waits_for_go]):
        started = hub.client.schedule_new_orchestration(waits_for_go)
        [ended] = ended_in_order(hub, 1)
        hub.client.wait_for_orchestration_start(started)
        assert [each for each in listed(hub, begin) if each in {started, ended}] == [ended]
        hub.client.terminate_orchestration(started)
        hub.ended(started)
