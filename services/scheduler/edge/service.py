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

from services.scheduler.auth.gate import HEADER, RECHECK_SECONDS, Gate
from services.scheduler.auth.identity import ANYONE, Access, Identity
from services.scheduler.auth.strangers import Strangers
from services.scheduler.dispatch.streams import Terms, WorkerStream
from services.scheduler.edge.access import ACCESS, MAKES_HUB
from services.scheduler.edge.faults import code_of
from services.scheduler.edge.histories import Histories
from services.scheduler.edge.metadata import all_metadata_of, metadata_of, task_hub_of
from services.scheduler.edge.methods import (
    CHECKS,
    TOKEN_FIELDS,
    USE_CASES,
    WAITING,
    Answer,
    Call,
    UseCase,
)
from services.scheduler.edge.open_calls import OpenCalls
from services.scheduler.edge.parts import check_parts
from services.scheduler.edge.salvage import text_field
from services.scheduler.edge.server import ServerCall
from services.scheduler.engine.protos import pb
from services.scheduler.errors import (
    AuthenticationAwayError,
    BadRequestError,
    CallError,
    KeysWantedError,
    OverloadError,
    StoppingError,
    UnauthenticatedError,
)
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.hub.opened import OpenHub

log = logging.getLogger(__name__)

SERVICE: Final = "TaskHubSidecarService"
# A worker that hears nothing for two minutes takes its connection for dead.
PING_SECONDS: Final = 30.0
# Refusals for want of room are told of once in this time.
_TELL_SECONDS: Final = 10.0
_PING: Final = pb.WorkItem(healthPing=pb.HealthPing()).SerializeToString()

_Take = Callable[[ServerCall, Identity], None]
# What is done with a call once its caller is known.
_Then = Callable[[ServerCall, _Take, Identity], None]
_UNKNOWN: Final[tuple[str, _Take | None]] = ("unknown", None)
_Serve = Callable[[ServerCall, Identity], Coroutine[Any, Any, None]]
# What workers answer: `edge/intake.py` says why it is spared.
SPARED: Final = frozenset(
    f"/{SERVICE}/{name}" for name in USE_CASES if name.startswith(("Complete", "Abandon"))
)


class TaskHubService:
    """The calls of all hubs of one scheduler."""

    def __init__(self, hubs: TaskHubs, gate: Gate) -> None:
        self._hubs = hubs
        self._gate = gate
        # A clock that never goes back.
        self._seconds = asyncio.get_running_loop().time
        # Where all are let in, nothing is looked at: every call comes through here.
        self._is_open = gate.is_open
        self.open_calls = OpenCalls(gate, self._refuse)
        # Calls that wait for the key of their token.
        self._arriving: set[asyncio.Task[None]] = set()
        self.calls: Counter[tuple[str, str]] = Counter()
        self._tells_again_at = 0.0
        self._strangers = Strangers()
        self._histories = Histories(hubs)
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
        self._methods: Mapping[str, tuple[str, _Take | None]] = {
            f"/{SERVICE}/{name}": (name, take) for name, take in methods.items()
        }

    def refused(self, method: str, error: CallError) -> None:
        """The server has refused a call for want of room before it was taken."""
        if method not in self._methods:
            return
        self.calls[method.rpartition("/")[2], grpc.StatusCode.RESOURCE_EXHAUSTED.name] += 1
        self._tell(error)

    def _tell(self, error: CallError) -> None:
        now = self._seconds()
        # Whoever is refused comes again at once: a line for each would fill the disk.
        if now >= self._tells_again_at:
            self._tells_again_at = now + _TELL_SECONDS
            log.warning("calls are refused: %s", error)

    @property
    def meets(self) -> Callable[[ServerCall], None] | None:
        """What calls are handed to before their request is read; None where all are let in."""
        return None if self._is_open else self._meet

    def take(self, call: ServerCall) -> None:
        """Takes up one call, of any method, with its request. Only where all are let in."""
        if not self._is_open:
            raise RuntimeError("a call was taken whose caller was not asked for")
        name, take = self._methods.get(call.method, _UNKNOWN)
        if take is None:
            self._refuse_unknown(name, call)
        else:
            take(call, ANYONE)

    # Who calls

    def _meet(self, call: ServerCall) -> None:
        """Has the request of a call read once it is known that its caller may make it."""
        self._ask(call, self._read)

    def _read(self, call: ServerCall, take: _Take, identity: Identity) -> None:
        call.read(partial(self._take_read, take, identity, self._seconds()))

    def _take_read(
        self, take: _Take, identity: Identity, asked_at: float, call: ServerCall
    ) -> None:
        """Takes up a call with its request; who took long to send it is asked once more."""
        if self._seconds() - asked_at < RECHECK_SECONDS:
            take(call, identity)
        else:
            self._ask(call, _take_up)

    def _ask(self, call: ServerCall, then: _Then) -> None:
        """Goes on with a call whose caller may make it, once that can be told."""
        try:
            self._let_in(call, then)
        except KeysWantedError:
            task = asyncio.get_running_loop().create_task(self._let_in_later(call, then))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    def _let_in(self, call: ServerCall, then: _Then) -> None:
        """Refuses a call, or goes on with it; raises `KeysWantedError`."""
        name, take = self._methods.get(call.method, _UNKNOWN)
        identity = ANYONE
        try:
            identity = self._gate.identify(all_metadata_of(call, HEADER))
            if take is None:
                self._refuse_unknown(name, call)
                return
            identity.check(task_hub_of(call), ACCESS[name])
        except KeysWantedError:
            raise
        except CallError as error:
            self._refuse(name, error, call, identity)
        else:
            then(call, take, identity)

    async def _let_in_later(self, call: ServerCall, then: _Then) -> None:
        await self._gate.renewed()
        try:
            self._let_in(call, then)
        except KeysWantedError:
            # Still on their way: whose token it is cannot be told.
            name, _ = self._methods.get(call.method, _UNKNOWN)
            self._refuse(name, AuthenticationAwayError(), call)

    def _refuse_unknown(self, name: str, call: ServerCall) -> None:
        code = grpc.StatusCode.UNIMPLEMENTED
        self.calls[name, code.name] += 1
        call.refuse(code, "Method not found!")

    def _hub_of(self, name: str, call: ServerCall, identity: Identity, request: Message) -> OpenHub:
        """The hub of a call, a dynamic one only for what it could take."""
        task_hub = task_hub_of(call)
        if not _may_make_hub(name, identity):
            return self._hubs.existing(task_hub)
        if name in CHECKS and not self._hubs.is_open(task_hub):
            self._hubs.check_findable(task_hub)
            CHECKS[name](request)
        return self._hubs.find(task_hub)

    # What is done at once

    def _perform(
        self,
        name: str,
        request_type: type[Message],
        use_case: UseCase,
        call: ServerCall,
        identity: Identity,
    ) -> None:
        try:
            request = self._decoded(name, request_type, call)
            hub = self._hub_of(name, call, identity, request)
            with self._hubs.failing():
                response = use_case(hub, request)
        except CallError as error:
            self._begin(name, partial(self._refuse_settled, name, error), call, identity)
        except Exception:
            log.exception("%s failed", name)
            self._refuse_unexpected(name, call)
        else:
            reply = partial(self._reply, name, call, response)
            # Workers do nothing with the replies to their answers.
            hub.hub.when_durable(reply, patiently=call.method in SPARED)

    def _reply(self, name: str, call: ServerCall, response: Message) -> None:
        message = response.SerializeToString()
        if ACCESS[name] is Access.READ:
            # What has changed something is told of it; that is little.
            try:
                call.check_reply(len(message))
            except OverloadError as error:
                self._refuse(name, error, call)
                return
        self.calls[name, "OK"] += 1
        call.reply(message)

    # What has to wait

    def _begin(self, name: str, serve: _Serve, call: ServerCall, identity: Identity) -> None:
        """Serves a call in a task of its own, which ends with it."""

        async def run() -> None:
            try:
                await serve(call, identity)
            except CallError as error:
                self._refuse(name, error, call, identity)
            except Exception:
                log.exception("%s failed", name)
                self._refuse_unexpected(name, call)

        task = asyncio.get_running_loop().create_task(run())
        self.open_calls.add(name, call, task)
        call.when_cancelled(task.cancel)

    async def _answer(
        self,
        name: str,
        request_type: type[Message],
        answer: Answer,
        call: ServerCall,
        identity: Identity,
    ) -> None:
        try:
            asked = Call(
                hubs=self._hubs,
                task_hub=task_hub_of(call),
                request=self._decoded(name, request_type, call),
                may_make_hub=_may_make_hub(name, identity),
            )
            with self._hubs.failing():
                response = await answer(asked)
        except CallError as error:
            await self._refuse_settled(name, error, call, identity)
        else:
            self._reply(name, call, response)

    async def _get_work_items(self, call: ServerCall, identity: Identity) -> None:
        request = self._decoded("GetWorkItems", pb.GetWorkItemsRequest, call)
        if not isinstance(request, pb.GetWorkItemsRequest):
            raise TypeError(request)
        if self._hubs.stopping:
            raise StoppingError
        # What cannot be served makes no hub; what there is not is told of first.
        self._hubs.check_findable(task_hub_of(call))
        terms = Terms.of(request, metadata_of(call, "workerid"))
        desk = self._hub_of("GetWorkItems", call, identity, request).desk
        desk.check_room()
        # A worker takes its stream for open only then.
        call.open()
        self.calls["GetWorkItems", "OK"] += 1
        worker = terms.worker_id or call.peer()
        with self._hubs.failing():
            stream = desk.connect(terms, call.write, call.unread)
        call.when_read(self._hubs.bounds.unread_bytes_max // 2, desk.pump_when_durable)
        log.info("worker %s connected", worker, extra={"caller": identity.name})
        pings = asyncio.create_task(_ping(stream))
        try:
            await stream.closed()
            call.finish()
        finally:
            pings.cancel()
            with self._hubs.failing():
                desk.disconnect(stream)
            log.info("worker %s disconnected", worker)

    async def _stream_history(self, call: ServerCall, identity: Identity) -> None:
        name = "StreamInstanceHistory"
        request = self._decoded(name, pb.StreamInstanceHistoryRequest, call)
        if not isinstance(request, pb.StreamInstanceHistoryRequest):
            raise TypeError(request)
        hub = self._hub_of(name, call, identity, request)
        await self._histories.send(hub, request, call)
        self.calls[name, "OK"] += 1

    # Requests and refusals

    def _decoded(self, name: str, request_type: type[Message], call: ServerCall) -> Message:
        try:
            check_parts(call.message, request_type.DESCRIPTOR)
            return request_type.FromString(call.message)
        except DecodeError as error:
            field = TOKEN_FIELDS.get(name)
            token = None if field is None else text_field(call.message, field)
            if token:
                hub = self._hubs.existing(task_hub_of(call))
                hub.desk.unreadable(token, f"The answer cannot be read: {error}")
            raise BadRequestError(f"The {name} request cannot be read: {error}") from error

    async def _refuse_settled(
        self, name: str, error: CallError, call: ServerCall, identity: Identity
    ) -> None:
        await self._hubs.settle(task_hub_of(call), error)
        self._refuse(name, error, call, identity)

    def _refuse(self, name: str, error: CallError, call: ServerCall, by: Identity = ANYONE) -> None:
        code = code_of(error)
        self.calls[name, code.name] += 1
        if isinstance(error, OverloadError):
            self._tell(error)
        elif isinstance(error, (UnauthenticatedError, AuthenticationAwayError)):
            self._strangers.refused(name, error, code=code.name, peer=call.peer())
        else:
            log.info("%s refused: %s", name, error, extra={"code": code.name, "caller": by.name})
        call.refuse(code, str(error))

    def _refuse_unexpected(self, name: str, call: ServerCall) -> None:
        code = grpc.StatusCode.UNKNOWN
        self.calls[name, code.name] += 1
        call.refuse(code, f"{name} failed unexpectedly: the scheduler's log says why")


def _take_up(call: ServerCall, take: _Take, identity: Identity) -> None:
    take(call, identity)


async def _ping(stream: WorkerStream) -> None:
    while True:
        await asyncio.sleep(PING_SECONDS)
        stream.send(_PING)


def _may_make_hub(name: str, identity: Identity) -> bool:
    """To make a dynamic task hub is to change something, and no reader does."""
    return identity.may_change and name in MAKES_HUB
