"""How far a submission is: read from its children's states, and shown while a person waits.

Children are asked for without their payloads, and only those that are not final.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol, Self

from durabletask.client import OrchestrationQuery, OrchestrationStatus
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from services.client.messages import say
from services.client.session import Session
from services.shared.batches import child_instance_id, split

NOT_FINAL: Final = (
    OrchestrationStatus.PENDING,
    OrchestrationStatus.RUNNING,
    OrchestrationStatus.SUSPENDED,
    OrchestrationStatus.CONTINUED_AS_NEW,
)
_PLAIN_LINE_SECONDS: Final = 5.0


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


def batch_sizes_of(submission: Any) -> tuple[int, ...]:  # noqa: ANN401 - decoded JSON of anybody's orchestration
    """The sizes of the batches that an input is split into; none for a foreign orchestration's."""
    match submission:
        case {"orders": list(orders), "batch_size": int(size)} if (
            type(size) is int and size > 0 and all(isinstance(order, dict) for order in orders)
        ):
            return tuple(len(batch) for batch in split(orders, size))
        case _:
            return ()


class ProgressReader:
    """Asks how far the children of `parent` are."""

    def __init__(self, session: Session, parent: str, batch_sizes: Sequence[int]) -> None:
        self._session = session
        self._sizes = {
            child_instance_id(parent, number): size
            for number, size in enumerate(batch_sizes, start=1)
        }
        self._children = re.compile(re.escape(parent) + r":[0-9a-f]{4,}")
        self._last = child_instance_id(parent, len(batch_sizes))
        self._query = OrchestrationQuery(
            runtime_status=list(NOT_FINAL), instance_id_prefix=f"{parent}:"
        )
        self._started = False

    def read(self) -> HowFar | None:
        """How far it is; None for an orchestration without batches.

        A parent starts its children in one turn and in order: once the last is there, all are, and
        those that are not among the unfinished are done.
        """
        if not self._sizes:
            return None
        unfinished = {
            state.instance_id
            for state in self._session.query(self._query)
            if state.instance_id in self._sizes and state.runtime_status in NOT_FINAL
        }
        if not self._started:
            self._started = self._last in unfinished or self._exists(self._last)
        if not self._started:
            unfinished = set(self._sizes)
        orders = sum(self._sizes.values())
        return HowFar(
            batches_done=len(self._sizes) - len(unfinished),
            batches=len(self._sizes),
            orders_done=orders - sum(self._sizes[child] for child in unfinished),
            orders=orders,
        )

    def _exists(self, instance_id: str) -> bool:
        return self._session.find(instance_id, payloads=False) is not None


class ProgressView(Protocol):
    """Shows how far it is, from its enter to its exit."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, how_far: HowFar | None) -> None:
        """Shows a new reading."""


class LiveBar:
    """A progress bar that is redrawn in place, for a terminal."""

    def __init__(self, console: Console, _instance_id: str) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=32),
            TextColumn("{task.fields[how_far]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("processing", total=None, how_far="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, how_far: HowFar | None) -> None:
        """Moves the bar."""
        if how_far is not None:
            self._progress.update(
                self._task,
                total=how_far.orders,
                completed=how_far.orders_done,
                how_far=str(how_far),
            )


class PlainLines:
    """A line now and then, for a log or a pipe."""

    def __init__(self, console: Console, instance_id: str) -> None:
        self._console = console
        self._instance_id = instance_id
        self._shown: HowFar | None = None
        self._next = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def show(self, how_far: HowFar | None) -> None:
        """Prints a line when there is news and the last one is old enough."""
        now = time.monotonic()
        if how_far is None or how_far == self._shown or now < self._next:
            return
        say(self._console, f"{self._instance_id}: {how_far}")
        self._shown, self._next = how_far, now + _PLAIN_LINE_SECONDS


def new_view(console: Console, instance_id: str) -> ProgressView:
    """The view that suits where the person reads."""
    return (LiveBar if console.is_terminal else PlainLines)(console, instance_id)
