"""A turn goes to its worker while what it depends on is being written: what a crash makes of it."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from services.scheduler.dispatch.items import Kind
from services.scheduler.dispatch.streams import Terms
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.hub.opened import OpenHub
from tests.store.loops import on_a_loop
from tests.unit.dispatch.virtual_time import elapsed, in_virtual_time
from tests.unit.hub.test_families import starting
from tests.unit.hub.test_ranks import completing
from tests.unit.hub.test_turns import answer, finish, opened, scheduling
from tests.unit.hub.workers import Worker


def copied_at_each_item(hub: OpenHub, folder: Path, crashes: Path) -> list[tuple[str, Path]]:
    """Connects a worker; gives what it is sent, each with the files as a kill would leave them."""
    sent: list[tuple[str, Path]] = []

    def write(payload: bytes) -> None:
        kept = crashes / str(len(sent))
        shutil.copytree(folder, kept)
        sent.append((pb.WorkItem.FromString(payload).completionToken, kept))

    hub.desk.connect(Terms.of(pb.GetWorkItemsRequest(), "w"), write)
    return sent


async def with_a_child(tmp_path: Path) -> tuple[OpenHub, list[tuple[str, Path]]]:
    """A hub in which `main` has started `child`, and what its worker was sent."""
    folder = tmp_path / "hub"
    folder.mkdir()
    hub = opened(folder)
    sent = copied_at_each_item(hub, folder, tmp_path / "crashes")
    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    await hub.hub.durable()
    answer(hub, pb.WorkItem(completionToken=sent[0][0]), starting(1, "child"))
    await hub.hub.durable()
    return hub, sent


def reading(folder: Path, find: Callable[[OpenHub], bool]) -> bool:
    """What is found in the hub that is in a folder."""
    hub = opened(folder)
    try:
        return find(hub)
    finally:
        hub.close()


def has(instance_id: str) -> Callable[[OpenHub], bool]:
    return lambda hub: hub.hub.get(pb.GetInstanceRequest(instanceId=instance_id)).exists


@on_a_loop
async def test_turns_are_sent_before_the_disk_has_what_they_are_for_activities_after(
    tmp_path: Path,
) -> None:
    hub, sent = await with_a_child(tmp_path)
    answer(hub, pb.WorkItem(completionToken=sent[1][0]), scheduling(1))
    await hub.hub.durable()
    hub.close()
    (_, start), (_, child), (_, activity) = sent
    assert not reading(start, has("main"))
    assert reading(child, has("main"))
    assert not reading(child, has("child"))
    assert reading(activity, lambda hub: hub.dispatcher.waiting()[Kind.ACTIVITY] == 1)


@on_a_loop
async def test_a_turn_that_was_sent_too_early_is_no_more_after_the_crash_and_its_cause_comes_again(
    tmp_path: Path,
) -> None:
    hub, sent = await with_a_child(tmp_path)
    hub.close()
    token, crash = sent[1]
    again = opened(crash)
    worker = Worker(again)
    parent = await worker.item()
    assert parent.orchestratorRequest.instanceId == "main"
    answer(again, pb.WorkItem(completionToken=token), scheduling(1))
    await again.hub.durable()
    assert not worker.has_more
    answer(again, parent, starting(1, "child"))
    child = await worker.item()
    assert child.orchestratorRequest.instanceId == "child"
    assert child.completionToken != token
    again.close()


@in_virtual_time
async def test_a_lone_order_is_three_commits_and_waits_for_nothing_else(tmp_path: Path) -> None:
    """Its start, what must be there before its activity runs, and its end."""
    hub = opened(tmp_path)
    worker = Worker(hub)

    async def next_item() -> pb.WorkItem:
        item = await worker.item()
        # What the service does with the reply to an answer.
        hub.hub.when_durable(lambda: None, patiently=True)
        return item

    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    await hub.hub.durable()
    answer(hub, await next_item(), starting(1, "child"))
    answer(hub, await next_item(), scheduling(1))
    finish(hub, await next_item())
    answer(hub, await next_item(), completing(pb.ORCHESTRATION_STATUS_COMPLETED))
    answer(hub, await next_item(), completing(pb.ORCHESTRATION_STATUS_COMPLETED))
    await hub.hub.durable()
    state = hub.hub.get(pb.GetInstanceRequest(instanceId="main")).orchestrationState
    assert state.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
    assert hub.commit_counts.commits == 3
    assert elapsed() == 0.0
    hub.close()


SIGNALLING = pb.OrchestratorAction(
    id=1,
    sendEntityMessage=pb.SendEntityMessageAction(
        entityOperationSignaled=pb.EntityOperationSignaledEvent(
            requestId="r", operation="add", targetInstanceId=StringValue(value="@counter@a")
        ),
    ),
)


@in_virtual_time
@pytest.mark.parametrize("action", [scheduling(1), SIGNALLING], ids=["activity", "entity"])
async def test_what_acts_waits_for_no_turn_of_others(
    tmp_path: Path, action: pb.OrchestratorAction
) -> None:
    hub = opened(tmp_path)
    worker = Worker(hub)
    for instance_id in ("main", "other"):
        hub.hub.start(pb.CreateInstanceRequest(instanceId=instance_id, name="main"))
    first = await worker.item()
    await worker.item()
    await hub.hub.durable()
    answer(hub, first, action)
    hub.hub.when_durable(lambda: None, patiently=True)
    item = await worker.item()
    assert item.WhichOneof("request") in {"activityRequest", "entityRequest", "entityRequestV2"}
    assert elapsed() == 0.0
    hub.close()


def deliveries_in(folder: Path) -> int:
    """What the row of the one open activity counts, in the hub that is in a folder."""
    with closing(sqlite3.connect(folder / "hub.db")) as connection:
        return int(connection.execute("SELECT deliveries FROM activities").fetchone()[0])


@on_a_loop
async def test_that_a_delivery_ended_its_stream_is_on_the_disk_before_the_next_one(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "hub"
    folder.mkdir()
    hub = opened(folder)
    worker = Worker(hub)
    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    answer(hub, await worker.item(), scheduling(1))
    assert (await worker.item()).HasField("activityRequest")
    another = copied_at_each_item(hub, folder, tmp_path / "crashes")
    hub.desk.disconnect(worker.stream)
    await hub.hub.durable()
    hub.close()
    [(_, crash)] = another
    assert deliveries_in(crash) == 1
