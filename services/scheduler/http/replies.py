"""What the management API answers. Optional members are null where there is nothing."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from services.scheduler.http.models import Model, StatusName

Time = str


class Counts(Model):
    """How many orchestrations there are."""

    total: int
    by_status: dict[StatusName, int] = Field(description="with all six statuses")


class CountsByRoot(Model):
    """With sub-orchestrations, and without."""

    all: Counts
    roots: Counts


class TaskHub(Model):
    """One task hub."""

    name: str
    counts: CountsByRoot
    entities: int = Field(description="that hold a state")
    workers: int = Field(description="that are connected")


class TaskHubList(Model):
    """All of them, by name."""

    task_hubs: list[TaskHub]


class FailureDetails(Model):
    """Why something failed."""

    error_type: str
    error_message: str
    stack_trace: str | None
    inner_failure: "FailureDetails | None"
    is_non_retriable: bool
    properties: dict[str, Any]


class Orchestration(Model):
    """An orchestration instance. Times are RFC 3339 in UTC, to the microsecond."""

    instance_id: str
    execution_id: str
    name: str
    version: str | None
    status: StatusName
    created_at: Time
    last_updated_at: Time
    completed_at: Time | None
    scheduled_start_at: Time | None
    parent_instance_id: str | None
    tags: dict[str, str]
    custom_status: str | None = Field(
        description="serialized; in lists the first 1,000 characters, unless it is asked for"
    )
    error: str | None = Field(description="the first line of the failure's message")


class ListedOrchestration(Orchestration):
    """An orchestration in a list, with the fields that were asked for."""

    input: str | None = None
    output: str | None = None
    failure_details: FailureDetails | None = None
    stored: dict[str, int | None] = Field(
        default={},
        description="the bytes of what lies in the payload store, its token in its place;"
        " null where it is missing",
    )


class OrchestrationList(Model):
    """A page, and what a list shows around it."""

    orchestrations: list[ListedOrchestration]
    total_count: int = Field(description="on all pages; counted up to 10,000")
    total_is_exact: bool = Field(description="false where there are at least so many")
    next_cursor: str | None = Field(
        description="of the next page; there may be one behind a page that is short, or empty"
    )
    counts: CountsByRoot = Field(description="of the task hub, whatever the filter")
    names: list[str] = Field(description="of the task hub's orchestrations, 200 at most")


class Ancestor(Model):
    """One that has started this one, or one above it."""

    instance_id: str
    name: str
    status: StatusName


class OrchestrationDetail(Orchestration):
    """One orchestration with all that is small."""

    failure_details: FailureDetails | None
    ancestors: list[Ancestor] = Field(description="that still exist, the root first, 32 at most")
    history_events: int
    waiting: int = Field(description="messages for its next turn")
    input_bytes: int
    output_bytes: int
    stored: dict[str, int | None] = Field(
        default={},
        description="the bytes of what lies in the payload store, its token in its place;"
        " null where it is missing",
    )


class StoredPayload(Model):
    """What lies in the payload store."""

    token: str
    bytes: int | None = Field(description="null where it is missing")
    file: str | None = Field(description="where it lies on the scheduler's machine")
    problem: str | None = Field(description="why its content is not shown")


class StoredPayloadContent(StoredPayload):
    """And its content: serialized, as it was given."""

    content: str | None


class Payloads(Model):
    """Serialized, as they were given, wherever they lie."""

    input: str | None
    output: str | None
    custom_status: str | None
    stored: dict[str, StoredPayload] = Field(
        default={},
        description="those that lie in the payload store; with a problem, the token is shown",
    )


class HistoryEvent(Model):
    """The protocol's HistoryEvent as protobuf JSON, and these. One more member tells its kind."""

    model_config = ConfigDict(extra="allow")

    index: int = Field(description="its place in the history, from 0")
    event_id: int
    timestamp: Time
    cut: dict[str, int] = Field(
        default={}, description="the full number of characters of what was cut"
    )
    stored: dict[str, int | None] = Field(
        default={},
        description="the bytes of what lies in the payload store, its token in its place;"
        " null where it is missing",
    )


class HistoryPage(Model):
    """Events, oldest first."""

    events: list[HistoryEvent]
    next_cursor: str | None = Field(description="null: this is all there is now")
    end_cursor: str = Field(description="to go on from when more has happened")
    total: int = Field(description="events in the history now")


class Started(Model):
    """What has been started."""

    instance_id: str


class StatusAfter(Model):
    """The status that an instance has now."""

    instance_id: str
    status: StatusName


class Purged(Model):
    """How many instances have been deleted."""

    purged: int


class PurgedByFilter(Purged):
    """And whether that is all that the filter shows; it stops after 10 s."""

    is_complete: bool


class BulkResult(Model):
    """What has become of one."""

    instance_id: str
    ok: bool
    message: str | None = Field(description="why not")
    new_instance_id: str | None = Field(description="of a restart")


class BulkResults(Model):
    """In the order of the request."""

    results: list[BulkResult]


class ForceTerminated(Model):
    """Those that were not there to be ended."""

    unterminated_instance_ids: list[str]


class Entity(Model):
    """An entity."""

    instance_id: str
    name: str
    key: str
    last_modified_at: Time
    backlog_queue_size: int
    locked_by: str | None = Field(description="the orchestration that holds its lock")
    state_bytes: int


class ListedEntity(Entity):
    """An entity in a list, with its state if that was asked for."""

    state: str | None = None
    stored: dict[str, int | None] = Field(
        default={},
        description="the bytes of what lies in the payload store, its token in its place;"
        " null where it is missing",
    )


class EntityList(Model):
    """A page."""

    entities: list[ListedEntity]
    next_cursor: str | None
    total_count: int = Field(description="on all pages; counted up to 10,000")
    total_is_exact: bool


class QueuedOperation(Model):
    """An operation that waits, or a request for the lock."""

    operation: str | None
    is_lock_request: bool
    request_id: str
    caller_instance_id: str | None


class EntityDetail(Entity):
    """One entity."""

    state: str | None
    stored: dict[str, int | None] = Field(
        default={},
        description="the bytes of what lies in the payload store, its token in its place;"
        " null where it is missing",
    )
    queue: list[QueuedOperation] = Field(description="the first 100")


class Signaled(Model):
    """The entity that will do it."""

    instance_id: str


class AcceptedName(Model):
    """A name that a worker accepts, in these versions, or in any if there are none."""

    name: str
    versions: list[str]


class Filters(Model):
    """What a worker accepts."""

    orchestrations: list[AcceptedName]
    activities: list[AcceptedName]
    entities: list[AcceptedName]


class Worker(Model):
    """A worker that is connected."""

    worker_id: str
    connected_at: Time
    active_orchestrations_count: int
    max_orchestrations_count: int
    active_activities_count: int
    max_activities_count: int
    active_entities_count: int
    max_entities_count: int
    filters: Filters | None = Field(description="null: it accepts everything")


class WaitingWork(Model):
    """Work that no worker has."""

    kind: Literal["orchestration", "activity", "entity"]
    name: str
    version: str | None
    count: int
    is_accepted: bool = Field(description="whether some connected worker accepts it")


class WorkerList(Model):
    """Workers, and work that waits for one."""

    workers: list[Worker]
    waiting: list[WaitingWork] = Field(description="the 200 names of which most waits")
    waiting_more: int = Field(description="names beside those")
