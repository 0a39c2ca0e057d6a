"""What the management API shows of programs that real SDK workers run."""

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from durabletask import task
from google.protobuf.json_format import ParseDict

from scripts.local_stack import LocalStack
from services.scheduler.engine.protos import pb
from tests.conformance.cell import ask, cell
from tests.conformance.hub import Hub, Steps
from tests.conformance.test_entity_locks import hold
from tests.conformance.waiting import echo, fails, waits_for_go
from tests.e2e.conftest import StackMaker
from tests.e2e.management import Api, api_of, short
from tests.e2e.schedulers import hub_of, kill_and_start

SECOND = timedelta(seconds=1)


def double(_: task.ActivityContext, value: int) -> int:
    return value * 2


def stumble(_: task.ActivityContext, text: str) -> None:
    raise ValueError(text)


def fan_out(ctx: task.OrchestrationContext, width: int) -> Steps:
    ctx.set_custom_status({"width": width})
    return sum((yield task.when_all([ctx.call_activity(double, input=n) for n in range(width)])))


def tree(ctx: task.OrchestrationContext, depth: int) -> Steps:
    if depth == 0:
        return (yield ctx.call_activity(double, input=21))
    return (yield ctx.call_sub_orchestrator(tree, input=depth - 1))


def retries(ctx: task.OrchestrationContext, text: str) -> Steps:
    policy = task.RetryPolicy(
        first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=3
    )
    return (yield ctx.call_activity(stumble, input=text, retry_policy=policy))


@pytest.fixture(scope="module")
def own_stack(new_stack: StackMaker) -> Iterator[LocalStack]:
    with new_stack(workers=0, DTS_TASK_HUB_NAMES="default,other") as stack:
        yield stack


@pytest.fixture(scope="module")
def hub(own_stack: LocalStack) -> Iterator[Hub]:
    orchestrators: list[Callable[..., Any]] = [
        ask,
        echo,
        fails,
        fan_out,
        hold,
        retries,
        tree,
        waits_for_go,
    ]
    with (
        hub_of(own_stack) as hub,
        hub.worker(orchestrators=orchestrators, activities=[double, stumble], entities=[cell]),
    ):
        yield hub


@pytest.fixture(scope="module")
def api(own_stack: LocalStack, hub: Hub) -> Iterator[Api]:
    assert hub.name == "default"
    with api_of(own_stack) as api:
        yield api


def ran(api: Api, hub: Hub, name: str, given: str = "null", **fields: Any) -> str:
    """Starts an orchestration and waits for its end; gives its id."""
    instance_id = api.start(name, input=given, **fields)
    hub.ended(instance_id)
    return instance_id


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    assert len(text) == len("2026-11-25T18:44:45.973123Z")
    return datetime.fromisoformat(text)


# One instance


def test_an_instance_shows_all_that_is_known_of_it(api: Api, hub: Hub) -> None:
    tags = {"team": "blue", "größe": "ü"}
    instance_id = ran(api, hub, "fan_out", "3", version="1.5", tags=tags)
    shown = api.ask("getOrchestration", instance_id)
    assert shown["instanceId"] == instance_id
    assert (shown["name"], shown["version"], shown["tags"]) == ("fan_out", "1.5", tags)
    assert short(shown["status"]) == "COMPLETED"
    assert shown["customStatus"] == '{"width":3}' or shown["customStatus"] == '{"width": 3}'
    assert moment(shown["createdAt"]) <= moment(shown["completedAt"])
    assert shown["completedAt"] == shown["lastUpdatedAt"]
    assert (shown["error"], shown["failureDetails"], shown["parentInstanceId"]) == (None,) * 3
    assert (shown["ancestors"], shown["waiting"], shown["scheduledStartAt"]) == ([], 0, None)
    assert (shown["inputBytes"], shown["outputBytes"]) == (1, 1)
    assert shown["historyEvents"] == len(hub.client.get_orchestration_history(instance_id))
    payloads = api.ask("getPayloads", instance_id)
    assert payloads == {"input": "3", "output": "6", "customStatus": shown["customStatus"]}


def test_a_failure_is_shown_with_its_first_line_and_whole(api: Api, hub: Hub) -> None:
    instance_id = ran(api, hub, "fails", '"first line\\nsecond line"')
    shown = api.ask("getOrchestration", instance_id)
    assert short(shown["status"]) == "FAILED"
    assert "\n" not in shown["error"]
    assert "first line" in shown["error"]
    details = shown["failureDetails"]
    assert details["errorType"].endswith("ValueError")
    assert "second line" in details["errorMessage"]
    assert "raise ValueError" in details["stackTrace"]
    (listed,) = api.query(filter={"instanceIds": [instance_id]})["orchestrations"]
    assert listed["error"] == shown["error"]
    assert "failureDetails" not in listed


def test_children_name_their_ancestors_the_root_first(api: Api, hub: Hub) -> None:
    root = ran(api, hub, "tree", "3")
    below = api.query(filter={"parentInstanceId": root})["orchestrations"]
    chain = [root]
    while below:
        (child,) = below
        assert child["parentInstanceId"] == chain[-1]
        chain.append(child["instanceId"])
        below = api.query(filter={"parentInstanceId": chain[-1]})["orchestrations"]
    assert len(chain) == 4
    ancestors = api.ask("getOrchestration", chain[-1])["ancestors"]
    assert [ancestor["instanceId"] for ancestor in ancestors] == chain[:-1]
    assert {(a["name"], short(a["status"])) for a in ancestors} == {("tree", "COMPLETED")}
    # Once an ancestor is gone, what is above it cannot be known.
    api.ask("purgeOrchestration", chain[1])
    assert [a["instanceId"] for a in api.ask("getOrchestration", chain[3])["ancestors"]] == [
        chain[2]
    ]


@pytest.mark.parametrize(
    "instance_id", ["a/b?c#d%20 e%2F", "...", "query", "purge", "~!@$&'()*+,;"]
)
def test_an_id_may_hold_any_printable_character(api: Api, hub: Hub, instance_id: str) -> None:
    assert ran(api, hub, "echo", '"x"', instanceId=instance_id) == instance_id
    shown = api.ask("getOrchestration", instance_id)
    assert shown["instanceId"] == instance_id
    events = api.ask("getHistory", instance_id, shown["executionId"])["events"]
    assert [event["index"] for event in events] == list(range(len(events)))
    assert api.ask("getPayloads", instance_id)["output"] == '"x"'


def test_messages_that_wait_are_counted(api: Api) -> None:
    later = "2099-01-01T00:00:00+01:00"
    instance_id = api.start("waits_for_go", scheduledStartAt=later)
    for number in range(3):
        raised = {"eventRaised": {"name": "go", "input": str(number)}}
        api.ask("addHistory", instance_id, body=raised)
    shown = api.ask("getOrchestration", instance_id)
    assert (shown["waiting"], short(shown["status"])) == (3, "PENDING")
    assert shown["scheduledStartAt"] == "2098-12-31T23:00:00.000000Z"
    api.ask("addHistory", instance_id, body={"executionTerminated": {}})


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
    fields = ["input", "output", "customStatus", "failureDetails", "tags"]
    (row,) = api.query(filter=asked, fields=fields)["orchestrations"]
    assert (row["input"], row["output"], row["failureDetails"]) == ("2", "2", None)


# What has not changed


def test_who_has_the_present_state_is_told_so_and_sent_nothing(api: Api, hub: Hub) -> None:
    instance_id = ran(api, hub, "echo")
    execution_id = api.ask("getOrchestration", instance_id)["executionId"]
    query: dict[str, Any] = {"filter": {"instanceIds": [instance_id]}}
    reads: list[tuple[Any, ...]] = [
        ("listTaskHubs", (), None),
        ("queryOrchestrations", (), query),
        ("getOrchestration", (instance_id,), None),
        ("getPayloads", (instance_id,), None),
        ("getHistory", (instance_id, execution_id), None),
        ("getHistoryEvent", (instance_id, execution_id, "0"), None),
        ("queryEntities", (), {}),
        ("listWorkers", (), None),
    ]
    tags = {}
    for name, segments, body in reads:
        tag = api.call(name, *segments, body=body).headers["etag"]
        same = api.call(name, *segments, body=body, headers={"if-none-match": f'"x", {tag}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        tags[name] = tag
    other = api.call(
        "queryOrchestrations", body={}, headers={"if-none-match": tags["queryOrchestrations"]}
    )
    assert other.status_code == 200
    api.start("waits_for_go", instanceId=hub.fresh(), scheduledStartAt="2099-01-01T00:00:00Z")
    for name, segments, body in reads:
        if name != "listWorkers":
            changed = api.call(name, *segments, body=body, headers={"if-none-match": tags[name]})
            assert changed.status_code == 200
            assert changed.headers["etag"] != tags[name]


# Entities, workers, task hubs


def test_entities_show_their_state_their_lock_and_their_queue(api: Api, hub: Hub) -> None:
    key = hub.fresh()
    entity_id = f"@cell@{key}"
    api.ask("signalEntity", entity_id, body={"operation": "set", "input": "[1, 2]"})
    hub.until(lambda: api.call("getEntity", entity_id).status_code == 200)
    hub.until(lambda: api.ask("getEntity", entity_id)["state"] == "[1, 2]")
    listed = api.ask("queryEntities", body={"filter": {"instanceIdPrefix": entity_id}})
    (row,) = listed["entities"]
    assert (listed["totalCount"], listed["totalIsExact"]) == (1, True)
    assert (row["name"], row["key"], row["stateBytes"]) == ("cell", key, 6)
    assert (row["lockedBy"], row["backlogQueueSize"]) == (None, 0)
    assert "state" not in row
    asked = {"filter": {"instanceIdPrefix": entity_id}, "fields": ["state"]}
    assert api.ask("queryEntities", body=asked)["entities"][0]["state"] == "[1, 2]"

    holder = api.start("hold", input=f'["{key}"]')
    hub.until_status(holder, "holds")
    caller = api.start("ask", input=f'["{key}", "get", null]')
    second = api.start("hold", input=f'["{key}"]')
    hub.until(lambda: api.ask("getEntity", entity_id)["backlogQueueSize"] == 2)
    api.ask("signalEntity", entity_id, body={"operation": "get"})
    shown = api.ask("getEntity", entity_id)
    assert shown["lockedBy"] == holder
    queued = [(q["operation"], q["isLockRequest"], q["callerInstanceId"]) for q in shown["queue"]]
    assert sorted(queued, key=str) == sorted(
        [("get", False, caller), (None, True, second), ("get", False, None)], key=str
    )
    for instance_id in (holder, second, caller):
        api.ask("addHistory", instance_id, body={"executionTerminated": {}})
    hub.until(lambda: api.ask("getEntity", entity_id)["lockedBy"] is None)


def test_pages_of_entities_join_in_the_order_of_their_ids(api: Api, hub: Hub) -> None:
    mark = hub.fresh("page")
    for number in range(5):
        api.ask("signalEntity", f"@cell@{mark}{number}", body={"operation": "set", "input": "1"})
    asked = {"instanceIdPrefix": f"@cell@{mark}"}
    hub.until(lambda: api.ask("queryEntities", body={"filter": asked})["totalCount"] == 5)
    found: list[str] = []
    cursor = None
    while True:
        body = {"filter": asked, "pagination": {"count": 2, "cursor": cursor}}
        page = api.ask("queryEntities", body=body)
        found += [entity["key"] for entity in page["entities"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert found == [f"{mark}{number}" for number in range(5)]
    future = {"filter": asked | {"modifiedFrom": "2099-01-01T00:00:00Z"}}
    assert api.ask("queryEntities", body=future)["entities"] == []
    everything = api.ask("queryEntities", body={})
    assert everything["totalIsExact"]
    assert everything["totalCount"] >= 5


def test_workers_and_the_work_that_none_of_them_accepts(api: Api, hub: Hub) -> None:
    nobodys = hub.fresh("nobodys")
    before = api.ask("listWorkers")
    (everything,) = before["workers"]
    assert everything["workerId"]
    assert abs(moment(everything["connectedAt"]) - datetime.now().astimezone()) < 600 * SECOND
    accepted = {"orchestrations": [double.__name__], "activities": []}
    assert everything["filters"] is None or accepted
    with hub.worker(orchestrators=[echo], configure=lambda worker: worker.use_work_item_filters()):
        hub.until(lambda: len(api.ask("listWorkers")["workers"]) == 2)
        filtered = next(w for w in api.ask("listWorkers")["workers"] if w["filters"])
        assert filtered["filters"]["orchestrations"] == [{"name": "echo", "versions": []}]
        assert filtered["maxActivitiesCount"] > 0
    hub.until(lambda: len(api.ask("listWorkers")["workers"]) == 1)
    other = Api(api.client, "other")
    for version in (None, "2.0", "2.0"):
        other.start(nobodys, version=version)
    shown = other.ask("listWorkers")
    assert shown["workers"] == []
    assert shown["waiting"] == [
        {"kind": "orchestration", "name": nobodys, "version": v, "count": n, "isAccepted": False}
        for v, n in ((None, 1), ("2.0", 2))
    ]
    names = {hub["name"]: hub["workers"] for hub in api.ask("listTaskHubs")["taskHubs"]}
    assert names == {"default": 1, "other": 0}


def test_all_of_it_is_there_after_the_scheduler_was_killed(
    api: Api, hub: Hub, own_stack: LocalStack
) -> None:
    instance_id = ran(api, hub, "tree", "1")
    hub.until(lambda: api.ask("listWorkers")["waiting"] == [])

    def everything() -> list[Any]:
        shown = api.query(pagination={"count": 200})
        numbers = [
            (h["name"], h["counts"], h["entities"]) for h in api.ask("listTaskHubs")["taskHubs"]
        ]
        return [shown["orchestrations"], numbers, api.history(instance_id)["events"]]

    before = everything()
    tag = api.call("listTaskHubs").headers["etag"]
    kill_and_start(own_stack)
    assert everything() == before
    changed = api.call("listTaskHubs", headers={"if-none-match": tag})
    assert changed.status_code == 200
