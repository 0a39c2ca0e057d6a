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
