"""Batches of operations: what an entity is sent, and what becomes of its answer."""

import logging
from dataclasses import dataclass

from services.scheduler.dispatch.items import Lease, Prepared, Work
from services.scheduler.engine import events, limits
from services.scheduler.engine.entity import EntityDecision, decide_batch, refuse_batch
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.errors import BadRequestError, PayloadTooLargeError
from services.scheduler.hub.parts import Parts
from services.scheduler.hub.router import Origin, Router
from services.scheduler.hub.wire import entity_item
from services.scheduler.store.rows import EntityRow

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Operations that are with a worker, in the order of the queue."""

    seqs: tuple[int, ...]
    operations: tuple[pb.HistoryEvent, ...]


class Batches:
    """The batches of one hub's entities."""

    def __init__(self, parts: Parts, router: Router) -> None:
        self._parts = parts
        self._store = parts.store
        self._router = router

    def prepare(self, work: Work, token: str) -> Prepared | None:
        """The work item of an entity's next batch; None where nothing is due."""
        row = self._parts.entities.load_entity(work.seq)
        batch = None if row is None else self._next_batch(row)
        if row is None or batch is None:
            return None
        request = pb.EntityRequest(
            instanceId=row.entity.entity_id,
            # An entity has no executions; a redelivery must be the same.
            executionId=f"{row.seq:032x}",
            entityState=(None if row.entity.state is None else StringValue(value=row.entity.state)),
            operationRequests=batch.operations,
        )
        return Prepared(payload=entity_item(request, token), memo=batch)

    def _next_batch(self, row: EntityRow) -> Batch | None:
        """The head of the queue up to the next lock request; under a lock, its owner's only."""
        queue = self._parts.entities.read_operations(
            row.seq, limits.ENTITY_BATCH_MAX, row.entity.owner
        )
        seqs: list[int] = []
        operations: list[pb.HistoryEvent] = []
        size = 0
        for seq, section, blob in queue:
            size += len(blob)
            if section is not None or (seqs and size > limits.PAGE_BYTES_MAX):
                break
            seqs.append(seq)
            operations.append(pb.HistoryEvent.FromString(blob))
        return Batch(seqs=tuple(seqs), operations=tuple(operations)) if seqs else None

    def is_readable(self, lease: Lease, answer: pb.EntityBatchResult) -> bool:
        """Whether it has results for the batch, or for a first part of it."""
        batch: Batch = lease.memo
        return 0 < len(answer.results) <= len(batch.seqs)

    def complete(self, lease: Lease, answer: pb.EntityBatchResult) -> None:
        """Commits what a worker has answered; operations without a result stay in the queue."""
        batch: Batch = lease.memo
        row = self._parts.entities.load_entity(lease.work.seq)
        if row is None:
            return
        now = self._parts.now()
        done = len(answer.results)
        operations = batch.operations[:done]
        try:
            decision = decide_batch(row.entity, operations, answer, now=now, ids=self._parts.ids)
        except BadRequestError as error:
            log.warning("a batch of entity %s fails: %s", row.entity.entity_id, error)
            too_large = isinstance(error, PayloadTooLargeError)
            kind = "PayloadTooLarge" if too_large else "InvalidAction"
            failure = events.failure(kind, str(error))
            decision = refuse_batch(row.entity, operations, failure, now=now)
        self._commit(row, batch.seqs[:done], decision)

    def fail(self, work: Work, failure: pb.TaskFailureDetails) -> None:
        """Fails the next batch of an entity: no worker can take it."""
        row = self._parts.entities.load_entity(work.seq)
        batch = None if row is None else self._next_batch(row)
        if row is not None and batch is not None:
            decision = refuse_batch(row.entity, batch.operations, failure, now=self._parts.now())
            self._commit(row, batch.seqs, decision)

    def _commit(self, row: EntityRow, seqs: tuple[int, ...], decision: EntityDecision) -> None:
        self._parts.entities.delete_operations(row.seq, seqs)
        self._parts.entities.save_entity(row.seq, decision.entity, self._parts.now())
        self._router.carry_out(decision.effects, Origin())
        self._router.carry_out(self._router.settle(row.seq), Origin())
