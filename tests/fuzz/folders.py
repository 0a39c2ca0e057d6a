"""Where what is fuzzed has its files: in memory, where the machine has a place for that."""

import tempfile
from pathlib import Path
from typing import Final, Self

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - what is fuzzed is not the disk
# None for the machine's own place.
IN_MEMORY: Final = _MEMORY if _MEMORY.is_dir() else None


class InFolder:
    """Something with files of its own; use it as a context manager."""

    def __init__(self) -> None:
        self._opened = tempfile.TemporaryDirectory(dir=IN_MEMORY)
        self._folder = Path(self._opened.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._opened.cleanup()
