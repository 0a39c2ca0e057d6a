"""What a call needs of the wire under it, over gRPC and HTTP, with nobody at its other end."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Self

import grpc

from tests.fuzz.violation import Violation


class Wire:
    """One call; holds what it was answered. `gone` is the client's end of it."""

    def __init__(self, method: str, message: bytes, metadata: Sequence[tuple[str, str]]) -> None:
        self.method = method
        self._message = message
        self._is_read = self._is_gone = False
        self.metadata = tuple(metadata)
        self.ended = asyncio.Event()
        self.code: grpc.StatusCode | None = None
        self.details = ""
        self.sent: list[bytes] = []
        self.opened = asyncio.Event()
        self._act: Callable[[], object] | None = None

    @property
    def message(self) -> bytes:
        """Its request; raises `Violation` before it was read."""
        if not self._is_read:
            raise Violation(f"{self.method} is looked at before it is read")
        return self._message

    def arrive(self, take: Callable[[Self], object]) -> None:
        """Has it taken with its request."""
        if not self._is_gone:
            self._is_read = True
            take(self)

    def read(self, take: Callable[[Self], object]) -> None:
        """Has it taken again once its request is there: in another turn of the loop."""
        asyncio.get_running_loop().call_soon(self.arrive, take)

    def peer(self) -> str:
        """Where the call comes from."""
        return "ipv4:127.0.0.1:1"

    def when_cancelled(self, act: Callable[[], object]) -> None:
        """Notes what to do when the client goes."""
        self._act = act

    def gone(self) -> None:
        """The client gives up."""
        self._is_gone = True
        if not self.ended.is_set() and self._act is not None:
            self._act()

    def open(self) -> None:
        """Begins a stream."""
        self.opened.set()

    def unread(self) -> int:
        """Nothing waits: all is taken at once."""
        return 0

    def when_read(self, _mark: int, _act: Callable[[], object]) -> None:
        """It always is."""

    def write(self, message: bytes) -> None:
        """Takes one response."""
        if self.ended.is_set():
            return
        if not self.opened.is_set():
            raise Violation(f"{self.method} writes to a stream that is not open")
        self.sent.append(message)

    async def flushed(self) -> None:
        """At once."""

    def check_reply(self, _size: int) -> None:
        """All is read at once: there is always room."""

    def reply(self, message: bytes) -> None:
        """Ends with a response."""
        self.sent.append(message)
        self._end(grpc.StatusCode.OK, "")

    def finish(self) -> None:
        """Ends a stream."""
        self._end(grpc.StatusCode.OK, "")

    def refuse(self, code: grpc.StatusCode, details: str) -> None:
        """Ends with an error."""
        self._end(code, details)

    def check(self) -> None:
        """Raises `Violation` for an answer that no caller may get."""
        told = f"{self.method} says {self.code}: {self.details[:300]}"
        if self.code in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}:
            raise Violation(told)
        if "Traceback" in self.details:
            raise Violation(told)

    def _end(self, code: grpc.StatusCode, details: str) -> None:
        if not self.ended.is_set():
            self.code, self.details = code, details
            self.ended.set()


class Exchange:
    """One HTTP request; holds what it was answered. The two ends of ASGI."""

    def __init__(self, body: bytes, *, is_cut: bool) -> None:
        self._given = [body]
        self._is_cut = is_cut
        self.status = 0
        self.body = bytearray()

    async def receive(self) -> dict[str, Any]:
        """The body; behind one that is cut the client is gone."""
        if not self._given:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._given.pop(), "more_body": self._is_cut}

    async def send(self, message: Any) -> None:
        """Takes the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")
