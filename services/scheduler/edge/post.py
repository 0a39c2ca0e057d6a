"""Hands things over from the poller's thread to the loop, which wakes once for many."""

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

_Act = tuple[Callable[..., object], tuple[Any, ...]]
_Take = Callable[[Any], object]
# Calls that are taken up before the loop sees to all else there is: commits, HTTP, timers.
_CALLS_A_DRAIN: Final = 128
# The same in bytes: what they bring is written by one commit, for which everybody waits.
_BYTES_A_DRAIN: Final = 1024 * 1024


class Post:
    """Acts go in the order in which they came, calls in turns: one of each connection.

    So a client that calls as fast as it can waits for itself, and the others do not.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[_Act] = deque()
        self._lock = threading.Lock()
        # By connection; the first is the one whose turn it is.
        self._calls: OrderedDict[bytes, deque[tuple[_Take, Any, int]]] = OrderedDict()
        self._is_awake = False
        # The queue is shut down: an operation that is begun after that ends the process.
        self.is_closed = False

    def __call__(self, act: Callable[..., object], *arguments: Any) -> None:  # noqa: ANN401 - any
        """Has the loop do something, after what it was handed before."""
        self._waiting.append((act, arguments))
        self._wake()

    def in_turn(self, connection: bytes, take: _Take, call: Any, size: int) -> None:  # noqa: ANN401 - what it takes
        """Has the loop take a call of so many bytes, once it is the connection's turn."""
        with self._lock:
            calls = self._calls.get(connection)
            if calls is None:
                calls = self._calls[connection] = deque()
            calls.append((take, call, size))
        self._wake()

    def _wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        # Before the first look: what comes after the last one wakes the loop again.
        self._is_awake = False
        try:
            for _ in range(len(self._waiting)):
                act, arguments = self._waiting.popleft()
                act(*arguments)
            filled = 0
            for _ in range(_CALLS_A_DRAIN):
                next_call = self._next_call()
                if next_call is None:
                    break
                take, call, size = next_call
                take(call)
                filled += size
                if filled >= _BYTES_A_DRAIN:
                    break
        finally:
            if self._waiting or self._calls:
                self._wake()

    def _next_call(self) -> tuple[_Take, Any, int] | None:
        with self._lock:
            if not self._calls:
                return None
            connection, calls = self._calls.popitem(last=False)
            next_call = calls.popleft()
            if calls:
                self._calls[connection] = calls
        return next_call
