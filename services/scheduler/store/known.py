"""Rows of running instances, in memory, by `seq` and by id: a message costs no look-up.

Bounded: who was not met for long is looked up again.
"""

from collections import OrderedDict
from typing import Final

from services.scheduler.store.rows import InstanceRow

_ROWS_MAX: Final = 4_096
# One with a large custom status or failure is looked up.
_ROW_BYTES_MAX: Final = 16_384


class KnownInstances:
    """Rows as they are now. What it does not know is on the disk."""

    def __init__(self) -> None:
        self._rows: OrderedDict[int, InstanceRow] = OrderedDict()
        self._seqs: dict[str, int] = {}

    def keep(self, row: InstanceRow) -> None:
        """A row as it has just been read or written."""
        if row.size > _ROW_BYTES_MAX:
            self.forget(row.seq)
            return
        self._rows[row.seq] = row
        self._seqs[row.instance_id] = row.seq
        if len(self._rows) > _ROWS_MAX:
            self.forget(next(iter(self._rows)))

    def row(self, seq: int) -> InstanceRow | None:
        """That of an incarnation."""
        return self._rows.get(seq)

    def named(self, instance_id: str) -> InstanceRow | None:
        """That of the instance that has this id now."""
        seq = self._seqs.get(instance_id)
        return None if seq is None else self._rows[seq]

    def forget(self, seq: int) -> None:
        """A row that is gone, or is no longer as it was."""
        row = self._rows.pop(seq, None)
        if row is not None:
            del self._seqs[row.instance_id]

    def forget_all(self) -> None:
        """Some of them have been rolled back."""
        self._rows.clear()
        self._seqs.clear()
