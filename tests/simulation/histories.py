"""Reads a history on its own account: it shares no rule with the engine that wrote it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.scheduler.engine.protos import pb
from tests.simulation.violation import Violation

# What kind of thing waits for an answer, and its id in the history.
Key = tuple[str, int | str]

_OPENED: Final[Mapping[str, Callable[[Any], Key]]] = {
    "taskScheduled": lambda e: ("task", e.eventId),
    "timerCreated": lambda e: ("timer", e.eventId),
    "subOrchestrationInstanceCreated": lambda e: ("child", e.eventId),
    "entityOperationCalled": lambda e: ("call", e.entityOperationCalled.requestId),
    "entityLockRequested": lambda e: ("lock", e.entityLockRequested.criticalSectionId),
}
_ANSWERED: Final[Mapping[str, Callable[[Any], Key]]] = {
    "taskCompleted": lambda e: ("task", e.taskCompleted.taskScheduledId),
    "taskFailed": lambda e: ("task", e.taskFailed.taskScheduledId),
    "timerFired": lambda e: ("timer", e.timerFired.timerId),
    "subOrchestrationInstanceCompleted": lambda e: (
        "child",
        e.subOrchestrationInstanceCompleted.taskScheduledId,
    ),
    "subOrchestrationInstanceFailed": lambda e: (
        "child",
        e.subOrchestrationInstanceFailed.taskScheduledId,
    ),
    "entityOperationCompleted": lambda e: ("call", e.entityOperationCompleted.requestId),
    "entityOperationFailed": lambda e: ("call", e.entityOperationFailed.requestId),
    "entityLockGranted": lambda e: ("lock", e.entityLockGranted.criticalSectionId),
}


def kind_of(event: pb.HistoryEvent) -> str:
    """What kind of event it is."""
    return str(event.WhichOneof("eventType"))


def answered_by(event: pb.HistoryEvent) -> Key | None:
    """What an event answers."""
    rule = _ANSWERED.get(kind_of(event))
    return None if rule is None else rule(event)


@dataclass(slots=True, kw_only=True)
class Story:
    """What a history tells."""

    started: pb.ExecutionStartedEvent | None = None
    completed: pb.ExecutionCompletedEvent | None = None
    waits_for: dict[Key, pb.HistoryEvent] = field(default_factory=dict)
    sections: dict[str, set[str]] = field(default_factory=dict)
    granted: set[str] = field(default_factory=set)
    raised: list[str] = field(default_factory=list)
    rewound: bool = False

    def holds(self, section: str, entity_id: str) -> bool:
        """Whether it is inside a critical section at an entity."""
        return section in self.granted and entity_id in self.sections.get(section, ())


def read(what: str, events: Iterable[pb.HistoryEvent]) -> Story:
    """Tells a history; raises `Violation` for what no history may hold."""
    events = list(events)
    # A rewound history lacks its failures, and so some of what was decided because of them.
    story = Story(rewound=any(event.HasField("executionRewound") for event in events))
    for event in events:
        _take(what, story, event)
    if events and story.started is None:
        raise Violation(f"the history of {what} has no start")
    return story


def _take(what: str, story: Story, event: pb.HistoryEvent) -> None:
    kind = kind_of(event)
    if story.completed is not None:
        raise Violation(f"{kind} follows the end of {what}")
    answer = answered_by(event)
    if answer is not None and story.waits_for.pop(answer, None) is None and not story.rewound:
        raise Violation(f"{kind} in the history of {what} answers nothing: {answer}")
    rule = _OPENED.get(kind)
    if rule is not None:
        key = rule(event)
        if key in story.waits_for and not story.rewound:
            raise Violation(f"{key} stands twice in the history of {what}")
        story.waits_for[key] = event
    remember = _REMEMBERED.get(kind)
    if remember is not None:
        remember(what, story, event)


def _start(what: str, story: Story, event: pb.HistoryEvent) -> None:
    if story.started is not None:
        raise Violation(f"{what} starts twice")
    story.started = event.executionStarted


def _complete(_what: str, story: Story, event: pb.HistoryEvent) -> None:
    story.completed = event.executionCompleted


def _raise(what: str, story: Story, event: pb.HistoryEvent) -> None:
    data = event.eventRaised.input.value
    if data in story.raised:
        raise Violation(f"event {data} stands twice in the history of {what}")
    story.raised.append(data)


def _ask_lock(_what: str, story: Story, event: pb.HistoryEvent) -> None:
    asked = event.entityLockRequested
    story.sections[asked.criticalSectionId] = set(asked.lockSet)


def _grant(_what: str, story: Story, event: pb.HistoryEvent) -> None:
    story.granted.add(event.entityLockGranted.criticalSectionId)


def _unlock(_what: str, story: Story, event: pb.HistoryEvent) -> None:
    sent = event.entityUnlockSent
    story.sections.get(sent.criticalSectionId, set()).discard(sent.targetInstanceId.value)


_REMEMBERED: Final[Mapping[str, Callable[[str, Story, pb.HistoryEvent], None]]] = {
    "executionStarted": _start,
    "executionCompleted": _complete,
    "eventRaised": _raise,
    "entityLockRequested": _ask_lock,
    "entityLockGranted": _grant,
    "entityUnlockSent": _unlock,
}
