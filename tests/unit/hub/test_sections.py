"""Critical sections belong to the orchestration that asked for them."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from services.scheduler.engine.protos import StringValue, pb
from tests.unit.hub.test_turns import answer, opened
from tests.unit.hub.workers import Worker


def message(**fields: object) -> pb.OrchestratorAction:
    action = pb.OrchestratorAction(id=1)
    action.sendEntityMessage.CopyFrom(pb.SendEntityMessageAction(**fields))  # type: ignore[arg-type]  # one message of four
    return action


def holder(file: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT section, owner FROM entities").fetchall()


async def after_another_ones_unlock(folder: Path) -> list[tuple[str, str]]:
    """Who holds the entity that another orchestration has tried to unlock."""
    hub = opened(folder)
    worker = Worker(hub)
    hub.hub.start(pb.CreateInstanceRequest(instanceId="owner", name="main"))
    lock = pb.EntityLockRequestedEvent(criticalSectionId="s", lockSet=["@e@1"])
    answer(hub, await worker.item(), message(entityLockRequested=lock))
    granted = await worker.item()
    assert granted.orchestratorRequest.newEvents[1].HasField("entityLockGranted")
    hub.hub.start(pb.CreateInstanceRequest(instanceId="other", name="main"))
    unlock = pb.EntityUnlockSentEvent(
        criticalSectionId="s",
        targetInstanceId=StringValue(value="@e@1"),
        parentInstanceId=StringValue(value="owner"),
    )
    answer(hub, await worker.item(), message(entityUnlockSent=unlock))
    await hub.hub.durable()
    held = holder(folder / "hub.db")
    hub.close()
    return held


def test_nobody_ends_the_section_of_another_orchestration(tmp_path: Path) -> None:
    assert asyncio.run(after_another_ones_unlock(tmp_path)) == [("s", "owner")]
