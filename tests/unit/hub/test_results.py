"""Results of activities whose token and task do not belong together."""

import asyncio
from pathlib import Path

from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.hub.opened import OpenHub
from tests.unit.hub.test_turns import answer, finish, opened, scheduling
from tests.unit.hub.workers import Worker


async def with_activities(hub: OpenHub, number: int) -> tuple[Worker, list[pb.WorkItem]]:
    """A worker, and the activities that it has been handed."""
    worker = Worker(hub)
    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    answer(hub, await worker.item(), *(scheduling(task) for task in range(1, number + 1)))
    return worker, [await worker.item() for _ in range(number)]


async def answered_with_another_task(folder: Path) -> tuple[int, list[str]]:
    """How often an item comes that is always answered with a wrong task id, and what is heard."""
    hub = opened(folder)
    worker, [sent] = await with_activities(hub, 1)
    times = 0
    while sent.HasField("activityRequest"):
        times += 1
        wrong = pb.ActivityResponse(taskId=99, completionToken=sent.completionToken)
        hub.desk.complete_activity(wrong)
        await hub.hub.durable()
        sent = await worker.item()
    hub.close()
    failed = [
        event.taskFailed.failureDetails.errorType
        for event in sent.orchestratorRequest.newEvents
        if event.HasField("taskFailed")
    ]
    return times, failed


def test_an_answer_that_names_another_task_than_its_token_is_one_that_cannot_be_read(
    tmp_path: Path,
) -> None:
    assert asyncio.run(answered_with_another_task(tmp_path)) == (3, ["UnreadableAnswer"])


async def answered_with_the_orchestrators_token(folder: Path) -> str:
    """What is heard of a turn whose token has come with the result of an activity."""
    hub = opened(folder)
    worker = Worker(hub)
    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    sent = await worker.item()
    hub.desk.complete_activity(pb.ActivityResponse(taskId=1, completionToken=sent.completionToken))
    await hub.hub.durable()
    answer(hub, sent, scheduling(1))
    following = await worker.item()
    hub.close()
    return following.activityRequest.name


def test_a_result_under_an_orchestrators_token_does_not_end_the_turn(tmp_path: Path) -> None:
    assert asyncio.run(answered_with_the_orchestrators_token(tmp_path)) == "act"


async def answered_together(folder: Path) -> list[int]:
    """The tasks that a turn hears of whose results came in one group, one of them twice."""
    hub = opened(folder)
    worker, sent = await with_activities(hub, 5)
    for one in (*sent, sent[0]):
        finish(hub, one)
    await hub.hub.durable()
    following = await worker.item()
    hub.close()
    return [
        event.taskCompleted.taskScheduledId
        for event in following.orchestratorRequest.newEvents
        if event.HasField("taskCompleted")
    ]


def test_results_that_come_together_are_heard_together_each_once(tmp_path: Path) -> None:
    assert asyncio.run(answered_together(tmp_path)) == [1, 2, 3, 4, 5]


async def answered_with_anothers_token(folder: Path) -> list[str]:
    """What an activity is heard to have come to whose token came with another instance's result."""
    hub = opened(folder)
    worker = Worker(hub)
    sent: dict[str, pb.WorkItem] = {}
    for instance_id in ("one", "two"):
        hub.hub.start(pb.CreateInstanceRequest(instanceId=instance_id, name="main"))
        answer(hub, await worker.item(), scheduling(1))
        sent[instance_id] = await worker.item()
    for named, result in (("one", "foreign"), ("two", "own")):
        response = pb.ActivityResponse(
            instanceId=named,
            taskId=1,
            completionToken=sent["two"].completionToken,
            result=StringValue(value=result),
        )
        hub.desk.complete_activity(response)
        await hub.hub.durable()
        if named == "one":
            # It has been given back, and comes again under another token.
            sent["two"] = await worker.item()
    following = await worker.item()
    hub.close()
    return [
        event.taskCompleted.result.value
        for event in following.orchestratorRequest.newEvents
        if event.HasField("taskCompleted")
    ]


def test_a_result_of_another_instance_does_not_end_the_task_whose_token_it_has(
    tmp_path: Path,
) -> None:
    assert asyncio.run(answered_with_anothers_token(tmp_path)) == ["own"]


async def answered_as_another_kind(folder: Path) -> list[int]:
    """The tasks that are heard of whose token came with other kinds of answers before."""
    hub = opened(folder)
    worker, [sent] = await with_activities(hub, 1)
    answer(hub, sent, scheduling(2))
    operation = pb.OperationResult(success=pb.OperationResultSuccess())
    token = sent.completionToken
    hub.desk.complete_batch(pb.EntityBatchResult(results=[operation], completionToken=token))
    finish(hub, sent)
    following = await worker.item()
    hub.close()
    return [
        event.taskCompleted.taskScheduledId
        for event in following.orchestratorRequest.newEvents
        if event.HasField("taskCompleted")
    ]


def test_answers_of_another_kind_than_their_token_change_nothing(tmp_path: Path) -> None:
    assert asyncio.run(answered_as_another_kind(tmp_path)) == [1]
