"""What is done to an instance with all that it has started, a step at a time."""

import asyncio
from pathlib import Path

from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from services.scheduler.hub.opened import OpenHub
from tests.store.loops import on_a_loop
from tests.unit.hub.test_turns import answer, opened
from tests.unit.hub.workers import Worker

CHILDREN = 350
# The parent alone, then its children, a hundred at a time.
PAUSES = 4


async def with_family(folder: Path) -> OpenHub:
    """A hub in which `main` has started `CHILDREN` children, and one of them another."""
    hub = opened(folder)
    worker = Worker(hub, pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=1))
    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    answer(hub, await worker.item(), *(starting(n, f"child-{n}") for n in range(CHILDREN)))
    answer(hub, await worker.item(), starting(1, "grandchild"))
    hub.desk.disconnect(worker.stream)
    await hub.hub.durable()
    return hub


def starting(number: int, instance_id: str) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(
        id=number,
        createSubOrchestration=pb.CreateSubOrchestrationAction(
            instanceId=instance_id, name="child"
        ),
    )


def statuses(hub: OpenHub) -> dict[str, Status]:
    ids = ("main", "grandchild", *(f"child-{n}" for n in range(CHILDREN)))
    found = {one: hub.hub.get(pb.GetInstanceRequest(instanceId=one)) for one in ids}
    return {
        one: Status(state.orchestrationState.orchestrationStatus)
        for one, state in found.items()
        if state.exists
    }


def terminate_all() -> pb.TerminateRequest:
    return pb.TerminateRequest(instanceId="main", recursive=True)


@on_a_loop
async def test_others_are_served_between_the_steps_of_a_termination(tmp_path: Path) -> None:
    hub = await with_family(tmp_path)
    before = hub.commit_counts.commits
    ending = asyncio.ensure_future(hub.in_steps(hub.hub.terminate(terminate_all())))
    served = 0
    while not ending.done():
        served += 1
        hub.hub.start(pb.CreateInstanceRequest(instanceId=f"other-{served}", name="other"))
        await hub.hub.durable()
    assert served >= PAUSES
    assert hub.commit_counts.commits - before >= PAUSES
    assert set(statuses(hub).values()) == {Status.TERMINATED}
    assert len(statuses(hub)) == CHILDREN + 2
    hub.close()


@on_a_loop
async def test_a_termination_that_was_interrupted_ends_the_rest_when_asked_again(
    tmp_path: Path,
) -> None:
    hub = await with_family(tmp_path)
    steps = hub.hub.terminate(terminate_all())
    next(steps)
    next(steps)
    steps.close()
    some = list(statuses(hub).values())
    assert statuses(hub)["main"] is Status.TERMINATED
    assert 0 < some.count(Status.TERMINATED) < CHILDREN
    await hub.in_steps(hub.hub.terminate(terminate_all()))
    assert set(statuses(hub).values()) == {Status.TERMINATED}
    hub.close()


@on_a_loop
async def test_a_purge_leaves_the_parent_to_the_last(tmp_path: Path) -> None:
    hub = await with_family(tmp_path)
    await hub.in_steps(hub.hub.terminate(terminate_all()))
    steps = hub.hub.purge(["main"], recursive=True)
    left = CHILDREN + 2
    for _ in steps:
        assert statuses(hub)["main"] is Status.TERMINATED
        assert left - len(statuses(hub)) <= 100
        left = len(statuses(hub))
    assert statuses(hub) == {}
    hub.close()


@on_a_loop
async def test_a_purge_counts_what_it_deletes_and_that_once(tmp_path: Path) -> None:
    hub = await with_family(tmp_path)
    await hub.in_steps(hub.hub.terminate(terminate_all()))
    ids = ["main", "child-1", "main"]
    assert await hub.in_steps(hub.hub.purge(ids, recursive=True)) == CHILDREN + 2
    assert await hub.in_steps(hub.hub.purge(ids, recursive=True)) == 0
    hub.close()


@on_a_loop
async def test_one_that_is_alone_takes_one_commit(tmp_path: Path) -> None:
    hub = opened(tmp_path)
    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    await hub.hub.durable()
    before = hub.commit_counts.commits
    await hub.in_steps(hub.hub.terminate(terminate_all()))
    assert await hub.in_steps(hub.hub.purge(["main"], recursive=True)) == 1
    await hub.hub.durable()
    assert hub.commit_counts.commits == before + 1
    hub.close()


@on_a_loop
async def test_an_instance_that_is_its_own_ancestor_is_ended_and_purged_once(
    tmp_path: Path,
) -> None:
    hub = opened(tmp_path)
    worker = Worker(hub)
    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    answer(hub, await worker.item(), starting(1, "child-1"))
    child = await worker.item()
    await hub.in_steps(hub.hub.terminate(pb.TerminateRequest(instanceId="main")))
    await hub.in_steps(hub.hub.purge(["main"], recursive=False))
    answer(hub, child, starting(1, "main"))
    await hub.in_steps(hub.hub.terminate(terminate_all()))
    assert statuses(hub) == {"main": Status.TERMINATED, "child-1": Status.TERMINATED}
    assert await hub.in_steps(hub.hub.purge(["main"], recursive=True)) == 2
    hub.close()
