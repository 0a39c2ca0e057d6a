"""How far a submission is, read from the states of its batches and without their payloads.

A submission whose batches are its own children asks which of them are unfinished. A tree has too
many for that: it reads what has ended since the last time.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from durabletask.client import OrchestrationQuery, OrchestrationStatus, Page, TaskHubGrpcClient

from services.client.session import Session
from services.shared.batches import Part

NOT_FINAL: Final = (
    OrchestrationStatus.PENDING,
    OrchestrationStatus.RUNNING,
    OrchestrationStatus.SUSPENDED,
    OrchestrationStatus.CONTINUED_AS_NEW,
)
# What a scheduler gives at most, and how many of these one reading asks for.
_PAGE_IDS: Final = 1_000
_PAGES_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HowFar:
    """Batches and orders that are done, of how many."""

    batches_done: int
    batches: int
    orders_done: int
    orders: int

    def __str__(self) -> str:
        return (
            f"{self.orders_done:,} of {self.orders:,} orders,"
            f" {self.batches_done:,} of {self.batches:,} batches"
        )


class ProgressReader(Protocol):
    """Asks how far an orchestration is."""

    def read(self) -> HowFar | None:
        """How far it is, never less than the time before; None for one without batches."""

    def read_all(self) -> HowFar | None:
        """The same, however much there is to read; for somebody who asks once."""


def progress_reader(session: Session, instance_id: str, part: Part | None) -> ProgressReader:
    """The reader for an orchestration; `part` is how it is cut, if it is a submission."""
    if part is None or not part.orders:
        return _NoProgress(session, instance_id)
    return _FlatProgress(session, part) if part.holds_batches else _TreeProgress(session, part)


class _NoProgress:
    """An orchestration without batches."""

    def __init__(self, session: Session, instance_id: str) -> None:
        self._session = session
        self._instance_id = instance_id

    def read(self) -> None:
        """Asks all the same: a scheduler that does not answer must be noticed."""
        self._session.find(self._instance_id, payloads=False)

    def read_all(self) -> None:
        """Asks all the same."""
        self.read()


class _FlatProgress:
    """A submission that starts its batches itself: in one turn, and in their order."""

    def __init__(self, session: Session, part: Part) -> None:
        self._session = session
        self._part = part
        self._sizes = {child.instance_id: len(child.orders) for child in part.children}
        self._query = OrchestrationQuery(
            runtime_status=list(NOT_FINAL), instance_id_prefix=f"{part.instance_id}:"
        )
        self._started = False

    def read(self) -> HowFar:
        """Once the last batch is there, all are, and what is not unfinished is done."""
        # Before the others: what starts between the two questions is not taken for done.
        last = next(reversed(self._sizes))
        self._started = self._started or self._session.find(last, payloads=False) is not None
        unfinished = set(self._sizes)
        if self._started:
            unfinished &= {
                state.instance_id
                for state in self._session.query(self._query)
                if state.runtime_status in NOT_FINAL
            }
        return HowFar(
            batches_done=len(self._sizes) - len(unfinished),
            batches=len(self._sizes),
            orders_done=len(self._part.orders) - sum(self._sizes[child] for child in unfinished),
            orders=len(self._part.orders),
        )

    def read_all(self) -> HowFar:
        """The same."""
        return self.read()


class _TreeProgress:
    """A submission whose batches are far below it: they are counted as they end.

    The task hub lists ids in the order in which their instances ended, so a reading goes on where
    the last one stopped, and costs what has ended meanwhile.
    """

    def __init__(self, session: Session, part: Part) -> None:
        self._session = session
        self._part = part
        self._began = session.get(part.instance_id, payloads=False).created_at
        self._prefix = f"{part.instance_id}:"
        # Where the page begins that was not full, and what was counted of it.
        self._token: str | None = None
        self._counted: set[str] = set()
        self._batches_done = 0
        self._orders_done = 0

    def read(self) -> HowFar:
        """Reads so many pages at most: a task hub may be busy with much else."""
        return self._read(_PAGES_MAX)

    def read_all(self) -> HowFar:
        """Reads all pages."""
        return self._read(None)

    def _read(self, pages: int | None) -> HowFar:
        while pages is None or pages > 0:
            page = self._session.send(self._next_page)
            for instance_id in page.items:
                if instance_id not in self._counted:
                    self._count(instance_id)
            if page.continuation_token is None:
                self._counted = set(page.items)
                break
            self._token, self._counted = page.continuation_token, set()
            pages = None if pages is None else pages - 1
        return HowFar(
            batches_done=self._batches_done,
            batches=self._part.batches,
            orders_done=self._orders_done,
            orders=len(self._part.orders),
        )

    def _next_page(self, client: TaskHubGrpcClient) -> Page[str]:
        return client.list_instance_ids(
            completed_time_from=self._began, page_size=_PAGE_IDS, continuation_token=self._token
        )

    def _count(self, instance_id: str) -> None:
        if not instance_id.startswith(self._prefix):
            return
        try:
            numbers = [int(text, 16) for text in instance_id[len(self._prefix) :].split(":")]
        except ValueError:
            return  # somebody else's name
        batch = self._part.below(numbers)
        if batch is not None and batch.is_batch and self._batches_done < self._part.batches:
            self._batches_done += 1
            self._orders_done += len(batch.orders)
