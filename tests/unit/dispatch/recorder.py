"""A source of work that writes down what the dispatcher asks of it."""

import asyncio
from collections.abc import Iterable, Sequence

from services.scheduler.dispatch.dispatcher import Dispatcher
from services.scheduler.dispatch.items import Kind, Prepared, Work
from services.scheduler.dispatch.streams import Filter, Terms, WorkerStream
from tests.unit.engine.given import NOW

ROOMY = 100


def activity(seq: int, name: str = "act", version: str | None = None, lost: int = 0) -> Work:
    return Work(kind=Kind.ACTIVITY, seq=seq, name=name, version=version, deliveries=lost)


def activity_of_instance(instance: int, seq: int, name: str = "act") -> Work:
    return Work(kind=Kind.ACTIVITY, seq=seq, name=name, instance=instance)


def turn(seq: int, lost: int = 0) -> Work:
    return Work(kind=Kind.ORCHESTRATION, seq=seq, name="main", deliveries=lost)


def terms(
    activities: int = ROOMY,
    *,
    others: int = ROOMY,
    only: Sequence[str] | None = None,
    versions: Sequence[str] = (),
) -> Terms:
    """What a worker asks for: `only` names the activities that it accepts."""
    accepted = {name: frozenset(versions) for name in only or ()}
    filters = {kind: Filter(accepted if kind is Kind.ACTIVITY else {}) for kind in Kind}
    return Terms(
        limits={Kind.ACTIVITY: activities, Kind.ORCHESTRATION: others, Kind.ENTITY: others},
        filters=None if only is None else filters,
    )


def held(stream: WorkerStream) -> list[int]:
    """The rows of the items that a worker has, in the order in which it was given them."""
    return [lease.work.seq for lease in stream.leases.values()]


def token_of(stream: WorkerStream, seq: int) -> str:
    return next(token for token, lease in stream.leases.items() if lease.work.seq == seq)


class Recorder:
    """A hub in which everything is on the disk at once."""

    def __init__(self) -> None:
        self.dispatcher = Dispatcher(run_id="run")
        self.dispatcher.serve(self)
        self.gone: set[int] = set()
        self.counted: list[int] = []
        self.given_up: list[tuple[Work, int]] = []
        self.pumped = asyncio.Event()
        # To all workers.
        self.sent: list[bytes] = []

    def prepare(self, work: Work, token: str, terms: Terms) -> Prepared | None:  # noqa: ARG002 - the protocol's
        """Its token is all that is sent."""
        if work.seq in self.gone:
            return None
        return Prepared(payload=token.encode(), memo=("memo", work.seq))

    def count_deliveries(self, works: Iterable[Work]) -> None:
        """Their rows, in order."""
        self.counted.extend(work.seq for work in works)

    def pump_when_durable(self) -> None:
        """At once."""
        self.dispatcher.pump()
        self.pumped.set()

    def give_up(self, work: Work, size: int) -> None:
        """What, and how large."""
        self.given_up.append((work, size))

    def offer(self, *works: Work) -> None:
        """Offers and pumps."""
        for work in works:
            self.dispatcher.offer(work)
        self.dispatcher.pump()

    def connect(self, asked: Terms | None = None) -> WorkerStream:
        """A worker that connects and is given what there is."""
        stream = self.dispatcher.connect(asked or terms(), NOW, self.sent.append)
        self.dispatcher.pump()
        return stream

    async def aged(self) -> None:
        """Waits until every stream that is open is old enough for any suspect."""
        await asyncio.sleep(60.0)
        self.dispatcher.pump()

    async def woken(self) -> None:
        """Waits until work that was asleep is ready again."""
        self.pumped.clear()
        await self.pumped.wait()
