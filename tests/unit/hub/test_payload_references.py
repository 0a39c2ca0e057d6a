"""What an orchestration holds is what its bytes name, whatever becomes of it."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from services.scheduler.engine.protos import pb
from services.scheduler.hub.opened import OpenHub
from tests.store.loops import on_a_loop
from tests.store.payload_names import digest, held, token
from tests.unit.engine.given import text
from tests.unit.hub.test_turns import answer, opened
from tests.unit.hub.workers import Worker


@asynccontextmanager
async def worked(folder: Path) -> AsyncIterator[tuple[OpenHub, Worker]]:
    hub = opened(folder)
    yield hub, Worker(hub)
    hub.close()


async def names(folder: Path, hub: OpenHub) -> set[str]:
    """The payloads that are held, of those that the tests know."""
    await hub.hub.durable()
    with closing(sqlite3.connect(f"file:{folder / 'hub.db'}?mode=ro", uri=True)) as look:
        found = held(look)
    known = {digest(name): name for name in ("first", "second", "event", "result", "task")}
    return {known[one] for one in found}


def ending(status: int, result: str) -> pb.OrchestratorAction:
    completion = pb.CompleteOrchestrationAction(
        orchestrationStatus=status,  # type: ignore[arg-type]  # the stubs want the enum's wrapper
        result=text(token(result)),
    )
    return pb.OrchestratorAction(id=9, completeOrchestration=completion)


@on_a_loop
async def test_one_that_continues_as_new_lets_go_of_what_it_was_before(tmp_path: Path) -> None:
    async with worked(tmp_path) as (hub, worker):
        request = pb.CreateInstanceRequest(instanceId="a", name="main", input=text(token("first")))
        hub.hub.start(request)
        sent = await worker.item()
        assert await names(tmp_path, hub) == {"first"}
        task = pb.ScheduleTaskAction(name="act", input=text(token("task")))
        answer(hub, sent, pb.OrchestratorAction(id=1, scheduleTask=task))
        assert await names(tmp_path, hub) == {"first", "task"}
        activity = await worker.item()
        hub.desk.complete_activity(
            pb.ActivityResponse(
                taskId=1,
                completionToken=activity.completionToken,
                result=text(token("result")),
            )
        )
        sent = await worker.item()
        # It comes too late for this turn, and is for the next execution.
        raised = pb.RaiseEventRequest(instanceId="a", name="e", input=text(token("event")))
        hub.hub.raise_event(raised)
        assert await names(tmp_path, hub) == {"first", "task", "result", "event"}
        answer(hub, sent, ending(pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW, "second"))
        assert await names(tmp_path, hub) == {"second", "event"}
        sent = await worker.item()
        answer(hub, sent, ending(pb.ORCHESTRATION_STATUS_COMPLETED, "result"))
        assert await names(tmp_path, hub) == {"second", "event", "result"}
        assert await hub.in_steps(hub.hub.purge(["a"], recursive=False)) == 1
        assert await names(tmp_path, hub) == set()


@on_a_loop
async def test_one_that_takes_the_place_of_another_holds_only_its_own(tmp_path: Path) -> None:
    async with worked(tmp_path) as (hub, _worker):
        policy = pb.OrchestrationIdReusePolicy(
            replaceableStatus=[
                pb.ORCHESTRATION_STATUS_PENDING,
                pb.ORCHESTRATION_STATUS_RUNNING,
                pb.ORCHESTRATION_STATUS_TERMINATED,
            ]
        )
        for name in ("first", "second"):
            request = pb.CreateInstanceRequest(
                instanceId="a",
                name="main",
                input=text(token(name)),
                orchestrationIdReusePolicy=policy,
            )
            hub.hub.start(request)
            assert await names(tmp_path, hub) == {name}


@on_a_loop
async def test_one_that_is_rewound_holds_what_its_new_history_names(tmp_path: Path) -> None:
    async with worked(tmp_path) as (hub, worker):
        hub.hub.start(
            pb.CreateInstanceRequest(instanceId="a", name="main", input=text(token("first")))
        )
        sent = await worker.item()
        failure = pb.TaskFailureDetails(errorType="E", stackTrace=text(token("event")))
        completion = pb.CompleteOrchestrationAction(
            orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED, failureDetails=failure
        )
        answer(hub, sent, pb.OrchestratorAction(id=1, completeOrchestration=completion))
        assert await names(tmp_path, hub) == {"first", "event"}
        hub.hub.rewind(pb.RewindInstanceRequest(instanceId="a"))
        sent = await worker.item()
        past = sent.orchestratorRequest.pastEvents
        kept = [event for event in past if not event.HasField("executionCompleted")]
        for event in kept:
            if event.HasField("executionStarted"):
                event.executionStarted.orchestrationInstance.executionId.value = "f" * 32
        history = [*kept, *sent.orchestratorRequest.newEvents]
        rewound = pb.RewindOrchestrationAction(newHistory=history)
        answer(hub, sent, pb.OrchestratorAction(id=-1, rewindOrchestration=rewound))
        assert await names(tmp_path, hub) == {"first"}
