"""Tells an idle worker that its stream of work items still lives.

A worker that hears nothing for two minutes takes its connection for dead and makes another.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb

_PING_SECONDS: Final = 30.0
# How long a thread outlives the stream of a worker that went away.
_LOOK_SECONDS: Final = 1.0
_END: Final = object()


def with_health_pings(
    get_work_items: Callable[[Any, Any], Iterator[pb.WorkItem]],
) -> Callable[[Any, Any], Iterator[pb.WorkItem]]:
    """`GetWorkItems`, with a `HealthPing` after every 30 s without a work item."""

    def stream(request: object, context: grpc.ServicerContext) -> Iterator[pb.WorkItem]:
        # One place: what waits here could not go to another worker.
        items: queue.Queue[Any] = queue.Queue(maxsize=1)

        def put(item: object) -> None:
            while context.is_active():
                with contextlib.suppress(queue.Full):
                    items.put(item, timeout=_LOOK_SECONDS)
                    return

        def pump() -> None:
            try:
                for item in get_work_items(request, context):
                    put(item)
            finally:
                put(_END)
                # A stream that is gone took none: this wakes who still waits for its next item.
                with contextlib.suppress(queue.Full):
                    items.put_nowait(_END)

        threading.Thread(target=pump, name="work-items", daemon=True).start()
        while True:
            try:
                item = items.get(timeout=_PING_SECONDS)
            except queue.Empty:
                item = pb.WorkItem(healthPing=pb.HealthPing())
            if item is _END:
                return
            yield item

    return stream
