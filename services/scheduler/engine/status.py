"""The statuses of an orchestration, and what a message does to each.

Messages are asynchronous: a late suspend is no mistake, so every pair of a status and a message
stands in the table, most of them ignored.
"""

from collections.abc import Mapping
from enum import Enum, IntEnum, auto
from types import MappingProxyType
from typing import Final

from services.scheduler.engine.protos import pb


class Status(IntEnum):
    """The protocol's numbers. An instance is pending until its first turn has been committed.

    CANCELED is none of ours: no SDK uses it, and a worker that does has terminated its instance.
    """

    RUNNING = pb.ORCHESTRATION_STATUS_RUNNING
    COMPLETED = pb.ORCHESTRATION_STATUS_COMPLETED
    FAILED = pb.ORCHESTRATION_STATUS_FAILED
    TERMINATED = pb.ORCHESTRATION_STATUS_TERMINATED
    PENDING = pb.ORCHESTRATION_STATUS_PENDING
    SUSPENDED = pb.ORCHESTRATION_STATUS_SUSPENDED

    # Hashed with every message: the enumeration's own is written in Python.
    __hash__ = int.__hash__

    @property
    def is_terminal(self) -> bool:
        """Whether nothing will happen any more unless somebody rewinds or restarts it."""
        return self in TERMINAL


class Message(Enum):
    """What can arrive at an instance: all else that does is a result, and so `DELIVER`."""

    DELIVER = auto()
    SUSPEND = auto()
    RESUME = auto()
    TERMINATE = auto()
    REWIND = auto()

    __hash__ = object.__hash__


class Reception(Enum):
    """What becomes of a message."""

    BUFFERED = auto()  # it goes to the inbox, for the next turn
    SUSPENDS = auto()  # buffered, and no turn until the instance is resumed
    RESUMES = auto()  # buffered, and turns again
    ENDS = auto()  # the instance ends now, whatever its orchestrator is at
    REWINDS = auto()  # buffered, and a turn that gives a history without its failures
    IGNORED = auto()  # nothing changes
    REFUSED = auto()  # nothing changes, and who asked is told


TERMINAL: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.TERMINATED})

_LIVE: Final[Mapping[Message, Reception]] = {
    Message.DELIVER: Reception.BUFFERED,
    Message.SUSPEND: Reception.SUSPENDS,
    Message.RESUME: Reception.IGNORED,
    Message.TERMINATE: Reception.ENDS,
    Message.REWIND: Reception.REFUSED,
}
_SUSPENDED: Final[Mapping[Message, Reception]] = {
    Message.DELIVER: Reception.BUFFERED,
    Message.SUSPEND: Reception.IGNORED,
    Message.RESUME: Reception.RESUMES,
    Message.TERMINATE: Reception.ENDS,
    Message.REWIND: Reception.REFUSED,
}
_ENDED: Final[Mapping[Message, Reception]] = {
    Message.DELIVER: Reception.IGNORED,
    Message.SUSPEND: Reception.IGNORED,
    Message.RESUME: Reception.IGNORED,
    Message.TERMINATE: Reception.IGNORED,
    Message.REWIND: Reception.REFUSED,
}
_FAILED: Final[Mapping[Message, Reception]] = {**_ENDED, Message.REWIND: Reception.REWINDS}

_ROWS: Final = {
    Status.PENDING: _LIVE,
    Status.RUNNING: _LIVE,
    Status.SUSPENDED: _SUSPENDED,
    Status.COMPLETED: _ENDED,
    Status.TERMINATED: _ENDED,
    Status.FAILED: _FAILED,
}

RECEPTION: Final[Mapping[tuple[Status, Message], Reception]] = MappingProxyType(
    {
        (status, message): reception
        for status, row in _ROWS.items()
        for message, reception in row.items()
    }
)
