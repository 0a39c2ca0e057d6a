"""Turns of orchestrations: what an orchestrator is sent, and what becomes of its answer."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.scheduler.dispatch.items import Lease, Prepared, Work
from services.scheduler.dispatch.streams import Terms
from services.scheduler.engine import events, limits
from services.scheduler.engine.completion import refuse
from services.scheduler.engine.effects import Decision
from services.scheduler.engine.instance import Instance, fold_all, receive
from services.scheduler.engine.protos import StringValue, pb, text_of
from services.scheduler.engine.status import Status
from services.scheduler.engine.turn import decide
from services.scheduler.errors import BadRequestError, PayloadTooLargeError
from services.scheduler.hub.executions import Execution
from services.scheduler.hub.parts import Parts
from services.scheduler.hub.router import Origin, Router
from services.scheduler.hub.wire import history_chunk, orchestrator_item
from services.scheduler.store.rows import InstanceRow

log = logging.getLogger(__name__)

# A worker that can fetch a history fetches those above this: a stream is no place for megabytes.
HISTORY_INLINE_BYTES_MAX: Final = 1024 * 1024
# What a new execution takes over from the inbox of the one before: what is meant for the instance.
_FOR_ANY_EXECUTION: Final = frozenset({"eventRaised", "executionSuspended", "executionResumed"})


@dataclass(slots=True, kw_only=True)
class Turn:
    """A turn that is with a worker: the instance with the new events folded in."""

    instance: Instance
    new_events: tuple[pb.HistoryEvent, ...]
    messages: tuple[int, ...]
    # Of an answer that comes in pieces.
    parts: list[pb.OrchestratorAction] = field(default_factory=list)
    parts_bytes: int = 0


class Turns:
    """The turns of one hub's orchestrations."""

    def __init__(self, parts: Parts, router: Router) -> None:
        self._parts = parts
        self._store = parts.store
        self._router = router

    def prepare(self, work: Work, token: str, terms: Terms) -> Prepared | None:
        """The work item of an instance's next turn; None where nothing is due."""
        row = self._store.load_instance(work.seq)
        if row is None or row.status.is_terminal or row.status == Status.SUSPENDED:
            return None
        turn = self._next_turn(row)
        if turn is None:
            return None
        execution = self._parts.executions.load(row.seq)
        head = pb.OrchestratorRequest(
            instanceId=row.instance_id,
            executionId=StringValue(value=turn.instance.execution_id),
            newEvents=turn.new_events,
            entityParameters=pb.OrchestratorEntityParameters(),
        )
        if row.trace is not None:
            head.orchestrationTraceContext.ParseFromString(row.trace)
        past = execution.chunks
        if terms.streams_history and sum(map(len, past)) > HISTORY_INLINE_BYTES_MAX:
            head.requiresHistoryStreaming = True
            past = ()
        payload = orchestrator_item(head, past, token)
        self._parts.pacing.began(row.seq)
        return Prepared(payload=payload, memo=turn)

    def _next_turn(self, row: InstanceRow) -> Turn | None:
        execution = self._parts.executions.load(row.seq)
        while arrived := self._arrived(row, execution):
            woken = any(event.HasField("orchestratorStarted") for _seq, event in arrived)
            instance, accepted = receive(
                execution.instance,
                (event for _seq, event in arrived if not event.HasField("orchestratorStarted")),
            )
            if not instance.execution_id:
                return None
            messages = tuple(seq for seq, _event in arrived)
            if accepted or woken:
                started = events.orchestrator_started(self._parts.now())
                return Turn(instance=instance, new_events=(started, *accepted), messages=messages)
            # Something that counts may stand behind what answers nothing.
            self._drop(row.seq, messages)
        return None

    def _arrived(self, row: InstanceRow, execution: Execution) -> list[tuple[int, pb.HistoryEvent]]:
        """The messages that the next turn may take in, with their `seq`."""
        # Before the start there may be any number of events: it is not to be missed behind them.
        limit = limits.NEW_EVENTS_MAX if execution.turn else -1
        start: list[tuple[int, pb.HistoryEvent]] = []
        rest: list[tuple[int, pb.HistoryEvent]] = []
        filled = 0
        for seq, blob in self._store.read_messages(row.seq, limit):
            # A full inbox may hold far more than one turn takes in.
            is_full = len(rest) >= limits.NEW_EVENTS_MAX or filled > limits.NEW_EVENTS_BYTES_MAX
            if is_full and (start or execution.turn):
                break
            event = pb.HistoryEvent.FromString(blob)
            if event.HasField("executionStarted"):
                start.append((seq, event))
            elif not is_full:
                rest.append((seq, event))
                filled += len(blob)
        # Something may have been raised before a start in the future became due.
        arrived = start + rest
        if execution.instance.completed is not None:
            # The protocol's rule: a rewind comes alone, and on top of the history that failed.
            return [(seq, event) for seq, event in arrived if event.HasField("executionRewound")]
        return arrived[: _fitting(arrived)]

    def _drop(self, seq: int, messages: Sequence[int]) -> None:
        """Messages that answer nothing that is open."""
        with self._parts.commits.use_case():
            self._store.delete_messages(seq, messages)

    def complete(self, lease: Lease, response: pb.OrchestratorResponse) -> None:
        """Commits what a worker has answered; an answer that cannot be fails the orchestration."""
        turn: Turn = lease.memo
        row = self._store.load_instance(lease.work.seq)
        if row is None or row.status.is_terminal:
            return
        now = self._parts.now()
        try:
            limits.check_payload("the custom status", response.customStatus.value)
            actions = [*turn.parts, *response.actions]
            decision = decide(turn.instance, turn.new_events, actions, now=now, ids=self._parts.ids)
            status = text_of(response, "customStatus")
        except BadRequestError as error:
            log.warning("orchestration %s (%s) fails: %s", row.instance_id, row.name, error)
            decision = self._refusal(turn, error, now)
            status = row.custom_status
        trace = (
            response.orchestrationTraceContext.SerializeToString()
            if response.HasField("orchestrationTraceContext")
            else row.trace
        )
        if decision.next_execution:
            trace = None
        row = row.after_turn(custom_status=status, trace=trace or None)
        self._commit(row, turn, decision, now)
        if decision.ending is None:
            self._store.save_turn(row, now)
        self._finish(row, turn, decision, now)
        if decision.ending is None:
            self._follow(row, lease, lives=not decision.next_execution)

    def fail(self, work: Work, failure: pb.TaskFailureDetails) -> None:
        """Fails an orchestration whose turns no worker can take."""
        row = self._store.load_instance(work.seq)
        turn = None if row is None or row.status.is_terminal else self._next_turn(row)
        if row is None or turn is None:
            return
        now = self._parts.now()
        decision = refuse(turn.instance, turn.new_events, failure, now=now)
        self._commit(row, turn, decision, now)
        self._finish(row, turn, decision, now)

    def _refusal(self, turn: Turn, error: BadRequestError, now: datetime) -> Decision:
        too_large = isinstance(error, PayloadTooLargeError)
        failure = events.failure("PayloadTooLarge" if too_large else "InvalidAction", str(error))
        return refuse(turn.instance, turn.new_events, failure, now=now)

    def _commit(self, row: InstanceRow, turn: Turn, decision: Decision, now: datetime) -> None:
        """Writes the new history and takes the turn's messages out of the inbox."""
        self._store.delete_messages(row.seq, turn.messages)
        if decision.next_execution:
            self._continue_as_new(row, decision, now)
            return
        execution = self._parts.executions.load(row.seq)
        if decision.replaces:
            self._replace_history(row, execution, decision, now)
            return
        count = len(decision.history)
        chunk = self._router.write_turn(row.seq, execution, decision.history)
        if decision.ending is None:
            scheduled = decision.history[len(turn.new_events) :]
            instance = fold_all(scheduled, onto=turn.instance)
            self._parts.executions.keep(row.seq, execution.after(instance, chunk, count))

    def _finish(self, row: InstanceRow, turn: Turn, decision: Decision, now: datetime) -> None:
        """Carries the effects out."""
        if decision.ending is not None:
            self._router.save_ending(row, decision.ending, now)
        instance = fold_all(decision.history) if decision.replaces else turn.instance
        lives = decision.ending is None and not decision.next_execution
        origin = Origin(row=row, instance=instance, lives=lives, rewound=decision.replaces)
        self._router.carry_out(decision.effects, origin)

    def _follow(self, row: InstanceRow, lease: Lease, *, lives: bool) -> None:
        """Sees to the next turn; `lives`: it is one of the same execution."""
        after = self._store.load_instance(row.seq)
        inbox = self._store.count_messages(row.seq)
        is_due = not lives or self._is_due(row.seq, inbox, lease)
        if after is not None and is_due and inbox:
            self._parts.offer_turn(after)
        if row.status == Status.PENDING:
            self._router.tell(row.instance_id)

    def _is_due(self, seq: int, inbox: int, lease: Lease) -> bool:
        """Whether what is in the inbox is worth another turn at once."""
        waiting = self._parts.executions.load(seq).instance
        return self._parts.pacing.ended(
            seq,
            seconds=asyncio.get_running_loop().time() - lease.since,
            waits_for=len(waiting.open_tasks) + len(waiting.open_children),
            inbox=inbox,
        )

    def _continue_as_new(self, row: InstanceRow, decision: Decision, now: datetime) -> None:
        """The next execution: an empty history, and an inbox that begins with its start."""
        kept = [
            event
            for _seq, blob in self._store.load_messages(row.seq, -1)
            if (event := pb.HistoryEvent.FromString(blob)).WhichOneof("eventType")
            in _FOR_ANY_EXECUTION
        ]
        self._store.delete_history(row.seq)
        self._store.clear_inbox(row.seq)
        self._store.save_next_execution(row.seq, decision.next_execution[0].executionStarted, now)
        for event in (*decision.next_execution, *kept):
            self._store.add_message(row.seq, event)
        self._store.references.count_again(row.seq)
        self._parts.executions.forget(row.seq)
        self._parts.commits.then(lambda: self._parts.dispatcher.forget_rank(row.seq))

    def _replace_history(
        self, row: InstanceRow, before: Execution, decision: Decision, now: datetime
    ) -> None:
        """A rewind: another history, another execution id, the tasks that are still open kept."""
        instance = fold_all(decision.history)
        chunk = history_chunk(decision.history)
        count = len(decision.history)
        self._store.delete_history(row.seq)
        self._store.append_history(row.seq, 0, count, chunk)
        self._store.save_rewound(row.seq, instance.started, now)
        self._store.move_activities(row.seq, before.instance.execution_id, instance.execution_id)
        # Nothing has arrived, and yet a turn is due: this says so.
        self._store.add_message(row.seq, events.orchestrator_started(now))
        self._store.references.count_again(row.seq)
        self._parts.executions.keep(row.seq, Execution().after(instance, chunk, count))


def _fitting(arrived: Sequence[tuple[int, pb.HistoryEvent]]) -> int:
    """How many of them one turn takes in: at least one."""
    size = 0
    for number, (_seq, event) in enumerate(arrived):
        size += event.ByteSize()
        if number and (size > limits.NEW_EVENTS_BYTES_MAX or number >= limits.NEW_EVENTS_MAX):
            return number
    return len(arrived)
