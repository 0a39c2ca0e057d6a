"""What calls can change: the files, the rows of every task hub, and who has which work item."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.hub.opened import OpenHub
from tests.fuzz.violation import Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a call may change."""

    # The task hub that it names.
    hub: str
    # The rows of its hub.
    rows: bool = False
    # Any file.
    files: bool = False
    # The files of its hub, where there are none.
    makes_hub: bool = False
    # The lease that it may end.
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What there is at one moment. Rows by the hub's name; leases by the hub's name and token."""

    files: frozenset[str]
    rows: Mapping[str, bytes]
    leases: frozenset[tuple[str, str]]
    # Leases whose work is still there to be done.
    current: frozenset[tuple[str, str]]

    def check(self, after: "Snapshot", allowed: Allowed, told: str) -> None:
        """Raises `Violation` if more has changed than may; `told` says what was called."""
        files = self.files ^ after.files
        if files and not allowed.files:
            own = {f"data/{allowed.hub}.db{beside}" for beside in ("", "-wal", "-shm")}
            if not allowed.makes_hub or self.files & own or files - own:
                raise Violation(f"{told}: has changed the files {', '.join(sorted(files))}")
        for name in self.rows.keys() & after.rows.keys():
            may_change = name == allowed.hub and allowed.rows
            if self.rows[name] != after.rows[name] and not may_change:
                raise Violation(f"{told}: has changed the rows of task hub {name}")
        own_lease = (allowed.hub, allowed.token)
        ended = {lease for lease in self.leases - after.leases if lease[0] in after.rows}
        if not allowed.rows:
            ended |= self.current - after.current
        if ended - {own_lease}:
            raise Violation(f"{told}: has ended the leases {sorted(ended - {own_lease})}")


class State:
    """Looks at the task hubs of a scheduler from beside it; use it from the thread of its loop."""

    def __init__(self, hubs: TaskHubs, folder: Path) -> None:
        """`folder` is the one whose files count, in the folders below it too."""
        self._hubs = hubs
        self._folder = str(folder)
        self._skipped = len(self._folder) + 1
        self._looks: dict[OpenHub, _Look] = {}

    def snapshot(self) -> Snapshot:
        """What is there now; only what is committed counts."""
        opened = self._hubs.opened
        for hub in self._looks.keys() - set(opened):
            self._looks.pop(hub).close()
        rows = {hub.name: self._look_at(hub).digest() for hub in opened}
        leases, current = set(), set()
        for hub in opened:
            for stream in hub.dispatcher.streams:
                for token, lease in stream.leases.items():
                    leases.add((hub.name, token))
                    if hub.dispatcher.is_current(lease):
                        current.add((hub.name, token))
        return Snapshot(
            files=frozenset(path[self._skipped :] for path in _files(self._folder)),
            rows=rows,
            leases=frozenset(leases),
            current=frozenset(current),
        )

    def execution_of(self, hub: OpenHub, instance_id: str) -> str:
        """The execution that an instance is at; "" for one that there is not."""
        return self._look_at(hub).execution_of(instance_id)

    def has_activity(self, hub: OpenHub, instance: int, seq: int) -> bool:
        """Whether an activity is open."""
        return self._look_at(hub).has_activity(instance, seq)

    def close(self) -> None:
        """Lets go of the files."""
        for look in self._looks.values():
            look.close()
        self._looks.clear()

    def _look_at(self, hub: OpenHub) -> "_Look":
        if hub not in self._looks:
            self._looks[hub] = _Look(hub.file)
        return self._looks[hub]


class _Look:
    """A connection to a hub's file that reads."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)
        self._version = -1
        self._digest = b""

    def digest(self) -> bytes:
        """Of all rows of all tables."""
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version, self._digest = version, _digest_of(self._connection)
        return self._digest

    def has_activity(self, instance: int, seq: int) -> bool:
        asked = "SELECT 1 FROM activities WHERE instance = ? AND seq = ?"
        try:
            return self._connection.execute(asked, (instance, seq)).fetchone() is not None
        except OverflowError:
            return False

    def execution_of(self, instance_id: str) -> str:
        asked = "SELECT execution_id FROM instances WHERE instance_id = ?"
        row = self._connection.execute(asked, (instance_id,)).fetchone()
        return "" if row is None else str(row[0])

    def close(self) -> None:
        self._connection.close()


def _digest_of(connection: sqlite3.Connection) -> bytes:
    """Of all rows of all tables, as they are committed."""
    connection.execute("BEGIN")
    try:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        )
        digest = hashlib.blake2b()
        for (name,) in names.fetchall():
            rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()  # noqa: S608 - a table of ours
            digest.update(repr((name, sorted(map(repr, rows)))).encode())
        return digest.digest()
    finally:
        connection.execute("COMMIT")


def _files(folder: str) -> Iterator[str]:
    """The paths of all files below a folder."""
    # Once for every call: `Path` and `os.walk` take far longer.
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.path
