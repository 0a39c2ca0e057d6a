"""Whatever is sent to the management API, it says what is wrong, and goes on."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from scripts.local_stack import LocalStack
from services.scheduler.http.endpoint import BODY_BYTES_MAX
from services.scheduler.http.operations import Operation
from services.scheduler.http.routes import OPERATIONS
from services.scheduler.hub.cursors import token
from tests.e2e.conftest import StackMaker
from tests.e2e.management import HEADER, Api, api_of, path_of, refusal_of

EVERY = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
OF_A_HUB = [operation for operation in OPERATIONS if operation.is_of_hub]
WITH_BODY = [operation for operation in OPERATIONS if operation.takes is not None]
JSON = {"content-type": "application/json"}
# What each operation takes, well formed.
BODIES: dict[str, Any] = {
    "startOrchestration": {"name": "echo"},
    "addHistory": {"executionSuspended": {}},
    "bulkOrchestrations": {"action": "suspend", "instanceIds": ["a"]},
    "purgeOrchestrations": {"filter": {"statuses": ["ORCHESTRATION_STATUS_FAILED"]}},
    "forceTerminateOrchestrations": {"instanceIds": ["a"]},
    "signalEntity": {"operation": "add"},
}
CHANGES = {operation.name for operation in OPERATIONS if operation.method != "GET"} - {
    "queryOrchestrations",
    "queryEntities",
}


@pytest.fixture(scope="module")
def own_stack(new_stack: StackMaker) -> Iterator[LocalStack]:
    with new_stack(workers=0, SCHEDULER_HTTP_HOSTS="tasks.example.com, b.example.com") as stack:
        yield stack


@pytest.fixture(scope="module")
def api(own_stack: LocalStack) -> Iterator[Api]:
    with api_of(own_stack) as api:
        yield api


def call(api: Api, operation: Operation, **headers: str) -> Any:
    plain = "@e@a" if "entities" in operation.path else "a"
    if "payloads/{" in operation.path:
        plain = f"file:v1:{'0' * 64}"
    names = re.findall(r"{(\w+)}", operation.path)
    segments = ["0" if name == "index" else plain for name in names]
    body = BODIES.get(operation.name, {}) if operation.takes is not None else None
    content = None if body is None else json.dumps(body).encode()
    kind = JSON if content is not None else {}
    path = path_of(operation, *segments)
    return api.client.request(operation.method, path, content=content, headers=kind | headers)


@EVERY
def test_every_operation_refuses_a_name_that_somebody_else_had_resolve_to_us(
    api: Api, operation: Operation
) -> None:
    refused = call(api, operation, host="evil.example.com", **{HEADER: "default"})
    assert refusal_of(refused)[:2] == (403, "PERMISSION_DENIED")


def test_names_that_a_setting_lists_are_ours(api: Api) -> None:
    for host in ("tasks.example.com", "b.example.com:81", "scheduler:8081", "127.0.0.1"):
        assert api.call("listTaskHubs", headers={"host": host}).status_code == 200


@EVERY
def test_every_change_refuses_another_sites_page(api: Api, operation: Operation) -> None:
    for headers in ({"origin": "http://evil.example.com"}, {"sec-fetch-site": "cross-site"}):
        answer = call(api, operation, **headers, **{HEADER: "default"})
        if operation.method != "GET":
            assert refusal_of(answer)[:2] == (403, "PERMISSION_DENIED")
        else:
            assert answer.status_code in {200, 404}


@pytest.mark.parametrize("operation", OF_A_HUB, ids=lambda operation: operation.name)
def test_every_operation_of_a_hub_names_the_header_that_is_missing(
    api: Api, operation: Operation
) -> None:
    refused = (
        400,
        "INVALID_ARGUMENT",
        "The header x-taskhub must name a task hub, such as default",
    )
    assert refusal_of(call(api, operation)) == refused
    assert refusal_of(call(api, operation, **{HEADER: ""})) == refused
    unknown = (404, "NOT_FOUND", "Task hub not found: no/where")
    assert refusal_of(call(api, operation, **{HEADER: "no/where"})) == unknown


@EVERY
def test_every_operation_answers_what_is_well_formed(api: Api, operation: Operation) -> None:
    answer = call(api, operation, **{HEADER: "default"})
    if answer.status_code == operation.status:
        operation.gives.model_validate_json(answer.content)
    else:
        assert refusal_of(answer)[:2] in {(404, "NOT_FOUND"), (409, "ALREADY_EXISTS")}


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.name)
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"\xff\xfe{}", "Invalid JSON"),
        (b"[]", "should be an object"),
        (b"null", "should be an object"),
        (b'{"surprise": 1}', "surprise: unknown field"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "recursion"),
        (b"[" * 200_000, "recursion"),
    ],
    ids=["nothing", "cut short", "no text", "a list", "null", "a surprise", "deep", "open"],
)
def test_every_body_that_is_wrong_is_told_so(
    api: Api, operation: Operation, body: bytes, says: str
) -> None:
    segments = ["@e@a"] * operation.path.count("{")
    headers = JSON | {HEADER: "default"}
    path = path_of(operation, *segments)
    answer = api.client.request(operation.method, path, content=body, headers=headers)
    status, code, message = refusal_of(answer)
    assert (status, code) == (400, "INVALID_ARGUMENT")
    assert says in message
    assert len(message) < 2_000


BAD_QUERIES: list[tuple[Any, str]] = [
    ({"filter": {"statuses": ["RUNNING"]}}, "filter.statuses.0"),
    ({"filter": {"statuses": "ORCHESTRATION_STATUS_RUNNING"}}, "filter.statuses"),
    ({"filter": {"name": ""}}, "filter.name"),
    ({"filter": {"name": 1}}, "filter.name"),
    ({"filter": {"colour": "red"}}, "filter.colour: unknown field"),
    ({"filter": {"created_from": "2026-01-01T00:00:00Z"}}, "filter.created_from: unknown field"),
    ({"filter": {"createdFrom": "yesterday"}}, "filter.createdFrom"),
    ({"filter": {"createdFrom": "2026-01-01T00:00:00"}}, "filter.createdFrom"),
    ({"filter": {"createdFrom": "9999999-01-01T00:00:00Z"}}, "filter.createdFrom"),
    ({"filter": {"hideSubOrchestrations": 1}}, "filter.hideSubOrchestrations"),
    ({"filter": {"instanceIds": ["a"] * 501}}, "filter.instanceIds"),
    ({"filter": {"instanceIdPrefix": "x" * 1_001}}, "filter.instanceIdPrefix"),
    ({"pagination": {"count": 0}}, "pagination.count"),
    ({"pagination": {"count": 201}}, "pagination.count"),
    ({"pagination": {"count": "5"}}, "pagination.count"),
    ({"pagination": {"count": 1e400}}, "pagination.count"),
    ({"pagination": {"count": float("nan")}}, "pagination.count"),
    ({"pagination": {"startIndex": 10_001}}, "pagination.startIndex"),
    ({"pagination": {"startIndex": -1}}, "pagination.startIndex"),
    ({"pagination": {"startIndex": 1, "cursor": "x"}}, "not both"),
    ({"pagination": {"cursor": "x"}}, "Invalid cursor"),
    ({"pagination": {"cursor": "ä"}}, "Invalid cursor"),
    ({"pagination": {"cursor": token(1).value}}, "Invalid cursor"),
    (
        {"pagination": {"cursor": token("CREATED_AT DESCENDING", 2**70, 1, 0).value}},
        "Invalid cursor",
    ),
    (
        {"pagination": {"cursor": token("LAST_UPDATED_AT DESCENDING", 1, 1, 0).value}},
        "belongs to the sort",
    ),
    ({"pagination": {"cursor": token("CREATED_AT ASCENDING", 1, 1, 0).value}}, "to the sort"),
    ({"pagination": {"cursor": token("CREATED_AT DESCENDING", 1, 1, -1).value}}, "of no list"),
    ({"pagination": {"cursor": token("CREATED_AT DESCENDING", 1, 1, 10_001).value}}, "of no list"),
    ({"sort": [{"column": "COLOUR"}]}, "sort.0.column"),
    ({"sort": [{"column": "NAME", "direction": "UP"}]}, "sort.0.direction"),
    ({"sort": [{"column": "NAME"}, {"column": "STATUS"}]}, "sort"),
    ({"fields": ["everything"]}, "fields.0"),
]


@pytest.mark.parametrize(("body", "says"), BAD_QUERIES)
def test_a_query_that_is_wrong_is_told_where(api: Api, body: Any, says: str) -> None:
    status, code, message = api.refused("queryOrchestrations", body=body)
    assert (status, code) == (400, "INVALID_ARGUMENT")
    assert says in message


def test_a_cursor_of_another_sort_says_which(api: Api) -> None:
    for _ in range(2):
        api.start("echo")
    body: dict[str, Any] = {"sort": [{"column": "NAME"}], "pagination": {"count": 1}}
    cursor = api.query(**body)["nextCursor"]
    other = {"sort": [{"column": "STATUS"}], "pagination": {"cursor": cursor}}
    assert api.refused("queryOrchestrations", body=other)[0] == 400
    turned = {
        "sort": [{"column": "NAME", "direction": "ASCENDING_SORT"}],
        "pagination": {"cursor": cursor},
    }
    message = api.refused("queryOrchestrations", body=turned)[2]
    assert message == "Invalid cursor: it belongs to the sort NAME DESCENDING"


BAD_CHANGES: list[tuple[str, tuple[str, ...], Any, str]] = [
    ("startOrchestration", (), {}, "name"),
    ("startOrchestration", (), {"name": ""}, "name must have"),
    ("startOrchestration", (), {"name": "a", "input": 7}, "input"),
    ("startOrchestration", (), {"name": "a", "input": {"x": 1}}, "input"),
    ("startOrchestration", (), {"name": "a", "instanceId": "@a"}, "must not start with '@'"),
    ("startOrchestration", (), {"name": "a", "instanceId": "x" * 101}, "1 to 100 characters"),
    ("startOrchestration", (), {"name": "a", "instanceId": "ä"}, "printable ASCII"),
    ("startOrchestration", (), {"name": "a", "tags": {"a": 1}}, "tags.a"),
    ("startOrchestration", (), {"name": "a", "input": "x" * 1_048_577}, "PayloadTooLarge"),
    ("startOrchestration", (), {"name": "a", "scheduledStartAt": "soon"}, "scheduledStartAt"),
    ("addHistory", ("a",), {}, "exactly one of executionSuspended, executionResumed"),
    ("addHistory", ("a",), {"executionSuspended": {}, "executionResumed": {}}, "exactly one of"),
    ("addHistory", ("a",), {"eventRaised": {}}, "eventRaised.name"),
    ("addHistory", ("a",), {"eventRaised": {"name": ""}}, "eventRaised.name"),
    ("addHistory", ("@a@b",), {"executionSuspended": {}}, "is an entity's"),
    ("addHistory", ("x" * 101,), {"executionSuspended": {}}, "1 to 100 characters"),
    ("addHistory", ("ä\n",), {"executionSuspended": {}}, "printable ASCII"),
    ("restartOrchestration", ("a",), {"restartWithNewInstanceId": "yes"}, "restartWithNew"),
    ("bulkOrchestrations", (), {"action": "burn", "instanceIds": ["a"]}, "action"),
    ("bulkOrchestrations", (), {"action": "purge", "instanceIds": []}, "instanceIds"),
    ("bulkOrchestrations", (), {"action": "purge", "instanceIds": ["a"] * 501}, "instanceIds"),
    ("bulkOrchestrations", (), {"action": "raiseEvent", "instanceIds": ["a"]}, "needs eventName"),
    ("forceTerminateOrchestrations", (), {"instanceIds": ["a"] * 501}, "instanceIds"),
    ("purgeOrchestrations", (), {}, "filter"),
    ("purgeOrchestrations", (), {"filter": {"name": "a"}}, "filter.name: unknown field"),
    ("signalEntity", ("@e@k",), {"operation": ""}, "name must have"),
    ("signalEntity", ("e",), {"operation": "add"}, "@name@key"),
]


@pytest.mark.parametrize(("name", "segments", "body", "says"), BAD_CHANGES)
def test_a_change_that_is_wrong_changes_nothing(
    api: Api, name: str, segments: tuple[str, ...], body: Any, says: str
) -> None:
    before = api.call("listTaskHubs").headers["etag"]
    status, code, message = api.refused(name, *segments, body=body)
    assert (status, code) == (400, "INVALID_ARGUMENT")
    assert says in message
    assert api.call("listTaskHubs").headers["etag"] == before


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("getOrchestration", None), ("getPayloads", None), ("purgeOrchestration", None),
        ("restartOrchestration", {}),
        ("addHistory", {"executionSuspended": {}}), ("addHistory", {"executionResumed": {}}),
        ("addHistory", {"executionTerminated": {}}), ("addHistory", {"executionRewound": {}}),
        ("addHistory", {"eventRaised": {"name": "go"}}),
    ],
)  # fmt: skip
def test_a_missing_instance_is_not_found(api: Api, name: str, body: Any) -> None:
    refused = (404, "NOT_FOUND", "Orchestration instance not found: gone")
    assert api.refused(name, "gone", body=body) == refused


def test_missing_entities_and_events_are_not_found(api: Api) -> None:
    refused = (404, "NOT_FOUND", "Entity not found: @e@gone")
    assert api.refused("getEntity", "@e@gone") == refused
    assert api.refused("getEntity", "gone")[:2] == (400, "INVALID_ARGUMENT")
    assert api.refused("getHistory", "gone", "0" * 32)[:2] == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"count": "0"}, "count"), ({"count": "1001"}, "count"), ({"count": "many"}, "count"),
        ({"payloadChars": "-1"}, "payloadChars"), ({"colour": "red"}, "colour: unknown field"),
        ({"cursor": "x"}, "Invalid cursor"), ({"cursor": token("a", 1, 1).value}, "Invalid cursor"),
    ],
)  # fmt: skip
def test_parameters_that_are_wrong_are_told(api: Api, parameters: Any, says: str) -> None:
    instance_id = api.start("echo")
    execution_id = api.ask("getOrchestration", instance_id)["executionId"]
    refused = api.refused("getHistory", instance_id, execution_id, parameters=parameters)
    assert refused[:2] == (400, "INVALID_ARGUMENT")
    assert says in refused[2]


def test_a_parameter_that_is_given_twice_is_refused(api: Api) -> None:
    path = "/v1/taskhubs/orchestrations/a?recursive=true&recursive=false"
    refused = refusal_of(api.client.delete(path, headers={HEADER: "default"}))
    assert refused == (400, "INVALID_ARGUMENT", "A parameter must be given once")


def test_a_body_that_is_not_said_to_be_json_is_refused(api: Api) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"):
        headers = {HEADER: "default", "content-type": kind}
        path = "/v1/taskhubs/orchestrations/query"
        refused = refusal_of(api.client.post(path, content=b"{}", headers=headers))
        assert refused[:2] == (415, "INVALID_ARGUMENT")
        assert "Content-Type must be application/json" in refused[2]
    headers = {HEADER: "default", "content-type": "Application/JSON; charset=utf-8"}
    assert api.client.post(path, content=b"{}", headers=headers).status_code == 200


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_above_the_limit_is_refused(
    api: Api,
    chunked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    whole = b'{"name": "a", "input": "' + b"x" * BODY_BYTES_MAX + b'"}'
    content: Any = iter([whole[:100], whole[100:]]) if chunked else whole
    headers = JSON | {HEADER: "default"}
    refused = refusal_of(
        api.client.post("/v1/taskhubs/orchestrations", content=content, headers=headers)
    )
    assert refused == (413, "INVALID_ARGUMENT", f"The body has more than {BODY_BYTES_MAX} bytes")


def test_a_lone_surrogate_is_no_text(api: Api) -> None:
    headers = JSON | {HEADER: "default"}
    body = b'{"name": "a", "input": "\\ud800"}'
    answer = api.client.post("/v1/taskhubs/orchestrations", content=body, headers=headers)
    assert refusal_of(answer)[:2] == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/taskhubs/", "/v1/taskhubs/nothing/at/all", "/v2/taskhubs", "/%ff%fe/%00"],
)
def test_a_path_that_there_is_not_is_told_in_json(api: Api, path: str) -> None:
    assert refusal_of(api.client.get(path, headers={HEADER: "default"}))[:2] == (404, "NOT_FOUND")


def test_a_method_that_there_is_not_names_those_that_there_are(api: Api) -> None:
    answer = api.client.put("/v1/taskhubs/orchestrations/a", headers={HEADER: "default"})
    assert refusal_of(answer)[:2] == (405, "UNIMPLEMENTED")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}
    answer = api.client.get("/v1/taskhubs/orchestrations/query/", headers={HEADER: "default"})
    assert answer.status_code == 404


def test_a_client_that_goes_away_harms_nobody(api: Api, own_stack: LocalStack) -> None:
    head = (
        "POST /v1/taskhubs/orchestrations HTTP/1.1\r\nHost: localhost\r\nx-taskhub: default\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", own_stack.http_port)) as gone:
            gone.sendall(head.encode())
    assert api.call("listTaskHubs").status_code == 200
    assert "Traceback" not in own_stack.log_tail("scheduler")


@pytest.mark.parametrize("raw", ["/v1/taskhubs/orchestrations/%zz", "/v1/taskhubs/%00", "/%"])
def test_a_path_that_is_badly_encoded_is_refused(own_stack: LocalStack, raw: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", own_stack.http_port, timeout=10)
    connection.request("GET", raw, headers={HEADER: "default"})
    response = connection.getresponse()
    assert response.status in {400, 404}
    assert json.loads(response.read())["error"]["code"] in {"INVALID_ARGUMENT", "NOT_FOUND"}
    connection.close()


def test_bad_requests_among_good_ones_harm_none_of_them(api: Api) -> None:
    def one(number: int) -> int:
        if number % 3 == 0:
            return api.call("startOrchestration", body={"name": "", "x": number}).status_code
        if number % 3 == 1:
            return api.call("startOrchestration", body={"name": "echo"}).status_code
        return api.call("queryOrchestrations", body={}).status_code

    before = api.query()["counts"]["all"]["total"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(150)))
    assert answers == [(400, 201, 200)[number % 3] for number in range(150)]
    assert api.query()["counts"]["all"]["total"] == before + 50


def test_the_openapi_document_names_every_operation(api: Api) -> None:
    document = api.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    named = {
        (path, method.upper()): shown["operationId"]
        for path, methods in document["paths"].items()
        for method, shown in methods.items()
    }
    assert named == {(o.path, o.method): o.name for o in OPERATIONS}
    text = json.dumps(document)
    refs = {ref.rpartition("/")[2] for ref in re.findall(r'"\$ref": "([^"]+)"', text)}
    assert refs <= set(document["components"]["schemas"])
    history = document["paths"][
        "/v1/taskhubs/orchestrations/{instanceId}/executions/{executionId}/history"
    ]["get"]
    names = [(p["in"], p["name"]) for p in history["parameters"]]
    assert ("query", "payloadChars") in names
    assert ("header", HEADER) in names
    assert ("path", "executionId") in names


def test_refusals_are_logged_once_and_without_a_traceback(api: Api, own_stack: LocalStack) -> None:
    api.refused("getOrchestration", "the-one-to-log")
    log = own_stack.log_tail("scheduler")
    assert len(re.findall("getOrchestration refused: .*the-one-to-log", log)) == 1
    assert "Traceback" not in log
