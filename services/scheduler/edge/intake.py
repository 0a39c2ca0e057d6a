"""How many calls there are, from whom, and what they hold; past a bound a call is refused unread.

Answers of workers are spared: a worker whose answer was refused would take its work for done. Of
these there may be twice as many; of a connection, that is as many as a worker holds of two kinds.
"""

import threading
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from services.scheduler.bounds import DEFAULTS, Bounds
from services.scheduler.errors import OverloadError

if TYPE_CHECKING:
    from services.scheduler.edge.server import ServerCall

# A request that is not whole after this time never will be.
REQUEST_SECONDS: Final = 30.0
# Nor will a reply be read that has not been after this.
READING_SECONDS: Final = 30.0
# Smaller ones are not looked after: as many as there may be calls are little.
_SMALL_REPLY_BYTES: Final = 1024
# Of the bytes, one connection may have three of four: the largest message, and others beside it.
_OWN_PARTS, _PARTS = 3, 4
_FOR_ANSWERS: Final = 2
# Requests of one connection that are read at once: gRPC holds all of each, and nobody counts that.
# Of the others it holds what comes without being asked for (`app.py`).
RECEIVING_MAX: Final = 64


@dataclass(slots=True)
class _Connection:
    """The calls of one client that are not closed."""

    calls: int = 0
    size: int = 0
    receiving: int = 0
    # Those that do not read their requests yet, the oldest first; made for the first one.
    waiting: "deque[ServerCall] | None" = None


@dataclass(slots=True)
class Share:
    """What one call counts for."""

    connection: _Connection
    # How many times the bounds are allowed to it.
    times: int
    # Whether it reads its request at once; otherwise `ServerCall.begin` is called when it may.
    begins: bool
    size: int = 0
    has_ended: bool = False


@dataclass(slots=True)
class Intake:
    """The calls of one server. For any thread. `spared` are methods, as the wire names them."""

    bounds: Bounds = DEFAULTS
    spared: Collection[str] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _calls: int = 0
    _bytes: int = 0
    _connections: dict[bytes, _Connection] = field(default_factory=dict)
    # Whose request is not there yet, and since when: the oldest first.
    _arriving: dict["ServerCall", float] = field(default_factory=dict)
    # The same of those whose reply has not left.
    _leaving: dict["ServerCall", float] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """Calls that are not closed yet."""
        return self._calls

    @property
    def held(self) -> int:
        """Bytes that they hold."""
        return self._bytes

    @property
    def connections(self) -> int:
        """Those that are remembered."""
        return len(self._connections)

    def admit(self, call: "ServerCall", connection: bytes, size: int = 0) -> Share:
        """One more call, whose request is still to come; raises `OverloadError`.

        `size` is that of its metadata, in bytes.
        """
        times = _FOR_ANSWERS if call.method in self.spared else 1
        with self._lock:
            own = self._connections.get(connection)
            if own is None:
                own = self._connections[connection] = _Connection()
            self._check(own, times)
            self._calls += 1
            own.calls += 1
            self._arriving[call] = time.monotonic()
            begins = own.receiving < RECEIVING_MAX
            if begins:
                own.receiving += 1
            else:
                if own.waiting is None:
                    own.waiting = deque()
                own.waiting.append(call)
            share = Share(own, times, begins)
            self._hold(share, size)
        return share

    def _check(self, own: _Connection, times: int) -> None:
        bounds = self.bounds
        if own.calls >= bounds.connection_calls_max * times:
            raise OverloadError(
                "Too many calls of this connection are not answered yet",
                "connection_calls_max",
                bounds.connection_calls_max,
            )
        if self._calls >= bounds.calls_max * times:
            text = "Too many calls are not answered yet"
            raise OverloadError(text, "calls_max", bounds.calls_max)
        self._check_bytes(own.size + 1, self._bytes + 1, times)

    def _check_bytes(self, own: int, total: int, times: int) -> None:
        bound = self.bounds.call_bytes_max
        if total > bound * times:
            text = "The calls that are not answered yet hold too many bytes"
            raise OverloadError(text, "call_bytes_max", bound)
        if own * _PARTS > bound * times * _OWN_PARTS:
            text = "The calls of this connection hold too many bytes, more than three of four"
            raise OverloadError(text, "call_bytes_max", bound)

    def arrived(self, call: "ServerCall", share: Share, size: int) -> bool:
        """Its request of so many bytes is there, or never will be: another one may begin.

        Tells whether the call has not been given up meanwhile; raises `OverloadError`.
        """
        own = share.connection
        following = None
        with self._lock:
            is_wanted = self._arriving.pop(call, None) is not None
            if own.waiting:
                following = own.waiting.popleft()
            else:
                own.receiving -= 1
            error = self._no_room(share, size) if is_wanted else None
            if is_wanted and error is None:
                self._hold(share, size)
        if following is not None:
            following.begin()
        if error is not None:
            raise error
        return is_wanted

    def _no_room(self, share: Share, size: int) -> OverloadError | None:
        """Why a call must not hold so many bytes more. One always may, whatever it has."""
        connection, total = share.connection.size, self._bytes
        try:
            if total > share.size:
                # Of a connection, too.
                own = connection + size if connection > share.size else 0
                self._check_bytes(own, total + size, share.times)
        except OverloadError as error:
            return error
        return None

    def _hold(self, share: Share, size: int) -> None:
        self._bytes += size
        share.size += size
        share.connection.size += size

    def late(self) -> "list[ServerCall]":
        """Calls whose request did not come in time: they are given up. To be called often."""
        limit = time.monotonic() - REQUEST_SECONDS
        with self._lock:
            late = []
            for call, since in self._arriving.items():
                if since > limit:
                    break
                late.append(call)
            for call in late:
                del self._arriving[call]
            # Kept so long: a client that calls, and calls again, is the same one.
            idle = [at for at, own in self._connections.items() if not own.calls + own.receiving]
            for connection in idle:
                del self._connections[connection]
        return late

    def check_reply(self, share: Share, size: int) -> None:
        """Raises `OverloadError` where a reply of so many bytes must not be sent."""
        with self._lock:
            error = self._no_room(share, size)
        if error is not None:
            raise error

    def add_reply(self, call: "ServerCall", share: Share, size: int) -> None:
        """A reply of so many bytes is on its way, if the call is not closed."""
        with self._lock:
            if not share.has_ended:
                self._hold(share, size)
                if size > _SMALL_REPLY_BYTES:
                    self._leaving[call] = time.monotonic()

    def unread(self) -> "list[ServerCall]":
        """Calls whose reply has not left in time. To be called while none ends."""
        limit = time.monotonic() - READING_SECONDS
        with self._lock:
            return [call for call, since in self._leaving.items() if since <= limit]

    def end(self, call: "ServerCall", share: Share) -> None:
        """A call that is closed."""
        with self._lock:
            share.has_ended = True
            self._calls -= 1
            self._hold(share, -share.size)
            share.connection.calls -= 1
            self._leaving.pop(call, None)
