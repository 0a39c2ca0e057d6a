"""What the cases ask of a history."""

from collections.abc import Sequence
from typing import TypeVar

from durabletask import history

Event = TypeVar("Event", bound=history.HistoryEvent)


def kinds(events: Sequence[history.HistoryEvent]) -> list[str]:
    """What happened, in order: `OrchestratorStarted`, `ExecutionStarted`, ..."""
    return [type(event).__name__.removesuffix("Event") for event in events]


def of(kind: type[Event], events: Sequence[history.HistoryEvent]) -> list[Event]:
    """The events of one kind, in order."""
    return [event for event in events if isinstance(event, kind)]


def execution_id(events: Sequence[history.HistoryEvent]) -> str | None:
    """The execution that the history belongs to."""
    instance = of(history.ExecutionStartedEvent, events)[0].orchestration_instance
    assert instance is not None
    return instance.execution_id


def numbered(events: Sequence[history.HistoryEvent]) -> list[tuple[str, int]]:
    """What happened, each with the number of the action that it is about, or -1."""
    return list(zip(kinds(events), map(_number, events), strict=True))


def _number(event: history.HistoryEvent) -> int:
    # A result has no number of its own: it names the action that it answers.
    named = getattr(event, "task_scheduled_id", getattr(event, "timer_id", None))
    if named is None:
        return event.event_id
    assert event.event_id == -1
    return int(named)
