"""Calls on their way: each is carried out at once, and acknowledged once it is on the disk."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from services.scheduler.errors import CallError

T = TypeVar("T")


class Calls:
    """The calls that wait for their acknowledgement; a scheduler that dies takes them with it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def make(
        self,
        what: str,
        perform: Callable[[], T],
        durable: Callable[[], Awaitable[None]],
        acknowledged: Callable[[T], None] = lambda _response: None,
    ) -> bool:
        """Whether it was accepted; `acknowledged` is told when its caller would be."""
        try:
            response = perform()
        except CallError as refusal:
            self._tell(f"{what}: refused: {refusal}")
            return False
        self._tell(what)

        async def reply() -> None:
            await durable()
            acknowledged(response)

        self.follow(reply())
        return True

    def follow(self, reply: Coroutine[Any, Any, None]) -> None:
        """Waits for a reply."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(reply)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failed = self._failed or task.exception()

    def check(self) -> None:
        """Raises what a reply has come to."""
        if self._failed is not None:
            raise self._failed

    def lose(self) -> None:
        """Nobody hears of them any more."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
