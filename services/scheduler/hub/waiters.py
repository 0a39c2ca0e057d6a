"""Clients that wait for an instance to start or to end. Waiting costs a future, and no polling."""

import asyncio
from collections.abc import Callable

from services.scheduler.errors import OverloadError
from services.scheduler.store.rows import InstanceRow

Test = Callable[[InstanceRow], bool]


class Waiters:
    """Futures by instance id. They are told only of what is on the disk."""

    def __init__(self, waiters_max: int) -> None:
        self._max = waiters_max
        self._number = 0
        self._waiting: dict[str, list[tuple[Test, asyncio.Future[None]]]] = {}
        self._closed = False

    def __len__(self) -> int:
        return self._number

    @property
    def is_closed(self) -> bool:
        """Whether everybody has been woken for good."""
        return self._closed

    async def wait(self, instance_id: str, test: Test) -> None:
        """Returns once the instance passes the test, is gone, or the hub closes.

        Raises `OverloadError` when too many wait already.
        """
        if self._closed:
            return
        if self._number >= self._max:
            raise OverloadError("Too many clients wait in this task hub", "waiters_max", self._max)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (test, future)
        self._waiting.setdefault(instance_id, []).append(entry)
        self._number += 1
        try:
            await future
        finally:
            self._number -= 1
            entries = self._waiting.get(instance_id, [])
            if entry in entries:
                entries.remove(entry)
            if not entries:
                self._waiting.pop(instance_id, None)

    def tell(self, instance_id: str, load: Callable[[], InstanceRow | None]) -> None:
        """Wakes those that an instance's new state is for."""
        entries = self._waiting.get(instance_id)
        if not entries:
            return
        row = load()
        for test, future in entries:
            if not future.done() and (row is None or test(row)):
                future.set_result(None)

    def close(self) -> None:
        """Wakes everybody."""
        self._closed = True
        for entries in self._waiting.values():
            for _test, future in entries:
                if not future.done():
                    future.set_result(None)
