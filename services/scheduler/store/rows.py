"""The rows of the store as values, one function per table."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.scheduler.engine.entity import Entity
from services.scheduler.engine.status import Status

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Only queries count it.
_BACKLOG_AT: Final = 7
_MICROSECOND: Final = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    """The time of a number of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow:
    """An instance as lists show it; its payloads are read apart. Times in microseconds."""

    seq: int
    instance_id: str
    execution_id: str
    name: str
    version: str | None
    status: Status
    parent_id: str | None
    parent_execution_id: str | None
    created_at: int
    updated_at: int
    scheduled_at: int | None
    completed_at: int | None
    custom_status: str | None
    failure: bytes | None
    tags: bytes | None
    trace: bytes | None
    deliveries: int

    @property
    def size(self) -> int:
        """Bytes of what may be large, about."""
        found = (self.custom_status, self.failure, self.tags, self.trace)
        return sum(len(part) for part in found if part is not None)

    def after_turn(self, *, custom_status: str | None, trace: bytes | None) -> "InstanceRow":
        """The row once a turn has been delivered well; most turns change nothing of it."""
        if (custom_status, trace, 0) == (self.custom_status, self.trace, self.deliveries):
            return self
        return replace(self, custom_status=custom_status, trace=trace, deliveries=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRow:
    """An activity that has no result yet."""

    seq: int
    instance: int
    execution_id: str
    task_id: int
    name: str
    version: str | None
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRow:
    """An entity and what the store knows of it."""

    seq: int
    entity: Entity
    modified_at: int
    deliveries: int
    backlog: int = 0


def instance_row(row: tuple[Any, ...]) -> InstanceRow:
    """A row of `instances`."""
    return InstanceRow(
        seq=row[0],
        instance_id=row[1],
        execution_id=row[2],
        name=row[3],
        version=row[4],
        status=Status(row[5]),
        parent_id=row[6],
        parent_execution_id=row[7],
        created_at=row[8],
        updated_at=row[9],
        scheduled_at=row[10],
        completed_at=row[11],
        custom_status=row[12],
        failure=row[13],
        tags=row[14],
        trace=row[15],
        deliveries=row[16],
    )


def new_instance_row(seq: int, values: Mapping[str, Any]) -> InstanceRow:
    """The row of an instance that was just written with these values."""
    return InstanceRow(
        seq=seq,
        completed_at=None,
        custom_status=None,
        failure=None,
        trace=None,
        deliveries=0,
        **values,
    )


def activity_row(row: tuple[Any, ...]) -> ActivityRow:
    """A row of `activities`, without its request."""
    return ActivityRow(
        seq=row[0],
        instance=row[1],
        execution_id=row[2],
        task_id=row[3],
        name=row[4],
        version=row[5],
        deliveries=row[6],
    )


def entity_row(row: tuple[Any, ...]) -> EntityRow:
    """A row of `entities`, with its backlog where that was counted."""
    return EntityRow(
        seq=row[0],
        entity=Entity(entity_id=row[1], state=row[2], section=row[4], owner=row[5]),
        modified_at=row[3],
        deliveries=row[6],
        backlog=row[7] if len(row) > _BACKLOG_AT else 0,
    )
