"""Backs up a data directory, whether a scheduler serves it or not.

Each hub is copied as it was at one moment, by SQLite's online backup over a connection of its own
that nobody waits for; two hubs may be copied at two moments. Payloads that the copies name come
with them. Files that cannot be read are left out, and told of.
"""

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, Protocol

from services.scheduler.errors import BackupError, DataDirectoryError
from services.scheduler.store.archive import HUB_NAME, ArchiveWriter
from services.scheduler.store.placing import READY
from services.scheduler.store.references import named_in, token_for
from services.scheduler.store.snapshots import (
    REFERENCES_SINCE,
    damage_in,
    hub_files,
    snapshot,
    version_of,
)
from services.scheduler.store.statements import CHECKS
from services.shared.payload_files import PayloadFiles, PayloadMissingError

# 4 MiB: often enough to tell how far it is.
_PAGES_A_STEP: Final = 1_024


class Progress(Protocol):
    """Whoever wants to know how far something is."""

    def __call__(self, what: str, done: int, total: int, /) -> None:
        """So much of something is done; `total` may grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedHub:
    """A hub in a backup."""

    name: str
    schema: int
    instances: int
    running: int
    entities: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """What a backup holds, and in `left_out` what it lacks, each with why."""

    hubs: tuple[CopiedHub, ...]
    payloads: int
    payload_bytes: int
    left_out: tuple[str, ...]


class Backup:
    """One backup of a data directory. `payloads` is None where they lie in no directory."""

    def __init__(
        self, directory: Path, payloads: PayloadFiles | None, *, progress: Progress
    ) -> None:
        self._directory = directory
        self._payloads = payloads
        self._progress = progress
        self._left_out: list[str] = []
        self._hubs: list[CopiedHub] = []
        self._named: dict[bytes, str] = {}

    def write(self, stream: IO[bytes], scratch: Path, now: datetime) -> BackedUp:
        """Writes it; `scratch` has room for the largest hub. Raises `BackupError`, `OSError`."""
        files = self._files()
        about = {"made_at": now.isoformat(), "data_directory": str(self._directory.absolute())}
        archive = ArchiveWriter(stream, about)
        with self._nothing_removed():
            for file in files:
                self._add_hub(archive, file, scratch / file.name)
            if not self._hubs:
                raise BackupError("\n".join(["no task hub can be backed up", *self._left_out]))
            number, size = self._add_payloads(archive)
        archive.finish(left_out=self._left_out)
        return BackedUp(
            hubs=tuple(self._hubs),
            payloads=number,
            payload_bytes=size,
            left_out=tuple(self._left_out),
        )

    def _files(self) -> list[Path]:
        if not self._directory.is_dir():
            raise BackupError(f"there is no data directory {self._directory}")
        if (self._directory / READY).exists():
            raise BackupError(
                f"a restore of {self._directory} was cut short;"
                " start its scheduler, which ends it, and back up then"
            )
        files = hub_files(self._directory)
        if not files:
            raise BackupError(f"there is no task hub in {self._directory}")
        return files

    @contextmanager
    def _nothing_removed(self) -> Iterator[None]:
        """What a hub named when it was copied must be there until it is copied too."""
        with ExitStack() as stack:
            if self._payloads is not None and self._payloads.directory.is_dir():
                try:
                    stack.enter_context(self._payloads.kept())
                except OSError as error:
                    # Where nothing can be written, nothing can be removed.
                    if error.errno != errno.EROFS:
                        raise
            yield

    def _add_hub(self, archive: ArchiveWriter, file: Path, copy: Path) -> None:
        if file.exists() and not file.stat().st_size:
            return  # it is being made: nothing is in it yet
        if not HUB_NAME.fullmatch(file.stem):
            self._left_out.append(f"{file}: its name is none of a task hub")
            return
        try:
            _copy(file, copy, lambda done, total: self._progress(file.stem, done, total))
            hub, named = _look(file.stem, copy)
        except (DataDirectoryError, sqlite3.Error) as error:
            copy.unlink(missing_ok=True)
            if "disk is full" in str(error):
                raise BackupError(f"cannot copy {file}: {error} ({copy.parent})") from error
            self._left_out.append(f"task hub {file.stem}: {_told(file, error)}")
            return
        about: dict[str, Any] = {"schema": hub.schema, "instances": hub.instances}
        archive.add_hub(hub.name, copy, about)
        copy.unlink()
        self._hubs.append(hub)
        for digest in named:
            self._named.setdefault(digest, hub.name)

    def _add_payloads(self, archive: ArchiveWriter) -> tuple[int, int]:
        number = size = 0
        for done, digest in enumerate(sorted(self._named), 1):
            try:
                data = self._payload(token_for(digest))
            except PayloadMissingError as error:
                self._left_out.append(f"task hub {self._named[digest]}: {error}")
                continue
            archive.add_payload(digest, data)
            number, size = number + 1, size + len(data)
            self._progress("payloads", done, len(self._named))
        return number, size

    def _payload(self, token: str) -> bytes:
        if self._payloads is None:
            raise PayloadMissingError(token, "PAYLOAD_STORE names no directory here")
        return self._payloads.read(token)


def _told(file: Path, error: Exception) -> str:
    text = str(error)
    return text if str(file) in text else f"cannot use {file}: {text}"


def _copy(file: Path, copy: Path, progress: Callable[[int, int], None]) -> None:
    """Copies a hub's file as it is now; raises `DataDirectoryError`, `sqlite3.Error`."""
    copy.touch(mode=0o600)
    with snapshot(file) as source, closing(sqlite3.connect(copy, isolation_level=None)) as target:
        # Whoever dies in between leaves no backup at all.
        target.execute("PRAGMA synchronous = OFF")
        # A snapshot is one read transaction: without, each commit would begin the copy again.
        source.backup(
            target,
            pages=_PAGES_A_STEP,
            progress=lambda _status, left, total: progress(total - left, total),
        )


def _look(name: str, copy: Path) -> tuple[CopiedHub, set[bytes]]:
    """What is in a copy, and which payloads it names; raises for one that is damaged."""
    with snapshot(copy, alone=True) as connection:
        damage = damage_in(connection, 1)
        if damage:
            raise DataDirectoryError(f"it is damaged: {damage[0]}")
        schema = version_of(connection)
        if schema < REFERENCES_SINCE:
            named = named_in(connection)
        else:
            named = {row[0] for row in connection.execute(CHECKS["payloads"])}
        instances, running, entities = connection.execute(CHECKS["inhabitants"]).fetchone()
    hub = CopiedHub(
        name=name,
        schema=schema,
        instances=instances,
        running=running,
        entities=entities,
        bytes=copy.stat().st_size,
    )
    return hub, named
