"""A gRPC server on gRPC's completion queue: one thread polls it, all else happens on the loop.

`grpc.aio` spends a task, three futures and four wake-ups of the loop on a call, 0.22 ms of CPU for
an activity; this spends half of that: the poller takes a call up to its message by itself and
wakes the loop once for all that have come. gRPC's sync and aio servers stand on the same classes,
but those are private to the `grpc` package: nothing else here may touch them, and the version is
pinned by the lock.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # private, and so without types

log = logging.getLogger(__name__)

_NO_FLAGS: Final = 0
_OK: Final = grpc.StatusCode.OK.value[0]
# A client drops headers above 8 KiB, and the status with them; its text is percent-encoded there.
_DETAILS_BYTES_MAX: Final = 4 * 1024
_AS_IT_IS: Final = frozenset(range(0x20, 0x7F)) - {ord("%")}

Metadata = Sequence[tuple[str, str | bytes]]
Option = tuple[str, int]


class ServerCall:
    """One call with its request's bytes. Made by the server; its methods are for the loop's thread.

    The first of `reply`, `refuse` and `finish` ends it, and the others then do nothing. A call that
    the client has given up may still be written to and ended: that is lost without a word.
    """

    __slots__ = (
        "_call",
        "_has_ended",
        "_is_watched",
        "_post",
        "_stream",
        "message",
        "metadata",
        "method",
    )

    def __init__(self, event: Any, post: "Post") -> None:  # noqa: ANN401 - a RequestCallEvent
        self._call = event.call
        self._post = post
        self._is_watched = self._has_ended = False
        self._stream: _Stream | None = None
        self.method: str = event.call_details.method.decode(errors="replace")
        self.metadata: Metadata = event.invocation_metadata
        self.message = b""

    def peer(self) -> str:
        """The client's address. Only for a call that has not ended: gRPC crashes otherwise."""
        return str(self._call.peer().decode(errors="replace"))

    def when_cancelled(self, act: Callable[[], object]) -> None:
        """Does something, once, when the client gives up or is gone before the call was ended."""
        self._is_watched = True

        def closed(event: Any) -> None:  # noqa: ANN401 - a BatchOperationEvent
            if event.batch_operations[0].cancelled():
                self._post(act)

        close = cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS)
        _start(self._post, self._call, (close,), closed)

    def reply(self, message: bytes) -> None:
        """Ends a call with its one response."""
        if self._ends():
            self._end_with(
                cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS),
                cygrpc.SendMessageOperation(message, _NO_FLAGS),
                cygrpc.SendStatusFromServerOperation(None, _OK, b"", _NO_FLAGS),
            )

    def refuse(self, code: grpc.StatusCode, details: str) -> None:
        """Ends a call, or a stream that is open, with an error."""
        if not self._ends():
            return
        status = cygrpc.SendStatusFromServerOperation(
            None, code.value[0], _sendable(details), _NO_FLAGS
        )
        if self._stream is not None:
            self._stream.put(status)
        else:
            self._end_with(cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS), status)

    def open(self) -> None:
        """Begins a stream of responses: the client sees it as open from now on."""
        self._stream = _Stream(self._call, self._post)

    def write(self, message: bytes) -> None:
        """Sends one response of a stream, after those before it."""
        self._opened.put(message)

    async def flushed(self) -> None:
        """Waits until what was written has left for the client, or never will."""
        await self._opened.flushed()

    def finish(self) -> None:
        """Ends a stream, once what was written has been sent."""
        if self._ends():
            self._opened.put(cygrpc.SendStatusFromServerOperation(None, _OK, b"", _NO_FLAGS))

    @property
    def _opened(self) -> "_Stream":
        if self._stream is None:
            raise RuntimeError("the stream is not open")
        return self._stream

    def _ends(self) -> bool:
        """Whether this is the first end. gRPC takes no second one."""
        is_first, self._has_ended = not self._has_ended, True
        return is_first

    def _end_with(self, *operations: Any) -> None:  # noqa: ANN401 - gRPC's operations
        if not self._is_watched:
            # Every call must be asked once whether it was closed.
            operations = (*operations, cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS))
        _start(self._post, self._call, operations, _ignore)


class _Stream:
    """The responses of a call, one operation at a time: gRPC takes no second one before that."""

    def __init__(self, call: Any, post: "Post") -> None:  # noqa: ANN401 - a cygrpc.Call
        self._call = call
        self._post = post
        # The loop adds, the poller takes.
        self._lock = threading.Lock()
        # Messages, and last the operation that sends the status.
        self._waiting: deque[Any] = deque()
        self._is_busy = True
        self._is_lost = False
        self._flushed: list[asyncio.Future[None]] = []
        operation = cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS)
        _start(post, call, (operation,), self._sent)

    def put(self, item: Any) -> None:  # noqa: ANN401 - bytes, or a SendStatusFromServerOperation
        with self._lock:
            if self._is_lost:
                return
            if self._is_busy:
                self._waiting.append(item)
                return
            self._is_busy = True
        self._send(item, _NO_FLAGS)

    async def flushed(self) -> None:
        with self._lock:
            if not self._is_busy:
                return
            future = asyncio.get_running_loop().create_future()
            self._flushed.append(future)
        await future

    def _send(self, item: Any, flags: int) -> None:  # noqa: ANN401 - as in `put`
        is_message = isinstance(item, bytes)
        operation = cygrpc.SendMessageOperation(item, flags) if is_message else item
        _start(self._post, self._call, (operation,), self._sent)

    def _sent(self, event: Any) -> None:  # noqa: ANN401 - a BatchOperationEvent
        """On the poller's thread: the next one, if there is one."""
        item = None
        with self._lock:
            if not event.success:
                # The client is gone; whoever watches the call is told.
                self._is_lost = True
                self._waiting.clear()
            if self._waiting:
                item = self._waiting.popleft()
            # What is followed at once by another may wait for it: one packet wakes a worker once.
            flags = cygrpc.WriteFlag.buffer_hint if self._waiting else _NO_FLAGS
            self._is_busy = item is not None
            flushed = []
            if not self._is_busy:
                flushed, self._flushed = self._flushed, flushed
        if item is not None:
            self._send(item, flags)
        for future in flushed:
            self._post(_release, future)


class Post:
    """Hands calls over from the poller's thread to the loop, which wakes once for many."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._is_awake = False
        # The queue is shut down: an operation that is begun after that ends the process.
        self.is_closed = False

    def __call__(self, act: Callable[..., object], *arguments: Any) -> None:  # noqa: ANN401 - any
        """Has the loop do something, after what it was handed before."""
        self._waiting.append((act, arguments))
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        # Before the first look: what comes after the last one wakes the loop again.
        self._is_awake = False
        while self._waiting:
            act, arguments = self._waiting.popleft()
            act(*arguments)


class GrpcServer:
    """Takes calls and hands each, with its request, to `take` on the loop's thread.

    `options` are gRPC's channel arguments. Begin with `listen` and `start`, end with `stop`.
    """

    def __init__(self, take: Callable[[ServerCall], None], options: Sequence[Option]) -> None:
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._post = Post(self._loop)
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(tuple(options), False)  # noqa: FBT003 - its own signature: no xDS
        self._server.register_completion_queue(self._queue)
        self._stopped = asyncio.Event()
        # Held by the poller while it is at an event: the loop ends things only between two of them.
        self._handling = threading.Lock()
        # gRPC raises where another call is asked for.
        self._is_stopping = False
        # A daemon: a process that ends by an error is not kept alive by what it served.
        self._poller = threading.Thread(target=self._poll, name="grpc", daemon=True)

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

    async def stop(self, grace: float) -> None:
        """Takes no more calls, and cancels those that have not ended after `grace` seconds."""
        with self._handling:
            self._is_stopping = True
            self._server.shutdown(self._queue, self._on_shutdown)
        try:
            await asyncio.wait_for(self._stopped.wait(), grace)
        except TimeoutError:
            self._server.cancel_all_calls()
            await self._stopped.wait()
        self._server.destroy()
        with self._handling:
            self._post.is_closed = True
            self._queue.shutdown()
        await self._loop.run_in_executor(None, self._poller.join)

    # The poller's thread

    def _poll(self) -> None:
        while True:
            event = self._queue.poll()
            if event.completion_type == cygrpc.CompletionType.queue_shutdown:
                return
            try:
                with self._handling:
                    event.tag(event)
            except Exception as error:  # noqa: BLE001 - the loop is told, whatever it was
                # The poller goes on: without it no stop would ever end.
                self._post(_reraise, error)
            # What it refers to must not outlive it until the next one comes.
            del event

    def _request_call(self) -> None:
        if not self._is_stopping:
            self._server.request_call(self._queue, self._queue, self._on_call)

    def _on_call(self, event: Any) -> None:  # noqa: ANN401 - a RequestCallEvent
        if not event.success:
            return  # it stops
        self._request_call()
        call = ServerCall(event, self._post)

        def received(event: Any) -> None:  # noqa: ANN401 - a BatchOperationEvent
            message = event.batch_operations[0].message()
            if message is None:
                # It was cancelled, was too large (gRPC has told the client), or there was none.
                call.refuse(grpc.StatusCode.INTERNAL, "The call has no request")
                return
            call.message = message
            self._post(self._take, call)

        receive = cygrpc.ReceiveMessageOperation(_NO_FLAGS)
        _start(self._post, event.call, (receive,), received)

    def _on_shutdown(self, _event: Any) -> None:  # noqa: ANN401 - a ServerShutdownEvent
        self._post(self._stopped.set)


def _start(
    post: Post,
    call: Any,  # noqa: ANN401 - a cygrpc.Call
    operations: tuple[Any, ...],
    tag: Callable[[Any], None],
) -> None:
    """Begins operations; they are lost without a word once the server has stopped."""
    if not post.is_closed:
        call.start_server_batch(operations, tag)


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


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _reraise(error: Exception) -> None:
    raise error
