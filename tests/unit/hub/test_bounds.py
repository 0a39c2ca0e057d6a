"""What a task hub refuses because there is too much of it; nothing has changed then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from services.scheduler.bounds import Bounds
from services.scheduler.clock import system_now
from services.scheduler.dispatch.items import Kind
from services.scheduler.engine.events import stamp
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.errors import BadRequestError, OverloadError
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.hub.opened import OpenHub
from services.scheduler.store import backlogs
from services.scheduler.store.database import DataDirectory
from tests.store.loops import on_a_loop
from tests.unit.hub.workers import Worker

KIB = 1024


@asynccontextmanager
async def hub_with(folder: Path, bounds: Bounds) -> AsyncIterator[OpenHub]:
    failures: list[BaseException] = []
    hubs = TaskHubs(
        DataDirectory(folder), ["default"], dynamic=True, on_failure=failures.append, bounds=bounds
    )
    yield hubs.opened[0]
    hubs.close()
    assert failures == []


def starting(instance_id: str = "", ahead: timedelta | None = None) -> pb.CreateInstanceRequest:
    at = None if ahead is None else stamp(system_now() + ahead)
    return pb.CreateInstanceRequest(instanceId=instance_id, name="main", scheduledStartTimestamp=at)


def raised(instance_id: str, size: int = 1) -> pb.RaiseEventRequest:
    text = StringValue(value="x" * size)
    return pb.RaiseEventRequest(instanceId=instance_id, name="event", input=text)


def signal(entity_id: str, size: int = 1, ahead: timedelta | None = None) -> pb.SignalEntityRequest:
    at = None if ahead is None else stamp(system_now() + ahead)
    text = StringValue(value="x" * size)
    return pb.SignalEntityRequest(instanceId=entity_id, name="add", input=text, scheduledTime=at)


def exists(hub: OpenHub, instance_id: str) -> bool:
    return hub.hub.get(pb.GetInstanceRequest(instanceId=instance_id)).exists


def set_aside(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if "deleted" in path.name]


@pytest.mark.parametrize("ahead", [None, timedelta(days=1)], ids=["now", "later"])
def test_starts_that_have_not_begun_are_bounded(tmp_path: Path, ahead: timedelta | None) -> None:
    @on_a_loop
    async def run() -> None:
        async with hub_with(tmp_path, Bounds(pending_max=2)) as hub:
            for name in ("a", "b"):
                hub.hub.start(starting(name, ahead))
            commits = hub.commit_counts.use_cases
            with pytest.raises(OverloadError, match=r"the bound is 2 \(SCHEDULER_PENDING_MAX\)"):
                hub.hub.start(starting("c", ahead))
            with pytest.raises(OverloadError):
                hub.hub.restart(
                    pb.RestartInstanceRequest(instanceId="a", restartWithNewInstanceId=True)
                )
            assert not exists(hub, "c")
            assert hub.commit_counts.use_cases == commits
            await hub.in_steps(hub.hub.terminate(pb.TerminateRequest(instanceId="a")))
            hub.hub.start(starting("c", ahead))
            assert exists(hub, "c")

    run()


@on_a_loop
async def test_a_start_that_has_begun_makes_room_for_another(tmp_path: Path) -> None:
    async with hub_with(tmp_path, Bounds(pending_max=1)) as hub:
        hub.hub.start(starting("a"))
        worker = Worker(hub)
        await hub.hub.durable()
        item = await worker.item()
        hub.desk.complete_turn(pb.OrchestratorResponse(completionToken=item.completionToken))
        hub.hub.start(starting("b"))
        await hub.hub.durable()


@on_a_loop
async def test_an_inbox_takes_so_many_events_and_so_many_bytes(tmp_path: Path) -> None:
    async with hub_with(tmp_path, Bounds(inbox_max=4, inbox_bytes_max=100 * KIB)) as hub:
        for name in ("many", "large", "other"):
            hub.hub.start(starting(name))
        # Its start is a message too.
        for _ in range(3):
            hub.hub.raise_event(raised("many"))
        for _ in range(2):
            with pytest.raises(OverloadError, match=r"the bound is 4 \(SCHEDULER_INBOX_MAX\)"):
                hub.hub.raise_event(raised("many"))
        hub.hub.raise_event(raised("large", 60 * KIB))
        with pytest.raises(OverloadError, match=r"102,400 \(SCHEDULER_INBOX_BYTES_MAX\)"):
            hub.hub.raise_event(raised("large", 60 * KIB))
        hub.hub.raise_event(raised("other"))
        worker = Worker(hub)
        await hub.hub.durable()
        sizes = {}
        for _ in range(3):
            request = (await worker.item()).orchestratorRequest
            sizes[request.instanceId] = len(request.newEvents)
        # Each begins with an event that tells the time.
        assert sizes == {"many": 5, "large": 3, "other": 3}


@on_a_loop
async def test_an_inbox_has_room_again_once_a_turn_has_taken_it_in(tmp_path: Path) -> None:
    async with hub_with(tmp_path, Bounds(inbox_max=2)) as hub:
        hub.hub.start(starting("a"))
        hub.hub.raise_event(raised("a"))
        worker = Worker(hub)
        await hub.hub.durable()
        item = await worker.item()
        hub.desk.complete_turn(pb.OrchestratorResponse(completionToken=item.completionToken))
        hub.hub.raise_event(raised("a"))
        hub.hub.raise_event(raised("a"))
        with pytest.raises(OverloadError):
            hub.hub.raise_event(raised("a"))


@on_a_loop
async def test_an_entitys_queue_is_bounded_and_signals_that_are_not_due(tmp_path: Path) -> None:
    bounds = Bounds(inbox_max=3, inbox_bytes_max=100 * KIB, delayed_signals_max=2)
    async with hub_with(tmp_path, bounds) as hub:
        for _ in range(3):
            hub.hub.signal_entity(signal("@counter@a"))
        with pytest.raises(OverloadError, match="SCHEDULER_INBOX_MAX"):
            hub.hub.signal_entity(signal("@counter@a"))
        hub.hub.signal_entity(signal("@counter@b", 60 * KIB))
        with pytest.raises(OverloadError, match="SCHEDULER_INBOX_BYTES_MAX"):
            hub.hub.signal_entity(signal("@counter@b", 60 * KIB))
        for _ in range(2):
            hub.hub.signal_entity(signal("@counter@c", ahead=timedelta(days=1)))
        with pytest.raises(OverloadError, match=r"is 2 \(SCHEDULER_DELAYED_SIGNALS_MAX\)"):
            hub.hub.signal_entity(signal("@counter@c", ahead=timedelta(days=1)))
        for number in range(5):
            hub.hub.signal_entity(signal(f"@counter@new-{number}"))


@on_a_loop
async def test_entities_that_wait_for_their_first_operation_are_bounded(tmp_path: Path) -> None:
    async with hub_with(tmp_path, Bounds(pending_max=2)) as hub:
        for name in ("a", "b"):
            hub.hub.signal_entity(signal(f"@counter@{name}"))
        await hub.hub.durable()
        with pytest.raises(OverloadError, match=r"entities .* is 2 \(SCHEDULER_PENDING_MAX\)"):
            hub.hub.signal_entity(signal("@counter@c"))
        assert hub.dispatcher.shelves.ready(Kind.ENTITY) == 2
        # Those that wait already take more.
        hub.hub.signal_entity(signal("@counter@a"))
        worker = Worker(hub)
        await hub.hub.durable()
        for _ in range(2):
            token = (await worker.item()).completionToken
            hub.desk.abandon(token)
        await hub.hub.durable()
        hub.hub.signal_entity(signal("@counter@c"))


@on_a_loop
async def test_who_suspends_again_and_again_fills_an_inbox(tmp_path: Path) -> None:
    async with hub_with(tmp_path, Bounds(inbox_max=4)) as hub:
        hub.hub.start(starting("a"))
        hub.hub.suspend(pb.SuspendRequest(instanceId="a"))
        hub.hub.resume(pb.ResumeRequest(instanceId="a"))
        hub.hub.suspend(pb.SuspendRequest(instanceId="a"))
        # What changes nothing is not refused, and only this makes room again.
        hub.hub.suspend(pb.SuspendRequest(instanceId="a"))
        hub.hub.resume(pb.ResumeRequest(instanceId="a"))
        with pytest.raises(OverloadError, match=r"the bound is 4 \(SCHEDULER_INBOX_MAX\)"):
            hub.hub.suspend(pb.SuspendRequest(instanceId="a"))
        found = hub.hub.get(pb.GetInstanceRequest(instanceId="a")).orchestrationState
        assert found.orchestrationStatus == pb.ORCHESTRATION_STATUS_PENDING


@on_a_loop
async def test_clients_that_wait_are_bounded_and_one_that_is_gone_makes_room(
    tmp_path: Path,
) -> None:
    async with hub_with(tmp_path, Bounds(waiters_max=1)) as hub:
        hub.hub.start(starting("a"))
        await hub.hub.durable()
        request = pb.GetInstanceRequest(instanceId="a")
        for _ in range(2):
            waiting = asyncio.create_task(hub.hub.wait(request, lambda row: row.status.is_terminal))
            await asyncio.sleep(0)
            assert len(hub.waiters) == 1
            with pytest.raises(OverloadError, match=r"\(SCHEDULER_WAITERS_MAX\)"):
                await hub.hub.wait(request, lambda row: row.status.is_terminal)
            assert len(hub.waiters) == 1
            # What the end of its call does.
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert len(hub.waiters) == 0


@on_a_loop
async def test_what_would_fill_the_disk_is_refused_and_what_makes_room_is_not(
    tmp_path: Path,
) -> None:
    async with hub_with(tmp_path, Bounds(disk_free_bytes_min=2**60)) as hub:
        for name in ("a", "runs"):
            hub.hub.start(starting(name))
        await hub.in_steps(hub.hub.terminate(pb.TerminateRequest(instanceId="a")))
        with pytest.MonkeyPatch.context() as patch:
            # A disk of which all is to stay free.
            patch.setattr(backlogs, "_LOOK_SECONDS", -1.0)
            share = backlogs._SHARE_KEPT  # noqa: SLF001 - put back below
            patch.setattr(backlogs, "_SHARE_KEPT", 1.0)
            for refused in (
                lambda: hub.hub.start(starting("b")),
                lambda: hub.hub.raise_event(raised("runs")),
                lambda: hub.hub.suspend(pb.SuspendRequest(instanceId="runs")),
                lambda: hub.hub.signal_entity(signal("@counter@a")),
                lambda: hub.hub.signal_entity(signal("@counter@a", ahead=timedelta(days=1))),
            ):
                with pytest.raises(OverloadError, match="SCHEDULER_DISK_FREE_BYTES_MIN"):
                    refused()
            assert await hub.in_steps(hub.hub.purge(["a"], recursive=False)) == 1
            patch.setattr(backlogs, "_SHARE_KEPT", share)
            hub.hub.start(starting("b"))


@on_a_loop
async def test_task_hubs_that_anybody_may_make_are_bounded_and_named_ones_are_not(
    tmp_path: Path,
) -> None:
    failures: list[BaseException] = []
    names = ["default", "orders"]
    hubs = TaskHubs(
        DataDirectory(tmp_path),
        names,
        dynamic=True,
        on_failure=failures.append,
        bounds=Bounds(task_hubs_max=3),
    )
    hubs.find("third")
    with pytest.raises(OverloadError, match=r"fourth .* is 3 \(SCHEDULER_TASK_HUBS_MAX\)"):
        hubs.find("fourth")
    assert not (tmp_path / "fourth.db").exists()
    hubs.delete("third")
    hubs.find("fourth")
    hubs.close()
    assert failures == []


@on_a_loop
async def test_a_task_hub_is_not_set_aside_again_and_again_on_a_full_disk(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    bounds = Bounds(disk_free_bytes_min=2**60)
    hubs = TaskHubs(
        DataDirectory(tmp_path), [], dynamic=True, on_failure=failures.append, bounds=bounds
    )
    hubs.create("fresh", anew=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backlogs, "_LOOK_SECONDS", -1.0)
        patch.setattr(backlogs, "_SHARE_KEPT", 1.0)
        hubs.create("fresh", anew=False)
        with pytest.raises(OverloadError, match="SCHEDULER_DISK_FREE_BYTES_MIN"):
            hubs.create("fresh", anew=True)
        assert not set_aside(tmp_path)
        patch.setattr(backlogs, "_SHARE_KEPT", 0.0)
        hubs.create("fresh", anew=True)
        assert set_aside(tmp_path)
    hubs.close()
    assert failures == []


@on_a_loop
async def test_an_answer_in_parts_is_bounded_in_bytes(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.scheduler.engine.limits.ANSWER_BYTES_MAX", 100 * KIB)
        async with hub_with(tmp_path, Bounds()) as hub:
            hub.hub.start(starting("a"))
            worker = Worker(hub)
            await hub.hub.durable()
            token = (await worker.item()).completionToken
            task = pb.ScheduleTaskAction(name="act", input=StringValue(value="x" * 60 * KIB))
            part = pb.OrchestratorResponse(
                completionToken=token,
                isPartial=True,
                actions=[pb.OrchestratorAction(id=1, scheduleTask=task)],
            )
            hub.desk.complete_turn(part)
            with pytest.raises(Exception, match="An answer in parts must have at most 102400"):
                hub.desk.complete_turn(part)
            # Its lease has ended; the item comes again.
            again = (await worker.item()).completionToken
            assert again != token


@on_a_loop
async def test_an_answer_has_no_more_actions_than_the_bound_whole_or_in_parts(
    tmp_path: Path,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.scheduler.engine.limits.ACTIONS_MAX", 2)
        async with hub_with(tmp_path, Bounds()) as hub:
            hub.hub.start(starting("a"))
            worker = Worker(hub)
            await hub.hub.durable()
            for parts in ((3,), (1, 2)):
                token = (await worker.item()).completionToken
                *kept, last = (
                    pb.OrchestratorResponse(
                        completionToken=token,
                        isPartial=len(parts) > 1,
                        actions=[
                            pb.OrchestratorAction(
                                id=number, scheduleTask=pb.ScheduleTaskAction(name="act")
                            )
                            for number in range(1, count + 1)
                        ],
                    )
                    for count in parts
                )
                for part in kept:
                    hub.desk.complete_turn(part)
                with pytest.raises(BadRequestError, match="must have at most 2 actions"):
                    hub.desk.complete_turn(last)
