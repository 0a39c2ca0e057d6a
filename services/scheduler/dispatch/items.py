"""Work that is ready to be done, and the promise of one worker to do it."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from services.scheduler.dispatch.streams import WorkerStream

_ACTIVITY_TOKEN: Final = re.compile(r"a([0-9]{1,18})\.([0-9]{1,18})-")


class Kind(StrEnum):
    """The kinds of work items; the value names the table that counts their deliveries."""

    ORCHESTRATION = "instance"
    ACTIVITY = "activity"
    ENTITY = "entity"

    # Hashed with every lookup of an item: the enumeration's own is written in Python.
    __hash__ = str.__hash__


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something to do: a row of the store, and what workers choose by.

    `instance` is whose activity it is, `deliveries` how many running have ended their stream.
    """

    kind: Kind
    seq: int
    name: str
    version: str | None = None
    instance: int = 0
    deliveries: int = 0

    @property
    def key(self) -> tuple[Kind, int]:
        """What it is, however often it is offered."""
        return (self.kind, self.seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A work item as it goes over the wire, and what the hub wants to remember of it."""

    payload: bytes
    memo: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who has a work item now. It lives in memory: a restart knows none."""

    token: str
    work: Work
    order: int
    # When it began, by the loop's clock.
    since: float
    stream: "WorkerStream"
    size: int
    memo: Any


def activity_of(token: str) -> tuple[int, int] | None:
    """The instance and the `seq` of the activity that a token names; None if it names none."""
    named = _ACTIVITY_TOKEN.match(token)
    return None if named is None else (int(named[1]), int(named[2]))
