"""Histories on their way to clients: so many of a task hub at once, and none that nobody reads."""

import asyncio
from collections import Counter

from services.scheduler.edge.intake import READING_SECONDS
from services.scheduler.edge.server import ServerCall
from services.scheduler.engine.protos import pb
from services.scheduler.errors import OverloadError
from services.scheduler.hub import reads
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.hub.opened import OpenHub


class Histories:
    """The histories that are being read of all hubs."""

    def __init__(self, hubs: TaskHubs) -> None:
        self._hubs = hubs
        self._readers: Counter[str] = Counter()

    async def send(
        self, hub: OpenHub, request: pb.StreamInstanceHistoryRequest, call: ServerCall
    ) -> None:
        """Sends all of one, and ends the call.

        Raises `OverloadError` where too many of the hub are read, or this one is not.
        """
        bound = self._hubs.bounds.history_readers_max
        if self._readers[hub.name] >= bound:
            raise OverloadError("Too many histories are being read", "history_readers_max", bound)
        self._readers[hub.name] += 1
        try:
            await self._send(hub, request, call)
        finally:
            self._readers[hub.name] -= 1

    async def _send(
        self, hub: OpenHub, request: pb.StreamInstanceHistoryRequest, call: ServerCall
    ) -> None:
        with self._hubs.failing():
            instance = await hub.read(reads.find_history(request))
        call.open()
        after: int | None = -1
        while after is not None:
            with self._hubs.failing():
                chunks, after = await hub.read(reads.history_page(instance, after))
            for chunk in chunks:
                call.write(chunk.SerializeToString())
            try:
                await asyncio.wait_for(call.flushed(), READING_SECONDS)
            except TimeoutError:
                # Others wait for its place, and gRPC holds what it has been given.
                text = f"A history was not read for {READING_SECONDS:.0f} s"
                bound = self._hubs.bounds.history_readers_max
                error = OverloadError(text, "history_readers_max", bound)
                call.give_up(str(error))
                raise error from None
        call.finish()
