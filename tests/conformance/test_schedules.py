import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask import task
from durabletask.azuremanaged.client import AsyncDurableTaskSchedulerClient
from durabletask.client import OrchestrationQuery, OrchestrationState
from durabletask.scheduled import (
    AsyncScheduledTaskClient,
    ScheduleCreationOptions,
    ScheduledTaskClient,
    ScheduleQuery,
    ScheduleStatus,
    ScheduleUpdateOptions,
)

from tests.conformance.hub import SECONDS_MAX, Hub

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def scheduled_run(_: task.OrchestrationContext, given: Any) -> Any:
    """What a schedule starts."""
    return given


@contextmanager
def scheduler(hub: Hub) -> Iterator[ScheduledTaskClient]:
    """A client of schedules, with a worker that runs them."""
    with hub.worker(
        orchestrators=[scheduled_run],
        configure=lambda worker: worker.configure_scheduled_tasks(),
    ):
        yield ScheduledTaskClient(hub.client, operation_timeout=SECONDS_MAX)


def every(interval: timedelta, schedule_id: str, **options: Any) -> ScheduleCreationOptions:
    """A schedule of `scheduled_run`."""
    return ScheduleCreationOptions(
        schedule_id=schedule_id,
        orchestration_name="scheduled_run",
        interval=interval,
        **options,
    )


def runs(hub: Hub, schedule_id: str) -> list[OrchestrationState]:
    """What a schedule has started, in order: an id is the schedule's, a dash and the due time."""
    query = OrchestrationQuery(instance_id_prefix=f"{schedule_id}-", fetch_inputs_and_outputs=True)
    found = hub.client.get_all_orchestration_states(query)
    return sorted(found, key=lambda state: state.instance_id)


def due(schedule_id: str, run: OrchestrationState) -> datetime:
    """When a run was due."""
    return datetime.fromisoformat(run.instance_id.removeprefix(f"{schedule_id}-"))


def test_a_created_schedule_describes_itself(hub: Hub) -> None:
    schedule_id, start_at = hub.fresh("s"), datetime.now(UTC) + HOUR
    with scheduler(hub) as schedules:
        created = schedules.create_schedule(
            every(
                HOUR,
                schedule_id,
                orchestration_input={"n": 1},
                start_at=start_at,
                end_at=start_at + HOUR,
            )
        )
        hub.until(lambda: created.describe().next_run_at is not None)
        found = created.describe()
    assert found.schedule_id == schedule_id
    assert (found.orchestration_name, found.orchestration_input) == ("scheduled_run", {"n": 1})
    assert (found.interval, found.start_at, found.end_at) == (HOUR, start_at, start_at + HOUR)
    assert (found.status, found.last_run_at) == (ScheduleStatus.ACTIVE, None)
    assert found.next_run_at == start_at


def test_a_schedule_runs_every_second(hub: Hub) -> None:
    schedule_id = hub.fresh("s")
    with scheduler(hub) as schedules:
        created = schedules.create_schedule(
            every(SECOND, schedule_id, orchestration_input=[1, 2], start_at=datetime.now(UTC))
        )
        hub.until(lambda: len(runs(hub, schedule_id)) == 3)
        created.pause()
        first, second, third = runs(hub, schedule_id)[:3]
        assert hub.ended(third.instance_id).get_output() == [1, 2]
    times = [due(schedule_id, run) for run in (first, second, third)]
    assert [times[1] - times[0], times[2] - times[1]] == [SECOND, SECOND]
    for run, time in zip((first, second, third), times, strict=True):
        assert time <= run.created_at.replace(tzinfo=UTC) < time + SECOND


def test_a_schedule_that_may_be_late_runs_at_once(hub: Hub) -> None:
    schedule_id = hub.fresh("s")
    with scheduler(hub) as schedules:
        began = datetime.now(UTC)
        schedules.create_schedule(every(HOUR, schedule_id, start_immediately_if_late=True))
        hub.until(lambda: runs(hub, schedule_id))
    (run,) = runs(hub, schedule_id)
    assert began <= due(schedule_id, run) <= datetime.now(UTC)


def test_a_schedule_does_not_run_before_its_start(hub: Hub) -> None:
    schedule_id, start_at = hub.fresh("s"), datetime.now(UTC) + 2 * SECOND
    with scheduler(hub) as schedules:
        schedules.create_schedule(every(HOUR, schedule_id, start_at=start_at))
        hub.until(lambda: runs(hub, schedule_id))
    (run,) = runs(hub, schedule_id)
    assert due(schedule_id, run) == start_at
    assert run.created_at.replace(tzinfo=UTC) >= start_at


def test_a_schedule_is_gone_after_its_end(hub: Hub) -> None:
    schedule_id, start_at = hub.fresh("s"), datetime.now(UTC) + SECOND
    end_at = start_at + SECOND / 2
    with scheduler(hub) as schedules:
        schedules.create_schedule(every(SECOND, schedule_id, start_at=start_at, end_at=end_at))
        assert schedules.get_schedule(schedule_id) is not None
        hub.until(lambda: schedules.get_schedule(schedule_id) is None)
    assert [due(schedule_id, run) for run in runs(hub, schedule_id)] == [start_at]
    assert datetime.now(UTC) > end_at


def test_a_paused_schedule_does_not_run_until_it_is_resumed(hub: Hub) -> None:
    paused, running = hub.fresh("s"), hub.fresh("s")
    start_at = datetime.now(UTC) + SECOND
    with scheduler(hub) as schedules:
        schedule = schedules.create_schedule(every(HOUR, paused, start_at=start_at))
        schedule.pause()
        assert schedule.describe().status == ScheduleStatus.PAUSED
        assert schedule.describe().next_run_at is None
        schedules.create_schedule(every(HOUR, running, start_at=start_at))
        hub.until(lambda: runs(hub, running))
        assert runs(hub, paused) == []
        schedule.update(ScheduleUpdateOptions(start_at=start_at + 2 * SECOND))
        schedule.resume()
        assert schedule.describe().status == ScheduleStatus.ACTIVE
        hub.until(lambda: runs(hub, paused))
    assert [due(paused, run) for run in runs(hub, paused)] == [start_at + 2 * SECOND]


def test_an_updated_schedule_runs_as_it_was_updated(hub: Hub) -> None:
    schedule_id, start_at = hub.fresh("s"), datetime.now(UTC) + SECOND
    with scheduler(hub) as schedules:
        schedule = schedules.create_schedule(
            every(HOUR, schedule_id, orchestration_input="old", start_at=start_at + HOUR)
        )
        schedule.update(
            ScheduleUpdateOptions(orchestration_input="new", interval=2 * HOUR, start_at=start_at)
        )
        hub.until(lambda: runs(hub, schedule_id))
        (run,) = runs(hub, schedule_id)
        assert hub.ended(run.instance_id).get_output() == "new"
        hub.until(lambda: schedule.describe().last_run_at == start_at)
        assert schedule.describe().next_run_at == start_at + 2 * HOUR
        assert schedule.describe().interval == 2 * HOUR


def test_a_deleted_schedule_is_gone_and_runs_no_more(hub: Hub) -> None:
    deleted, running = hub.fresh("s"), hub.fresh("s")
    start_at = datetime.now(UTC) + SECOND
    with scheduler(hub) as schedules:
        schedules.create_schedule(every(HOUR, deleted, start_at=start_at)).delete()
        assert schedules.get_schedule(deleted) is None
        schedules.create_schedule(every(HOUR, running, start_at=start_at))
        hub.until(lambda: runs(hub, running))
        assert runs(hub, deleted) == []
        assert schedules.get_schedule(deleted) is None


def test_a_deleted_schedule_can_be_created_again(hub: Hub) -> None:
    schedule_id = hub.fresh("s")
    with scheduler(hub) as schedules:
        schedules.create_schedule(every(HOUR, schedule_id)).delete()
        schedules.create_schedule(every(2 * HOUR, schedule_id))
        found = schedules.get_schedule(schedule_id)
    assert found is not None
    assert (found.status, found.interval) == (ScheduleStatus.ACTIVE, 2 * HOUR)


def test_schedules_are_listed_by_the_beginning_of_their_id_and_by_status(hub: Hub) -> None:
    prefix = hub.fresh("s")
    ids = [f"{prefix}-{number}" for number in range(3)]
    with scheduler(hub) as schedules:
        for schedule_id in ids:
            schedules.create_schedule(every(HOUR, schedule_id))
        schedules.create_schedule(every(HOUR, hub.fresh("another")))
        schedules.get_schedule_client(ids[1]).pause()
    everything = ScheduleQuery(schedule_id_prefix=prefix, page_size=2)
    paused = ScheduleQuery(schedule_id_prefix=prefix, status=ScheduleStatus.PAUSED)
    assert [found.schedule_id for found in schedules.list_schedules(everything)] == ids
    assert [found.schedule_id for found in schedules.list_schedules(paused)] == [ids[1]]


@pytest.mark.parametrize("operation", ["pause", "resume"])
def test_what_makes_no_sense_for_a_schedule_is_an_error_of_its_caller(
    hub: Hub, operation: str
) -> None:
    with scheduler(hub) as schedules:
        missing = schedules.get_schedule_client(hub.fresh("s"))
        with pytest.raises(RuntimeError, match=f"Failed to '{operation}_schedule'.*transition"):
            getattr(missing, operation)()
        assert schedules.get_schedule(missing.schedule_id) is None


def test_schedules_have_an_async_client(hub: Hub) -> None:
    schedule_id = hub.fresh("s")

    async def create_and_list() -> list[str]:
        async with AsyncDurableTaskSchedulerClient(
            host_address=hub.address, taskhub=hub.name, token_credential=None, secure_channel=False
        ) as client:
            schedules = AsyncScheduledTaskClient(client, operation_timeout=SECONDS_MAX)
            await schedules.create_schedule(every(HOUR, schedule_id))
            query = ScheduleQuery(schedule_id_prefix=schedule_id)
            return [found.schedule_id for found in await schedules.list_schedules(query)]

    with scheduler(hub):
        assert asyncio.run(create_and_list()) == [schedule_id]
