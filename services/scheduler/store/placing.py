"""Puts restored files in their place: all of them, or none.

A restore writes and checks them in a folder of its own. The renaming of that folder is the moment
from which they count: whoever takes the data directory next moves them, so that one that died in
between has lost nothing.
"""

import os
from pathlib import Path
from typing import Final

# What is still being written or checked, which nobody else looks at,
STAGED: Final = "restore.partial"
# and what is whole.
READY: Final = "restore.ready"


def place_restored(directory: Path) -> None:
    """Moves what a restore has made ready, if anything; for who holds the directory.

    Raises `OSError`.
    """
    ready = directory / READY
    if not ready.is_dir():
        return
    for file in sorted(ready.iterdir()):
        file.replace(directory / file.name)
    sync(directory)
    ready.rmdir()
    sync(directory)


def sync(path: Path) -> None:
    """Puts a file's bytes, or a folder's entries, on the disk; raises `OSError`."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
