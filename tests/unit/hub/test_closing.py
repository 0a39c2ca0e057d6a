import sqlite3
import time
from contextlib import closing
from pathlib import Path

from services.scheduler.engine.protos import pb
from services.scheduler.store.snapshots import snapshot
from tests.store.loops import on_a_loop
from tests.unit.hub.test_turns import opened

# What SQLite waits for another connection, as a rule.
BUSY_SECONDS = 5


@on_a_loop
async def test_a_hub_that_is_read_is_closed_without_a_wait_and_loses_nothing(
    tmp_path: Path,
) -> None:
    hub = opened(tmp_path)
    file = tmp_path / "hub.db"
    hub.hub.start(pb.CreateInstanceRequest(instanceId="before", name="x"))
    await hub.hub.durable()
    # As a backup or a check does, which may take minutes.
    with snapshot(file):
        hub.hub.start(pb.CreateInstanceRequest(instanceId="meanwhile", name="x"))
        begun = time.monotonic()
        hub.close()
        # It would wait on the loop, where everybody else waits too.
        assert time.monotonic() - begun < BUSY_SECONDS - 1
    with closing(sqlite3.connect(file)) as look:
        names = look.execute("SELECT instance_id FROM instances ORDER BY seq").fetchall()
    assert names == [("before",), ("meanwhile",)]
