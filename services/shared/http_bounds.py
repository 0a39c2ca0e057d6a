"""What an HTTP port holds at once, and for how long: connections, headers, what is half sent.

uvicorn waits for ever for a request that has begun, and for a client that reads no answer.
"""

import asyncio
import json
import sys
from typing import ClassVar, Final

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

# Room for the longest tokens and addresses.
HEADER_BYTES_MAX: Final = 32 * 1024
# From a connection, or its next request's first byte, until its headers are there.
HEADER_SECONDS: Final = 10.0
# From there until its body is,
BODY_SECONDS: Final = 30.0
# and as long as an answer may lie unread.
UNREAD_SECONDS: Final = 30.0
# Connections above the bound are told why, as many as there are below it; those beyond are dropped.
TOLD: Final = 2
# Whoever watches must see that an overloaded service lives.
_SPARED: Final = frozenset({"/healthz"})
_HEADERS_TOO_LARGE: Final = 431
_TOO_LARGE: Final = f"The headers have more than {HEADER_BYTES_MAX} bytes"
_EXHAUSTED: Final = "RESOURCE_EXHAUSTED"


class BoundedProtocol(H11Protocol):
    """One connection. `bounded` makes the class that a server is given."""

    connections_max: ClassVar[int]
    refusal: ClassVar[str]
    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    # What the timer waits for: the state that it was set in.
    _awaited: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Counts it; one too many is told so at its first request."""
        super().connection_made(transport)
        number = len(self.connections)
        if number > self.connections_max * TOLD:
            transport.abort()
            return
        self._own_app = self.app
        self.app = self._overloaded if number > self.connections_max else self._measured
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Has the time of what is half sent run, and no longer."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        super().connection_lost(exc)
        self._cancel()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client does not read: it has some time to begin."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:
        """What cannot be read is refused; headers that are too large with a status of their own."""
        status = getattr(sys.exc_info()[1], "error_status_hint", 400)
        if status == _HEADERS_TOO_LARGE:
            self._answer(status, _EXHAUSTED, _TOO_LARGE)
        else:
            self._answer(status, "INVALID_ARGUMENT", msg)

    def _watch(self) -> None:
        state = self.conn.their_state
        if state is self._awaited or self.transport.is_closing():
            return
        self._cancel()
        seconds = {h11.IDLE: HEADER_SECONDS, h11.SEND_BODY: BODY_SECONDS}.get(state)
        if seconds is not None:
            self._awaited = state
            self._timer = self.loop.call_later(seconds, self._too_late)

    def _cancel(self) -> None:
        self._awaited = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_response_complete(self) -> None:
        """Between two requests uvicorn's own, shorter time runs."""
        self._cancel()
        super().on_response_complete()

    def _too_late(self) -> None:
        begun = self.conn.trailing_data[0] or self.conn.their_state is h11.SEND_BODY
        if begun and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._answer(408, _EXHAUSTED, "The request did not come in time")
        else:
            self.transport.close()

    def _answer(self, status: int, code: str, message: str) -> None:
        body = _document(code, message)
        for event in (
            h11.Response(status_code=status, headers=_headers(body)),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What has come whole has no bound in h11, however large it is."""
        size = len(scope["raw_path"]) + len(scope["query_string"])
        size += sum([len(name) + len(value) for name, value in scope["headers"]])
        if size > HEADER_BYTES_MAX:
            await _refuse(send, _HEADERS_TOO_LARGE, _TOO_LARGE)
        else:
            await self._own_app(scope, receive, send)

    async def _overloaded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in _SPARED:
            await self._measured(scope, receive, send)
        else:
            await _refuse(send, 503, self.refusal)


async def _refuse(send: Send, status: int, message: str) -> None:
    body = _document(_EXHAUSTED, message)
    await send({"type": "http.response.start", "status": status, "headers": _headers(body)})
    await send({"type": "http.response.body", "body": body})


def _document(code: str, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


def _headers(body: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]


def bounded(connections: int, refusal: str) -> type[asyncio.Protocol]:
    """The class of connections for a server that takes so many, and says this to the others."""
    return type("Bounded", (BoundedProtocol,), {"connections_max": connections, "refusal": refusal})
