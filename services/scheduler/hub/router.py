"""Carries out the effects of decisions: to inboxes, queues, alarms, and new instances."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.scheduler.dispatch.items import Kind, Work
from services.scheduler.engine import effects, events
from services.scheduler.engine.completion import answer_parent, terminate
from services.scheduler.engine.effects import Effect, Ending
from services.scheduler.engine.entity import grant, owner_of, unlock
from services.scheduler.engine.instance import Instance, fold_all
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.engine.start import start_time
from services.scheduler.engine.status import RECEPTION, Message, Reception, Status
from services.scheduler.hub.executions import Execution
from services.scheduler.hub.parts import Parts
from services.scheduler.hub.wire import activity_requests, events_in, history_chunk
from services.scheduler.store.rows import EntityRow, InstanceRow, micros

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose effects they are; `row` is None for an entity's."""

    row: InstanceRow | None = None
    instance: Instance | None = None
    # The execution goes on: only then do its timers mean anything.
    lives: bool = True
    # Its tasks may have rows already.
    rewound: bool = False


class Router:
    """Carries out effects inside the use case of who decided them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._handlers: Mapping[type, Callable[[Any, Origin], Iterable[Effect]]] = {
            effects.SetTimer: self._set_timer,
            effects.StartInstance: self._start_instance,
            effects.SendEvent: self._send_event,
            effects.AnswerParent: self._answer_parent,
            effects.SendOperation: self._send_operation,
            effects.Unlock: self._unlock,
            effects.Terminate: self._terminate,
            effects.ResumeChild: self._resume_child,
        }

    def carry_out(self, decided: Sequence[Effect], origin: Origin) -> None:
        """Carries out effects and what follows from them, one after the other."""
        tasks = [effect for effect in decided if isinstance(effect, effects.RunTask)]
        if tasks:
            self._run_tasks(tasks, origin)
        pending: deque[tuple[Effect, Origin]] = deque(
            (effect, origin) for effect in decided if not isinstance(effect, effects.RunTask)
        )
        while pending:
            effect, of = pending.popleft()
            for following in self._handlers[type(effect)](effect, of):
                pending.append((following, Origin()))

    # Instances

    def start(self, started: pb.ExecutionStartedEvent, now: datetime) -> InstanceRow:
        """A new instance, its first message on its way; its id must be free."""
        due = start_time(started, now)
        row = self._store.add_instance(started, now, due)
        self._parts.executions.keep(row.seq, Execution())
        event = events.execution_started(now, started)
        if due is None:
            self._store.add_message(row.seq, event)
            self._parts.offer_turn(row)
        else:
            self.set_alarm(due, event, instance=row.seq)
        self._parts.commits.then(lambda: self._parts.journal.started(row))
        self.tell(row.instance_id)
        return row

    def remove(self, row: InstanceRow) -> None:
        """Deletes an incarnation with all that is its own; one that runs is terminated first."""
        if not row.status.is_terminal:
            self.end(row.seq, None)
        self._parts.withdraw_activities(self._store.delete_instance(row.seq))
        self._parts.dispatcher.withdraw(Kind.ORCHESTRATION, row.seq)
        self._parts.executions.forget(row.seq)
        self.tell(row.instance_id)

    def deliver(self, row: InstanceRow, *arrived: pb.HistoryEvent) -> Reception:
        """Puts messages into an inbox, as the table says; a start comes alone."""
        reception = RECEPTION[row.status, Message.DELIVER]
        if reception is Reception.BUFFERED and arrived:
            for event in arrived:
                self._store.add_message(row.seq, event)
            # Before a start in the future nothing is due, however much arrives.
            is_early = self._is_early(row) and not arrived[0].HasField("executionStarted")
            if not is_early and self._parts.pacing.is_due(row.seq, arrived):
                self._parts.offer_turn(row)
        return reception

    def _is_early(self, row: InstanceRow) -> bool:
        due = row.scheduled_at
        return row.status == Status.PENDING and due is not None and due > micros(self._parts.now())

    def end(self, seq: int, reason: StringValue | None, seen: set[int] | None = None) -> list[int]:
        """Terminates an instance; gives those of its children that are to be ended after it.

        None of those `seen` before: an id that is used again can make one its own ancestor.
        """
        row = self._store.load_instance(seq)
        if row is None:
            return []
        if RECEPTION[row.status, Message.TERMINATE] is Reception.ENDS:
            self._write_end(row, reason, recurse=seen is not None)
        if seen is None:
            return []
        # Below one that is terminated some may run yet: of a termination that was interrupted.
        ended = {Status.COMPLETED, Status.FAILED}
        children = self._store.children_of(row.instance_id)
        due = [child for child, _, status in children if status not in ended and child not in seen]
        seen.update(due)
        return due

    def _write_end(self, row: InstanceRow, reason: StringValue | None, *, recurse: bool) -> None:
        now = self._parts.now()
        execution = self._parts.executions.load(row.seq)
        first = self._first_event(row.seq) if self._is_to_begin(execution) else ()
        instance = fold_all(first, onto=execution.instance)
        decision = terminate(instance, first, reason, recurse=recurse, now=now)
        self.write_turn(row.seq, execution, decision.history)
        self._parts.withdraw_activities(self._store.delete_activities(row.seq))
        self._parts.dispatcher.withdraw(Kind.ORCHESTRATION, row.seq)
        if decision.ending is not None:
            self.save_ending(row, decision.ending, now)
        origin = Origin(row=row, instance=instance, lives=False)
        self.carry_out(decision.effects, origin)

    def write_turn(
        self, seq: int, execution: Execution, history: Iterable[pb.HistoryEvent]
    ) -> bytes:
        """Writes what a turn has added; gives it as it is stored.

        An execution whose rewind was cut short has ended already: it must not end twice.
        """
        written, turn = list(history), execution.turn
        if execution.instance.completed is not None:
            past = events_in(b"".join(execution.chunks))
            kept = [event for event in past if not event.HasField("executionCompleted")]
            written, turn = [*kept, *written], 0
            self._store.delete_history(seq)
        chunk = history_chunk(written)
        self._store.append_history(seq, turn, len(written), chunk)
        return chunk

    def save_ending(self, row: InstanceRow, ending: Ending, now: datetime) -> None:
        """An instance that takes in nothing more."""
        self._store.save_ending(row, ending, now)
        self._store.clear_inbox(row.seq)
        self._parts.executions.forget(row.seq)
        self._parts.commits.then(lambda: self._parts.ended(row, ending.status))
        self.tell(row.instance_id)

    def started_event(self, row: InstanceRow) -> pb.ExecutionStartedEvent:
        """How an instance began, before or after its first turn."""
        execution = self._parts.executions.load(row.seq)
        first = () if execution.turn else self._first_event(row.seq)
        return fold_all(first, onto=execution.instance).started

    @staticmethod
    def _is_to_begin(execution: Execution) -> bool:
        return not execution.turn or execution.instance.completed is not None

    def _first_event(self, seq: int) -> tuple[pb.HistoryEvent, ...]:
        """The start of an instance that has had no turn yet, or none since it was rewound."""
        waiting = [blob for _seq, blob in self._store.load_messages(seq, -1)]
        for blob in (*waiting, *self._store.alarms_of(seq)):
            event = pb.HistoryEvent.FromString(blob)
            if event.HasField("executionStarted") or event.HasField("executionRewound"):
                return (event,)
        return ()

    def tell(self, instance_id: str) -> None:
        """Wakes who waits for an instance, once its new state is on the disk."""
        self._parts.commits.then(
            lambda: self._parts.waiters.tell(
                instance_id, lambda: self._store.find_instance(instance_id)
            )
        )

    # Alarms

    def set_alarm(
        self,
        due: datetime,
        event: pb.HistoryEvent,
        *,
        instance: int | None = None,
        entity_id: str | None = None,
    ) -> None:
        """A message that becomes visible in the future."""
        self._store.add_alarm(due, event, instance=instance, entity_id=entity_id)
        self._parts.commits.then(lambda: self._parts.alarm.not_after(due))

    # Entities

    def settle(self, seq: int) -> list[Effect]:
        """Locks an entity whose turn to be locked has come, or makes its next batch ready."""
        row = self._parts.entities.load_entity(seq)
        if row is None:
            return []
        head = self._parts.entities.load_operations(seq, 1, row.entity.owner)
        if not head:
            return []
        operation, section, blob = head[0]
        if section is None:
            self._offer_batch(row)
            return []
        request = pb.HistoryEvent.FromString(blob).entityLockRequested
        decision = grant(row.entity, request, now=self._parts.now())
        self._parts.entities.delete_operations(seq, [operation])
        self._parts.entities.save_lock(seq, decision.entity)
        # Its new owner's first operations may be waiting already.
        return [*decision.effects, *self.settle(seq)]

    def release_locks(self, locks: Iterable[tuple[int, str]]) -> None:
        """Ends critical sections that nobody will end."""
        for seq, section in locks:
            row = self._parts.entities.load_entity(seq)
            if row is not None:
                unlocking = effects.Unlock(entity_id=row.entity.entity_id, section_id=section)
                self.carry_out([unlocking], Origin())

    def _offer_batch(self, row: EntityRow) -> None:
        name = row.entity.entity_id[1:].partition("@")[0]
        work = Work(kind=Kind.ENTITY, seq=row.seq, name=name, deliveries=row.deliveries)
        self._parts.commits.then(lambda: self._parts.dispatcher.offer(work))
        self._parts.commits.want()

    # Handlers

    def _run_tasks(self, tasks: Sequence[effects.RunTask], origin: Origin) -> None:
        if origin.row is None or origin.instance is None:
            raise AssertionError("only orchestrations schedule activities")
        seq, instance = origin.row.seq, origin.instance
        scheduled = [task.event for task in tasks]
        if origin.rewound:
            kept = self._store.tasks_of(seq, instance.execution_id)
            scheduled = [event for event in scheduled if event.eventId not in kept]
        requests = activity_requests(scheduled, instance.started.orchestrationInstance)
        added = self._store.add_activities(
            seq, instance.execution_id, zip(scheduled, requests, strict=True)
        )
        works = [
            Work(kind=Kind.ACTIVITY, seq=row.seq, instance=seq, name=row.name, version=row.version)
            for row in added
        ]
        self._parts.commits.then(lambda: self._parts.dispatcher.offer_all(works))
        self._parts.commits.want()

    def _set_timer(self, effect: effects.SetTimer, origin: Origin) -> Iterable[Effect]:
        if origin.row is None or not origin.lives:
            return ()
        now = self._parts.now()
        due = events.moment(effect.fire_at)
        event = events.timer_fired(now, effect.timer_id, effect.fire_at)
        if due <= now:
            self._store.add_message(origin.row.seq, event)
        else:
            self.set_alarm(due, event, instance=origin.row.seq)
        return ()

    def _start_instance(self, effect: effects.StartInstance, _origin: Origin) -> Iterable[Effect]:
        started = effect.started
        instance_id = started.orchestrationInstance.instanceId
        existing = self._store.find_instance(instance_id)
        if existing is not None and not existing.status.is_terminal:
            return self._refuse_start(started, existing)
        if existing is not None:
            self.remove(existing)
        self.start(started, self._parts.now())
        return ()

    def _refuse_start(
        self, started: pb.ExecutionStartedEvent, existing: InstanceRow
    ) -> Iterable[Effect]:
        text = f"Orchestration instance already exists: {existing.instance_id}"
        log.warning("%s; it was to be started again as %s", text, started.name)
        ending = Ending(status=Status.FAILED, failure=events.failure("InstanceAlreadyExists", text))
        return self._answer_as(started, ending)

    def _answer_as(self, started: pb.ExecutionStartedEvent, ending: Ending) -> Iterable[Effect]:
        """Answers the parent that a start names, on behalf of what does not run."""
        answer = answer_parent(started, ending, now=self._parts.now())
        if answer is None:
            return ()
        parent = started.parentInstance.orchestrationInstance
        return (
            effects.SendEvent(
                instance_id=parent.instanceId,
                execution_id=parent.executionId.value,
                event=answer.event,
            ),
        )

    def _send_event(self, effect: effects.SendEvent, _origin: Origin) -> Iterable[Effect]:
        row = self._store.find_instance(effect.instance_id)
        if row is not None and effect.execution_id in (None, row.execution_id):
            self.deliver(row, effect.event)
        return ()

    def _answer_parent(self, effect: effects.AnswerParent, origin: Origin) -> Iterable[Effect]:
        row = origin.row
        if row is None or row.parent_id is None:
            return ()
        return (
            effects.SendEvent(
                instance_id=row.parent_id,
                execution_id=row.parent_execution_id,
                event=effect.event,
            ),
        )

    def _send_operation(self, effect: effects.SendOperation, _origin: Origin) -> Iterable[Effect]:
        now = self._parts.now()
        if effect.due is not None and effect.due > now:
            self.set_alarm(effect.due, effect.event, entity_id=effect.entity_id)
            return ()
        row = self._parts.entities.find_entity(effect.entity_id)
        seq = self._parts.entities.add_entity(effect.entity_id, now) if row is None else row.seq
        section = (
            effect.event.entityLockRequested.criticalSectionId
            if effect.event.HasField("entityLockRequested")
            else None
        )
        self._parts.entities.add_operation(seq, owner_of(effect.event), section, effect.event)
        return self.settle(seq)

    def _unlock(self, effect: effects.Unlock, origin: Origin) -> Iterable[Effect]:
        # An orchestration ends its own sections, whatever ids it names.
        owner = None if origin.row is None else origin.row.instance_id
        waiting = self._parts.entities.delete_lock_requests(effect.section_id, owner)
        row = self._parts.entities.find_entity(effect.entity_id)
        is_locked = row is not None and row.entity.section == effect.section_id
        if row is not None and is_locked and owner in (None, row.entity.owner):
            self._parts.entities.save_lock(row.seq, unlock(row.entity, effect.section_id))
            waiting.append(row.seq)
        return [following for seq in waiting for following in self.settle(seq)]

    def _terminate(self, effect: effects.Terminate, _origin: Origin) -> Iterable[Effect]:
        row = self._store.find_instance(effect.instance_id)
        pending = [] if row is None else [row.seq]
        seen = set(pending) if effect.recurse else None
        while pending:
            pending.extend(self.end(pending.pop(), effect.reason, seen))
        return ()

    def _resume_child(self, effect: effects.ResumeChild, origin: Origin) -> Iterable[Effect]:
        started = effect.started
        row = self._store.find_instance(started.orchestrationInstance.instanceId)
        if row is None:
            self.start(started, self._parts.now())
            return ()
        if origin.row is None or row.parent_id != origin.row.instance_id:
            return self._refuse_start(started, row)
        execution_id = started.parentInstance.orchestrationInstance.executionId.value
        self._store.save_parent_execution(row.seq, execution_id)
        if row.status == Status.FAILED:
            self.rewind(row, effect.rewound)
        elif row.status.is_terminal:
            return self._answer_again(row, started)
        return ()

    def rewind(self, row: InstanceRow, rewound: pb.HistoryEvent) -> None:
        """Sets a failed instance going again: its next turn gives a history without failures."""
        self._store.save_rewinding(row.seq, self._parts.now())
        self._store.add_message(row.seq, rewound)
        running = self._store.load_instance(row.seq)
        if running is not None:
            self._parts.offer_turn(running)

    def _answer_again(
        self, row: InstanceRow, started: pb.ExecutionStartedEvent
    ) -> Iterable[Effect]:
        _input, output = self._store.payloads_of(row.seq)
        ending = Ending(
            status=row.status,
            result=None if output is None else StringValue(value=output),
            failure=None if row.failure is None else pb.TaskFailureDetails.FromString(row.failure),
        )
        return self._answer_as(started, ending)
