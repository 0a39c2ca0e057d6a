"""Purges by a filter: some at a time, so that others are served meanwhile."""

import time
from typing import Final

from services.scheduler.engine.protos import pb
from services.scheduler.hub.opened import OpenHub
from services.scheduler.hub.reads import purge_filter
from services.scheduler.store.statements import SQL

_PURGED_A_COMMIT: Final = 100
# A call may take a second by default; it then says that it is not complete.
_PURGE_SECONDS: Final = 20.0


async def purge_by_filter(
    hub: OpenHub, asked: pb.PurgeInstanceFilter, *, recursive: bool
) -> tuple[int, bool]:
    """Purges what a filter shows; gives how many, and whether that is all of it."""
    # Of any size: a time beyond any clock is one that nobody waits for.
    end = time.monotonic() + (
        asked.timeout.seconds + asked.timeout.nanos / 1e9
        if asked.HasField("timeout")
        else _PURGE_SECONDS
    )
    values = {**purge_filter(asked), "after": 0, "limit": _PURGED_A_COMMIT}
    purged = 0
    while True:
        rows = await hub.read(
            lambda connection: connection.execute(SQL["purgeable"], values).fetchall()
        )
        if rows:
            ids = [instance_id for _seq, instance_id in rows]
            purged += await hub.in_steps(hub.hub.purge(ids, recursive=recursive))
            await hub.hub.durable()
            values["after"] = rows[-1][0]
        complete = len(rows) < _PURGED_A_COMMIT
        if complete or time.monotonic() >= end:
            return purged, complete
