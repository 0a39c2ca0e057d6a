"""What orchestrations of one hub began and ended: counted, and told in the log, once committed.

Those that a client started are told at INFO, sub-orchestrations at DEBUG. A client that starts
thousands is told of in sums: a log that grows with the load is no use when it is needed.
"""

import asyncio
import logging
from collections import Counter
from typing import Final

from services.scheduler.engine.status import Status
from services.scheduler.store.rows import InstanceRow

log = logging.getLogger(__name__)

# So many lines a second; what comes above that is told as a sum when the second is over.
_LINES_MAX: Final = 10
_SECONDS: Final = 1.0


class Journal:
    """Counts since the start, and lines in the log. Everything here runs on the loop's thread."""

    def __init__(self, task_hub: str) -> None:
        self._task_hub = task_hub
        self._loop = asyncio.get_running_loop()
        self.started_count = 0
        self.ended_counts: Counter[Status] = Counter()
        self._since = 0.0
        self._lines = 0
        self._untold: Counter[str] = Counter()

    def started(self, row: InstanceRow) -> None:
        """A new instance is on the disk."""
        self.started_count += 1
        self._tell(row, "started")

    def ended(self, row: InstanceRow, status: Status) -> None:
        """An instance has ended, and that is on the disk."""
        self.ended_counts[status] += 1
        self._tell(row, status.name.lower())

    def _tell(self, row: InstanceRow, what: str) -> None:
        if row.parent_id is not None:
            if log.isEnabledFor(logging.DEBUG):
                self._write(logging.DEBUG, row, what)
            return
        now = self._loop.time()
        if now - self._since >= _SECONDS:
            self._since, self._lines = now, 0
        if self._lines < _LINES_MAX:
            self._lines += 1
            self._write(logging.INFO, row, what)
            return
        if not self._untold:
            self._loop.call_later(_SECONDS, self._tell_sum)
        self._untold[what] += 1

    def _write(self, level: int, row: InstanceRow, what: str) -> None:
        fields = {
            "task_hub": self._task_hub,
            "instance_id": row.instance_id,
            "orchestration": row.name,
            "event": what,
        }
        log.log(level, "orchestration %s (%s) %s", row.instance_id, row.name, what, extra=fields)

    def _tell_sum(self) -> None:
        counts = dict(sorted(self._untold.items()))
        self._untold.clear()
        told = ", ".join(f"{number:,} {what}" for what, number in counts.items())
        fields = {"task_hub": self._task_hub} | counts
        log.info("further orchestrations of task hub %s: %s", self._task_hub, told, extra=fields)
