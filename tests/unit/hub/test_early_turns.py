"""A turn goes to its worker while what it depends on is being written: what a crash makes of it."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from services.scheduler.dispatch.items import Kind
from services.scheduler.dispatch.streams import Terms
from services.scheduler.engine.protos import pb
from services.scheduler.hub.opened import OpenHub
from tests.store.loops import on_a_loop
from tests.unit.hub.test_families import starting
from tests.unit.hub.test_turns import answer, opened, scheduling
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
