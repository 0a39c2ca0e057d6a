"""Large payloads as files: their tokens, their layout, and who may remove one when.

A payload lies in `<directory>/<first two hex digits>/<64 hex digits>`, named by the SHA-256 of its
bytes, so that a file never changes and a token never is a path. Many processes share a directory:
those that upload write and refresh under a shared lock, the one that collects removes under the
exclusive one. Decides nothing about who still needs a payload.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.shared.private_directory import make_private

# Match it as a whole (`fullmatch`): a token is a payload's entire text, never a part of one.
TOKEN: Final = re.compile(r"file:v1:(?P<digest>[0-9a-f]{64})")

FILE_MARK: Final = "file:v1:"
_FOLDER: Final = re.compile(r"[0-9a-f]{2}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
# What a process that died in the middle of a write leaves behind stands here, and nowhere else.
_PARTIAL: Final = ".partial"
_LOCK: Final = ".lock"


class PayloadMissingError(LookupError):
    """A payload that a token stands for cannot be read: it is missing or damaged.

    `token` names it, `reason` says what is wrong with it.
    """

    def __init__(self, token: str, reason: str) -> None:
        self.token = token
        self.reason = reason
        super().__init__(f"the payload {token} cannot be read: {reason}")


def token_of(data: bytes) -> str:
    """The token of a payload's bytes (UTF-8 text)."""
    return FILE_MARK + hashlib.sha256(data).hexdigest()


class PayloadFiles:
    """The payloads in one directory.

    Methods that take a token raise `ValueError` for a text that `TOKEN` does not match as a whole.
    Any thread and any process may call them; each call opens what it needs and closes it again.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def directory(self) -> Path:
        """Where the payloads are."""
        return self._directory

    def prepare(self) -> None:
        """Makes the directory (mode 0700) and tries a write; raises `OSError`.

        Called where a service starts, so that a directory that cannot be used is told then.
        """
        make_private(self._directory)
        partial = self._directory / _PARTIAL
        partial.mkdir(mode=0o700, exist_ok=True)
        with self._locked(fcntl.LOCK_SH), tempfile.NamedTemporaryFile(dir=partial):
            pass

    def write(self, data: bytes) -> str:
        """Stores a payload and returns its token; on disk before it returns. Raises `OSError`.

        A payload that is there already is refreshed: `remove` leaves it alone as if it were new.
        One that is there and damaged is replaced.
        """
        token = token_of(data)
        path = self.path(token)
        if self._refresh(path) and _holds(path, data):
            # Who has put it there may have died before its name was on disk.
            _sync(path.parent)
        else:
            self._put(path, data)
        return token

    def read(self, token: str) -> bytes:
        """The payload of `token`; raises `PayloadMissingError` when it is missing or damaged."""
        path = self.path(token)
        try:
            data = _read(path)
        except FileNotFoundError:
            raise PayloadMissingError(token, f"there is no file {path}") from None
        except OSError as error:
            raise PayloadMissingError(token, str(error)) from error
        if token_of(data) != token:
            reason = f"the file {path} is damaged ({len(data):,} bytes of other content)"
            raise PayloadMissingError(token, reason)
        return data

    def path(self, token: str) -> Path:
        """Where the payload of `token` lies, whether it is there or not."""
        match = TOKEN.fullmatch(token)
        if match is None:
            raise ValueError(f"no token of a payload: {token[:100]!r}")
        digest = match["digest"]
        return self._directory / digest[:2] / digest

    def size(self, token: str) -> int | None:
        """The payload's size in bytes; None when there is no such file."""
        found = self._stat(token)
        return None if found is None else found.st_size

    def uploaded_at(self, token: str) -> datetime | None:
        """When the payload was uploaded last; None when there is no such file."""
        found = self._stat(token)
        return None if found is None else datetime.fromtimestamp(found.st_mtime, UTC)

    def age(self, token: str, *, now: datetime) -> float | None:
        """Seconds since the payload was uploaded last; None when there is no such file."""
        uploaded = self.uploaded_at(token)
        return None if uploaded is None else (now - uploaded).total_seconds()

    def remove(self, token: str, *, uploaded_before: datetime) -> bool:
        """Removes a payload whose last upload is that old; raises `OSError`.

        True when it is there no longer (or never was). False when it stays: it is younger, or an
        upload is going on. Never waits, because a process that is frozen in the middle of an upload
        may hold the lock for long: ask again later.
        """
        path = self.path(token)
        try:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                found = path.lstat()
                # Whatever else stands there is not ours, nor is what a link leads to.
                is_ours = stat.S_ISREG(found.st_mode) and not path.parent.is_symlink()
                if not is_ours or found.st_mtime >= uploaded_before.timestamp():
                    return False
                path.unlink()
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
        return True

    def sweep(self, *, started_before: datetime) -> int:
        """Removes what writes that old have left unfinished; returns how many. Raises `OSError`."""
        removed = 0
        partial = self._directory / _PARTIAL
        if partial.is_symlink():
            return 0  # what it leads to is not ours
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(partial):
                with contextlib.suppress(FileNotFoundError):
                    is_ours = entry.is_file(follow_symlinks=False)
                    age = entry.stat(follow_symlinks=False).st_mtime
                    if is_ours and age < started_before.timestamp():
                        Path(entry.path).unlink()
                        removed += 1
        return removed

    def tokens(self) -> Iterator[str]:
        """The token of every payload in the directory, in no order; other files are passed over."""
        for folder in _names(self._directory):
            # What a link leads to is not ours.
            if _FOLDER.fullmatch(folder) and not (self._directory / folder).is_symlink():
                for name in _names(self._directory / folder):
                    if _DIGEST.fullmatch(name) and name.startswith(folder):
                        yield FILE_MARK + name

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """While inside, nobody removes a payload; uploads go on. Raises `OSError`."""
        with self._locked(fcntl.LOCK_SH):
            yield

    def _stat(self, token: str) -> os.stat_result | None:
        try:
            found = self.path(token).lstat()
        except FileNotFoundError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def _refresh(self, path: Path) -> bool:
        """Whether the file is there; from now on nobody removes it for a while."""
        with self._locked(fcntl.LOCK_SH):
            try:
                os.utime(path)
            except (FileNotFoundError, PermissionError):
                # Of another user: a file of our own takes its place.
                return False
        return True

    def _put(self, path: Path, data: bytes) -> None:
        partial = self._directory / _PARTIAL
        make_private(partial)
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _sync(self._directory)
        handle, name = tempfile.mkstemp(dir=partial)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with self._locked(fcntl.LOCK_SH):
                # The write may have taken long: its time is that of the end.
                os.utime(name)
                Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync(path.parent)

    @contextlib.contextmanager
    def _locked(self, operation: int) -> Iterator[None]:
        """The lock of the directory; closing the file gives it back, as does the process's end."""
        try:
            handle = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            make_private(self._directory)
            handle = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, operation)
            yield
        finally:
            os.close(handle)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and _read(path) == data
    except OSError:
        return False


def _read(path: Path) -> bytes:
    """The bytes of a regular file; anything else is an error, and nothing is waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read()


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names, of which there may be very many
    except (FileNotFoundError, NotADirectoryError):
        return []


def _sync(folder: Path) -> None:
    """Puts the folder's entries on disk, where the file system can."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems of containers have no such thing.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(handle)
