"""A worker of one hub, without a wire: what it was sent, as it was sent."""

import asyncio

from services.scheduler.dispatch.streams import Terms
from services.scheduler.engine.protos import pb
from services.scheduler.hub.opened import OpenHub


class Worker:
    """A stream of work items that is open."""

    def __init__(self, hub: OpenHub, asked: pb.GetWorkItemsRequest | None = None) -> None:
        self._sent: asyncio.Queue[bytes] = asyncio.Queue()
        terms = Terms.of(asked or pb.GetWorkItemsRequest(), "w")
        self.stream = hub.desk.connect(terms, self._sent.put_nowait)

    @property
    def has_more(self) -> bool:
        """Whether something was sent that nobody has asked for."""
        return not self._sent.empty()

    async def item(self) -> pb.WorkItem:
        """The next item."""
        async with asyncio.timeout(10):
            return pb.WorkItem.FromString(await self._sent.get())
