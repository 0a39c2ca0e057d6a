"""Says that a data directory's hubs may name what lies in a payload directory.

Each data directory has a file in `<payloads>/.schedulers`, which its scheduler holds while it runs.
One that finds another's there does not collect, whether that other runs now or not: it cannot see
which payloads its hubs name. So a directory that is shared is collected by nobody.
"""

import fcntl
import os
from pathlib import Path
from typing import IO, Final

from services.scheduler.errors import ClaimError
from services.shared.private_directory import make_private

_FOLDER: Final = ".schedulers"


class Claim:
    """One data directory's claim to a payload directory."""

    def __init__(self, payloads: Path, identity: str, data_directory: Path) -> None:
        """Nothing is made or held yet; `data_directory` is what people are told."""
        self._folder = payloads / _FOLDER
        self._identity = identity
        self._data_directory = data_directory
        self._lock: IO[str] | None = None

    def take(self) -> None:
        """Makes the claim known; raises `ClaimError` where another has it, and `OSError`."""
        if self._lock is not None and os.fstat(self._lock.fileno()).st_nlink:
            return
        self.release()
        make_private(self._folder)
        lock = (self._folder / self._identity).open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise ClaimError(
                f"another scheduler, with a copy of this data directory, uses {self._folder.parent}"
            ) from error
        except OSError:
            lock.close()
            raise
        lock.truncate(0)
        lock.write(f"{self._data_directory}\n")
        lock.flush()
        self._lock = lock

    def check(self) -> None:
        """Raises `ClaimError` where another data directory's hubs may name payloads too."""
        for name in sorted(os.listdir(self._folder)):  # noqa: PTH208 - names are all it takes
            if name != self._identity:
                other = self._folder / name
                where = other.read_text(encoding="utf-8", errors="replace").strip()
                raise ClaimError(
                    f"{self._folder.parent} is also that of the data directory {where or '?'};"
                    f" if that one is gone for good, remove {other}"
                )

    def release(self) -> None:
        """Lets go of the lock; the claim stays."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
