"""How many calls there are, from whom, and what they hold; past a bound a call is refused unread.

Answers of workers are spared: a worker whose answer was refused would take its work for done. Of
these there may be twice as many; of a connection, that is as many as a worker holds of two kinds.
"""

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from services.scheduler.bounds import DEFAULTS, Bounds
from services.scheduler.edge.turns import NEW, Connection, Turns, places_of
from services.scheduler.errors import LateRequestError, OverloadError

if TYPE_CHECKING:
    from services.scheduler.edge.server import ServerCall

# A request that is not whole after this time never will be.
REQUEST_SECONDS: Final = 30.0
# Nor does it keep its place any longer than this while a connection waits that has none.
GRACE_SECONDS: Final = 5.0
# Nor will a reply be read that has not been after this.
READING_SECONDS: Final = 30.0
# Smaller ones are not looked after: as many as there may be calls are little.
_SMALL_REPLY_BYTES: Final = 1024
# Of the bytes, one connection may have three of four: the largest message, and others beside it.
_OWN_PARTS, _PARTS = 3, 4
_FOR_ANSWERS: Final = 2


@dataclass(slots=True)
class Share:
    """What one call counts for."""

    connection: Connection
    # How many times the bounds are allowed to it.
    times: int
    # When its request was asked for, and then when gRPC began to read it.
    since: float
    size: int = 0
    is_reading: bool = False
    has_ended: bool = False


@dataclass(slots=True)
class Intake:
    """The calls of one server. For any thread. `spared` are methods, as the wire names them."""

    bounds: Bounds = DEFAULTS
    spared: Collection[str] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _calls: int = 0
    _bytes: int = 0
    _connections: dict[bytes, Connection] = field(default_factory=dict)
    # Whose request was asked for and is not there yet: the oldest first.
    _arriving: dict["ServerCall", Share] = field(default_factory=dict)
    # Whose reply has not left yet, and since when: the oldest first.
    _leaving: dict["ServerCall", float] = field(default_factory=dict)
    _turns: Turns = field(init=False)
    # Where all hold no more than one connection may, none of the bounds on bytes is met.
    _bytes_of_one: int = field(init=False)

    def __post_init__(self) -> None:
        self._turns = Turns(places_of(self.bounds.message_bytes_max))
        self._bytes_of_one = self.bounds.call_bytes_max * _OWN_PARTS // _PARTS

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

    @property
    def reading(self) -> int:
        """Requests that are being read: what there is of them is held by gRPC, beside `held`."""
        return self._turns.taken

    def admit(
        self, call: "ServerCall", connection: bytes, size: int = 0, *, asks: bool = True
    ) -> Share:
        """One more call, whose request is still to come; raises `OverloadError`.

        `size` is that of its metadata, in bytes. Without `asks` its request is not read before
        `ask`; with it, it is read at once if `is_reading`, and otherwise as there.
        """
        times = _FOR_ANSWERS if call.method in self.spared else 1
        with self._lock:
            own = self._connections.get(connection)
            if own is None:
                own = self._connections[connection] = Connection()
            bounds = self.bounds
            if (
                own.calls >= bounds.connection_calls_max
                or self._calls >= bounds.calls_max
                or self._bytes >= self._bytes_of_one
            ):
                self._check(own, times)
            self._calls += 1
            own.calls += 1
            self._bytes += size
            own.size += size
            share = Share(own, times, time.monotonic(), size)
            if asks:
                self._line_up(call, share)
        return share

    def ask(self, call: "ServerCall", share: Share) -> bool:
        """Whether the request is read at once; else `ServerCall.begin` is called in its turn."""
        with self._lock:
            share.since = time.monotonic()
            self._line_up(call, share)
            # Its turn may come the moment the lock is free: then it is begun there, and only there.
            return share.is_reading

    def _line_up(self, call: "ServerCall", share: Share) -> None:
        self._arriving[call] = share
        share.is_reading = self._turns.take(share.connection)
        if not share.is_reading:
            self._turns.wait(share.connection, call)

    def _check(self, own: Connection, times: int) -> None:
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

    def arrived(self, call: "ServerCall", share: Share, size: int | None) -> bool:
        """Its request of so many bytes is there, or (None) never will be: another one may begin.

        Tells whether the call has not been given up meanwhile; raises `OverloadError`.
        """
        own, turns = share.connection, self._turns
        following = None
        with self._lock:
            is_wanted = self._arriving.pop(call, None) is not None
            turns.free(own)
            if own.rank == NEW and is_wanted and size is not None:
                turns.prove(own)
            if turns.waiting:
                following = self._following()
            error = None
            if is_wanted and size:
                if self._bytes + size > self._bytes_of_one:
                    error = self._no_room(share, size)
                if error is None:
                    self._hold(share, size)
        if following is not None:
            for one in following:
                one.begin()
        if error is not None:
            raise error
        return is_wanted

    def _following(self) -> "list[ServerCall]":
        """Those that have waited and are read now."""
        following = []
        while (call := self._turns.next()) is not None:
            share = self._arriving.pop(call)
            share.since, share.is_reading = time.monotonic(), True
            # Again the youngest of them.
            self._arriving[call] = share
            following.append(call)
        return following

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

    def look(self) -> "list[tuple[ServerCall, LateRequestError]]":
        """Calls whose request did not come in time: they are given up. To be called often."""
        now = time.monotonic()
        with self._lock:
            given_up = [
                *self._late(now),
                *((call, LateRequestError(GRACE_SECONDS, others=True)) for call in self._slow(now)),
            ]
            self._turns.look(self._connections.values())
            for at in [at for at, own in self._connections.items() if self._turns.forgets(own)]:
                del self._connections[at]
            following = self._following()
        for one in following:
            one.begin()
        return given_up

    def _late(self, now: float) -> "list[tuple[ServerCall, LateRequestError]]":
        late = []
        for call, share in self._arriving.items():
            if share.since > now - REQUEST_SECONDS:
                break
            late.append((call, LateRequestError(REQUEST_SECONDS, is_read=share.is_reading)))
        for call, _ in late:
            self._give_up(call)
        return late

    def _slow(self, now: float) -> "list[ServerCall]":
        """One for each connection that waits for the place of another, as far as there are any."""
        slow = []
        for call, share in self._arriving.items():
            if share.since > now - GRACE_SECONDS:
                break
            if share.is_reading:
                slow.append((call, share))
        # Of the connections that are least trusted first, answers last, and then the oldest.
        slow.sort(key=lambda each: (-each[1].connection.rank, each[1].times))
        given_up = []
        for waiting in self._turns.in_line() if slow else ():
            for at, (call, share) in enumerate(slow):
                if self._turns.may_follow(waiting, share.connection):
                    given_up.append(call)
                    del slow[at]
                    break
            if not slow:
                break
        for call in given_up:
            self._give_up(call)
        return given_up

    def _give_up(self, call: "ServerCall") -> None:
        share = self._arriving.pop(call)
        if share.is_reading:
            # It has its place until gRPC has let go of what it has read.
            self._turns.doubt(share.connection)
        else:
            self._turns.leave(share.connection, call)

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
