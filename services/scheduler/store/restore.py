"""Restores a backup into a data directory that holds no task hub.

All of the backup is read and checked before anything of it counts. Payloads are put into the
payload store as they come: one that stays after a restore that failed is named by nothing, and
collected.
"""

import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from services.scheduler.errors import BackupError, ClaimError, DataDirectoryError
from services.scheduler.store.archive import ArchiveReader, Member
from services.scheduler.store.backup import Progress
from services.scheduler.store.claim import Claim
from services.scheduler.store.database import DataDirectory, check_known
from services.scheduler.store.placing import READY, STAGED, place_restored, sync
from services.scheduler.store.references import token_for
from services.scheduler.store.snapshots import damage_in, snapshot
from services.shared.payload_files import PayloadFiles, token_of

# A hub's file, its log, and those that were set aside.
_HUBS_FILES: Final = "*.db*"
_SHOWN_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What has been restored, and what the backup was made without, each with why."""

    hubs: tuple[str, ...]
    payloads: int
    left_out: tuple[str, ...]


class Restore:
    """One restore. `payloads` is None where PAYLOAD_STORE names no directory."""

    def __init__(
        self, directory: Path, payloads: PayloadFiles | None, *, progress: Progress
    ) -> None:
        self._path = directory
        self._payloads = payloads
        self._progress = progress
        self._digests: dict[str, str] = {}
        self._stored = 0

    def read(self, stream: IO[bytes], name: str) -> Restored:
        """Restores a backup, of which people are told as `name`.

        Raises `BackupError`, `DataDirectoryError` (another scheduler holds the directory),
        `OSError`.
        """
        directory = DataDirectory(self._path)
        staged = self._path / STAGED
        try:
            self._check_empty()
            # Of one that died.
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir(mode=0o700)
            archive = ArchiveReader(stream, name)
            for member in archive.members():
                self._take(directory, staged, member)
            left_out = _left_out(name, archive.contents)
            self._check(name, staged, archive.contents)
            self._place(staged)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
            directory.release()
        return Restored(
            hubs=tuple(sorted(self._digests)),
            payloads=self._stored,
            left_out=left_out,
        )

    def _check_empty(self) -> None:
        found = sorted(file.name for file in self._path.glob(_HUBS_FILES))
        if found:
            more = f" and {len(found) - _SHOWN_MAX} more" if len(found) > _SHOWN_MAX else ""
            raise BackupError(
                f"the data directory {self._path} is not empty: it holds"
                f" {', '.join(found[:_SHOWN_MAX])}{more}; move them away,"
                " or set SCHEDULER_DATA_DIR to another directory"
            )

    def _take(self, directory: DataDirectory, staged: Path, member: Member) -> None:
        if member.is_hub:
            if member.name in self._digests:
                raise BackupError(f"the backup is damaged: it holds {member.name} twice")
            self._digests[member.name] = member.write_to(staged / f"{member.name}.db")
            self._progress(member.name, 1, 1)
            return
        self._put_payload(directory, member)

    def _put_payload(self, directory: DataDirectory, member: Member) -> None:
        if self._payloads is None:
            raise BackupError(
                "the backup holds payloads, and PAYLOAD_STORE names no directory to put them into"
            )
        if not self._stored:
            self._prepare(directory, self._payloads)
        data = member.read()
        if token_of(data) != token_for(bytes.fromhex(member.name)):
            raise BackupError(f"the backup is damaged: its payload {member.name} is another one")
        self._payloads.write(data)
        self._stored += 1
        self._progress("payloads", self._stored, self._stored)

    def _prepare(self, directory: DataDirectory, payloads: PayloadFiles) -> None:
        """Nobody else may collect what nothing names yet."""
        payloads.prepare()
        claim = Claim(payloads.directory, directory.identity(), self._path.absolute())
        try:
            claim.take()
        except ClaimError as error:
            raise BackupError(str(error)) from error
        claim.release()

    def _check(self, name: str, staged: Path, contents: Mapping[str, Any]) -> None:
        try:
            told = {str(hub["name"]): hub["sha256"] for hub in contents["hubs"]}
            is_all_there = self._stored == contents["payloads"] and set(told) == set(self._digests)
        except (KeyError, TypeError) as error:
            raise _untold(name) from error
        if not is_all_there or not told:
            raise BackupError(f"{name} is damaged: not all is in it that it tells of")
        for hub, digest in self._digests.items():
            if told[hub] != digest:
                raise BackupError(f"{name} is damaged: task hub {hub} is not what was put in")
            _check_file(name, staged / f"{hub}.db")

    def _place(self, staged: Path) -> None:
        for file in staged.iterdir():
            sync(file)
        sync(staged)
        # From here on it counts.
        staged.rename(self._path / READY)
        sync(self._path)
        place_restored(self._path)


def _left_out(name: str, contents: Mapping[str, Any]) -> tuple[str, ...]:
    """Read before anything counts: who is told of a failure must find nothing restored."""
    found = contents.get("left_out", [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise _untold(name)
    return tuple(found)


def _untold(name: str) -> BackupError:
    return BackupError(f"{name} is damaged: it does not tell its contents")


def _check_file(name: str, file: Path) -> None:
    """Whether this version of the scheduler can open it; raises `BackupError`."""
    try:
        with snapshot(file, alone=True) as connection:
            damage = damage_in(connection, 1)
            check_known(connection)
    except (DataDirectoryError, sqlite3.Error) as error:
        # Where it lies now is nobody's business.
        why = str(error).removeprefix(f"cannot use {file}: ")
        raise BackupError(f"{name}: cannot use its task hub {file.stem}: {why}") from error
    if damage:
        raise BackupError(f"{name}: its task hub {file.stem} is damaged: {damage[0]}")
