"""Hands things over from the poller to the loop, which wakes once for many."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

_Act = tuple[Callable[..., object], tuple[Any, ...]]
_Take = Callable[[Any], object]
_Call = tuple[_Take, Any, int]
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
        # As they came. The poller adds to it, and the loop alone touches what stands in turns.
        self._arrived: deque[tuple[bytes, _Call]] = deque()
        # By connection; the first is the one whose turn it is.
        self._calls: OrderedDict[bytes, deque[_Call]] = OrderedDict()
        self._is_awake = False
        # The queue is shut down: an operation that is begun after that ends the process.
        self.is_closed = False

    def __call__(self, act: Callable[..., object], *arguments: Any) -> None:  # noqa: ANN401 - any
        """Has the loop do something, after what it was handed before."""
        self._waiting.append((act, arguments))
        self._wake()

    def in_turn(self, connection: bytes, take: _Take, call: Any, size: int) -> None:  # noqa: ANN401 - what it takes
        """Has the loop take a call of so many bytes, once it is the connection's turn."""
        self._arrived.append((connection, (take, call, size)))
        self._wake()

    def hold(self) -> None:
        """What is handed over until `drain` wakes nobody by itself."""
        self._is_awake = True

    def _wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon_threadsafe(self.drain)

    def drain(self) -> None:
        """On the loop: sees to what was handed over, and leaves room for others between many."""
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
            if self._waiting or self._arrived or self._calls:
                self._wake()

    def _next_call(self) -> _Call | None:
        arrived, calls = self._arrived, self._calls
        if not calls and len(arrived) == 1:
            # Alone, as most are: there is nobody to wait for.
            return arrived.popleft()[1]
        while arrived:
            connection, call = arrived.popleft()
            if connection in calls:
                calls[connection].append(call)
            else:
                calls[connection] = deque((call,))
        if not calls:
            return None
        connection, own = calls.popitem(last=False)
        call = own.popleft()
        if own:
            calls[connection] = own
        return call
