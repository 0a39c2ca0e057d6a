"""How much waits in a hub: what is held against the bounds, and how much room the disk has."""

import os
import time
from pathlib import Path
from typing import Final

from services.scheduler.engine.status import Status
from services.scheduler.store.tables import Tables

# A disk is not filled faster than this: one look is good for all calls of that time.
_LOOK_SECONDS: Final = 0.25
# What is never needed of a small one.
_SHARE_KEPT: Final = 0.05


class Backlogs(Tables):
    """Counts of what clients have sent and nobody has taken up yet."""

    def pending(self) -> int:
        """Orchestrations that clients have started and that have not begun."""
        row = self._one("pending_roots", (int(Status.PENDING),))
        return 0 if row is None else int(row[0])

    def inbox(self, seq: int) -> tuple[int, int]:
        """Messages of an instance, and their bytes."""
        return self._pair("inbox_size", (seq,))

    def queue(self, seq: int) -> tuple[int, int]:
        """Operations and lock requests of an entity, and their bytes."""
        return self._pair("queue_size", (seq,))

    def delayed(self, _hub: int) -> tuple[int, int]:
        """Signals to entities that are not due yet, and their bytes."""
        return self._pair("delayed_size", ())

    def _pair(self, name: str, values: tuple[int, ...]) -> tuple[int, int]:
        row = self._one(name, values)
        return (0, 0) if row is None else (int(row[0]), int(row[1]))


class Disk:
    """The file system that a directory is on. `free_min`: what is to stay free of a large one."""

    def __init__(self, directory: Path, free_min: int) -> None:
        self._directory = directory
        self._free_min = free_min
        self._looked_at: float | None = None
        self._lacks = 0

    def lacks(self) -> int:
        """How many bytes must stay free and are not; 0 where there is room."""
        now = time.monotonic()
        if self._looked_at is None or now - self._looked_at > _LOOK_SECONDS:
            self._looked_at = now
            self._lacks = self._look()
        return self._lacks

    def _look(self) -> int:
        try:
            found = os.statvfs(self._directory)
        except OSError:
            return 0  # whoever writes is told what is wrong
        kept = min(self._free_min, int(found.f_blocks * found.f_frsize * _SHARE_KEPT))
        return max(kept - found.f_bavail * found.f_frsize, 0)
