"""`TaskHubSidecarService` on the wire: decode, one hub call, encode; errors to status codes.

Requests come as bytes and are decoded here, so that what cannot be read is refused like anything
else that is wrong, and so that work items go out as the bytes that they are.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message

from services.scheduler.dispatch.streams import Terms, WorkerStream
from services.scheduler.edge.faults import code_of
from services.scheduler.edge.methods import (
    TOKEN_FIELDS,
    USE_CASES,
    WAITING,
    Answer,
    Call,
    UseCase,
)
from services.scheduler.edge.salvage import text_field
from services.scheduler.edge.server import ServerCall
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, CallError, StoppingError
from services.scheduler.hub import reads
from services.scheduler.hub.hubs import TaskHubs

log = logging.getLogger(__name__)

SERVICE: Final = "TaskHubSidecarService"
# A worker that hears nothing for two minutes takes its connection for dead.
PING_SECONDS: Final = 30.0
_PING: Final = pb.WorkItem(healthPing=pb.HealthPing()).SerializeToString()

_Take = Callable[[ServerCall], None]


class TaskHubService:
    """The calls of all hubs of one scheduler."""

    def __init__(self, hubs: TaskHubs) -> None:
        self._hubs = hubs
        self._tasks: set[asyncio.Task[None]] = set()
        self.calls: Counter[tuple[str, str]] = Counter()
        methods: dict[str, _Take] = {
            "GetWorkItems": partial(self._begin, "GetWorkItems", self._get_work_items),
            "StreamInstanceHistory": partial(
                self._begin, "StreamInstanceHistory", self._stream_history
            ),
        }
        for name, (request, use_case) in USE_CASES.items():
            methods[name] = partial(self._perform, name, request, use_case)
        for name, (request, answer) in WAITING.items():
            methods[name] = partial(self._begin, name, partial(self._answer, name, request, answer))
        self._methods: Mapping[str, _Take] = {
            f"/{SERVICE}/{name}": take for name, take in methods.items()
        }

    def take(self, call: ServerCall) -> None:
        """Takes up one call, of any method."""
        take = self._methods.get(call.method)
        if take is None:
            call.refuse(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        else:
            take(call)

    # What is done at once

    def _perform(
        self, name: str, request_type: type[Message], use_case: UseCase, call: ServerCall
    ) -> None:
        try:
            request = self._decoded(name, request_type, call)
            hub = self._hubs.find(_task_hub_of(call))
            with self._hubs.failing():
                response = use_case(hub, request)
        except CallError as error:
            self._begin(name, partial(self._refuse_settled, name, error), call)
        except Exception:
            log.exception("%s failed", name)
            self._refuse_unexpected(name, call)
        else:
            hub.hub.when_durable(partial(self._reply, name, call, response))

    def _reply(self, name: str, call: ServerCall, response: Message) -> None:
        self.calls[name, "OK"] += 1
        call.reply(response.SerializeToString())

    # What has to wait

    def _begin(
        self, name: str, serve: Callable[[ServerCall], Coroutine[Any, Any, None]], call: ServerCall
    ) -> None:
        """Serves a call in a task of its own, which ends with it."""

        async def run() -> None:
            try:
                await serve(call)
            except CallError as error:
                self._refuse(name, error, call)
            except Exception:
                log.exception("%s failed", name)
                self._refuse_unexpected(name, call)

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        call.when_cancelled(task.cancel)

    async def _answer(
        self, name: str, request_type: type[Message], answer: Answer, call: ServerCall
    ) -> None:
        task_hub = _task_hub_of(call)
        try:
            request = self._decoded(name, request_type, call)
            with self._hubs.failing():
                response = await answer(Call(hubs=self._hubs, task_hub=task_hub, request=request))
        except CallError as error:
            await self._refuse_settled(name, error, call)
        else:
            self._reply(name, call, response)

    async def _get_work_items(self, call: ServerCall) -> None:
        request = self._decoded("GetWorkItems", pb.GetWorkItemsRequest, call)
        if not isinstance(request, pb.GetWorkItemsRequest):
            raise TypeError(request)
        if self._hubs.stopping:
            raise StoppingError
        desk = self._hubs.find(_task_hub_of(call)).desk
        terms = Terms.of(request, _metadata_of(call, "workerid"))
        # A worker takes its stream for open only then.
        call.open()
        self.calls["GetWorkItems", "OK"] += 1
        worker = terms.worker_id or call.peer()
        with self._hubs.failing():
            stream = desk.connect(terms, call.write)
        log.info("worker %s connected", worker)
        pings = asyncio.create_task(_ping(stream))
        try:
            await stream.closed()
            call.finish()
        finally:
            pings.cancel()
            with self._hubs.failing():
                desk.disconnect(stream)
            log.info("worker %s disconnected", worker)

    async def _stream_history(self, call: ServerCall) -> None:
        name = "StreamInstanceHistory"
        request = self._decoded(name, pb.StreamInstanceHistoryRequest, call)
        if not isinstance(request, pb.StreamInstanceHistoryRequest):
            raise TypeError(request)
        hub = self._hubs.find(_task_hub_of(call))
        with self._hubs.failing():
            instance = await hub.read(reads.find_history(request))
        call.open()
        after: int | None = -1
        while after is not None:
            with self._hubs.failing():
                chunks, after = await hub.read(reads.history_page(instance, after))
            for chunk in chunks:
                call.write(chunk.SerializeToString())
            await call.flushed()
        call.finish()
        self.calls[name, "OK"] += 1

    # Requests and refusals

    def _decoded(self, name: str, request_type: type[Message], call: ServerCall) -> Message:
        try:
            return request_type.FromString(call.message)
        except DecodeError as error:
            field = TOKEN_FIELDS.get(name)
            token = None if field is None else text_field(call.message, field)
            if token:
                hub = self._hubs.find(_task_hub_of(call))
                hub.desk.unreadable(token, f"The answer cannot be read: {error}")
            raise BadRequestError(f"The {name} request cannot be read: {error}") from error

    async def _refuse_settled(self, name: str, error: CallError, call: ServerCall) -> None:
        await self._hubs.settle(_task_hub_of(call), error)
        self._refuse(name, error, call)

    def _refuse(self, name: str, error: CallError, call: ServerCall) -> None:
        code = code_of(error)
        self.calls[name, code.name] += 1
        log.info("%s refused: %s", name, error, extra={"code": code.name})
        call.refuse(code, str(error))

    def _refuse_unexpected(self, name: str, call: ServerCall) -> None:
        code = grpc.StatusCode.UNKNOWN
        self.calls[name, code.name] += 1
        call.refuse(code, f"{name} failed unexpectedly: the scheduler's log says why")


async def _ping(stream: WorkerStream) -> None:
    while True:
        await asyncio.sleep(PING_SECONDS)
        stream.send(_PING)


def _task_hub_of(call: ServerCall) -> str:
    return _metadata_of(call, "taskhub")


def _metadata_of(call: ServerCall, name: str) -> str:
    for key, value in call.metadata:
        if key == name:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return ""
