"""A gRPC server in the test's own process, called by gRPC's own client."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc

from services.scheduler.app import SERVER_OPTIONS
from services.scheduler.bounds import DEFAULTS, Bounds
from services.scheduler.edge.intake import Intake
from services.scheduler.edge.server import GrpcServer, ServerCall
from services.scheduler.errors import CallError

OPTIONS = (*SERVER_OPTIONS, ("grpc.max_receive_message_length", 100_000))
SECONDS = 30.0


class Served:
    """A server, a channel to it, and what is done with its calls."""

    def __init__(self, server: GrpcServer, channel: Any, port: int) -> None:
        # Calls that the server has refused before they were taken.
        self.refused = 0
        # And who hears of them.
        self.told: Callable[[str, CallError], object] = quiet
        # Its stubs ask for serializers; bytes need none.
        self.channel = channel
        self.port = port
        self._server: GrpcServer | None = server

    @property
    def is_running(self) -> bool:
        """Whether no test has stopped it."""
        return self._server is not None

    @property
    def is_quiet(self) -> bool:
        """Whether a thread waits for what comes, and not the loop."""
        assert self._server is not None
        return self._server._poller._is_threads.is_set()  # noqa: SLF001 - it shows nowhere else

    async def stop(self, grace: float) -> None:
        """Stops the server, once."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(grace)

    async def unary(self, message: bytes = b"", **kwargs: Any) -> Any:
        """Calls, on a thread, and gives the response or the error."""
        return await asyncio.to_thread(self._outcome, self.channel.unary_unary, message, kwargs)

    async def stream(self, message: bytes = b"", **kwargs: Any) -> Any:
        """The same for a stream: all of its responses, and how it ended."""
        return await asyncio.to_thread(self._read, message, kwargs)

    @staticmethod
    def _outcome(make: Callable[..., Any], message: bytes, kwargs: dict[str, Any]) -> Any:
        try:
            return make("/test/call")(message, timeout=SECONDS, **kwargs)
        except grpc.RpcError as error:
            return error

    def _read(self, message: bytes, kwargs: dict[str, Any]) -> tuple[list[bytes], grpc.StatusCode]:
        call = self.channel.unary_stream("/test/call")(message, timeout=SECONDS, **kwargs)
        return drained(call), call.code()


def drained(call: Iterator[bytes]) -> list[bytes]:
    """What comes of a stream until it ends, well or not."""
    found: list[bytes] = []
    with suppress(grpc.RpcError):
        found.extend(call)
    return found


async def until(true: Callable[[], bool]) -> None:
    """Waits until `true()`, while the loop goes on; raises `TimeoutError`."""
    async with asyncio.timeout(SECONDS):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


def quiet(_method: str, _error: CallError) -> None:
    """A refusal that nobody is told of but the caller."""


@asynccontextmanager
async def served(  # noqa: PLR0913, PLR0917 - all that a server has from outside
    take: Callable[[ServerCall], None],
    bounds: Bounds = DEFAULTS,
    spared: Collection[str] = (),
    intake: Intake | None = None,
    meet: Callable[[ServerCall], None] | None = None,
    at_work: Callable[[], int] = lambda: 0,
) -> AsyncIterator[Served]:
    """A server for the time of a test, stopped at its end; each of its calls has been let go."""
    intake = intake or Intake(bounds, spared)
    test: Served | None = None

    def refused(method: str, error: CallError) -> None:
        if test is not None:
            test.refused += 1
            test.told(method, error)

    server = GrpcServer(take, OPTIONS, intake, refused, meet, at_work=at_work)
    port = server.listen("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        test = Served(server, channel, port)
        yield test
    is_to_end = test.is_running
    await test.stop(0.0)
    if is_to_end:
        assert (intake.calls, intake.held) == (0, 0)
    assert "grpc" not in {thread.name for thread in threading.enumerate()}
