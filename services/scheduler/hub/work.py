"""The workers' side of a hub: what they are sent, what they answer, and what was left undone."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from services.scheduler.dispatch.items import Kind, Lease, Prepared, Work
from services.scheduler.dispatch.streams import Terms, WorkerStream
from services.scheduler.engine import events, limits
from services.scheduler.engine.effects import SendOperation
from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from services.scheduler.errors import BadRequestError
from services.scheduler.hub.batches import Batches
from services.scheduler.hub.parts import Parts
from services.scheduler.hub.results import Results
from services.scheduler.hub.router import Origin, Router
from services.scheduler.hub.turns import Turns
from services.scheduler.hub.wire import activity_item
from services.scheduler.store.rows import moment

log = logging.getLogger(__name__)

_ALARMS_A_TURN: Final = 500
# As many answers to an item that cannot be read fail the item.
UNREADABLE_MAX: Final = 3


class WorkDesk:
    """Hands out one hub's work items and takes the answers."""

    def __init__(self, parts: Parts, router: Router) -> None:
        self._parts = parts
        self._store = parts.store
        self._router = router
        self._turns = Turns(parts, router)
        self._batches = Batches(parts, router)
        self._results = Results(parts, router, self.unreadable)
        # Work that was failed because no worker survives or answers it.
        self.given_up: Counter[Kind] = Counter()
        parts.dispatcher.serve(self)

    def recover(self) -> None:
        """Makes ready again all that the disk knows to be undone: a restart has no leases."""
        dispatcher = self._parts.dispatcher
        for instance, seq, name, version, deliveries in self._store.open_activities():
            work = Work(
                kind=Kind.ACTIVITY,
                seq=seq,
                instance=instance,
                name=name,
                version=version,
                deliveries=deliveries,
            )
            dispatcher.offer(work)
        for seq, name, version, deliveries, status in self._store.instances_with_work():
            if status != Status.SUSPENDED and not status.is_terminal:
                kind = Kind.ORCHESTRATION
                dispatcher.offer(
                    Work(kind=kind, seq=seq, name=name, version=version, deliveries=deliveries)
                )
        with self._parts.commits.use_case():
            for seq in self._parts.entities.entities_with_work():
                self._router.carry_out(self._router.settle(seq), Origin())
        self._set_alarm()

    # Streams

    def check_room(self) -> None:
        """Raises `OverloadError` where no more workers may connect."""
        self._parts.dispatcher.check_room()

    def connect(
        self,
        terms: Terms,
        write: Callable[[bytes], object],
        unread: Callable[[], int] = lambda: 0,
    ) -> WorkerStream:
        """A worker's new stream; `write` sends it bytes, `unread` says how many are not sent yet.

        Raises `OverloadError`. Once a worker has read again, `pump_when_durable` is to be called.
        """
        stream = self._parts.dispatcher.connect(terms, self._parts.now(), write, unread)
        self.pump_when_durable()
        return stream

    def disconnect(self, stream: WorkerStream) -> None:
        """The end of a stream, with or without a word."""
        self._parts.dispatcher.disconnect(stream)
        self.pump_when_durable()

    # The dispatcher's source

    def prepare(self, work: Work, token: str, terms: Terms) -> Prepared | None:
        """The work item to send; None where there is nothing left to do."""
        if work.kind is Kind.ACTIVITY:
            request = self._store.request_of(work.instance, work.seq)
            return None if request is None else Prepared(payload=activity_item(request, token))
        if work.kind is Kind.ENTITY:
            return self._batches.prepare(work, token)
        return self._turns.prepare(work, token, terms)

    def count_deliveries(self, works: Iterable[Work]) -> None:
        """Remembers, in their rows, that deliveries have ended their stream."""
        with self._parts.commits.use_case():
            for work in works:
                self._store.count_delivery(work.kind.value, work.seq, work.instance)

    def pump_when_durable(self) -> None:
        """Pumps, after the commit of what is being written, if something is."""
        if self._parts.commits.is_open:
            self._parts.commits.want()
        else:
            self._parts.dispatcher.pump()

    def give_up(self, work: Work, size: int) -> None:
        """Fails work that no worker survives."""
        text = (
            f"The work item of {size} bytes ended the worker's stream {work.deliveries} times"
            " running: it kills its worker, or is larger than the worker receives (in Python,"
            " GrpcChannelOptions(max_receive_message_length=-1) lifts that limit)"
        )
        self._fail(work, events.failure("WorkItemUndeliverable", text))

    def _fail(self, work: Work, failure: pb.TaskFailureDetails) -> None:
        log.error("%s %s is given up: %s", work.kind.name.lower(), work.name, failure.errorMessage)
        self.given_up[work.kind] += 1
        self._parts.dispatcher.withdraw(work.kind, work.seq)
        with self._parts.commits.use_case():
            if work.kind is Kind.ORCHESTRATION:
                self._turns.fail(work, failure)
            elif work.kind is Kind.ENTITY:
                self._batches.fail(work, failure)
            else:
                self._results.fail(work, failure)

    # What workers answer

    def complete_turn(self, response: pb.OrchestratorResponse) -> None:
        """An orchestrator's answer; one of a lease that has ended changes nothing."""
        lease = self._lease(response.completionToken, Kind.ORCHESTRATION)
        if lease is None:
            return
        if len(lease.memo.parts) + len(response.actions) > limits.ACTIONS_MAX:
            text = f"An answer must have at most {limits.ACTIONS_MAX} actions"
            self.unreadable(response.completionToken, text)
            raise BadRequestError(text)
        lease.memo.parts_bytes += response.ByteSize()
        if response.isPartial and lease.memo.parts_bytes > limits.ANSWER_BYTES_MAX:
            text = f"An answer in parts must have at most {limits.ANSWER_BYTES_MAX} bytes"
            self.unreadable(response.completionToken, text)
            raise BadRequestError(text)
        if response.isPartial:
            lease.memo.parts.extend(response.actions)
        elif response.requiresHistory:
            self.abandon(response.completionToken)
        else:
            self._settle(lease, lambda: self._turns.complete(lease, response))

    def complete_batch(self, answer: pb.EntityBatchResult) -> None:
        """An entity's answer; one of a lease that has ended changes nothing."""
        lease = self._lease(answer.completionToken, Kind.ENTITY)
        if lease is None:
            return
        if self._batches.is_readable(lease, answer):
            self._settle(lease, lambda: self._batches.complete(lease, answer))
        else:
            text = answer.failureDetails.errorMessage or "it has no results"
            self.unreadable(answer.completionToken, f"An entity's answer is of no use: {text}")

    def _lease(self, token: str, kind: Kind) -> Lease | None:
        lease = self._parts.dispatcher.lease_of(token)
        if lease is None or lease.work.kind is not kind:
            return None
        if self._parts.dispatcher.is_current(lease):
            return lease
        # Its work is gone; the worker has room again.
        self._parts.dispatcher.complete(token)
        self.pump_when_durable()
        return None

    def complete_activity(self, response: pb.ActivityResponse) -> None:
        """An activity's result, or its failure."""
        self._results.add(response)

    def abandon(self, token: str) -> None:
        """A worker does not want an item: another one may, after a while."""
        self._parts.dispatcher.abandon(token)
        self.pump_when_durable()

    def unreadable(self, token: str, text: str) -> None:
        """An answer that cannot be read gives its lease back; the third one fails the item."""
        lease = self._parts.dispatcher.lease_of(token)
        times = self._parts.dispatcher.give_back(token)
        if lease is not None and times >= UNREADABLE_MAX:
            failure = events.failure("UnreadableAnswer", f"{text} ({times} times running)")
            self._fail(lease.work, failure)
        self.pump_when_durable()

    def _settle(self, lease: Lease, commit: Callable[[], None]) -> None:
        """Commits an answer and ends its lease; one that cannot be committed gives it back."""
        try:
            with self._parts.commits.use_case():
                commit()
        except Exception as error:
            # The lease must not outlive an answer, whatever is wrong with it or with us.
            log.exception("the answer to %s %s", lease.work.kind.name.lower(), lease.work.name)
            self._parts.executions.forget(lease.work.seq)
            self.unreadable(lease.token, f"The answer cannot be committed: {error}")
            if isinstance(error, BadRequestError):
                raise
        else:
            self._parts.dispatcher.complete(lease.token)

    # Alarms

    def wake(self, seq: int) -> None:
        """Makes a turn ready that has been put off."""
        row = self._store.load_instance(seq)
        if row is not None and not row.status.is_terminal:
            with self._parts.commits.use_case():
                self._parts.offer_turn(row)

    def ring(self) -> None:
        """Delivers the messages that have become visible."""
        now = self._parts.now()
        with self._parts.commits.use_case():
            for instance, entity_id, blob in self._store.take_due_alarms(now, _ALARMS_A_TURN):
                event = pb.HistoryEvent.FromString(blob)
                event.timestamp.CopyFrom(events.stamp(now))
                if entity_id is not None:
                    sent = SendOperation(entity_id=entity_id, event=event)
                    self._router.carry_out([sent], Origin())
                    continue
                row = None if instance is None else self._store.load_instance(instance)
                if row is not None:
                    self._router.deliver(row, event)
        self._set_alarm()

    def _set_alarm(self) -> None:
        due = self._store.next_alarm()
        self._parts.alarm.set_to(None if due is None else moment(due))
