"""An orchestration instance as its history tells it: what it is, and what it waits for.

`fold_all` is the only way from a history to an `Instance`; `receive` folds what has arrived and
drops what answers nothing that is open. It knows no status: suspending leaves no trace in a
history before the next turn, so the status stands in the instance's row.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from services.scheduler.engine.protos import pb

_NOTHING_STARTED: Final = pb.ExecutionStartedEvent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One execution of an orchestration.

    `open_*` hold what history has scheduled and not yet resolved: tasks and timers by event id,
    children by event id with their instance ids, entity calls by request id, and critical sections
    (asked for or held) with the entities that they lock.
    """

    started: pb.ExecutionStartedEvent = field(default_factory=lambda: _NOTHING_STARTED)
    completed: pb.ExecutionCompletedEvent | None = None
    open_tasks: AbstractSet[int] = frozenset()
    open_timers: AbstractSet[int] = frozenset()
    open_children: Mapping[int, str] = field(default_factory=dict)
    open_calls: AbstractSet[str] = frozenset()
    asked_sections: AbstractSet[str] = frozenset()
    sections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def instance_id(self) -> str:
        """Its id, unique in the task hub."""
        return self.started.orchestrationInstance.instanceId

    @property
    def execution_id(self) -> str:
        """The id of this execution: 32 lowercase hexadecimal characters."""
        return self.started.orchestrationInstance.executionId.value


class _Folding:
    """An instance in the making; the sets are its own."""

    def __init__(self, base: Instance) -> None:
        self.started = base.started
        self.completed = base.completed
        self.tasks = set(base.open_tasks)
        self.timers = set(base.open_timers)
        self.children = dict(base.open_children)
        self.calls = set(base.open_calls)
        self.asked = set(base.asked_sections)
        self.sections = dict(base.sections)

    def done(self) -> Instance:
        return Instance(
            started=self.started,
            completed=self.completed,
            open_tasks=self.tasks,
            open_timers=self.timers,
            open_children=self.children,
            open_calls=self.calls,
            asked_sections=self.asked,
            sections=self.sections,
        )


def fold_all(history: Iterable[pb.HistoryEvent], onto: Instance | None = None) -> Instance:
    """The instance after a history, or after more of it (`onto`: what came before)."""
    folding = _Folding(onto or Instance())
    for event in history:
        _fold(folding, event)
    return folding.done()


def receive(
    instance: Instance, arrived: Iterable[pb.HistoryEvent]
) -> tuple[Instance, tuple[pb.HistoryEvent, ...]]:
    """Folds what arrived; gives the instance, and those events that it takes in.

    An answer to nothing that is open (a second result, one for an earlier execution) is dropped:
    a worker that is handed one may fail the orchestration for it.
    """
    folding = _Folding(instance)
    accepted = tuple(event for event in arrived if _fold(folding, event))
    return folding.done(), accepted


def _fold(folding: _Folding, event: pb.HistoryEvent) -> bool:
    kind = event.WhichOneof("eventType")
    rule = _RULES.get(kind or "")
    return rule is None or rule(folding, event)


def _started(folding: _Folding, event: pb.HistoryEvent) -> bool:
    folding.started = event.executionStarted
    return True


def _completed(folding: _Folding, event: pb.HistoryEvent) -> bool:
    folding.completed = event.executionCompleted
    return True


def _task_scheduled(folding: _Folding, event: pb.HistoryEvent) -> bool:
    folding.tasks.add(event.eventId)
    return True


def _timer_created(folding: _Folding, event: pb.HistoryEvent) -> bool:
    folding.timers.add(event.eventId)
    return True


def _child_created(folding: _Folding, event: pb.HistoryEvent) -> bool:
    folding.children[event.eventId] = event.subOrchestrationInstanceCreated.instanceId
    return True


def _entity_called(folding: _Folding, event: pb.HistoryEvent) -> bool:
    folding.calls.add(event.entityOperationCalled.requestId)
    return True


def _lock_requested(folding: _Folding, event: pb.HistoryEvent) -> bool:
    request = event.entityLockRequested
    folding.asked.add(request.criticalSectionId)
    folding.sections[request.criticalSectionId] = tuple(request.lockSet)
    return True


def _lock_granted(folding: _Folding, event: pb.HistoryEvent) -> bool:
    return _resolve(folding.asked, event.entityLockGranted.criticalSectionId)


def _unlocked(folding: _Folding, event: pb.HistoryEvent) -> bool:
    section = event.entityUnlockSent.criticalSectionId
    target = event.entityUnlockSent.targetInstanceId.value
    left = tuple(entity for entity in folding.sections.get(section, ()) if entity != target)
    if left:
        folding.sections[section] = left
    else:
        folding.sections.pop(section, None)
        folding.asked.discard(section)
    return True


def _resolve(open_ones: set[Any], one: object) -> bool:
    if one not in open_ones:
        return False
    open_ones.remove(one)
    return True


def _child_resolved(folding: _Folding, task_id: int) -> bool:
    return folding.children.pop(task_id, None) is not None


_Rule = Callable[[_Folding, pb.HistoryEvent], bool]

# What is not named here (events sent and raised, suspends, markers) opens and resolves nothing.
_RULES: Final[Mapping[str, _Rule]] = {
    "executionStarted": _started,
    "executionCompleted": _completed,
    "taskScheduled": _task_scheduled,
    "taskCompleted": lambda f, e: _resolve(f.tasks, e.taskCompleted.taskScheduledId),
    "taskFailed": lambda f, e: _resolve(f.tasks, e.taskFailed.taskScheduledId),
    "timerCreated": _timer_created,
    "timerFired": lambda f, e: _resolve(f.timers, e.timerFired.timerId),
    "subOrchestrationInstanceCreated": _child_created,
    "subOrchestrationInstanceCompleted": lambda f, e: _child_resolved(
        f, e.subOrchestrationInstanceCompleted.taskScheduledId
    ),
    "subOrchestrationInstanceFailed": lambda f, e: _child_resolved(
        f, e.subOrchestrationInstanceFailed.taskScheduledId
    ),
    "entityOperationCalled": _entity_called,
    "entityOperationCompleted": lambda f, e: _resolve(
        f.calls, e.entityOperationCompleted.requestId
    ),
    "entityOperationFailed": lambda f, e: _resolve(f.calls, e.entityOperationFailed.requestId),
    "entityLockRequested": _lock_requested,
    "entityLockGranted": _lock_granted,
    "entityUnlockSent": _unlocked,
}
