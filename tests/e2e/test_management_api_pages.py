"""Lists and histories of the management API, in pages, of programs that real SDK workers run."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from scripts.local_stack import LocalStack
from services.scheduler.engine.protos import pb
from services.scheduler.hub.cursors import token
from tests.conformance.hub import Hub
from tests.e2e.conftest import StackMaker
from tests.e2e.management import Api, api_of, refusal_of
from tests.e2e.management_programs import ran, served


@pytest.fixture(scope="module")
def own_stack(new_stack: StackMaker) -> Iterator[LocalStack]:
    with new_stack(workers=0, DTS_TASK_HUB_NAMES="default,other") as stack:
        yield stack


@pytest.fixture(scope="module")
def hub(own_stack: LocalStack) -> Iterator[Hub]:
    with served(own_stack) as hub:
        yield hub


@pytest.fixture(scope="module")
def api(own_stack: LocalStack, hub: Hub) -> Iterator[Api]:
    assert hub.name == "default"
    with api_of(own_stack) as api:
        yield api


# Histories


def test_a_history_is_the_protocols_in_json(api: Api, hub: Hub) -> None:
    instance_id = ran(api, hub, "retries", '"no luck"')
    page = api.history(instance_id)
    assert (page["nextCursor"], page["total"]) == (None, len(page["events"]))
    expected = hub.client.get_orchestration_history(instance_id)
    for index, event in enumerate(page["events"]):
        assert event.pop("index") == index
        ParseDict(event, pb.HistoryEvent())
    kinds = [next(k for k in e if k not in {"eventId", "timestamp"}) for e in page["events"]]
    assert [kind.lower() for kind in kinds] == [
        type(event).__name__.removesuffix("Event").lower() for event in expected
    ]
    assert kinds.count("taskFailed") == 3
    failed = next(e["taskFailed"] for e in page["events"] if "taskFailed" in e)
    assert failed["failureDetails"]["errorMessage"] == "no luck"
    assert "cut" not in page["events"][0]


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_pages_of_a_history_join_without_a_gap(api: Api, hub: Hub, count: int) -> None:
    instance_id = ran(api, hub, "fan_out", "20")
    whole = api.history(instance_id, count=1000)["events"]
    joined: list[Any] = []
    cursor = None
    for _ in range(len(whole) + 1):
        parameters = {"count": count, **({"cursor": cursor} if cursor else {})}
        page = api.history(instance_id, **parameters)
        joined += page["events"]
        assert page["total"] == len(whole)
        cursor = page["nextCursor"]
        if cursor is None:
            break
        assert page["endCursor"] == cursor
    assert joined == whole
    assert len(whole) > 40


def test_a_poll_with_the_end_cursor_gives_only_what_is_new(api: Api, hub: Hub) -> None:
    instance_id = api.start("waits_for_go")
    hub.until(lambda: api.history(instance_id)["total"] >= 2)
    first = api.history(instance_id)
    again = api.history(instance_id, cursor=first["endCursor"])
    assert (again["events"], again["nextCursor"]) == ([], None)
    assert again["endCursor"] == first["endCursor"]
    api.ask("addHistory", instance_id, body={"eventRaised": {"name": "go", "input": "1"}})
    hub.ended(instance_id)
    news = api.history(instance_id, cursor=first["endCursor"])
    assert news["events"][0]["index"] == first["total"]
    assert [*first["events"], *news["events"]] == api.history(instance_id)["events"]


def test_payloads_are_cut_to_what_is_wanted_and_whole_by_the_event(api: Api, hub: Hub) -> None:
    given = '"' + "ü" * 5_000 + '"'
    instance_id = ran(api, hub, "echo", given)
    for chars in (0, 10):
        events = api.history(instance_id, payloadChars=chars)["events"]
        started = next(event for event in events if "executionStarted" in event)
        assert started["executionStarted"]["input"] == given[:chars]
        assert started["cut"] == {"executionStarted.input": 5_002}
        assert started["executionStarted"]["name"] == "echo"
    execution_id = api.ask("getOrchestration", instance_id)["executionId"]
    whole = api.ask("getHistoryEvent", instance_id, execution_id, str(started["index"]))
    assert whole["executionStarted"]["input"] == given
    assert whole["index"] == started["index"]
    assert api.refused("getHistoryEvent", instance_id, execution_id, "99")[:2] == (404, "NOT_FOUND")
    for bad in ("x", "-1", "1.0", "9" * 30):
        refused = api.refused("getHistoryEvent", instance_id, execution_id, bad)
        assert refused[:2] == (400, "INVALID_ARGUMENT")


def test_a_page_of_large_payloads_ends_at_a_mebibyte(api: Api, hub: Hub) -> None:
    instance_id = api.start("waits_for_go", scheduledStartAt="2099-01-01T00:00:00Z")
    data = '"' + "x" * 300_000 + '"'
    for _ in range(8):
        body = {"eventRaised": {"name": "other", "input": data}}
        api.ask("addHistory", instance_id, body=body)
    api.ask("addHistory", instance_id, body={"executionTerminated": {}})
    shown = api.ask("getOrchestration", instance_id)
    pages = [api.history(instance_id)]
    while pages[-1]["nextCursor"]:
        pages.append(api.history(instance_id, cursor=pages[-1]["nextCursor"]))
    assert sum(len(page["events"]) for page in pages) == shown["historyEvents"]
    assert hub.name == "default"


def test_the_history_of_an_execution_that_is_over_is_not_found(api: Api, hub: Hub) -> None:
    instance_id = ran(api, hub, "echo")
    status, code, message = api.refused("getHistory", instance_id, "0" * 32)
    assert (status, code) == (404, "NOT_FOUND")
    present = api.ask("getOrchestration", instance_id)["executionId"]
    assert f"the present one is {present}" in message


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ((-1, 0, 0, 0), "of no history"), ((0, 0, 0, -1), "of no history"),
        ((5, 9, 0, 0), "replaced"), ((0, 0, 9, 0), "replaced"),
        ((1, 0, 1, 2**40), None),
    ],
)  # fmt: skip
def test_a_place_that_there_is_not_in_a_history_is_told(
    api: Api, place: tuple[int, ...], says: str | None
) -> None:
    instance_id = api.start("echo", scheduledStartAt="2099-01-01T00:00:00Z")
    api.ask("addHistory", instance_id, body={"executionTerminated": {}})
    execution_id = api.ask("getOrchestration", instance_id)["executionId"]
    parameters = {"cursor": token(execution_id, *place).value}
    answer = api.call("getHistory", instance_id, execution_id, parameters=parameters)
    if says is None:
        assert answer.json()["events"] == []
    else:
        status, code, message = refusal_of(answer)
        assert (status, code) == (400, "INVALID_ARGUMENT")
        assert says in message


def test_a_cursor_belongs_to_its_execution(api: Api) -> None:
    cursors = []
    for _ in range(2):
        instance_id = api.start("echo", scheduledStartAt="2099-01-01T00:00:00Z")
        api.ask("addHistory", instance_id, body={"executionTerminated": {}})
        execution_id = api.ask("getOrchestration", instance_id)["executionId"]
        cursors.append((execution_id, api.history(instance_id)["endCursor"]))
    (before, cursor), (present, _cursor) = cursors
    parameters = {"cursor": cursor}
    refused = api.refused("getHistory", instance_id, present, parameters=parameters)
    assert refused[:2] == (400, "INVALID_ARGUMENT")
    assert f"it belongs to the execution '{before}'" in refused[2]


# Lists


def test_every_filter_leaves_what_it_says(api: Api, hub: Hub) -> None:
    mark = hub.fresh("list")
    ids = {name: f"{mark}-{name}" for name in ("done", "failed", "waits", "tree")}
    ran(api, hub, "echo", instanceId=ids["done"])
    ran(api, hub, "fails", '"x"', instanceId=ids["failed"])
    ran(api, hub, "tree", "1", instanceId=ids["tree"])
    api.start("waits_for_go", instanceId=ids["waits"])
    hub.until_it_is("RUNNING", ids["waits"])

    def found(**asked: Any) -> list[str]:
        shown = api.query(filter={"instanceIdPrefix": mark, **asked})
        assert shown["totalCount"] == len(shown["orchestrations"])
        assert shown["totalIsExact"]
        return [row["instanceId"] for row in shown["orchestrations"]]

    everything = found()
    child = next(i for i in everything if i not in ids.values())
    assert set(everything) == {*ids.values(), child}
    assert everything[0] == ids["waits"]
    assert found(hideSubOrchestrations=True) == [i for i in everything if i != child]
    assert found(statuses=["ORCHESTRATION_STATUS_FAILED"]) == [ids["failed"]]
    running_or_failed = ["ORCHESTRATION_STATUS_RUNNING", "ORCHESTRATION_STATUS_FAILED"]
    assert found(statuses=running_or_failed) == [ids["waits"], ids["failed"]]
    assert found(name="tree") == [child, ids["tree"]]
    assert found(parentInstanceId=ids["tree"]) == [child]
    assert found(instanceIds=[ids["done"], "missing"]) == [ids["done"]]
    rows = {
        row["instanceId"]: row
        for row in api.query(filter={"instanceIdPrefix": mark})["orchestrations"]
    }
    middle = rows[ids["failed"]]["createdAt"]
    assert ids["done"] not in found(createdFrom=middle)
    assert ids["failed"] in found(createdFrom=middle)
    assert ids["failed"] not in found(createdTo=middle)
    updated = rows[ids["tree"]]["lastUpdatedAt"]
    assert ids["tree"] in found(updatedFrom=updated)
    assert ids["tree"] not in found(updatedTo=updated)
    assert found(updatedFrom="2099-01-01T00:00:00Z") == []
    api.ask("addHistory", ids["waits"], body={"executionTerminated": {}})


KEYS = {
    "CREATED_AT": "createdAt",
    "LAST_UPDATED_AT": "lastUpdatedAt",
    "NAME": "name",
    "INSTANCE_ID": "instanceId",
}


@pytest.mark.parametrize("direction", ["ASCENDING_SORT", "DESCENDING_SORT"])
@pytest.mark.parametrize("column", [*KEYS, "STATUS"])
def test_pages_join_in_every_order(api: Api, hub: Hub, column: str, direction: str) -> None:
    ran(api, hub, "tree", "2")
    ran(api, hub, "fails", '"x"')
    sort = [{"column": column, "direction": direction}]
    whole = api.query(sort=sort, pagination={"count": 200})["orchestrations"]
    joined: list[Any] = []
    cursor = None
    for _ in range(len(whole)):
        page = api.query(sort=sort, pagination={"count": 3, "cursor": cursor})
        joined += page["orchestrations"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert joined == whole
    if column in KEYS:
        values = [row[KEYS[column]] for row in whole]
        assert values == sorted(values, reverse=direction == "DESCENDING_SORT")
    statuses = [status for status, _rows in itertools.groupby(row["status"] for row in whole)]
    assert column != "STATUS" or len(statuses) == len(set(statuses))
    skipped = api.query(sort=sort, pagination={"count": 5, "startIndex": 2})["orchestrations"]
    assert skipped == whole[2:7]


def test_counts_and_names_are_those_of_the_hub(api: Api, hub: Hub) -> None:
    ran(api, hub, "tree", "1")
    shown = api.query(filter={"name": "none"})
    assert (shown["orchestrations"], shown["totalCount"]) == ([], 0)
    every = api.query()
    both = every["counts"]
    assert both["all"]["total"] == every["totalCount"] > both["roots"]["total"] > 0
    roots = api.query(filter={"hideSubOrchestrations": True})
    assert roots["totalCount"] == both["roots"]["total"]
    for status, number in both["roots"]["byStatus"].items():
        asked = {"hideSubOrchestrations": True, "statuses": [status]}
        assert api.query(filter=asked)["totalCount"] == number
    assert {"tree", "echo"} <= set(every["names"])
    assert every["names"] == sorted(set(every["names"]))
    (mine,) = [h for h in api.ask("listTaskHubs")["taskHubs"] if h["name"] == "default"]
    assert mine["counts"] == both


def test_a_list_shows_payloads_only_if_asked(api: Api, hub: Hub) -> None:
    instance_id = ran(api, hub, "fan_out", "2")
    asked = {"instanceIds": [instance_id]}
    (row,) = api.query(filter=asked)["orchestrations"]
    assert not {"input", "output", "failureDetails"} & set(row)
    fields = ["input", "output", "customStatus", "failureDetails"]
    (row,) = api.query(filter=asked, fields=fields)["orchestrations"]
    assert (row["input"], row["output"], row["failureDetails"]) == ("2", "2", None)
