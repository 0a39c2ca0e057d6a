"""A task hub that is open: its file, its use cases, and all that must be closed again."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from services.scheduler.bounds import DEFAULTS, Bounds
from services.scheduler.clock import Ids, Now
from services.scheduler.dispatch.alarm import Alarm
from services.scheduler.dispatch.dispatcher import Dispatcher
from services.scheduler.hub.admission import Admission
from services.scheduler.hub.executions import Executions
from services.scheduler.hub.hub import Hub, Steps
from services.scheduler.hub.journal import Journal
from services.scheduler.hub.pacing import Pacing
from services.scheduler.hub.parts import Parts
from services.scheduler.hub.router import Router
from services.scheduler.hub.waiters import Waiters
from services.scheduler.hub.work import WorkDesk
from services.scheduler.store.backlogs import Backlogs, Disk
from services.scheduler.store.checkpoints import Checkpointer
from services.scheduler.store.commits import CommitCounts, Commits
from services.scheduler.store.database import open_writer
from services.scheduler.store.entity_store import EntityStore
from services.scheduler.store.readers import Readers
from services.scheduler.store.references import Condemned
from services.scheduler.store.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")
# Long enough that a token of one run is never one of the next.
_RUN_ID_CHARS = 8
# What the look of another process takes, or of the collector.
_LAST_READERS_MS = 250


class OpenHub:
    """One hub, from the opening of its file to its closing."""

    def __init__(  # noqa: PLR0913 - all that a hub has from outside, each named
        self,
        name: str,
        file: Path,
        *,
        now: Now,
        ids: Ids,
        on_failure: Callable[[BaseException], None],
        condemned: Condemned | None = None,
        bounds: Bounds = DEFAULTS,
    ) -> None:
        """Opens the file and makes ready what is undone; raises `DataDirectoryError`."""
        self.name, self.file = name, file
        self._run_id = ids()[:_RUN_ID_CHARS]
        self._connection = open_writer(file)
        self._checkpointer = Checkpointer(file, self._connection, on_failure)
        self._readers = Readers(file)
        store = Store(self._connection, now(), condemned)
        executions = Executions(store)
        self.dispatcher = Dispatcher(run_id=self._run_id, bounds=bounds)
        self._commits = Commits(
            self._connection,
            in_air=lambda: self.dispatcher.leases,
            as_written=self.dispatcher.pump_turns,
            after_commit=self._after_commit,
            on_rollback=lambda: _forget(store, executions),
            on_failure=on_failure,
        )
        self._alarm, self._pacing = Alarm(now, self._ring), Pacing(self._wake)
        self.waiters = Waiters(bounds.waiters_max)
        self.journal = Journal(name)
        self.admission = _admission(self._connection, file, bounds)
        parts = Parts(
            store=store,
            entities=EntityStore(self._connection, store.next_seq, store.references),
            commits=self._commits,
            dispatcher=self.dispatcher,
            executions=executions,
            waiters=self.waiters,
            admission=self.admission,
            pacing=self._pacing,
            journal=self.journal,
            alarm=self._alarm,
            now=now,
            ids=ids,
        )
        router = Router(parts)
        self.hub = Hub(parts, router)
        self.desk = WorkDesk(parts, router)
        self.desk.recover()

    @property
    def commit_counts(self) -> CommitCounts:
        """What its commits came to."""
        return self._commits.counts

    @property
    def revision(self) -> str:
        """What is committed, told apart from all else that this hub has held or will hold."""
        return f"{self._run_id}-{self._commits.counts.commits}"

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What a query reads of what is committed."""
        return await self._readers.read(query)

    async def in_steps(self, steps: Steps[T]) -> T:
        """Does something large: each step is on the disk, and others were served, before the next.

        As after every use case, the last one is not on the disk before `durable` has returned.
        """
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            await self.hub.durable()
            # What came meanwhile has its turn, also where nothing was to be committed.
            await asyncio.sleep(0)

    def close(self) -> None:
        """Commits what is done, moves the log into the file, and lets go of it."""
        self.dispatcher.stop()
        self._commits.commit()
        self._commits.close()
        # Not before: what was just committed may have set it.
        self._alarm.stop()
        self._pacing.stop()
        self.waiters.close()
        self._readers.close()
        self._checkpointer.stop()
        try:
            # Who reads for longer, such as a backup, is not waited for: this is the loop.
            self._connection.execute(f"PRAGMA busy_timeout = {_LAST_READERS_MS}")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            # Nothing is lost: the next start finds the log where it is.
            log.warning("the log of task hub %s stays beside its file: %s", self.name, error)
        self._connection.close()

    def _ring(self) -> None:
        self.desk.ring()

    def _wake(self, seq: int) -> None:
        self.desk.wake(seq)

    def _after_commit(self) -> None:
        self.dispatcher.committed(hurried=self._commits.was_hurried)
        self.dispatcher.pump()
        self._checkpointer.look()


def _admission(connection: sqlite3.Connection, file: Path, bounds: Bounds) -> Admission:
    disk = Disk(file.parent, bounds.disk_free_bytes_min)
    return Admission(Backlogs(connection), disk, bounds)


def _forget(store: Store, executions: Executions) -> None:
    """Some of what is remembered has been rolled back."""
    store.forget()
    executions.forget_all()
