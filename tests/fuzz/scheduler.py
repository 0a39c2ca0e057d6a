"""A real scheduler in this process, without sockets: feed it calls, and it says what is wrong.

What there is (files, rows, leases) is compared before and after each call: one that is refused
changes nothing, one that reads makes a task hub at the most, and an answer of a worker decides
something only with a token that is good. One worker stays connected, so that there are leases.
"""

import asyncio
import contextlib
import functools
import json
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import grpc
from starlette.applications import Starlette

from services.scheduler.auth.gate import Gate
from services.scheduler.auth.identity import Access
from services.scheduler.bounds import DEFAULTS, Bounds
from services.scheduler.edge.access import ACCESS
from services.scheduler.edge.service import SERVICE, TaskHubService
from services.scheduler.engine.protos import pb
from services.scheduler.http.routes import application
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.hub.opened import OpenHub
from services.scheduler.store.database import DataDirectory
from services.shared.payload_files import PayloadFiles
from tests.fuzz.answers import ANSWERED, allowed_of
from tests.fuzz.callers import CONTRIBUTOR, Caller, gate_in
from tests.fuzz.folders import IN_MEMORY
from tests.fuzz.logged import LoggedErrors
from tests.fuzz.messages import STORED
from tests.fuzz.routes import HttpRequest
from tests.fuzz.state import Allowed, State
from tests.fuzz.violation import Violation
from tests.fuzz.wire import Exchange, Wire

HUB: Final = "default"
# Nothing that is asked of a small database takes this long, however busy the machine is.
SECONDS_MAX: Final = 30.0
# What waits for something else than the disk, until its client gives up.
WAITING: Final = frozenset({"WaitForInstanceStart", "WaitForInstanceCompletion", "GetWorkItems"})
# What reads makes a task hub too, for clients that only look; a history is that of an instance.
_MAKES_HUB: Final = frozenset(
    {name for name, access in ACCESS.items() if access is Access.READ} - {"StreamInstanceHistory"}
    | {"GetWorkItems", "StartInstance", "SignalEntity", "CreateTaskHub"}
)
# In turns of the loop: more than any of these takes to begin to wait.
_PATIENCE: Final = 12
# Dynamic task hubs that stay; the oldest then makes room for another one.
_HUBS_KEPT: Final = 3
# Below the number from which the scheduler puts commits off for others to join.
_WORKER: Final = pb.GetWorkItemsRequest(
    maxConcurrentOrchestrationWorkItems=1,
    maxConcurrentActivityWorkItems=1,
    maxConcurrentEntityWorkItems=1,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """What a scheduler is asked to be like."""

    asks_for_tokens: bool = False
    bounds: Bounds = DEFAULTS


OPEN: Final = Make()
GUARDED: Final = Make(asks_for_tokens=True)
# So narrow that every one of them is met.
BOUNDED: Final = Make(
    bounds=Bounds(
        workers_max=1,
        work_items_max=1,
        work_item_bytes_max=2_000,
        waiters_max=1,
        history_readers_max=1,
        pending_max=2,
        inbox_max=2,
        inbox_bytes_max=20_000,
        delayed_signals_max=2,
        task_hubs_max=3,
    )
)


class FuzzedScheduler:
    """Task hubs on files of their own; use it as a context manager, from one thread."""

    def __init__(self, folder: Path | None = None, make: Make = OPEN) -> None:
        """`folder` is where its data goes."""
        self._parent = folder or IN_MEMORY
        self._make = make
        self._runner = asyncio.Runner()
        self._errors = LoggedErrors()
        self._failures: list[BaseException] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(dir=self._parent))
        self._stack.callback(self._runner.close)
        self._stack.enter_context(self._errors)
        self._runner.get_loop().set_exception_handler(self._unhandled)
        try:
            self._runner.run(self._open(Path(folder)))
        except BaseException:
            # Whoever fuzzes opens the next one.
            self._stack.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def tokens(self) -> list[str]:
        """The completion tokens of what the worker has now, oldest first."""
        items = map(pb.WorkItem.FromString, self._worker.sent[-40:])
        leased = [item.completionToken for item in items if item.completionToken]
        dispatcher = self._hub.dispatcher
        return [token for token in leased if dispatcher.lease_of(token) is not None]

    @property
    def latest_hub(self) -> str:
        """The name of the task hub that was made last."""
        return self._hubs.opened[-1].name

    @property
    def file(self) -> Path:
        """Where the task hub `HUB` is."""
        return self._hub.file

    def execution_of(self, instance_id: str) -> str:
        """The execution that an instance of the task hub `HUB` is at, or ""."""
        return self._state.execution_of(self._hub, instance_id)

    def call(
        self,
        name: str,
        message: bytes,
        hub: str = HUB,
        caller: Caller = CONTRIBUTOR,
        patience: int | None = None,
    ) -> Wire:
        """One call of the service to its end; raises `Violation`.

        The client gives up after `patience` turns of the loop, None for one that waits.
        """
        metadata = [("taskhub", hub), *(("authorization", header) for header in caller.headers)]
        wire = Wire(f"/{SERVICE}/{name}", message, metadata)
        forbidden = caller.refusal(hub, ACCESS[name]) if self._make.asks_for_tokens else None
        answer = None
        if name in ANSWERED:
            answer = allowed_of(name, message, self._hub_named(hub), self._state, hub)
        if name in WAITING and patience is None:
            patience = _PATIENCE
        self._run(self._serve(wire, patience))
        wire.check()
        told = f"{name} {wire.code.name if wire.code else 'open'}"
        if forbidden is not None and wire.code is not forbidden:
            raise Violation(f"{told}: it should have been {forbidden.name}")
        if forbidden is None and wire.code in _FORBIDDEN:
            raise Violation(f"{told}: who may is refused: {wire.details[:200]}")
        is_refused = wire.code not in {None, grpc.StatusCode.OK}
        if answer is not None and forbidden is None:
            allowed = answer
        elif is_refused:
            allowed = Allowed(hub=hub)
        else:
            allowed = Allowed(
                hub=hub,
                rows=ACCESS[name] is Access.CHANGE,
                files=name in {"CreateTaskHub", "DeleteTaskHub"},
                makes_hub=name in _MAKES_HUB and self._may_change(caller),
            )
        self._settled(allowed, f"{told} {wire.details[:100]}")
        return wire

    def request(self, request: HttpRequest) -> tuple[int, bytes]:
        """One request to the HTTP port to its end; raises `Violation`."""
        path, _, query = request.target.partition(b"?")
        headers = [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"x-taskhub", request.hub.encode()),
            *((b"authorization", header.encode()) for header in request.caller.headers),
            *request.headers,
        ]
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1",
            "method": request.method, "scheme": "http", "path": path.decode("latin-1"),
            "raw_path": path, "query_string": query, "root_path": "", "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8081),
        }  # fmt: skip
        answer = Exchange(request.body, is_cut=request.is_cut)
        self._run(self._app(scope, answer.receive, answer.send))
        told = f"{request.method} {path[:80]!r} {answer.status}"
        if answer.status >= 500 and answer.status != 503:
            raise Violation(f"{told}: {answer.body[:300]!r}")
        if b"Traceback" in answer.body:
            raise Violation(f"{told}: tells a traceback")
        self._check_access(request, answer.status, told)
        allowed = Allowed(hub=request.hub)
        if answer.status < 400 and not _has_done_nothing(path, answer.body):
            allowed = Allowed(
                hub=request.hub,
                rows=request.route.access is Access.CHANGE,
                makes_hub=request.route.makes_hub and self._may_change(request.caller),
            )
        self._settled(allowed, told)
        return answer.status, bytes(answer.body)

    # Who calls

    def _may_change(self, caller: Caller) -> bool:
        return not self._make.asks_for_tokens or Access.CHANGE in caller.accesses

    def _check_access(self, request: HttpRequest, status: int, told: str) -> None:
        forbidden = None
        if self._make.asks_for_tokens:
            forbidden = request.route.refusal(request.caller, request.hub)
        if forbidden is None:
            if status == 401:
                raise Violation(f"{told}: who may is refused")
        # What a page of another site sends is refused before anybody is asked who they are.
        elif status < 400 or (
            forbidden is grpc.StatusCode.UNAUTHENTICATED and status not in {401, 403}
        ):
            raise Violation(f"{told}: it should have been {forbidden.name}")

    # One at a time

    @functools.cached_property
    def _app(self) -> Starlette:
        """Made when it is needed: it takes longer than hundreds of calls."""
        return application(self._hubs, self._service.calls, self._gate)

    async def _open(self, folder: Path) -> None:
        directory = DataDirectory(folder / "data")
        payloads = PayloadFiles(folder / "payloads")
        payloads.prepare()
        payloads.write(STORED)
        self._hubs = TaskHubs(
            directory,
            [HUB],
            dynamic=True,
            on_failure=self._failures.append,
            payloads=payloads,
            bounds=self._make.bounds,
        )
        (self._hub,) = self._hubs.opened
        self._state = State(self._hubs, folder)
        metadata = [("taskhub", HUB), ("workerid", "w")]
        metadata += [("authorization", header) for header in CONTRIBUTOR.headers]
        self._worker = Wire(f"/{SERVICE}/GetWorkItems", _WORKER.SerializeToString(), metadata)
        self._stack.callback(self._close)
        self._gate = gate_in(folder) if self._make.asks_for_tokens else Gate()
        self._service = TaskHubService(self._hubs, self._gate)
        self._take(self._worker)
        await asyncio.wait_for(self._worker.opened.wait(), SECONDS_MAX)
        await self._hubs.durable()
        self._before = self._state.snapshot()

    def _close(self) -> None:
        async def close() -> None:
            self._worker.gone()
            await asyncio.sleep(0)
            self._hubs.close()
            self._state.close()

        self._runner.run(close())

    def _hub_named(self, name: str) -> OpenHub | None:
        return self._hubs.existing(name) if self._hubs.is_open(name) else None

    def _take(self, wire: Wire) -> None:
        call: Any = wire  # as a ServerCall, of which there is none without a socket
        if self._service.meets is None:
            call.arrive(self._service.take)
        else:
            # Who is not let in has no request read.
            self._service.meets(call)

    async def _serve(self, wire: Wire, patience: int | None) -> None:
        self._take(wire)
        if patience is None:
            await wire.ended.wait()
            return
        for _ in range(patience):
            await asyncio.sleep(0)
        wire.gone()
        await asyncio.sleep(0)

    def _run(self, serving: Awaitable[object]) -> None:
        """Runs a call to its end; raises `Violation` for what is wrong whatever was called."""

        async def settled() -> None:
            await serving
            await self._hubs.durable()

        async def bounded() -> None:
            try:
                await asyncio.wait_for(settled(), SECONDS_MAX)
            except TimeoutError:
                raise Violation(f"no end within {SECONDS_MAX:g} s") from None

        # A runner's own way looks after signals, which takes a fifth of the time of a call.
        self._runner.get_loop().run_until_complete(bounded())
        if self._failures:
            raise Violation(f"the scheduler stops: {self._failures.pop()!r}")
        self._errors.check()

    def _settled(self, allowed: Allowed, told: str) -> None:
        """Compares what was before a call with what is after it."""
        before, self._before = self._before, self._state.snapshot()
        before.check(self._before, allowed, told)
        if len(self._hubs.opened) > 1 + _HUBS_KEPT:
            self._runner.run(self._make_room())
            self._before = self._state.snapshot()

    async def _make_room(self) -> None:
        oldest = self._hubs.opened[1]
        self._hubs.delete(oldest.name)
        for file in self._hubs.data_dir.glob(f"{oldest.name}.db*"):
            file.unlink()

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._failures.append(context.get("exception") or RuntimeError(context["message"]))


_FORBIDDEN: Final = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})


def _has_done_nothing(path: bytes, body: bytes | bytearray) -> bool:
    """Whether a reply to many at once refuses each of them."""
    if not path.endswith(b"/bulk"):
        return False
    results = json.loads(body)["results"]
    return not any(result["ok"] for result in results)
