"""Who waits for what gRPC's queue brings: a thread while it is quiet, the loop while it is busy.

What the thread takes wakes the loop through the kernel, and from then on the two of them contend
for the interpreter: a tenth of the time of a lone order. So the thread hands over with its first
event, and the loop looks for more by itself, for moments in which all else on it has to wait. When
none has come for a while the thread has the queue again.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # private, and so without types

from services.scheduler.edge.post import Post

# The longest that timers, HTTP and other threads wait for the loop. The queue takes a time of the
# day: a clock that is set back at this very moment makes it last until the next event.
_MOMENT_SECONDS: Final = 0.0005
# While little is at work the loop does not sleep between two events that follow each other so fast:
# being woken takes as long as what it then does. A lone order costs it 1.8 ms more of CPU.
_AWAKE_SECONDS: Final = 0.001
_FEW: Final = 4
# What an event leads to takes a few turns of the loop, which are not to wait for another event.
_TURNS_AT_ONCE: Final = 3
# A worker answers within this, if its work is small; who takes longer does not notice the thread.
_PATIENCE_SECONDS: Final = 0.003
# Events that are taken up before the loop sees to all else there is.
_EVENTS_A_TURN: Final = 128
_NOW: Final = 0.0


class Poller:
    """Calls the tag of each event with it, on its own thread or on the loop's, never on both.

    `at_work` tells how much is with others now, whose answers are waited for.
    """

    def __init__(self, post: Post, at_work: Callable[[], int]) -> None:
        self.queue = cygrpc.CompletionQueue()
        self._post = post
        self._at_work = at_work
        self._loop = asyncio.get_running_loop()
        self._handling = threading.Lock()
        # Whose turn it is. The one that waits for it does nothing else.
        self._is_threads = threading.Event()
        self._is_threads.set()
        self._idle_turns = 0
        self._last = 0.0
        # A daemon: a process that ends by an error is not kept alive by what it served.
        self._thread = threading.Thread(target=self._wait, name="grpc", daemon=True)

    def start(self) -> None:
        """Begins to wait."""
        self._thread.start()

    @contextmanager
    def between_events(self) -> Iterator[None]:
        """No event is being handled meanwhile. For the loop's thread."""
        with self._handling:
            yield

    async def stop(self) -> None:
        """Waits until the queue, which begins no operation any more, has nothing left."""
        with self._handling:
            self._post.is_closed = True
            self.queue.shutdown()
        await self._loop.run_in_executor(None, self._thread.join)

    def _wait(self) -> None:
        """On the thread."""
        while True:
            event = self.queue.poll()
            if event.completion_type == cygrpc.CompletionType.queue_shutdown:
                return
            self._post.hold()
            self._handle(event)
            # What it refers to must not outlive it until the next one comes.
            del event
            self._is_threads.clear()
            self._loop.call_soon_threadsafe(self._take_over)
            self._is_threads.wait()

    def _take_over(self) -> None:
        """On the loop, once something has come: sees to it, and looks for more."""
        self._last = time.monotonic()
        self._idle_turns = 0
        try:
            self._post.drain()
        finally:
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """On the loop: what has come, or comes within a moment."""
        if self._post.is_closed:
            self._is_threads.set()
            return
        quiet = time.monotonic() - self._last
        event = self._event_by(self._until(quiet))
        if event is None:
            if quiet > _PATIENCE_SECONDS:
                self._is_threads.set()
                return
            self._idle_turns += 1
            self._loop.call_soon(self._look)
            return
        self._post.hold()
        self._handle(event)
        for _ in range(_EVENTS_A_TURN):
            event = self._event_by(_NOW)
            if event is None:
                break
            self._handle(event)
        del event
        self._take_over()

    def _event_by(self, deadline: float) -> Any:  # noqa: ANN401 - one of cygrpc's
        """The next event, None where there is none before a time of the day."""
        event = self.queue.poll(deadline=deadline)
        return None if event.completion_type == cygrpc.CompletionType.queue_timeout else event

    def _until(self, quiet: float) -> float:
        """When to give up waiting, after so many seconds without an event."""
        if self._idle_turns < _TURNS_AT_ONCE:
            return _NOW
        if quiet < _AWAKE_SECONDS and 0 < self._at_work() < _FEW:
            return _NOW
        return time.time() + _MOMENT_SECONDS

    def _handle(self, event: Any) -> None:  # noqa: ANN401 - one of cygrpc's
        tag: Callable[[Any], None] = event.tag
        try:
            with self._handling:
                tag(event)
        except Exception as error:  # noqa: BLE001 - the loop is told, whatever it was
            # Others go on: without them no stop would ever end.
            self._post(_reraise, error)


def _reraise(error: Exception) -> None:
    raise error
