"""Rows of the store as the JSON of the management API."""

from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from services.scheduler.engine.protos import pb
from services.scheduler.http.models import StatusName, status_name
from services.scheduler.store.rows import InstanceRow, moment

# A list is no place for megabytes: what is longer is cut there, and whole in the instance.
LISTED_CHARS_MAX: Final = 1_000

Json = dict[str, Any]


def time_of(micros: int | None) -> str | None:
    """RFC 3339 in UTC, to the microsecond."""
    if micros is None:
        return None
    return moment(micros).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def orchestration(row: InstanceRow) -> Json:
    """What every list and every answer shows of an instance."""
    failure = None if row.failure is None else pb.TaskFailureDetails.FromString(row.failure)
    return {
        "instanceId": row.instance_id,
        "executionId": row.execution_id,
        "name": row.name,
        "version": row.version,
        "status": status_name(row.status),
        "createdAt": time_of(row.created_at),
        "lastUpdatedAt": time_of(row.updated_at),
        "completedAt": time_of(row.completed_at),
        "scheduledStartAt": time_of(row.scheduled_at),
        "parentInstanceId": row.parent_id,
        "tags": tags_of(row),
        "customStatus": row.custom_status,
        "error": None if failure is None else _first_line(failure.errorMessage),
    }


def tags_of(row: InstanceRow) -> dict[str, str]:
    """The tags of an instance."""
    return {} if row.tags is None else dict(pb.ExecutionStartedEvent.FromString(row.tags).tags)


def failure_details(blob: bytes | None) -> Json | None:
    """Why an instance failed, with what caused that."""
    return None if blob is None else failure(pb.TaskFailureDetails.FromString(blob))


def failure(details: pb.TaskFailureDetails) -> Json:
    """The protocol's failure details, whole."""
    inner = details.innerFailure if details.HasField("innerFailure") else None
    return {
        "errorType": details.errorType,
        "errorMessage": details.errorMessage,
        "stackTrace": details.stackTrace.value if details.HasField("stackTrace") else None,
        "innerFailure": None if inner is None else failure(inner),
        "isNonRetriable": details.isNonRetriable,
        "properties": {name: value_of(value) for name, value in details.properties.items()},
    }


def value_of(value: Value) -> Any:  # noqa: ANN401 - any JSON
    """A protobuf value as JSON; JSON has no number for what is none."""
    kind = value.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    held = getattr(value, kind)
    if isinstance(held, Struct):
        return {name: value_of(part) for name, part in held.fields.items()}
    if isinstance(held, ListValue):
        return [value_of(part) for part in held.values]
    if isinstance(held, float):
        if held - held != 0:
            return str(held)
        # Less than nothing is no whole number: as one it would lose its sign.
        is_whole = held.is_integer() and str(held) != "-0.0"
        return int(held) if is_whole else held
    return held


def counts(rows: list[tuple[str, int, int]]) -> tuple[Json, int]:
    """The counts of orchestrations, all and roots only; and how many entities there are."""
    numbers = {(kind, status): number for kind, status, number in rows}

    def of(kinds: tuple[str, ...]) -> Json:
        by_status = {
            name.value: sum(numbers.get((kind, name.number), 0) for kind in kinds)
            for name in StatusName
        }
        return {"total": sum(by_status.values()), "byStatus": by_status}

    both = {"all": of(("root", "child")), "roots": of(("root",))}
    return both, numbers.get(("entity", 0), 0)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].rstrip()[:LISTED_CHARS_MAX]
