"""The ceiling: a server that hands out work items and takes answers, and does nothing with them.

`python -m scripts.bench.echo`. A `grpc.aio` server on uvloop, bytes in and out, with the
scheduler's options. An item is one activity; a worker is given as many as it says that it takes at
once, and another for each answer. There is no other state: no orchestration, no queue, no disk.
"""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from typing import Final

import grpc
import uvloop

from services.scheduler.app import server_options
from services.scheduler.bounds import DEFAULTS
from services.scheduler.engine.protos import pb

SERVICE: Final = "TaskHubSidecarService"
# Called by the bench with a number, answered when so many items have been.
RUN: Final = f"/{SERVICE}/Run"
_NOTHING: Final = b""
# A token is the number of the stream, then that of the item.
_STREAM_DIGITS: Final = 8
_ITEM_DIGITS: Final = 24


class Echo:
    """The streams of the workers, and the run that is going on."""

    def __init__(self) -> None:
        self._streams: dict[int, _Stream] = {}
        self._numbers = itertools.count(1)
        self._unsent = 0
        self._unanswered = 0
        self._done: asyncio.Future[None] | None = None

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """The calls that a worker makes, and the bench's own."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Hello": unary(self._hello),
                "GetWorkItems": stream(self._stream),
                "CompleteActivityTask": unary(self._complete),
                "Run": unary(self._run),
            },
        )

    async def _hello(self, _request: bytes, _context: object) -> bytes:
        return _NOTHING

    async def _stream(self, request: bytes, _context: object) -> AsyncIterator[bytes]:
        asked = pb.GetWorkItemsRequest.FromString(request)
        number = next(self._numbers)
        stream = self._streams[number] = _Stream(number, asked.maxConcurrentActivityWorkItems)
        try:
            while True:
                yield await stream.items.get()
        finally:
            del self._streams[number]
            if self._done is not None and not self._done.done():
                self._done.set_exception(ConnectionError("a worker left in the middle of a run"))

    async def _complete(self, request: bytes, _context: object) -> bytes:
        answer = pb.ActivityResponse.FromString(request)
        stream = self._streams.get(int(answer.completionToken[:_STREAM_DIGITS], 16))
        if stream is not None:
            self._send(stream)
        self._unanswered -= 1
        if not self._unanswered and self._done is not None and not self._done.done():
            self._done.set_result(None)
        return _NOTHING

    async def _run(
        self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> bytes:
        """Sends so many items; answers when all of them have come back."""
        if not self._streams or self._unanswered:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no workers, or a run goes on")
        self._unsent = self._unanswered = int(request)
        self._done = asyncio.get_running_loop().create_future()
        # In turn, so that a run smaller than the windows is for all of them.
        for sent in range(max(stream.window for stream in self._streams.values())):
            for stream in self._streams.values():
                if sent < stream.window:
                    self._send(stream)
        try:
            await self._done
        except ConnectionError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return _NOTHING

    def _send(self, stream: "_Stream") -> None:
        if self._unsent:
            self._unsent -= 1
            stream.send(self._unsent)


class _Stream:
    def __init__(self, number: int, window: int) -> None:
        self._number = number
        self.window = window
        self.items: asyncio.Queue[bytes] = asyncio.Queue()
        template = pb.WorkItem()
        request = template.activityRequest
        request.name = "no_work"
        request.orchestrationInstance.instanceId = f"echo-{number}"
        request.input.value = "1"
        self._item = template.SerializeToString()

    def send(self, number: int) -> None:
        token = f"{self._number:0{_STREAM_DIGITS}x}{number:0{_ITEM_DIGITS}x}"
        # Messages one behind the other are read as one: only the token is new each time.
        self.items.put_nowait(self._item + pb.WorkItem(completionToken=token).SerializeToString())


async def _serve() -> None:
    server = grpc.aio.server(options=server_options(DEFAULTS))
    server.add_generic_rpc_handlers((Echo().handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"ready: {port}", flush=True)
    await server.wait_for_termination()


def main() -> int:
    """Serves until SIGTERM, which ends it at once."""
    uvloop.run(_serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
