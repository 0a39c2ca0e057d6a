"""Files with secrets in them, and files that are read again when they have changed."""

import os
import stat
from pathlib import Path
from typing import Final

BYTES_MAX: Final = 1024 * 1024

Mark = tuple[int, int, int, int, int]


class FileRefusedError(Exception):
    """A file is not used; the text says why, and holds nothing of what is in it."""


class FileUnreadableError(FileRefusedError):
    """A file cannot be read now. It may be the next time, though nothing of it changes."""


def mark_of(path: Path) -> Mark:
    """What is another one whenever the file is, however it was written; raises `FileRefusedError`.

    Modes count: a file that is opened to others must not go unseen until its next change. Take it
    before the file is read: what is written meanwhile is then seen the next time.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise FileUnreadableError(_unreadable(path, error)) from error
    return (found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode, found.st_ctime_ns)


def read_secret(path: Path) -> bytes:
    """What is in a file that nobody else may read; raises `FileRefusedError`."""
    return _read(path, is_secret=True)


def read_public(path: Path) -> bytes:
    """What is in a file that anybody may read; raises `FileRefusedError`."""
    return _read(path, is_secret=False)


def _read(path: Path, *, is_secret: bool) -> bytes:
    try:
        with open(path, "rb", opener=_at_once) as opened:
            # Of the file that is open: its name may lead to another one by now.
            found = os.fstat(opened.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise FileRefusedError(f"{path} is no file")
            if is_secret and found.st_mode & stat.S_IRWXO:
                raise FileRefusedError(
                    f"{path} is open to everybody on this machine; chmod o-rwx it"
                )
            content = opened.read(BYTES_MAX + 1)
    except OSError as error:
        raise FileUnreadableError(_unreadable(path, error)) from error
    if len(content) > BYTES_MAX:
        raise FileRefusedError(f"{path} has more than {BYTES_MAX} bytes")
    return content


def _at_once(path: str, flags: int) -> int:
    """Opens a file, and waits for nobody at the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror or error}"
