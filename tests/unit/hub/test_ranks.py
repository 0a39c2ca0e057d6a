"""Activities of an execution keep its place in the queue, and one that ended leaves nothing."""

from pathlib import Path

import pytest

from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from services.scheduler.hub.opened import OpenHub
from tests.store.loops import on_a_loop
from tests.unit.engine.given import text
from tests.unit.hub.test_turns import answer, finish, opened, scheduling
from tests.unit.hub.workers import Worker


def completing(status: int) -> pb.OrchestratorAction:
    completion = pb.CompleteOrchestrationAction(
        orchestrationStatus=status,  # type: ignore[arg-type]  # the stubs want the enum's wrapper
        result=text("1"),
        newVersion=None,
    )
    return pb.OrchestratorAction(id=2, completeOrchestration=completion)


def ranks(hub: OpenHub) -> int:
    return len(hub.dispatcher._ranks)  # noqa: SLF001 - what is forgotten shows nowhere else


@on_a_loop
@pytest.mark.parametrize(
    "status",
    [Status.COMPLETED, Status.FAILED, pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW],
)
async def test_a_rank_is_forgotten_with_its_execution(tmp_path: Path, status: int) -> None:
    hub = opened(tmp_path)
    worker = Worker(hub)
    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    answer(hub, await worker.item(), scheduling(1))
    finish(hub, await worker.item())
    turn = await worker.item()
    assert ranks(hub) == 1
    answer(hub, turn, completing(status))
    await hub.hub.durable()
    assert ranks(hub) == 0
    hub.close()


@on_a_loop
async def test_a_rank_is_forgotten_when_its_instance_is_terminated(tmp_path: Path) -> None:
    hub = opened(tmp_path)
    worker = Worker(hub)
    hub.hub.start(pb.CreateInstanceRequest(instanceId="main", name="main"))
    answer(hub, await worker.item(), scheduling(1))
    await worker.item()
    assert ranks(hub) == 1
    await hub.in_steps(hub.hub.terminate(pb.TerminateRequest(instanceId="main")))
    await hub.hub.durable()
    assert ranks(hub) == 0
    hub.close()
