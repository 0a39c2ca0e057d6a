"""A decision in the making; it leaves the engine only as a `Decision`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from services.scheduler.engine import events
from services.scheduler.engine.effects import Decision, Effect, Ending
from services.scheduler.engine.instance import Instance
from services.scheduler.engine.protos import Timestamp, pb


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a turn has come to so far."""

    instance: Instance
    history: list[pb.HistoryEvent]
    now: datetime
    ids: Callable[[], str]
    effects: list[Effect] = field(default_factory=list)
    ending: Ending | None = None
    replaces: bool = False
    next_execution: tuple[pb.HistoryEvent, ...] = ()
    stamp: Timestamp = field(init=False)
    tags: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.stamp = events.stamp(self.now)
        self.tags = dict(self.instance.started.tags)

    @property
    def is_done(self) -> bool:
        """Whether the execution has ended."""
        return self.ending is not None or bool(self.next_execution)

    def scheduling(self, action_id: int) -> pb.HistoryEvent:
        """A new event under an action's id, already in the history, to be filled in."""
        event = pb.HistoryEvent(eventId=action_id)
        event.timestamp.CopyFrom(self.stamp)
        self.history.append(event)
        return event

    def tag(
        self,
        event: pb.TaskScheduledEvent | pb.SubOrchestrationInstanceCreatedEvent,
        action: pb.ScheduleTaskAction | pb.CreateSubOrchestrationAction,
    ) -> None:
        """Tags what is scheduled: its own tags over those of its orchestration."""
        if self.tags:
            event.tags.update(self.tags)
        if action.tags:
            event.tags.update(action.tags)

    def done(self) -> Decision:
        """The decision."""
        return Decision(
            history=tuple(self.history),
            effects=tuple(self.effects),
            ending=self.ending,
            replaces=self.replaces,
            next_execution=self.next_execution,
        )
