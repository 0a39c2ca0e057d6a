"""The event loop on which the SDK's worker runs, and how often its garbage is looked for.

The SDK makes its loop by the process's policy, and for every work item asks the loop's threads to
wait for a queue. uvloop does the same for half the work of asyncio's own loop, and a thread is
asked only where there is something to wait for: together a sixth of a worker's CPU.
"""

import asyncio
import gc
import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

import uvloop

T = TypeVar("T")
# Objects between two looks for garbage. By default 700, which a single replay makes many times.
_OBJECTS_BETWEEN_LOOKS: Final = 10_000


class ReadyExecutor(ThreadPoolExecutor):
    """Threads, except for a `queue.Queue.get` of what is there already: that is done at once."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401 - an executor's signature
        """A future of the call."""
        if not args and not kwargs and getattr(fn, "__func__", None) is queue.Queue.get:
            waiting: queue.Queue[T] = fn.__self__  # type: ignore[attr-defined]  # it is bound to one
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return super().submit(fn)
            done: Future[T] = Future()
            done.set_result(item)
            return done
        return super().submit(fn, *args, **kwargs)


class WorkerLoopPolicy(uvloop.EventLoopPolicy):  # type: ignore[misc]  # uvloop leaves it untyped
    """Makes loops of uvloop with an executor that does not wait without need."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A loop, as the SDK asks for one."""
        loop: asyncio.AbstractEventLoop = super().new_event_loop()
        loop.set_default_executor(ReadyExecutor(thread_name_prefix="asyncio"))
        return loop


def use_worker_loop() -> None:
    """Every loop that this process makes from now on is one of these."""
    asyncio.set_event_loop_policy(WorkerLoopPolicy())


def collect_rarely() -> None:
    """Looks for garbage less often, and never in what is imported: 8 % of a worker's CPU.

    Nearly all that a work item leaves behind is freed by its count of references.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS, *gc.get_threshold()[1:])
