"""`TaskHubSidecarService` on the wire: decode, one hub call, encode; errors to status codes.

Requests come as bytes and are decoded here, so that what cannot be read is refused like anything
else that is wrong, and so that work items go out as the bytes that they are.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message

from services.scheduler.auth.gate import HEADER, Gate
from services.scheduler.auth.identity import ANYONE, Access, Identity
from services.scheduler.auth.strangers import Strangers
from services.scheduler.dispatch.streams import Terms, WorkerStream
from services.scheduler.edge.access import ACCESS, MAKES_HUB
from services.scheduler.edge.faults import code_of
from services.scheduler.edge.histories import Histories
from services.scheduler.edge.methods import (
    CHECKS,
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

# A call that goes on for longer than this is asked again whether it may.
RECHECK_SECONDS: Final = 1.0
_RECHECKED_AT_ONCE: Final = 200

_Take = Callable[[ServerCall, Identity], None]
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
        # What goes on, with the call that it ends with and the headers that let it in.
        self._tasks: dict[asyncio.Task[None], tuple[str, ServerCall, tuple[str, ...]]] = {}
        # Calls that wait for the key of their token.
        self._arriving: set[asyncio.Task[None]] = set()
        self.calls: Counter[tuple[str, str]] = Counter()
        # How often all that goes on was asked again.
        self.sweeps = 0
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
        self._methods: Mapping[str, tuple[str, _Take]] = {
            f"/{SERVICE}/{name}": (name, take) for name, take in methods.items()
        }

    def refused(self, method: str, error: OverloadError) -> None:
        """The server has refused a call before it was taken."""
        if method not in self._methods:
            return
        self.calls[method.rpartition("/")[2], grpc.StatusCode.RESOURCE_EXHAUSTED.name] += 1
        self._tell(error)

    def _tell(self, error: OverloadError) -> None:
        now = asyncio.get_running_loop().time()
        # Whoever is refused comes again at once: a line for each would fill the disk.
        if now >= self._tells_again_at:
            self._tells_again_at = now + _TELL_SECONDS
            log.warning("calls are refused: %s", error)

    def take(self, call: ServerCall) -> None:
        """Takes up one call, of any method."""
        try:
            self._admit(call)
        except KeysWantedError:
            task = asyncio.get_running_loop().create_task(self._admit_later(call))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def recheck(self) -> None:
        """Ends calls that are open, streams before all, once their token is no longer good.

        Runs until it is cancelled. While nobody can tell, they go on; calls that come are refused.
        """
        while not self._gate.is_open:
            await asyncio.sleep(RECHECK_SECONDS)
            # Many calls have one token: it is looked at once.
            found: dict[tuple[str, ...], Identity | CallError] = {}
            for number, (task, (name, call, headers)) in enumerate(list(self._tasks.items())):
                if number % _RECHECKED_AT_ONCE == 0:
                    # There may be thousands, and everybody waits for them.
                    await asyncio.sleep(0)
                if headers not in found:
                    found[headers] = await self._now(headers)
                error = _objection(found[headers], name, call)
                if error is not None and not task.done():
                    self._refuse(name, error, call)
                    task.cancel()
            self.sweeps += 1

    async def _now(self, headers: Sequence[str]) -> Identity | CallError:
        try:
            return await self._gate.admit(headers)
        except CallError as error:
            return error

    # Who calls

    def _admit(self, call: ServerCall) -> None:
        """Before anything of the request is decoded; raises `KeysWantedError`."""
        name, take = self._methods.get(call.method, ("unknown", None))
        identity = ANYONE
        try:
            # Where all are let in, nothing is looked at: every call comes through here.
            is_open = self._gate.is_open
            if not is_open:
                identity = self._gate.identify(_all_metadata_of(call, HEADER))
            if take is None:
                self.calls["unknown", grpc.StatusCode.UNIMPLEMENTED.name] += 1
                call.refuse(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
                return
            if not is_open:
                identity.check(_task_hub_of(call), ACCESS[name])
        except KeysWantedError:
            raise
        except CallError as error:
            self._refuse(name, error, call, identity)
        else:
            take(call, identity)

    async def _admit_later(self, call: ServerCall) -> None:
        await self._gate.renewed()
        try:
            self._admit(call)
        except KeysWantedError:
            # Still on their way: whose token it is cannot be told.
            name, _ = self._methods.get(call.method, ("unknown", None))
            self._refuse(name, AuthenticationAwayError(), call)

    def _hub_of(self, name: str, call: ServerCall, identity: Identity, request: Message) -> OpenHub:
        """The hub of a call, a dynamic one only for what it could take."""
        task_hub = _task_hub_of(call)
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
        headers = () if self._gate.is_open else tuple(_all_metadata_of(call, HEADER))
        self._tasks[task] = (name, call, headers)
        task.add_done_callback(self._tasks.pop)
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
                task_hub=_task_hub_of(call),
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
        self._hubs.check_findable(_task_hub_of(call))
        terms = Terms.of(request, _metadata_of(call, "workerid"))
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
            return request_type.FromString(call.message)
        except DecodeError as error:
            field = TOKEN_FIELDS.get(name)
            token = None if field is None else text_field(call.message, field)
            if token:
                hub = self._hubs.existing(_task_hub_of(call))
                hub.desk.unreadable(token, f"The answer cannot be read: {error}")
            raise BadRequestError(f"The {name} request cannot be read: {error}") from error

    async def _refuse_settled(
        self, name: str, error: CallError, call: ServerCall, identity: Identity
    ) -> None:
        await self._hubs.settle(_task_hub_of(call), error)
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


async def _ping(stream: WorkerStream) -> None:
    while True:
        await asyncio.sleep(PING_SECONDS)
        stream.send(_PING)


def _objection(found: Identity | CallError, name: str, call: ServerCall) -> CallError | None:
    """Why an open call must end; None while it may go on, or nobody can tell."""
    if isinstance(found, CallError):
        return None if isinstance(found, AuthenticationAwayError) else found
    try:
        found.check(_task_hub_of(call), ACCESS[name])
    except CallError as error:
        return error
    return None


def _may_make_hub(name: str, identity: Identity) -> bool:
    """To make a dynamic task hub is to change something, and no reader does."""
    return identity.may_change and name in MAKES_HUB


def _task_hub_of(call: ServerCall) -> str:
    return _metadata_of(call, "taskhub")


def _metadata_of(call: ServerCall, name: str) -> str:
    for key, value in call.metadata:
        if key == name:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return ""


def _all_metadata_of(call: ServerCall, name: str) -> list[str]:
    return [
        value if isinstance(value, str) else value.decode(errors="replace")
        for key, value in call.metadata
        if key == name
    ]
