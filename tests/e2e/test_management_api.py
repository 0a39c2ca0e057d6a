"""What the management API shows of programs that real SDK workers run."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from scripts.local_stack import LocalStack
from tests.conformance.hub import Hub
from tests.conformance.waiting import echo
from tests.e2e.conftest import StackMaker
from tests.e2e.management import Api, api_of, short
from tests.e2e.management_programs import double, ran, served
from tests.e2e.schedulers import kill_and_start

SECOND = timedelta(seconds=1)


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
        # The tags of these are made of what they say.
        if name not in {"getPayloads", "listWorkers"}:
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
        # One that was waiting for another may end by itself.
        api.call("addHistory", instance_id, body={"executionTerminated": {}})
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
