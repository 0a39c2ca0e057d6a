"""`TaskHubSidecarService` on the wire: decode, one hub call, encode; errors to status codes.

Requests come as bytes and are decoded here, so that what cannot be read is refused like anything
else that is wrong, and so that work items go out as the bytes that they are.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError, Message

from services.scheduler.dispatch.streams import Terms, WorkerStream
from services.scheduler.edge.faults import code_of
from services.scheduler.edge.methods import TOKEN_FIELDS, UNARY, Answer, Call
from services.scheduler.edge.salvage import text_field
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, CallError, StoppingError
from services.scheduler.hub import reads
from services.scheduler.hub.hubs import TaskHubs

log = logging.getLogger(__name__)

SERVICE: Final = "TaskHubSidecarService"
# A worker that hears nothing for two minutes takes its connection for dead.
PING_SECONDS: Final = 30.0
_PING: Final = pb.WorkItem(healthPing=pb.HealthPing()).SerializeToString()

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[bytes, bytes]


class TaskHubService:
    """The calls of all hubs of one scheduler."""

    def __init__(self, hubs: TaskHubs) -> None:
        self._hubs = hubs
        self.calls: Counter[tuple[str, str]] = Counter()

    def handler(self) -> "grpc.GenericRpcHandler[Any, Any]":
        """Every call of the service by its name."""
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(self._unary(name, request, answer))
            for name, (request, answer) in UNARY.items()
        }
        handlers["GetWorkItems"] = grpc.unary_stream_rpc_method_handler(self._get_work_items)
        handlers["StreamInstanceHistory"] = grpc.unary_stream_rpc_method_handler(
            self._stream_history
        )
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _unary(
        self, name: str, request_type: type[Message], answer: Answer
    ) -> Callable[[bytes, "Context"], Awaitable[bytes]]:
        async def serve(payload: bytes, context: "Context") -> bytes:
            try:
                request = self._decoded(name, request_type, payload, context)
                call = Call(hubs=self._hubs, task_hub=_task_hub_of(context), request=request)
                with self._hubs.failing():
                    response: bytes = (await answer(call)).SerializeToString()
            except CallError as error:
                await self._hubs.settle(_task_hub_of(context), error)
                await self._refuse(name, error, context)
                raise
            self.calls[name, "OK"] += 1
            return response

        return serve

    def _decoded(
        self, name: str, request_type: type[Message], payload: bytes, context: "Context"
    ) -> Message:
        try:
            return request_type.FromString(payload)
        except DecodeError as error:
            field = TOKEN_FIELDS.get(name)
            token = None if field is None else text_field(payload, field)
            if token:
                hub = self._hubs.find(_task_hub_of(context))
                hub.desk.unreadable(token, f"The answer cannot be read: {error}")
            raise BadRequestError(f"The {name} request cannot be read: {error}") from error

    async def _refuse(self, name: str, error: CallError, context: "Context") -> None:
        code = code_of(error)
        self.calls[name, code.name] += 1
        log.info("%s refused: %s", name, error, extra={"code": code.name})
        await context.abort(code, str(error))

    async def _get_work_items(self, payload: bytes, context: "Context") -> None:
        # No generator: one that is left behind by a lost call is ended late, and not by this task.
        name = "GetWorkItems"
        try:
            request = self._decoded(name, pb.GetWorkItemsRequest, payload, context)
            if not isinstance(request, pb.GetWorkItemsRequest):
                raise TypeError(request)
            if self._hubs.stopping:
                raise StoppingError
            desk = self._hubs.find(_task_hub_of(context)).desk
            terms = Terms.of(request, _metadata_of(context, "workerid"))
        except CallError as error:
            await self._refuse(name, error, context)
            raise
        # A worker takes its stream for open only then.
        await context.send_initial_metadata(())
        self.calls[name, "OK"] += 1
        # Asked for now: a call that has ended has no peer any more, and crashes who asks.
        worker = terms.worker_id or context.peer()
        with self._hubs.failing():
            stream = desk.connect(terms)
        log.info("worker %s connected", worker)
        pings = asyncio.create_task(_ping(stream))
        try:
            while (item := await stream.next()) is not None:
                await context.write(item)
        finally:
            pings.cancel()
            with self._hubs.failing():
                desk.disconnect(stream)
            log.info("worker %s disconnected", worker)

    async def _stream_history(self, payload: bytes, context: "Context") -> None:
        name = "StreamInstanceHistory"
        try:
            request = self._decoded(name, pb.StreamInstanceHistoryRequest, payload, context)
            if not isinstance(request, pb.StreamInstanceHistoryRequest):
                raise TypeError(request)
            hub = self._hubs.find(_task_hub_of(context))
            with self._hubs.failing():
                instance = await hub.read(reads.find_history(request))
        except CallError as error:
            await self._refuse(name, error, context)
            raise
        after: int | None = -1
        while after is not None:
            with self._hubs.failing():
                chunks, after = await hub.read(reads.history_page(instance, after))
            for chunk in chunks:
                await context.write(chunk.SerializeToString())
        self.calls[name, "OK"] += 1


async def _ping(stream: WorkerStream) -> None:
    while True:
        await asyncio.sleep(PING_SECONDS)
        stream.send(_PING)


def _task_hub_of(context: "Context") -> str:
    return _metadata_of(context, "taskhub")


def _metadata_of(context: "Context", name: str) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == name:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return ""
