"""A real scheduler in this process, without sockets: feed it calls, and it says what is wrong.

Its database is compared before and after each call that it refuses. One worker stays connected, so
that there are leases to answer.
"""

import asyncio
import contextlib
import hashlib
import logging
import sqlite3
import tempfile
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import grpc

from services.scheduler.auth.gate import Gate
from services.scheduler.edge.service import SERVICE, TaskHubService
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError
from services.scheduler.http.routes import application
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.store.database import DataDirectory
from tests.fuzz.violation import Violation, place_of
from tests.fuzz.wire import Wire

T = TypeVar("T")

HUB: Final = "default"
# Nothing that is asked of a small database takes this long, however busy the machine is.
SECONDS_MAX: Final = 30.0
# What waits for something else than the disk, until its client gives up.
WAITING: Final = frozenset({"WaitForInstanceStart", "WaitForInstanceCompletion", "GetWorkItems"})
_TURNS: Final = 12
# Below the number from which the scheduler puts commits off for others to join.
_WORKER: Final = pb.GetWorkItemsRequest(
    maxConcurrentOrchestrationWorkItems=1,
    maxConcurrentActivityWorkItems=1,
    maxConcurrentEntityWorkItems=1,
)


class FuzzedScheduler:
    """One hub on a file of its own; use it as a context manager, from one thread."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is where its data goes: memory, where the machine has a place for that."""
        shm = Path("/dev/shm")  # noqa: S108 - memory: what is fuzzed is not the disk
        self._parent = folder or (shm if shm.is_dir() else None)
        self._runner = asyncio.Runner()
        self._errors = _Errors()
        self._failures: list[BaseException] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(dir=self._parent))
        self._stack.callback(self._runner.close)
        self._stack.callback(self._close)
        self._stack.enter_context(self._errors)
        self._runner.get_loop().set_exception_handler(self._unhandled)
        self._run(self._open(Path(folder)))
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def tokens(self) -> list[str]:
        """The completion tokens of what the worker has now, oldest first."""
        items = map(pb.WorkItem.FromString, self._worker.sent[-40:])
        leased = [item.completionToken for item in items if item.completionToken]
        return [token for token in leased if self._hub.dispatcher.lease_of(token) is not None]

    def call(self, name: str, message: bytes, hub: str = HUB, worker: str = "") -> Wire:
        """One call of the service to its end; raises `Violation`."""
        metadata = {"taskhub": hub} | ({"workerid": worker} if worker else {})
        wire = Wire(f"/{SERVICE}/{name}", message, metadata)
        may_end_lease = name.startswith(("Complete", "Abandon"))
        self._settled(self._serve(wire, name), may_change=may_end_lease, wire=wire)
        wire.check()
        return wire

    def request(
        self, method: str, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> tuple[int, bytes]:
        """One request to the HTTP port to its end; raises `Violation`."""
        path, _, query = target.partition(b"?")
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": path.decode("latin-1"), "raw_path": path,
            "query_string": query, "root_path": "", "headers": list(headers),
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8081),
        }  # fmt: skip
        answer = _Answer(body)
        self._settled(self._within(self._app(scope, answer.receive, answer.send)), answer=answer)
        if answer.status >= 500 and answer.status != 503:
            raise Violation(f"{method} {path[:80]!r} says {answer.status}: {answer.body[:300]!r}")
        if b"Traceback" in answer.body:
            raise Violation(f"{method} {path[:80]!r} tells a traceback")
        return answer.status, bytes(answer.body)

    # One at a time

    async def _open(self, folder: Path) -> None:
        directory = DataDirectory(folder)
        self._hubs = TaskHubs(directory, [HUB], dynamic=True, on_failure=self._failures.append)
        (self._hub,) = self._hubs.opened
        # Task hubs that there are or have been.
        self._made = {HUB}
        self._service = TaskHubService(self._hubs, Gate())
        self._app = application(self._hubs, self._service.calls, Gate())
        self._look = sqlite3.connect(
            f"file:{directory.file_of(HUB)}?mode=ro", uri=True, isolation_level=None
        )
        metadata = {"taskhub": HUB, "workerid": "w"}
        self._worker = Wire(f"/{SERVICE}/GetWorkItems", _WORKER.SerializeToString(), metadata)
        self._take(self._worker)
        await asyncio.sleep(0)
        await self._hub.hub.durable()
        self._version, self._digest = self._data_version(), digest_of(self._look)

    def _close(self) -> None:
        async def close() -> None:
            self._worker.gone()
            await asyncio.sleep(0)
            self._hubs.close()
            self._look.close()

        self._run(close())

    def _take(self, wire: Wire) -> None:
        call: Any = wire  # as a ServerCall, of which there is none without a socket
        self._service.take(call)

    async def _serve(self, wire: Wire, name: str) -> None:
        self._take(wire)
        if name in WAITING:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            wire.gone()
            await asyncio.sleep(0)
        else:
            await self._within(wire.ended.wait())
        await self._within(self._hub.hub.durable())

    async def _within(self, what: Awaitable[object]) -> None:
        try:
            await asyncio.wait_for(what, SECONDS_MAX)
        except TimeoutError:
            raise Violation(f"no end within {SECONDS_MAX:g} s") from None
        await self._hub.hub.durable()

    def _settled(
        self,
        serving: Any,
        *,
        wire: Wire | None = None,
        answer: "_Answer | None" = None,
        may_change: bool = False,
    ) -> None:
        """Runs a call to its end and compares what was before it with what is after it."""
        self._run(serving)
        if wire is not None:
            is_refused = wire.code not in {None, grpc.StatusCode.OK}
        else:
            is_refused = answer is not None and answer.status >= 400
        made = {hub.name for hub in self._hubs.opened} - self._made
        self._made |= made
        if made and is_refused:
            raise Violation(f"a refused call has made a task hub: {', '.join(made)}")
        version = self._data_version()
        if version != self._version:
            digest = digest_of(self._look)
            changed = digest != self._digest
            self._version, self._digest = self._data_version(), digest
            if changed and is_refused and not may_change:
                told = wire.details[:200] if wire is not None else "a refused HTTP request"
                raise Violation(f"a refused call has changed the database: {told}")
        if self._failures:
            raise Violation(f"the scheduler stops: {self._failures.pop()!r}")
        self._errors.check()

    def _data_version(self) -> int:
        version: int = self._look.execute("PRAGMA data_version").fetchone()[0]
        return version

    def _run(self, coroutine: Any) -> None:
        self._runner.run(coroutine)

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._failures.append(context.get("exception") or RuntimeError(context["message"]))


class _Answer:
    """The two ends of an ASGI request."""

    def __init__(self, body: bytes) -> None:
        self._given = [body]
        self.status = 0
        self.body = bytearray()

    async def receive(self) -> dict[str, Any]:
        if not self._given:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._given.pop(), "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")


class _Errors(logging.Handler):
    """What is logged with a traceback: a mistake, unless it is one of the caller's."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._found: list[str] = []
        self._log = logging.getLogger("services")

    def __enter__(self) -> Self:
        self._was = self._log.propagate, self._log.level
        self._log.propagate, self._log.level = False, logging.ERROR
        self._log.addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        self._log.removeHandler(self)
        self._log.propagate, self._log.level = self._was

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, BadRequestError):
            self._found.append(f"{record.getMessage()}: {error!r} {place_of(error)}")

    def check(self) -> None:
        if self._found:
            found, self._found = self._found, []
            raise Violation("a traceback in the log: " + "; ".join(found))


def digest_of(look: sqlite3.Connection) -> bytes:
    """Of all rows of all tables, as they are committed."""
    look.execute("BEGIN")
    try:
        names = look.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        digest = hashlib.blake2b()
        for (name,) in names.fetchall():
            rows = look.execute(f'SELECT * FROM "{name}"').fetchall()  # noqa: S608 - a table of ours
            digest.update(repr((name, sorted(map(repr, rows)))).encode())
        return digest.digest()
    finally:
        look.execute("COMMIT")
