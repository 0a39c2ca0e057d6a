"""Clients of gRPC's bytes that begin requests and do not send all of them, over real sockets."""

import socket
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _WINDOW = 0, 1, 3, 4, 6, 8
_ACK: Final = 1
_END_STREAM: Final = 1
_END_HEADERS: Final = 4
_TABLE_SETTING: Final = 1
_WINDOW_SETTING: Final = 4
_FRAME_BYTES: Final = 16 * 1024
_FIRST_WINDOW: Final = 65_535
# A server says how much that is when a client connects.
_SETTINGS_SECONDS: Final = 10.0


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(text: str) -> bytes:
    """A string of a header as it stands, with its length in seven bits and as many more."""
    size, encoded = len(text), text.encode()
    if size < 127:
        return bytes([size]) + encoded
    length, size = b"\x7f", size - 127
    while size >= 128:
        length += bytes([size % 128 + 128])
        size //= 128
    return length + bytes([size]) + encoded


class HalfSender:
    """One connection. It sends no more than the server's windows let it, as a client must.

    The server must have another window than the usual one.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        # Headers come as they are: no table of them is kept.
        settings = struct.pack(">HI", _TABLE_SETTING, 0)
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, settings))
        self._unread = b""
        self._first = self._window = _FIRST_WINDOW
        self._windows: dict[int, int] = {}
        # By call: how many bytes of its request were sent, and how the server ended it.
        self.sent: dict[int, int] = {}
        self.ended: dict[int, bytes] = {}
        # The server has closed the connection.
        self.is_gone = False
        # Only then it knows how much it may send unasked.
        limit = time.monotonic() + _SETTINGS_SECONDS
        while self._first == _FIRST_WINDOW:
            if time.monotonic() > limit:
                self.close()
                raise TimeoutError("the server lets a client send as much unasked as any does")
            self.hear(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Is gone, without a word."""
        self._socket.close()

    def call(self, path: str, promised: int, *metadata: tuple[str, str]) -> int:
        """Begins a call with a message that is to have so many bytes, and names it."""
        number = 2 * len(self.sent) + 1
        fields = (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "127.0.0.1"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *metadata,
        )
        headers = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS, number, headers))
        self._windows[number], self.sent[number] = self._first, -5
        self._put(number, b"\0" + struct.pack(">I", promised))
        return number

    def send(self, call: int, upto: int) -> None:
        """Sends zeros in the place of a request, as many as it may now, and in all so many."""
        self._send(call, upto, lambda _, size: bytes(size))

    def send_all(self, call: int, message: bytes, seconds: float) -> bool:
        """Sends a request, and tells whether the server took all of it in so many seconds."""
        limit = time.monotonic() + seconds
        while self.sent[call] < len(message) and time.monotonic() < limit:
            self._send(call, len(message), lambda at, size: message[at : at + size])
            self.hear(0.01)
        return self.sent[call] == len(message)

    def _send(self, call: int, upto: int, part: Callable[[int, int], bytes]) -> None:
        while not self.is_gone and call not in self.ended and self.sent[call] < upto:
            room = min(self._window, self._windows[call], _FRAME_BYTES, upto - self.sent[call])
            if room <= 0:
                return
            try:
                self._put(call, part(self.sent[call], room))
            except ConnectionError:
                # Whoever does not answer for long, on a busy machine, is taken for dead.
                self.is_gone = True

    def finish(self, call: int) -> None:
        """Says that nothing more comes."""
        self._socket.sendall(_frame(_DATA, _END_STREAM, call, b""))

    def let_answer(self, call: int, size: int) -> None:
        """Lets the server send so many bytes on a call, whether or not they are taken in."""
        window = struct.pack(">I", size)
        self._socket.sendall(_frame(_WINDOW, 0, 0, window) + _frame(_WINDOW, 0, call, window))

    def hear(self, seconds: float) -> bool:
        """Takes in what the server says; tells whether it has said anything in so many seconds."""
        self._socket.settimeout(max(seconds, 0.001))
        try:
            heard = self._socket.recv(1024 * 1024)
        except (TimeoutError, ConnectionError):
            return False
        finally:
            self._socket.settimeout(30)
        self.is_gone = self.is_gone or not heard
        self._unread += heard
        while len(self._unread) >= 9:
            size = int.from_bytes(self._unread[:3], "big")
            if len(self._unread) < 9 + size:
                break
            kind, flags, stream = struct.unpack(">BBI", self._unread[3:9])
            payload = self._unread[9 : 9 + size]
            self._unread = self._unread[9 + size :]
            self._take(kind, flags, stream, payload)
        return bool(heard)

    def until_ended(self, call: int, seconds: float) -> bytes:
        """The headers with which the server has ended a call; raises `TimeoutError`."""
        limit = time.monotonic() + seconds
        while call not in self.ended:
            if time.monotonic() > limit:
                raise TimeoutError(f"call {call} is still open")
            self.hear(0.1)
        return self.ended[call]

    def _put(self, call: int, data: bytes) -> None:
        self._socket.sendall(_frame(_DATA, 0, call, data))
        self._window -= len(data)
        self._windows[call] -= len(data)
        self.sent[call] += len(data)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[at : at + 6])
                if name == _WINDOW_SETTING:
                    for call in self._windows:
                        self._windows[call] += value - self._first
                    self._first = value
            self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == _WINDOW and stream in self._windows:
            self._windows[stream] += int.from_bytes(payload, "big")
        elif kind in (_HEADERS, _RESET):
            self.ended[stream] = self.ended.get(stream, b"") + payload
