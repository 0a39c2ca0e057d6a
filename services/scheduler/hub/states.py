"""Rows as the protocol's messages."""

from google.protobuf.timestamp_pb2 import Timestamp

from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.store.rows import EntityRow, InstanceRow

_MICROS: int = 1_000_000
# What SQLite can compare.
_INTEGER_MAX: int = 2**63 - 1


def timestamp(micros: int) -> Timestamp:
    """A protocol timestamp from microseconds since 1970."""
    seconds, rest = divmod(micros, _MICROS)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def micros_of(timestamp: Timestamp) -> int:
    """Microseconds since 1970."""
    micros = timestamp.seconds * _MICROS + timestamp.nanos // 1_000
    return max(-_INTEGER_MAX, min(micros, _INTEGER_MAX))


def orchestration_state(
    row: InstanceRow, payloads: tuple[str | None, str | None] | None = None
) -> pb.OrchestrationState:
    """An instance's state, with input and output where they are given."""
    state = pb.OrchestrationState(
        instanceId=row.instance_id,
        name=row.name,
        orchestrationStatus=int(row.status),  # type: ignore[arg-type]  # the stubs want the enum's wrapper
        createdTimestamp=timestamp(row.created_at),
        lastUpdatedTimestamp=timestamp(row.updated_at),
        executionId=StringValue(value=row.execution_id),
        version=_text(row.version),
        customStatus=_text(row.custom_status),
        parentInstanceId=_text(row.parent_id),
    )
    if row.scheduled_at is not None:
        state.scheduledStartTimestamp.CopyFrom(timestamp(row.scheduled_at))
    if row.completed_at is not None:
        state.completedTimestamp.CopyFrom(timestamp(row.completed_at))
    if row.failure is not None:
        state.failureDetails.ParseFromString(row.failure)
    if row.tags is not None:
        state.tags.update(pb.ExecutionStartedEvent.FromString(row.tags).tags)
    if payloads is not None:
        _set_payloads(state, *payloads)
    return state


def _set_payloads(state: pb.OrchestrationState, given: str | None, output: str | None) -> None:
    if given is not None:
        state.input.value = given
    if output is not None:
        state.output.value = output


def entity_metadata(row: EntityRow, *, include_state: bool) -> pb.EntityMetadata:
    """What the protocol tells of an entity."""
    entity = row.entity
    return pb.EntityMetadata(
        instanceId=entity.entity_id,
        lastModifiedTime=timestamp(row.modified_at),
        backlogQueueSize=row.backlog,
        lockedBy=_text(entity.owner),
        serializedState=_text(entity.state) if include_state else None,
    )


def _text(value: str | None) -> StringValue | None:
    return None if value is None else StringValue(value=value)
