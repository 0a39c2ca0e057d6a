"""Directories that are their owner's alone."""

from pathlib import Path

_OWNER_ONLY = 0o700


def make_private(directory: Path) -> None:
    """Makes a directory, and those above it that are missing; raises `OSError`.

    All that are made are open to nobody else: `mkdir(parents=True)` gives its mode to the last one
    only. One that is there stays as it is.
    """
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=_OWNER_ONLY, exist_ok=True)
    # It may be there, and be none.
    directory.mkdir(mode=_OWNER_ONLY, exist_ok=True)
