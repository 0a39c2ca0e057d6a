"""Activities from their scheduling on, in memory: what is sent for them, and what a result ends.

Most are sent soon after and have their result soon, and then cost no look-up. Bounded: of a very
wide fan-out the first are kept, which are sent first.
"""

from typing import Final

from services.scheduler.store.rows import ActivityRow

_ROWS_MAX: Final = 32_768
_REQUEST_BYTES_MAX: Final = 6 * 1024 * 1024
# What it costs to keep one, beside its bytes.
_OVERHEAD_BYTES: Final = 120


class RecentActivities:
    """Rows and requests of activities, by their `seq`. What it does not know is on the disk."""

    def __init__(self) -> None:
        self._rows: dict[int, ActivityRow] = {}
        self._requests: dict[int, bytes] = {}
        self._bytes = 0

    def add(self, row: ActivityRow, request: bytes) -> None:
        """One that was just scheduled."""
        if self._bytes < _REQUEST_BYTES_MAX:
            self._requests[row.seq] = request
            self._bytes += len(request) + _OVERHEAD_BYTES
        if len(self._rows) < _ROWS_MAX:
            self._rows[row.seq] = row

    def row(self, seq: int) -> ActivityRow | None:
        """The row as it was written."""
        return self._rows.get(seq)

    def take_request(self, seq: int) -> bytes | None:
        """What a worker is sent; it is kept no longer, because it is sent once as a rule."""
        request = self._requests.pop(seq, None)
        if request is not None:
            self._bytes -= len(request) + _OVERHEAD_BYTES
        return request

    def forget_row(self, seq: int) -> None:
        """A row that is gone, or is no longer as it was written."""
        self._rows.pop(seq, None)

    def forget_rows(self) -> None:
        """Rows that may no longer be as they were written."""
        self._rows.clear()

    def forget(self) -> None:
        """Some of them have been rolled back."""
        self._rows.clear()
        self._requests.clear()
        self._bytes = 0
