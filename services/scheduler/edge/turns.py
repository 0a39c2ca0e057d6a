"""Which requests are read at once: a few over all connections, and whose turn is next.

gRPC holds what it has read of a request, up to the largest there may be, and tells of none before
it is whole: each takes a place, and there are as many as there may be memory for. A small one has
come with its call and gives its place back at once. Whoever sends slowly does not: so connections
that have proved to send whole requests may have all places, and all others some of them.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from services.scheduler.edge.server import ServerCall

# So much is held of what is read at the most, unless two of the largest requests are more.
READING_BYTES_MAX: Final = 512 * 1024 * 1024
# More serve nobody: small requests need a place for no time, and large ones wait for the network.
_PLACES_MAX: Final = 64
_PLACES_MIN: Final = 2
# Of the places, a connection that has proved itself may have one of two; any other has one. These
# have together one of two, and those of them that were too slow one of four.
_OWN_PARTS: Final = 2
_NEW_PARTS: Final = 2
_DOUBTED_PARTS: Final = 4
# How many looks a connection stands back after it was too slow, and is remembered without calls.
_LOOKS_DOUBTED: Final = 60
_LOOKS_REMEMBERED: Final = 10

# The ranks of connections: has sent a whole request, has not sent one yet, was too slow lately.
PROVEN: Final = 0
NEW: Final = 1
DOUBTED: Final = 2
_IN_ORDER: Final = (PROVEN, NEW, DOUBTED)
_NEW_FIRST: Final = (NEW, PROVEN, DOUBTED)


def places_of(message_bytes_max: int) -> int:
    """How many requests are read at once where the largest one has so many bytes."""
    return max(_PLACES_MIN, min(_PLACES_MAX, READING_BYTES_MAX // message_bytes_max))


@dataclass(slots=True, eq=False)
class Connection:
    """One client: its calls that are not closed, what they hold, and how it sends."""

    calls: int = 0
    size: int = 0
    # Requests that are being read: the places that it has.
    reading: int = 0
    rank: int = NEW
    # Calls whose requests are not read yet, the oldest first; made for the first one.
    waiting: "OrderedDict[ServerCall, None] | None" = None
    looks_idle: int = 0
    looks_doubted: int = 0


class Turns:
    """The places of one server. For one thread at a time: the intake's lock sees to that."""

    def __init__(self, places: int) -> None:
        self._places = places
        # By rank.
        self._places_own = (max(1, places // _OWN_PARTS), 1, 1)
        self._places_new = max(1, places // _NEW_PARTS)
        self._places_doubted = max(1, places // _DOUBTED_PARTS)
        self.taken = 0
        # How many calls wait.
        self.waiting = 0
        # Both by rank. In line are connections with calls that wait for places of others.
        self._taken = [0, 0, 0]
        self._lines: tuple[OrderedDict[Connection, None], ...] = tuple(
            OrderedDict() for _ in _IN_ORDER
        )

    def take(self, own: Connection) -> bool:
        """Takes a place for a request, if there is one now."""
        rank = own.rank
        if (
            own.waiting
            or own.reading >= self._places_own[rank]
            or self.taken >= self._places
            or (rank and not self._has_room(rank))
        ):
            return False
        own.reading += 1
        self.taken += 1
        self._taken[rank] += 1
        return True

    def wait(self, own: Connection, call: "ServerCall") -> None:
        """Has `next` give a call that has found no place, in its turn."""
        if own.waiting is None:
            own.waiting = OrderedDict()
        own.waiting[call] = None
        self.waiting += 1
        self._line_up(own)

    def leave(self, own: Connection, call: "ServerCall") -> None:
        """A call that waits no longer."""
        if own.waiting and call in own.waiting:
            del own.waiting[call]
            self.waiting -= 1
            if not own.waiting:
                self._lines[own.rank].pop(own, None)

    def free(self, own: Connection) -> None:
        """Gives a place back: the request is there, or never will be."""
        own.reading -= 1
        self.taken -= 1
        self._taken[own.rank] -= 1
        if own.waiting:
            self._line_up(own)

    def next(self) -> "ServerCall | None":
        """The call whose request is read now. It has a place, and was not asked for before."""
        # Who is new is not kept out by those who are not.
        for rank in _IN_ORDER if self._taken[NEW] else _NEW_FIRST:
            line = self._lines[rank]
            if line and self._has_room(rank):
                own, _ = line.popitem(last=False)
                if not own.waiting:
                    raise RuntimeError("a connection in line without a call that waits")
                call, _ = own.waiting.popitem(last=False)
                self.waiting -= 1
                own.reading += 1
                self.taken += 1
                self._taken[rank] += 1
                self._line_up(own)
                return call
        return None

    def prove(self, own: Connection) -> None:
        """It has sent a whole request."""
        if own.rank == NEW:
            self._rank(own, PROVEN)

    def doubt(self, own: Connection) -> None:
        """It was too slow: for a while it stands back behind all others."""
        own.looks_doubted = _LOOKS_DOUBTED
        self._rank(own, DOUBTED)

    def in_line(self) -> Iterator[Connection]:
        """Connections that wait for places of others, in the order in which they get them."""
        return chain.from_iterable(self._lines)

    def may_follow(self, waiting: Connection, holder: Connection) -> bool:
        """Whether one connection in line could have a place that another one has."""
        if waiting is holder:
            return False
        if waiting.rank == DOUBTED:
            return holder.rank == DOUBTED
        if waiting.rank == NEW and self._taken[NEW] + self._taken[DOUBTED] >= self._places_new:
            return holder.rank != PROVEN
        return True

    def look(self, connections: Iterable[Connection]) -> None:
        """Once in a while, for all there are: doubts end, and idle ones are forgotten."""
        for own in connections:
            own.looks_idle = 0 if own.calls or own.reading else own.looks_idle + 1
            if own.looks_doubted:
                own.looks_doubted -= 1
                if not own.looks_doubted:
                    self._rank(own, NEW)

    def forgets(self, own: Connection) -> bool:
        """Whether nothing is to be remembered of a connection any more."""
        return own.looks_idle > _LOOKS_REMEMBERED and not own.looks_doubted

    def _has_room(self, rank: int) -> bool:
        if self.taken >= self._places:
            return False
        doubted = self._taken[DOUBTED]
        if rank == DOUBTED and doubted >= self._places_doubted:
            return False
        return rank == PROVEN or self._taken[NEW] + doubted < self._places_new

    def _line_up(self, own: Connection) -> None:
        """Whoever has as many places as one may have waits for itself alone."""
        if own.waiting and own.reading < self._places_own[own.rank]:
            self._lines[own.rank][own] = None

    def _rank(self, own: Connection, rank: int) -> None:
        self._taken[own.rank] -= own.reading
        self._lines[own.rank].pop(own, None)
        own.rank = rank
        self._taken[rank] += own.reading
        self._line_up(own)
