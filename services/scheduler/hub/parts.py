"""What the use cases of one hub share."""

from dataclasses import dataclass

from services.scheduler.clock import Ids, Now
from services.scheduler.dispatch.alarm import Alarm
from services.scheduler.dispatch.dispatcher import Dispatcher
from services.scheduler.dispatch.items import Kind, Work
from services.scheduler.engine.status import Status
from services.scheduler.hub.admission import Admission
from services.scheduler.hub.executions import Executions
from services.scheduler.hub.journal import Journal
from services.scheduler.hub.pacing import Pacing
from services.scheduler.hub.waiters import Waiters
from services.scheduler.store.commits import Commits
from services.scheduler.store.entity_store import EntityStore
from services.scheduler.store.rows import InstanceRow
from services.scheduler.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One hub's store, and what stands around it."""

    store: Store
    entities: EntityStore
    commits: Commits
    dispatcher: Dispatcher
    executions: Executions
    waiters: Waiters
    admission: Admission
    pacing: Pacing
    journal: Journal
    alarm: Alarm
    now: Now
    ids: Ids

    def offer_turn(self, row: InstanceRow) -> None:
        """Makes an instance's next turn ready, as late as what it depends on can be rolled back."""
        if row.status == Status.SUSPENDED:
            return
        work = Work(
            kind=Kind.ORCHESTRATION,
            seq=row.seq,
            name=row.name,
            version=row.version,
            deliveries=row.deliveries,
        )
        self.commits.at_last(lambda: self.dispatcher.offer(work))

    def ended(self, row: InstanceRow, status: int) -> None:
        """An instance has ended, and that is on the disk."""
        self.pacing.forget(row.seq)
        self.dispatcher.forget_rank(row.seq)
        self.journal.ended(row, Status(status))

    def withdraw_activities(self, seqs: list[int]) -> None:
        """Activities whose rows are gone."""
        for seq in seqs:
            self.dispatcher.withdraw(Kind.ACTIVITY, seq)
