"""Checks a data directory, whether a scheduler serves it or not. It changes nothing.

Each hub is looked at as it was at one moment. A check that cannot read on says so and goes on with
the next: damage in one place is no reason to be silent about others.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.scheduler.errors import DataDirectoryError
from services.scheduler.store.backup import Progress
from services.scheduler.store.database import check_known
from services.scheduler.store.findings import Finding, Kind
from services.scheduler.store.history_check import HistoryCheck
from services.scheduler.store.placing import READY
from services.scheduler.store.references import named_in, referenced, stored_names, token_for
from services.scheduler.store.snapshots import (
    REFERENCES_SINCE,
    OutOfReachError,
    damage_in,
    hub_files,
    is_current,
    snapshot,
    version_of,
)
from services.scheduler.store.statements import CHECKS
from services.shared.payload_files import PayloadFiles, PayloadMissingError

_DAMAGE_MAX: Final = 100
_ORPHANS: Final = {
    "orphan_histories": Kind.ORPHAN_HISTORIES,
    "orphan_messages": Kind.ORPHAN_MESSAGES,
    "orphan_alarms": Kind.ORPHAN_ALARMS,
    "orphan_activities": Kind.ORPHAN_ACTIVITIES,
    "orphan_operations": Kind.ORPHAN_OPERATIONS,
}
# These are about tables that earlier versions had not.
_OF_THIS_VERSION: Final = {
    "orphan_references": Kind.ORPHAN_REFERENCES,
    "wrong_counts": Kind.COUNTS,
}


@dataclass(slots=True, kw_only=True)
class CheckedHub:
    """What was looked at in a hub, and what was found."""

    name: str
    schema: int = 0
    instances: int = 0
    entities: int = 0
    payloads: int = 0
    findings: list[Finding] = field(default_factory=list)


def check(
    directory: Path, payloads: PayloadFiles | None, *, progress: Progress
) -> Iterator[CheckedHub]:
    """Each hub of a directory, once it has been looked at; raises `DataDirectoryError`.

    `payloads` is None where PAYLOAD_STORE names no directory.
    """
    if not directory.is_dir():
        raise DataDirectoryError(f"there is no data directory {directory}")
    is_cut_short = (directory / READY).exists()
    files = hub_files(directory)
    if not files and not is_cut_short:
        raise DataDirectoryError(f"there is no task hub in {directory}")
    if is_cut_short:
        found = Finding(kind=Kind.CUT_SHORT, hub=READY, where=str(directory / READY))
        yield CheckedHub(name=READY, findings=[found])
    for file in files:
        if file.exists() and file.stat().st_size:
            yield _HubCheck(file, payloads, progress).look()


class _HubCheck:
    def __init__(self, file: Path, payloads: PayloadFiles | None, progress: Progress) -> None:
        self._file = file
        self._payloads = payloads
        self._progress = progress
        self._hub = CheckedHub(name=file.stem)

    def look(self) -> CheckedHub:
        try:
            with snapshot(self._file) as connection:
                missing = self._in_snapshot(connection)
            if missing:
                self._tell_missing(missing)
        except OutOfReachError as error:
            self._find(Kind.OUT_OF_REACH, str(error))
        except (DataDirectoryError, sqlite3.Error) as error:
            self._find(Kind.UNUSABLE, str(error))
        return self._hub

    def _in_snapshot(self, connection: sqlite3.Connection) -> dict[bytes, str]:
        """Looks at all of it; gives the payloads whose files are missing or damaged, and why."""
        self._hub.schema = version_of(connection)
        for line in damage_in(connection, _DAMAGE_MAX):
            self._find(Kind.DAMAGED, line)
        try:
            check_known(connection)
        except DataDirectoryError as error:
            self._find(Kind.SCHEMA, str(error))
            return {}
        for step in (self._count, self._rows, self._histories):
            self._try(step, connection)
        missing: dict[bytes, str] = {}
        self._try(lambda opened: missing.update(self._named(opened)), connection)
        return missing

    def _try(
        self, step: Callable[[sqlite3.Connection], object], connection: sqlite3.Connection
    ) -> None:
        try:
            step(connection)
        except sqlite3.Error as error:
            self._find(Kind.DAMAGED, str(error))

    def _count(self, connection: sqlite3.Connection) -> None:
        row = connection.execute(CHECKS["inhabitants"]).fetchone()
        self._hub.instances, _running, self._hub.entities = row

    def _rows(self, connection: sqlite3.Connection) -> None:
        for name, kind in _ORPHANS.items():
            for where, number in connection.execute(CHECKS[name]):
                self._find(kind, f"{where}: {number}")
        for entity, owner in connection.execute(CHECKS["ended_owners"]):
            self._find(Kind.LOCK, f"{entity}: for {owner}")
        if is_current(connection):
            for name, kind in _OF_THIS_VERSION.items():
                for where, seen in connection.execute(CHECKS[name]):
                    self._find(kind, f"{where}: {seen}")

    def _histories(self, connection: sqlite3.Connection) -> None:
        done = 0
        for found in HistoryCheck(self._hub.name, connection).findings():
            if found is None:
                done += 1
                self._progress(self._hub.name, done, self._hub.instances)
            else:
                self._hub.findings.append(found)

    def _named(self, connection: sqlite3.Connection) -> dict[bytes, str]:
        """Payloads that are named and cannot be read, with why."""
        if version_of(connection) < REFERENCES_SINCE:
            digests = named_in(connection)
        else:
            self._held(connection)
            digests = {row[0] for row in connection.execute(CHECKS["payloads"])}
        self._hub.payloads = len(digests)
        if digests and self._payloads is None:
            self._find(Kind.NO_STORE, f"{len(digests)} payloads")
            return {}
        missing = {}
        for done, digest in enumerate(sorted(digests), 1):
            try:
                if self._payloads is not None:
                    self._payloads.read(token_for(digest))
            except PayloadMissingError as error:
                missing[digest] = str(error)
            self._progress(f"{self._hub.name} payloads", done, len(digests))
        return missing

    def _held(self, connection: sqlite3.Connection) -> None:
        for holder, seq, digests in stored_names(connection):
            for digest in sorted(digests):
                values = (holder, seq, digest)
                if connection.execute(CHECKS["is_held"], values).fetchone() is None:
                    self._find(Kind.UNHELD, f"{holder} {seq}: {token_for(digest)}")

    def _tell_missing(self, missing: dict[bytes, str]) -> None:
        """Tells of those that are named yet: what was purged meanwhile may have been collected."""
        with snapshot(self._file) as connection:
            is_counted = version_of(connection) >= REFERENCES_SINCE
            named = referenced(connection, missing) if is_counted else named_in(connection)
        for digest, why in missing.items():
            if digest in named:
                self._find(Kind.PAYLOAD, why)

    def _find(self, kind: Kind, where: str) -> None:
        self._hub.findings.append(Finding(kind=kind, hub=self._hub.name, where=where))
