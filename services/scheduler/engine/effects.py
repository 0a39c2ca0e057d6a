"""What a decision changes outside the instance's own history, each a value."""

from dataclasses import dataclass
from datetime import datetime

from services.scheduler.engine.protos import StringValue, Timestamp, pb


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """An activity to run: its taskScheduled event."""

    event: pb.HistoryEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """A timer: a message to the instance itself, visible in the future."""

    timer_id: int
    fire_at: Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class StartInstance:
    """A new orchestration: a child (`started` names its parent), or one that an entity starts."""

    started: pb.ExecutionStartedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class SendEvent:
    """A message to another instance; with an execution id, for that execution only."""

    instance_id: str
    execution_id: str | None
    event: pb.HistoryEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerParent:
    """What the parent hears at an execution's end; its row says who that is now."""

    event: pb.HistoryEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOperation:
    """An operation or a lock request for an entity's queue, visible from `due` on."""

    entity_id: str
    event: pb.HistoryEvent
    due: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlock:
    """The end of a critical section at one entity, also where it still waits in the queue."""

    entity_id: str
    section_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """The termination of another instance."""

    instance_id: str
    reason: StringValue | None
    recurse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeChild:
    """A child of a rewound instance: rewound itself, created again if it is gone."""

    started: pb.ExecutionStartedEvent
    rewound: pb.HistoryEvent


Effect = (
    RunTask
    | SetTimer
    | StartInstance
    | SendEvent
    | AnswerParent
    | SendOperation
    | Unlock
    | Terminate
    | ResumeChild
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an execution ended."""

    status: int
    result: StringValue | None = None
    failure: pb.TaskFailureDetails | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Everything that one turn of an orchestration changes; all of it is committed, or nothing.

    `history` is appended to what is stored, or replaces it all where `replaces` says so (a rewind).
    `next_execution` is what continue-as-new starts, its inbox first: the history is then dropped.
    """

    history: tuple[pb.HistoryEvent, ...]
    effects: tuple[Effect, ...] = ()
    ending: Ending | None = None
    replaces: bool = False
    next_execution: tuple[pb.HistoryEvent, ...] = ()
