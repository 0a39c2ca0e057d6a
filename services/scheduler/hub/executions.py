"""The histories of running instances, folded, in a bounded cache: a turn reads only what is new."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from services.scheduler.engine.instance import Instance, fold_all
from services.scheduler.hub.wire import events_in
from services.scheduler.store.store import Store

# Of all histories together; the rest is read from the disk again when its turn comes.
CACHE_BYTES_MAX: Final = 24 * 1024 * 1024
# What an instance costs beside the bytes of its history.
_OVERHEAD_BYTES: Final = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An instance, the stored bytes that it was folded from, and the number of the next turn."""

    instance: Instance = field(default_factory=Instance)
    chunks: tuple[bytes, ...] = ()
    events: int = 0
    turn: int = 0

    def after(self, instance: Instance, chunk: bytes, events: int) -> "Execution":
        """The execution after one more turn."""
        return Execution(
            instance=instance,
            chunks=(*self.chunks, chunk),
            events=self.events + events,
            turn=self.turn + 1,
        )

    @property
    def size(self) -> int:
        """Bytes in the cache, about."""
        return _OVERHEAD_BYTES + 2 * sum(map(len, self.chunks))


class Executions:
    """Loads executions, and keeps those that were used last."""

    def __init__(self, store: Store, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._store = store
        self._bytes_max = bytes_max
        self._bytes = 0
        self._kept: OrderedDict[int, tuple[Execution, int]] = OrderedDict()

    def load(self, seq: int) -> Execution:
        """The execution of an instance, empty before its first turn."""
        kept = self._kept.get(seq)
        if kept is not None:
            self._kept.move_to_end(seq)
            return kept[0]
        rows = self._store.load_history(seq)
        chunks = tuple(chunk for _turn, _events, chunk in rows)
        execution = Execution(
            instance=fold_all(events_in(b"".join(chunks))),
            chunks=chunks,
            events=sum(events for _turn, events, _chunk in rows),
            turn=rows[-1][0] + 1 if rows else 0,
        )
        self.keep(seq, execution)
        return execution

    def keep(self, seq: int, execution: Execution) -> None:
        """Remembers what a turn has made of an execution."""
        self.forget(seq)
        size = execution.size
        self._kept[seq] = (execution, size)
        self._bytes += size
        while self._bytes > self._bytes_max and len(self._kept) > 1:
            _seq, (_execution, freed) = self._kept.popitem(last=False)
            self._bytes -= freed

    def forget_all(self) -> None:
        """What the cache knows may have been rolled back."""
        self._kept.clear()
        self._bytes = 0

    def forget(self, seq: int) -> None:
        """What the cache knows is no longer true, or no longer wanted."""
        kept = self._kept.pop(seq, None)
        if kept is not None:
            self._bytes -= kept[1]
