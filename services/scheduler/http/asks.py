"""What callers of the management API may send: bodies, and parameters in the address."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from services.scheduler.engine.limits import BATCH_IDS_MAX, PAGE_SIZE_MAX
from services.scheduler.http.models import InstanceIds, Model, Moment, StatusName
from services.scheduler.store.filters import Column

ROWS_MAX = 200
START_INDEX_MAX = 10_000
_PAYLOAD_CHARS_MAX = 4 * 1024 * 1024
Rows = Annotated[int, Field(ge=1, le=ROWS_MAX)]
Text = Annotated[str, Field(min_length=1)]


class Parameters(Model):
    """Parameters in the address: texts, so numbers are read from them."""

    model_config = ConfigDict(strict=False)


class NoParameters(Parameters):
    """None."""


class HistoryParameters(Parameters):
    """Which part of a history, and how much of its payloads."""

    cursor: str | None = Field(
        default=None, description="nextCursor or endCursor of an earlier page"
    )
    count: int = Field(default=500, ge=1, le=PAGE_SIZE_MAX)
    payload_chars: int | None = Field(
        default=None,
        ge=0,
        le=_PAYLOAD_CHARS_MAX,
        description="how much of each payload is wanted; all of it by default",
    )


class PurgeParameters(Parameters):
    """Of a purge of one instance."""

    recursive: bool = Field(default=False, description="with the sub-orchestrations")


class Extra(StrEnum):
    """What a list shows of an orchestration only if asked."""

    INPUT = "input"
    OUTPUT = "output"
    CUSTOM_STATUS = "customStatus"
    FAILURE_DETAILS = "failureDetails"


class InstanceFilter(Model):
    """Which orchestrations; all that is given must hold. Times: from, and before."""

    statuses: list[StatusName] = Field(default=[], max_length=100)
    name: Text | None = None
    instance_id_prefix: str | None = Field(default=None, max_length=1_000)
    created_from: Moment | None = None
    created_to: Moment | None = None
    updated_from: Moment | None = None
    updated_to: Moment | None = None
    parent_instance_id: Text | None = None
    hide_sub_orchestrations: bool = False
    instance_ids: list[str] | None = Field(default=None, max_length=BATCH_IDS_MAX)


class Pagination(Model):
    """Which page: by the cursor of the one before, or, near the beginning, by its first row."""

    count: Rows = 50
    cursor: str | None = None
    start_index: int = Field(default=0, ge=0, le=START_INDEX_MAX)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.cursor and self.start_index:
            raise ValueError("give cursor or startIndex, not both")
        return self


class SortBy(Model):
    """A column and a direction."""

    column: Column
    direction: Literal["ASCENDING_SORT", "DESCENDING_SORT"] = "DESCENDING_SORT"


class QueryOrchestrations(Model):
    """A page of orchestrations."""

    filter: InstanceFilter = InstanceFilter()
    pagination: Pagination = Pagination()
    sort: list[SortBy] = Field(
        default=[], max_length=1, description="by default CREATED_AT, DESCENDING_SORT"
    )
    fields: list[Extra] = Field(default=[], max_length=100)


class StartOrchestration(Model):
    """A new orchestration. Input is the serialized text that the orchestrator is to read."""

    name: str
    instance_id: str | None = Field(default=None, description="a fresh one by default")
    version: str | None = None
    input: str | None = None
    scheduled_start_at: Moment | None = None
    tags: dict[str, str] = Field(default={})


class Reason(Model):
    """Why, for the history."""

    reason: str | None = None


class Termination(Model):
    """The output that the instance is to have, and whether its sub-orchestrations end too."""

    output: str | None = None
    recurse: bool = False


class RaisedEvent(Model):
    """An external event; input is serialized data."""

    name: Text
    input: str | None = None


class AddHistory(Model):
    """Exactly one of the events that a client may cause."""

    execution_suspended: Reason | None = None
    execution_resumed: Reason | None = None
    execution_terminated: Termination | None = None
    execution_rewound: Reason | None = None
    event_raised: RaisedEvent | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            names = ", ".join(str(field.alias) for field in type(self).model_fields.values())
            raise ValueError(f"give exactly one of {names}")
        return self


class Restart(Model):
    """Under the same id (finished instances only), or as a new instance."""

    restart_with_new_instance_id: bool = False


class Action(StrEnum):
    """What can be done to many."""

    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"
    RESTART = "restart"
    REWIND = "rewind"
    RAISE_EVENT = "raiseEvent"
    PURGE = "purge"


class Bulk(Model):
    """One action on many instances, each by itself: one that is refused stops no other."""

    action: Action
    instance_ids: InstanceIds
    reason: str | None = Field(default=None, description="of suspend, resume and rewind")
    output: str | None = Field(default=None, description="of terminate")
    recursive: bool = Field(default=False, description="of terminate and purge")
    new_instance_ids: bool = Field(default=False, description="of restart")
    event_name: str | None = Field(default=None, description="of raiseEvent, which needs it")
    input: str | None = Field(default=None, description="of raiseEvent")

    @model_validator(mode="after")
    def _event_has_a_name(self) -> Self:
        if self.action is Action.RAISE_EVENT and not self.event_name:
            raise ValueError("raiseEvent needs eventName")
        return self


class PurgeFilter(Model):
    """Which finished instances. Times: from, and before."""

    created_from: Moment | None = None
    created_to: Moment | None = None
    statuses: list[StatusName] = Field(default=[], max_length=100)


class Purge(Model):
    """Finished instances that a filter shows; an empty filter shows all."""

    filter: PurgeFilter
    recursive: bool = Field(default=False, description="with the sub-orchestrations")


class ForceTerminate(Model):
    """Ends many instances at once, without their sub-orchestrations."""

    instance_ids: InstanceIds
    reason: str | None = None


class EntityFilter(Model):
    """Which entities. Times: from, and before."""

    instance_id_prefix: str | None = Field(default=None, max_length=1_000)
    modified_from: Moment | None = None
    modified_to: Moment | None = None
    include_transient: bool = Field(default=False, description="also those that hold no state")


class EntityPagination(Model):
    """Which page."""

    count: Rows = 50
    cursor: str | None = None


class QueryEntities(Model):
    """A page of entities, in the order of their ids."""

    filter: EntityFilter = EntityFilter()
    pagination: EntityPagination = EntityPagination()
    fields: list[Literal["state"]] = Field(default=[], max_length=100)


class SignalEntity(Model):
    """An operation that nobody waits for; input is serialized."""

    operation: str
    input: str | None = None
