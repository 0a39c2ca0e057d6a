"""Writes a file that appears only when it is whole, and a folder beside it for what that takes.

What a process that was killed leaves behind is `FILE.partial`, which the next one that writes the
same file clears.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from services.scheduler.errors import BackupError
from services.scheduler.store.placing import sync

_PARTIAL: Final = ".partial"
_WHOLE: Final = "whole"


@contextmanager
def whole_file(file: Path, *, force: bool) -> Iterator[tuple[IO[bytes], Path]]:
    """What to write to, and a folder for what it takes; the file is there after the block.

    It is new, unless `force` lets it replace another. Raises `BackupError`, `OSError`; the file is
    then as it was.
    """
    _check(file, force=force)
    with scratch_folder(file) as folder:
        made = folder / _WHOLE
        with made.open("xb") as stream:
            made.chmod(0o600)
            yield stream, folder
            stream.flush()
            os.fsync(stream.fileno())
        _check(file, force=force)
        made.replace(file)
        sync(file.parent)


@contextmanager
def scratch_folder(file: Path) -> Iterator[Path]:
    """A folder beside a file, empty, ours alone, and gone after the block."""
    folder = Path(f"{file}{_PARTIAL}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BackupError(f"cannot write {file}: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"another backup is being written to {file}") from error
        for left in folder.iterdir():
            left.unlink()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def _check(file: Path, *, force: bool) -> None:
    if file.is_dir():
        raise BackupError(f"{file} is a directory; name a file")
    if not file.parent.is_dir():
        raise BackupError(f"cannot write {file}: there is no directory {file.parent}")
    if os.path.lexists(file) and not force:
        raise BackupError(f"{file} is there already; --force replaces it")
