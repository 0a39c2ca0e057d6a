"""Every route of the HTTP port: what it does, and requests to it that are good."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import grpc

from services.scheduler.auth.identity import Access
from services.scheduler.http.routes import OPERATIONS
from services.shared.payload_files import token_of
from tests.fuzz.callers import CONTRIBUTOR, Caller
from tests.fuzz.messages import STORED

_TASK_HUBS: Final = "/v1/taskhubs"
_LIST: Final = "/v1/taskhubs/orchestrations"
_ONE: Final = f"{_LIST}/{{instanceId}}"
_HISTORY: Final = f"{_ONE}/executions/{{executionId}}/history"
_ENTITIES: Final = "/v1/taskhubs/entities"
_ENTITY: Final = f"{_ENTITIES}/{{instanceId}}"
_PAST: Final = "2026-01-01T00:00:00Z"
# The next century: nothing becomes due by itself.
_LATER: Final = "2099-01-01T00:00:00Z"
_FIELDS: Final = ["input", "output", "customStatus", "failureDetails"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path, and what it does."""

    method: str
    path: str
    access: Access = Access.READ
    is_of_hub: bool = False
    # Whether it tells of all task hubs.
    is_of_all: bool = False
    # Whether nobody is asked for a token.
    is_open: bool = False
    makes_hub: bool = False

    def refusal(self, caller: Caller, hub: str) -> grpc.StatusCode | None:
        """What a caller is refused with, as over gRPC."""
        if self.is_open:
            return None
        # Who may see one task hub may not see all: "" is the name of none.
        asked = "" if self.is_of_all else hub if self.is_of_hub else None
        return caller.refusal(asked, self.access)


# What is to be kept makes the task hub that it is kept in.
_MAKES_HUB: Final = frozenset({("POST", _LIST), ("POST", f"{_ENTITY}/signal")})
ROUTES: Final = (
    *(
        Route(
            method=operation.method,
            path=operation.path,
            access=operation.access,
            is_of_hub=operation.is_of_hub,
            makes_hub=(operation.method, operation.path) in _MAKES_HUB,
        )
        for operation in OPERATIONS
    ),
    Route(method="GET", path="/healthz", is_open=True),
    Route(method="GET", path="/metrics", is_of_all=True),
    Route(method="GET", path="/openapi.json"),
    Route(method="GET", path=f"{_TASK_HUBS}/ping", is_of_hub=True, makes_hub=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request as it is sent to a route, or to another method of its path."""

    route: Route
    method: str
    target: bytes
    # The task hub that it names.
    hub: str
    body: bytes = b""
    caller: Caller = CONTRIBUTOR
    # Beside those that every request has.
    headers: Sequence[tuple[bytes, bytes]] = ()
    # Whether the client goes away before the end of the body.
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of a request. `part` is the first one in the path that is not fixed."""

    body: Any = None
    part: str = "a"
    # The second one; "" for the execution that there is.
    second: str = ""
    query: str = ""

    def encoded(self) -> tuple[bytes, bytes, bytes, bytes]:
        """As it goes over the wire, in the order of the address and the body."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        return quote(self.part, safe="").encode(), self.second.encode(), self.query.encode(), body

    def to(self, route: Route, hub: str) -> HttpRequest:
        """As it is sent to a route of a task hub, about no execution."""
        part, second, query, body = self.encoded()
        target = target_of(route.path, part, second, query, "")
        return HttpRequest(route=route, method=route.method, target=target, hub=hub, body=body)


def target_of(path: str, part: bytes, second: bytes, query: bytes, execution: str) -> bytes:
    """The address of a request; `execution` is that of the instance that it names."""
    has_index = path.endswith("{index}")
    filled = {
        b"{executionId}": execution.encode() if has_index or not second else second,
        b"{index}": second,
        b"{instanceId}": part,
        b"{token}": part,
    }
    target = path.encode()
    for name, value in filled.items():
        target = target.replace(name, value)
    target = _sendable(target).replace(b"?", b"%3F")
    return target + b"?" + _sendable(query) if query else target


def _sendable(target: bytes) -> bytes:
    """What is not printable ASCII is refused by the HTTP server before the application sees it."""
    return bytes(byte for byte in target if 0x20 < byte < 0x7F)


# What each takes, said as fully as can be; to the others nothing can be said.
_REQUESTS: Final[Mapping[tuple[str, str], tuple[Request, ...]]] = {
    ("POST", f"{_LIST}/query"): (
        Request({
            "filter": {
                "name": "main", "instanceIdPrefix": "a", "createdFrom": _PAST,
                "createdTo": _LATER, "updatedFrom": _PAST, "updatedTo": _LATER,
                "statuses": ["ORCHESTRATION_STATUS_RUNNING"], "instanceIds": ["a"],
                "parentInstanceId": "a", "hideSubOrchestrations": True,
            },
            "pagination": {"count": 2, "startIndex": 1},
            "sort": [{"column": "NAME", "direction": "DESCENDING_SORT"}],
            "fields": _FIELDS,
        }),
        Request({"pagination": {"count": 1}, "fields": _FIELDS}),
        Request({"pagination": {"count": 1, "cursor": "WyJhIiwxXQ=="}}),
    ),
    ("POST", _LIST): (
        Request({"name": "main", "instanceId": "a", "version": "1", "input": "1",
                 "tags": {"k": "v"}}),
        Request({"name": "main", "instanceId": "c", "scheduledStartAt": _LATER}),
        Request({"name": "main", "instanceId": "b", "input": token_of(STORED)}),
    ),
    ("POST", f"{_LIST}/bulk"): (
        Request({"action": "suspend", "instanceIds": ["a", "b"], "reason": "r"}),
        Request({"action": "resume", "instanceIds": ["a", "b"], "reason": "r"}),
        Request({"action": "rewind", "instanceIds": ["a", "b"], "reason": "r"}),
        Request({"action": "terminate", "instanceIds": ["a"], "output": "1", "recursive": True}),
        Request({"action": "raiseEvent", "instanceIds": ["a"], "eventName": "event",
                 "input": "1"}),
        Request({"action": "restart", "instanceIds": ["a"], "newInstanceIds": True}),
        Request({"action": "purge", "instanceIds": ["a"]}),
    ),
    ("DELETE", f"{_LIST}/purge"): (
        Request({"filter": {"createdFrom": _PAST, "createdTo": _LATER}, "recursive": True}),
        Request({"filter": {"statuses": ["ORCHESTRATION_STATUS_FAILED"]}}),
    ),
    ("POST", f"{_LIST}/forceterminate"): (Request({"instanceIds": ["a", "b"], "reason": "r"}),),
    ("POST", f"{_ONE}/history"): (
        Request({"executionSuspended": {"reason": "r"}}),
        Request({"executionResumed": {"reason": "r"}}),
        Request({"executionTerminated": {"output": "1", "recurse": True}}),
        Request({"executionRewound": {"reason": "r"}}),
        Request({"eventRaised": {"name": "event", "input": "1"}}),
    ),
    ("POST", f"{_ONE}/restart"): (
        Request({"restartWithNewInstanceId": True}),
        Request({"restartWithNewInstanceId": False}),
    ),
    ("DELETE", _ONE): (Request(), Request(query="recursive=true")),
    ("GET", _HISTORY): (
        Request(),
        Request(query="count=1&payloadChars=2"),
        Request(query="cursor=0&count=5"),
    ),
    ("GET", f"{_HISTORY}/{{index}}"): (Request(second="1"), Request(second="0")),
    ("POST", f"{_ENTITIES}/query"): (
        Request({
            "filter": {
                "instanceIdPrefix": "@", "modifiedFrom": _PAST, "modifiedTo": _LATER,
                "includeTransient": True,
            },
            "pagination": {"count": 1},
            "fields": ["state"],
        }),
    ),
    ("GET", _ENTITY): (Request(part="@e@1"),),
    ("POST", f"{_ENTITY}/signal"): (Request({"operation": "add", "input": "1"}, part="@e@1"),),
    ("GET", f"{_TASK_HUBS}/payloads/{{token}}"): (Request(part=token_of(STORED)),),
}  # fmt: skip


def requests_of(route: Route) -> Iterator[Request]:
    """Good requests to a route; about the instance `a`, where they are about one."""
    yield from _REQUESTS.get((route.method, route.path), (Request(),))
