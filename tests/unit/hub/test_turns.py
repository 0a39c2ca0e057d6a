"""Turns whose inbox holds more than a turn can take in."""

import asyncio
from pathlib import Path

from services.scheduler.clock import fresh_id, system_now
from services.scheduler.engine.limits import NEW_EVENTS_MAX
from services.scheduler.engine.protos import pb
from services.scheduler.hub.opened import OpenHub
from tests.unit.hub.workers import Worker


def opened(folder: Path) -> OpenHub:
    failures: list[BaseException] = []
    return OpenHub(
        "hub", folder / "hub.db", now=system_now, ids=fresh_id, on_failure=failures.append
    )


def scheduling(task_id: int) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(id=task_id, scheduleTask=pb.ScheduleTaskAction(name="act"))


def answer(hub: OpenHub, sent: pb.WorkItem, *actions: pb.OrchestratorAction) -> None:
    hub.desk.complete_turn(
        pb.OrchestratorResponse(completionToken=sent.completionToken, actions=actions)
    )


def finish(hub: OpenHub, sent: pb.WorkItem) -> None:
    hub.desk.complete_activity(
        pb.ActivityResponse(
            taskId=sent.activityRequest.taskId, completionToken=sent.completionToken
        )
    )


async def behind_stale_answers(folder: Path) -> list[int]:
    """The tasks that the turn hears of whose inbox begins with answers that nobody waits for."""
    hub = opened(folder)
    asked = pb.GetWorkItemsRequest(maxConcurrentActivityWorkItems=2 * NEW_EVENTS_MAX)
    worker = Worker(hub, asked)
    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    first = await worker.item()
    # The same task again and again: its first answer is the only one that is waited for.
    answer(hub, first, *(scheduling(1) for _ in range(NEW_EVENTS_MAX + 2)), scheduling(2))
    sent = [await worker.item() for _ in range(NEW_EVENTS_MAX + 3)]
    finish(hub, sent[0])
    second = await worker.item()
    for one in sent[1:]:
        finish(hub, one)
    await hub.hub.durable()
    answer(hub, second)
    third = await worker.item()
    hub.close()
    return [
        event.taskCompleted.taskScheduledId
        for event in third.orchestratorRequest.newEvents
        if event.HasField("taskCompleted")
    ]


async def behind_early_events(folder: Path) -> list[str]:
    """The kinds that begin the first turn of an instance that was sent much before its start."""
    hub = opened(folder)
    worker = Worker(hub)
    request = pb.CreateInstanceRequest(instanceId="main", name="main")
    request.scheduledStartTimestamp.FromDatetime(system_now())
    request.scheduledStartTimestamp.seconds += 1
    hub.hub.start(request)
    for _ in range(NEW_EVENTS_MAX + 1):
        hub.hub.raise_event(pb.RaiseEventRequest(instanceId="main", name="early"))
    first = await worker.item()
    hub.close()
    kinds = [event.WhichOneof("eventType") for event in first.orchestratorRequest.newEvents]
    assert len(kinds) == NEW_EVENTS_MAX + 1
    return [str(kind) for kind in kinds[:3]]


def test_an_answer_behind_thousands_that_nobody_waits_for_is_heard(tmp_path: Path) -> None:
    assert asyncio.run(behind_stale_answers(tmp_path)) == [2]


def test_a_start_behind_thousands_of_early_events_comes_first(tmp_path: Path) -> None:
    assert asyncio.run(behind_early_events(tmp_path)) == [
        "orchestratorStarted",
        "executionStarted",
        "eventRaised",
    ]
