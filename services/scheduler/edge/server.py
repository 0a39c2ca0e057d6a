"""A gRPC server on gRPC's completion queue.

`grpc.aio` spends a task, three futures and four wake-ups of the loop on a call, 0.22 ms of CPU for
an activity; this spends half of that: the poller takes a call up to its message by itself, and the
loop wakes once for all that have come. gRPC's sync and aio servers stand on the same classes, but
those are private to the `grpc` package: nothing outside of `edge` may touch them, and the version
is pinned by the lock.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # private, and so without types

from services.scheduler.edge.intake import READING_SECONDS, Intake, Share
from services.scheduler.edge.poller import Poller
from services.scheduler.edge.post import Post
from services.scheduler.edge.stream import NO_FLAGS, Stream, begin, nothing
from services.scheduler.errors import CallError, OverloadError

log = logging.getLogger(__name__)

_OK: Final = grpc.StatusCode.OK.value[0]
# A client drops headers above 8 KiB, and the status with them; its text is percent-encoded there.
_DETAILS_BYTES_MAX: Final = 4 * 1024
_AS_IT_IS: Final = frozenset(range(0x20, 0x7F)) - {ord("%")}
_BUSY: Final = grpc.StatusCode.RESOURCE_EXHAUSTED
# How often calls whose request does not come are looked for.
_LOOK_SECONDS: Final = 1.0

Metadata = Sequence[tuple[str, str | bytes]]
Option = tuple[str, int]


class ServerCall:
    """One call with its request's bytes. Made by the server; its methods are for the loop's thread.

    The first of `reply`, `refuse` and `finish` ends it, and the others then do nothing. A call that
    the client has given up may still be written to and ended: that is lost without a word.
    """

    __slots__ = (
        "_call",
        "_connection",
        "_has_ended",
        "_intake",
        "_is_watched",
        "_post",
        "_refuse_unread",
        "_share",
        "_stream",
        "_take",
        "message",
        "metadata",
        "method",
    )

    def __init__(self, event: Any, post: Post, intake: Intake) -> None:  # noqa: ANN401 - a RequestCallEvent
        self._call = event.call
        self._post = post
        self._intake = intake
        # None before the intake has let it in.
        self._share: Share | None = None
        self._is_watched = self._has_ended = False
        self._stream: Stream | None = None
        self.method: str = event.call_details.method.decode(errors="replace")
        self.metadata: Metadata = event.invocation_metadata
        self.message = b""

    def peer(self) -> str:
        """The client's address."""
        return self._connection.decode(errors="replace")

    def enter(
        self,
        take: Callable[["ServerCall"], None],
        refuse: Callable[["ServerCall", OverloadError], object],
        *,
        asks: bool,
    ) -> None:
        """Counts it until it is closed, and has the loop take it, in its connection's turn.

        That is with its request if it `asks` for it, and otherwise before anything of it is read.
        `refuse` is given what there is no room for.
        """
        self._take, self._refuse_unread = take, refuse
        # Only of a call that has not ended: gRPC crashes otherwise.
        self._connection: bytes = self._call.peer()
        try:
            size = sum([len(name) + len(value) for name, value in self.metadata])
            share = self._share = self._intake.admit(self, self._connection, size, asks=asks)
        except OverloadError as error:
            refuse(self, error)
            return
        if share.is_reading:
            self.begin()
        elif not asks:
            self._post.in_turn(self._connection, take, self, size)

    def read(self, take: Callable[["ServerCall"], None]) -> None:
        """Has the loop take it again, with its request, if it has entered without."""
        if self._share is None:
            raise RuntimeError("a call is to be read that was not let in")
        self._take = take
        if self._intake.ask(self, self._share):
            self.begin()

    def begin(self) -> None:
        """Has gRPC read the request. For the intake, which says when."""
        operation = cygrpc.ReceiveMessageOperation(NO_FLAGS)
        begin(self._post, self._call, (operation,), self._received)

    def _received(self, event: Any) -> None:  # noqa: ANN401 - a BatchOperationEvent
        """Of the poller: the request is there, or never will be."""
        message = event.batch_operations[0].message()
        size = None if message is None else len(message)
        share = self._share
        if share is None:
            raise RuntimeError("the request of a call that was not let in")
        try:
            is_wanted = self._intake.arrived(self, share, size)
        except OverloadError as error:
            self._refuse_unread(self, error)
            return
        if size is None:
            # It was cancelled, was too large (gRPC has told the client), or there was none.
            self.refuse(grpc.StatusCode.INTERNAL, "The call has no request")
        elif is_wanted:
            self.message = message
            self._post.in_turn(self._connection, self._take, self, size)

    def when_cancelled(self, act: Callable[[], object]) -> None:
        """Does something, once, when the client gives up or is gone before the call was ended."""
        self._is_watched = True

        def closed(event: Any) -> None:  # noqa: ANN401 - a BatchOperationEvent
            self._closed(event)
            if event.batch_operations[0].cancelled():
                self._post(act)

        close = cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS)
        begin(self._post, self._call, (close,), closed)

    def check_reply(self, size: int) -> None:
        """Raises `OverloadError` where nobody has read enough for so many bytes more."""
        if self._share is not None:
            self._intake.check_reply(self._share, size)

    def reply(self, message: bytes) -> None:
        """Ends a call with its one response."""
        if self._ends():
            if self._share is not None:
                self._intake.add_reply(self, self._share, len(message))
            self._end_with(
                cygrpc.SendInitialMetadataOperation(None, NO_FLAGS),
                cygrpc.SendMessageOperation(message, NO_FLAGS),
                cygrpc.SendStatusFromServerOperation(None, _OK, b"", NO_FLAGS),
            )

    def give_up(self, details: str) -> None:
        """Ends a call whose client neither sends nor reads. Only while it is not closed.

        What gRPC holds of it is let go at once, whether or not the client is told.
        """
        self._call.cancel(_BUSY.value[0], details)

    def refuse(self, code: grpc.StatusCode, details: str) -> None:
        """Ends a call, or a stream that is open, with an error."""
        if not self._ends():
            return
        status = cygrpc.SendStatusFromServerOperation(
            None, code.value[0], _sendable(details), NO_FLAGS
        )
        if self._stream is not None:
            self._end_stream(status)
        else:
            self._end_with(cygrpc.SendInitialMetadataOperation(None, NO_FLAGS), status)

    def open(self) -> None:
        """Begins a stream of responses: the client sees it as open from now on."""
        self._stream = Stream(self._call, self._post)

    def unread(self) -> int:
        """How many bytes of what was written have not left for the client yet."""
        return 0 if self._stream is None else self._stream.unread

    def when_read(self, mark: int, act: Callable[[], object]) -> None:
        """Does something whenever these have become fewer than a mark."""
        self._opened.when_below(mark, act)

    def write(self, message: bytes) -> None:
        """Sends one response of a stream, after those before it."""
        self._opened.put(message)

    async def flushed(self) -> None:
        """Waits until what was written has left for the client, or never will."""
        await self._opened.flushed()

    def finish(self) -> None:
        """Ends a stream, once what was written has been sent."""
        if self._ends():
            self._end_stream(cygrpc.SendStatusFromServerOperation(None, _OK, b"", NO_FLAGS))

    def _end_stream(self, status: Any) -> None:  # noqa: ANN401 - a SendStatusFromServerOperation
        self._opened.put(status)
        if not self._is_watched:
            # Every call must be asked once whether it was closed.
            self.when_cancelled(nothing)

    @property
    def _opened(self) -> Stream:
        if self._stream is None:
            raise RuntimeError("the stream is not open")
        return self._stream

    def _ends(self) -> bool:
        """Whether this is the first end. gRPC takes no second one."""
        is_first, self._has_ended = not self._has_ended, True
        return is_first

    def _end_with(self, *operations: Any) -> None:  # noqa: ANN401 - gRPC's operations
        if self._is_watched:
            begin(self._post, self._call, operations, _ignore)
            return
        # Every call must be asked once whether it was closed.
        close = cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS)
        begin(self._post, self._call, (*operations, close), self._closed)

    def _closed(self, _event: Any) -> None:  # noqa: ANN401 - a BatchOperationEvent
        """Of the poller: its reply has left, or the client is gone."""
        if self._share is not None:
            self._intake.end(self, self._share)


class GrpcServer:
    """Takes calls and hands each, with its request, to `take` on the loop's thread.

    `options` are gRPC's channel arguments. Calls that `intake` has no room for are refused and
    never taken; `refused` is told of their method and why. With `meet` a call goes there first,
    without its request, which is not read before `ServerCall.read`. `at_work` tells how many calls
    are sure to come, from workers that are at something. Begin with `listen` and `start`, end with
    `stop`.
    """

    def __init__(  # noqa: PLR0913 - all that a server has from outside
        self,
        take: Callable[[ServerCall], None],
        options: Sequence[Option],
        intake: Intake,
        refused: Callable[[str, CallError], object],
        meet: Callable[[ServerCall], None] | None = None,
        *,
        at_work: Callable[[], int] = lambda: 0,
    ) -> None:
        self._first = take if meet is None else meet
        self._asks = meet is None
        self._intake = intake
        self._refused = refused
        self._looking: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._post = Post(self._loop)
        self._poller = Poller(self._post, at_work)
        self._queue = self._poller.queue
        self._server = cygrpc.Server(tuple(options), False)  # noqa: FBT003 - its own signature: no xDS
        self._server.register_completion_queue(self._queue)
        self._stopped = asyncio.Event()
        # gRPC raises where another call is asked for.
        self._is_stopping = False

    def listen(self, address: str, tls: tuple[bytes, bytes] | None = None) -> int:
        """Binds `HOST:PORT` and gives the port; raises `OSError` when it is taken.

        `tls` is a private key and the certificate's chain, in PEM; without, there is no TLS.
        """
        credentials = None
        if tls is not None:
            pair = cygrpc.SslPemKeyCertPair(*tls)
            # Clients prove who they are by tokens, not by certificates.
            credentials = cygrpc.server_credentials_ssl(None, [pair], False)  # noqa: FBT003 - its own signature
        try:
            port: int = self._server.add_http2_port(address.encode(), credentials)
        except RuntimeError as error:
            raise OSError(str(error)) from error
        if not port:
            raise OSError(f"cannot listen on {address}")
        return port

    def start(self) -> None:
        """Begins to take calls."""
        self._server.start()
        self._request_call()
        self._poller.start()
        self._look()

    def _look(self) -> None:
        """Gives up calls whose request does not come: what there is of it is held in memory.

        So are replies that nobody reads.
        """
        # None of them is closed meanwhile.
        with self._poller.between_events():
            given_up = self._intake.look()
            for call, error in given_up:
                call.give_up(str(error))
            for call in self._intake.unread():
                call.give_up(f"The reply was not read after {READING_SECONDS:.0f} s")
        for call, error in given_up:
            call.refuse(_BUSY, str(error))
            self._refused(call.method, error)
        self._looking = self._loop.call_later(_LOOK_SECONDS, self._look)

    async def stop(self, grace: float) -> None:
        """Takes no more calls, and cancels those that have not ended after `grace` seconds."""
        if self._looking is not None:
            self._looking.cancel()
        with self._poller.between_events():
            self._is_stopping = True
            self._server.shutdown(self._queue, self._on_shutdown)
        try:
            await asyncio.wait_for(self._stopped.wait(), grace)
        except TimeoutError:
            self._server.cancel_all_calls()
            await self._stopped.wait()
        self._server.destroy()
        await self._poller.stop()

    # Of the poller: on its thread, or on the loop's

    def _request_call(self) -> None:
        if not self._is_stopping:
            self._server.request_call(self._queue, self._queue, self._on_call)

    def _on_call(self, event: Any) -> None:  # noqa: ANN401 - a RequestCallEvent
        if not event.success:
            return  # it stops
        self._request_call()
        call = ServerCall(event, self._post, self._intake)
        call.enter(self._first, self._refuse, asks=self._asks)

    def _refuse(self, call: ServerCall, error: OverloadError) -> None:
        call.refuse(_BUSY, str(error))
        self._post(self._refused, call.method, error)

    def _on_shutdown(self, _event: Any) -> None:  # noqa: ANN401 - a ServerShutdownEvent
        self._post(self._stopped.set)


def _sendable(details: str) -> bytes:
    """As much of a text as reaches the client with its status."""
    encoded = details.encode(errors="replace")
    if 3 * len(encoded) <= _DETAILS_BYTES_MAX:
        return encoded
    sent = 0
    for at, byte in enumerate(encoded):
        sent += 1 if byte in _AS_IT_IS else 3
        if sent > _DETAILS_BYTES_MAX:
            return encoded[:at].decode(errors="ignore").encode() + b" ..."
    return encoded


def _ignore(_event: Any) -> None:  # noqa: ANN401 - a BatchOperationEvent
    """An operation whose end concerns nobody."""
