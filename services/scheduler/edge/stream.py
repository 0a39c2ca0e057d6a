"""What is sent on a call: one operation at a time, and no more ahead than its client reads."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # private, and so without types

from services.scheduler.edge.post import Post

NO_FLAGS: Final = 0


def begin(
    post: Post,
    call: Any,  # noqa: ANN401 - a cygrpc.Call
    operations: tuple[Any, ...],
    tag: Callable[[Any], None],
) -> None:
    """Begins operations; they are lost without a word once the server has stopped."""
    if not post.is_closed:
        call.start_server_batch(operations, tag)


def nothing() -> None:
    """What is done where nobody has asked for anything."""


class Stream:
    """The responses of a call, one operation at a time: gRPC takes no second one before that."""

    def __init__(self, call: Any, post: Post) -> None:  # noqa: ANN401 - a cygrpc.Call
        self._call = call
        self._post = post
        # The loop adds, the poller takes.
        self._lock = threading.Lock()
        # Messages, and last the operation that sends the status.
        self._waiting: deque[Any] = deque()
        self._is_busy = True
        self._is_lost = False
        # Bytes that gRPC has not taken: it takes as many as the client's window has room for.
        self.unread = self._sending = 0
        self._mark = 0
        self._below: Callable[[], object] = nothing
        self._flushed: list[asyncio.Future[None]] = []
        operation = cygrpc.SendInitialMetadataOperation(None, NO_FLAGS)
        begin(post, call, (operation,), self._sent)

    def put(self, item: Any) -> None:  # noqa: ANN401 - bytes, or a SendStatusFromServerOperation
        """Sends a message, or the operation that ends the stream, after those before it."""
        with self._lock:
            if self._is_lost:
                return
            if isinstance(item, bytes):
                self.unread += len(item)
            if self._is_busy:
                self._waiting.append(item)
                return
            self._is_busy = True
        self._send(item, NO_FLAGS)

    def when_below(self, mark: int, act: Callable[[], object]) -> None:
        """Has the loop do something whenever `unread` has fallen below a mark."""
        with self._lock:
            self._mark, self._below = mark, act

    async def flushed(self) -> None:
        """Waits until what was put has left for the client, or never will."""
        with self._lock:
            if not self._is_busy:
                return
            future = asyncio.get_running_loop().create_future()
            self._flushed.append(future)
        await future

    def _send(self, item: Any, flags: int) -> None:  # noqa: ANN401 - as in `put`
        is_message = isinstance(item, bytes)
        self._sending = len(item) if is_message else 0
        operation = cygrpc.SendMessageOperation(item, flags) if is_message else item
        begin(self._post, self._call, (operation,), self._sent)

    def _sent(self, event: Any) -> None:  # noqa: ANN401 - a BatchOperationEvent
        """Of the poller: the next one, if there is one."""
        item = None
        with self._lock:
            before = self.unread
            self.unread -= self._sending
            if not event.success:
                # The client is gone; whoever watches the call is told.
                self._is_lost = True
                self._waiting.clear()
                self.unread = 0
            has_read = before >= self._mark > self.unread
            if self._waiting:
                item = self._waiting.popleft()
            # What is followed at once by another may wait for it: one packet wakes a worker once.
            flags = cygrpc.WriteFlag.buffer_hint if self._waiting else NO_FLAGS
            self._is_busy = item is not None
            flushed = []
            if not self._is_busy:
                flushed, self._flushed = self._flushed, flushed
        if item is not None:
            self._send(item, flags)
        for future in flushed:
            self._post(_release, future)
        if has_read:
            self._post(self._below)


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
