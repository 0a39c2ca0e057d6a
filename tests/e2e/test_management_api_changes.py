"""What the management API changes, one instance at a time and many, with real SDK workers."""

from collections.abc import Iterator
from typing import Any

import pytest
from durabletask import task

from scripts.local_stack import LocalStack
from tests.conformance.cell import cell
from tests.conformance.hub import Hub, Steps
from tests.conformance.waiting import echo, fails, waits_for_go
from tests.e2e.conftest import StackMaker
from tests.e2e.management import HEADER, Api, api_of, refusal_of, short
from tests.e2e.schedulers import data_of, hub_of, kill_and_start
from tests.e2e.test_data_directory import assert_stopped_by, overwrite

FAR = "2099-01-01T00:00:00Z"
broken: set[str] = set()


def fragile(_: task.ActivityContext, name: str) -> str:
    if name in broken:
        raise ValueError(name)
    return name


def depends(ctx: task.OrchestrationContext, name: str) -> Steps:
    return (yield ctx.call_activity(fragile, input=name))


def parent_of_one(ctx: task.OrchestrationContext, child: str) -> Steps:
    return (yield ctx.call_sub_orchestrator(waits_for_go, instance_id=child))


@pytest.fixture(scope="module")
def own_stack(new_stack: StackMaker) -> Iterator[LocalStack]:
    with new_stack(workers=0) as stack:
        yield stack


@pytest.fixture(scope="module")
def hub(own_stack: LocalStack) -> Iterator[Hub]:
    orchestrators = [depends, echo, fails, parent_of_one, waits_for_go]
    with (
        hub_of(own_stack) as hub,
        hub.worker(orchestrators=orchestrators, activities=[fragile], entities=[cell]),
    ):
        yield hub


@pytest.fixture(scope="module")
def api(own_stack: LocalStack, hub: Hub) -> Iterator[Api]:
    assert hub.name == "default"
    with api_of(own_stack) as api:
        yield api


def waiting(api: Api, hub: Hub, **fields: Any) -> str:
    """An instance that runs until it is told to go."""
    instance_id = api.start("waits_for_go", **fields)
    hub.until_it_is("RUNNING", instance_id)
    return instance_id


def until_there(api: Api, hub: Hub, instance_id: str) -> None:
    """Waits until there is such an instance."""
    hub.until(lambda: api.call("getOrchestration", instance_id).status_code == 200)


def change(api: Api, instance_id: str, kind: str, **fields: Any) -> str:
    """Adds to a history; gives the short name of the status after."""
    shown = api.ask("addHistory", instance_id, body={kind: fields})
    assert shown["instanceId"] == instance_id
    return short(shown["status"])


def test_a_start_tells_where_the_instance_is(api: Api, hub: Hub) -> None:
    body = {"name": "echo", "input": '"hi"', "instanceId": f"{hub.fresh()}/ä"[:-1] + "#1"}
    response = api.call("startOrchestration", body=body)
    assert response.status_code == 201
    location = response.headers["location"]
    shown = api.client.get(location, headers={"x-taskhub": "default"}).json()
    assert shown["instanceId"] == body["instanceId"] == response.json()["instanceId"]
    assert hub.ended(body["instanceId"]).get_output() == "hi"
    assert api.refused("startOrchestration", body=body)[:2] == (409, "ALREADY_EXISTS")


def test_a_start_without_input_has_none_and_gets_a_fresh_id(api: Api, hub: Hub) -> None:
    first, second = api.start("echo"), api.start("echo")
    assert first != second
    hub.ended(first)
    assert api.ask("getPayloads", first)["input"] is None


def test_an_instance_is_suspended_resumed_told_and_read_at_once(api: Api, hub: Hub) -> None:
    instance_id = waiting(api, hub)
    assert change(api, instance_id, "executionSuspended", reason="lunch") == "SUSPENDED"
    assert api.status(instance_id) == "SUSPENDED"
    assert change(api, instance_id, "eventRaised", name="go", input='"now"') == "SUSPENDED"
    assert api.ask("getOrchestration", instance_id)["waiting"] >= 1
    assert change(api, instance_id, "executionResumed") == "RUNNING"
    assert hub.ended(instance_id).get_output() == "now"
    for kind, fields in (
        ("executionSuspended", {}),
        ("executionResumed", {}),
        ("executionTerminated", {"recurse": True}),
        ("eventRaised", {"name": "go"}),
    ):
        refused = api.refused("addHistory", instance_id, body={kind: fields})
        text = "Nothing has changed: it has ended (COMPLETED)"
        assert refused == (409, "FAILED_PRECONDITION", text)
    reasons = [
        event["executionSuspended"]["input"]
        for event in api.history(instance_id)["events"]
        if "executionSuspended" in event
    ]
    assert reasons == ["lunch"]


def test_a_termination_has_its_output_and_takes_children_along_if_asked(api: Api, hub: Hub) -> None:
    for recurse in (False, True):
        child = hub.fresh()
        root = api.start("parent_of_one", input=f'"{child}"')
        until_there(api, hub, child)
        hub.until_it_is("RUNNING", child)
        ended = change(api, root, "executionTerminated", output='"over"', recurse=recurse)
        assert ended == "TERMINATED"
        assert api.ask("getPayloads", root)["output"] == '"over"'
        assert api.status(child) == ("TERMINATED" if recurse else "RUNNING")
        if not recurse:
            change(api, child, "executionTerminated")


def test_what_runs_below_one_that_is_terminated_can_still_be_ended(api: Api, hub: Hub) -> None:
    child = hub.fresh()
    root = api.start("parent_of_one", input=f'"{child}"')
    until_there(api, hub, child)
    assert change(api, root, "executionTerminated") == "TERMINATED"
    assert api.refused("addHistory", root, body={"executionTerminated": {}})[0] == 409
    assert api.status(child) in {"PENDING", "RUNNING"}
    assert change(api, root, "executionTerminated", recurse=True) == "TERMINATED"
    assert api.status(child) == "TERMINATED"


def test_a_failed_instance_is_rewound_and_goes_on(api: Api, hub: Hub) -> None:
    name = hub.fresh()
    broken.add(name)
    instance_id = api.start("depends", input=f'"{name}"')
    hub.until_it_is("FAILED", instance_id)
    before = api.ask("getOrchestration", instance_id)["executionId"]
    broken.remove(name)
    assert change(api, instance_id, "executionRewound", reason="mended") == "RUNNING"
    hub.until_it_is("COMPLETED", instance_id)
    shown = api.ask("getOrchestration", instance_id)
    assert (shown["error"], shown["failureDetails"]) == (None, None)
    assert shown["executionId"] != before
    assert api.refused("getHistory", instance_id, before)[0] == 404
    refused = api.refused("addHistory", instance_id, body={"executionRewound": {}})
    assert refused[:2] == (409, "FAILED_PRECONDITION")


def test_an_instance_is_restarted_under_its_id_or_a_new_one(api: Api, hub: Hub) -> None:
    instance_id = api.start("echo", input='"again"', tags={"a": "b"})
    hub.ended(instance_id)
    execution_id = api.ask("getOrchestration", instance_id)["executionId"]
    same = api.ask("restartOrchestration", instance_id, body={})
    assert same == {"instanceId": instance_id}
    hub.until_it_is("COMPLETED", instance_id)
    assert api.ask("getOrchestration", instance_id)["executionId"] != execution_id
    anew = api.ask("restartOrchestration", instance_id, body={"restartWithNewInstanceId": True})
    assert anew["instanceId"] != instance_id
    assert hub.ended(anew["instanceId"]).get_output() == "again"
    runs = waiting(api, hub)
    refused = api.refused("restartOrchestration", runs, body={})
    assert refused[:2] == (409, "FAILED_PRECONDITION")
    change(api, runs, "executionTerminated")


def test_only_finished_instances_are_purged_with_their_children_if_asked(
    api: Api, hub: Hub
) -> None:
    for recursive, purged in (("false", 1), ("true", 2)):
        child = hub.fresh()
        root = api.start("parent_of_one", input=f'"{child}"')
        until_there(api, hub, child)
        refused = api.refused("purgeOrchestration", root)
        assert refused[:2] == (409, "FAILED_PRECONDITION")
        change(api, root, "executionTerminated", recurse=True)
        shown = api.ask("purgeOrchestration", root, parameters={"recursive": recursive})
        assert shown == {"purged": purged}
        assert api.refused("getOrchestration", root)[:2] == (404, "NOT_FOUND")
        assert api.refused("purgeOrchestration", root)[:2] == (404, "NOT_FOUND")
        assert api.call("getOrchestration", child).status_code == (200 if purged == 1 else 404)


def test_a_purge_by_filter_deletes_what_it_shows_and_nothing_else(api: Api, hub: Hub) -> None:
    first, second = (api.start("echo") for _ in range(2))
    bad = api.start("fails", input='"x"')
    for instance_id in (first, second, bad):
        hub.ended(instance_id)
    since = api.ask("getOrchestration", second)["createdAt"]
    runs = waiting(api, hub)
    asked = {"createdFrom": since, "statuses": ["ORCHESTRATION_STATUS_COMPLETED"]}
    shown = api.ask("purgeOrchestrations", body={"filter": asked})
    assert shown == {"purged": 1, "isComplete": True}
    there = [api.call("getOrchestration", i).status_code for i in (first, second, bad, runs)]
    assert there == [200, 404, 200, 200]
    change(api, runs, "executionTerminated")


def test_many_are_ended_at_once(api: Api, hub: Hub) -> None:
    runs = [waiting(api, hub) for _ in range(2)]
    done = api.start("echo")
    hub.ended(done)
    body = {"instanceIds": [*runs, done, "missing"], "reason": "enough"}
    shown = api.ask("forceTerminateOrchestrations", body=body)
    assert shown == {"unterminatedInstanceIds": [done, "missing"]}
    assert [api.status(instance_id) for instance_id in runs] == ["TERMINATED"] * 2


def bulk(api: Api, action: str, ids: list[str], **fields: Any) -> list[tuple[bool, str | None]]:
    """Does it to many; gives for each whether it was done and why not."""
    body = {"action": action, "instanceIds": ids, **fields}
    results = api.ask("bulkOrchestrations", body=body)["results"]
    assert [result["instanceId"] for result in results] == ids
    assert all(result["ok"] == (result["message"] is None) for result in results)
    return [(result["ok"], result["message"]) for result in results]


def test_many_are_managed_each_by_itself(api: Api, hub: Hub) -> None:
    runs = [waiting(api, hub) for _ in range(30)]
    done = api.start("echo")
    hub.ended(done)
    odd = [done, "missing", "@no", ""]
    for action, status in (("suspend", "SUSPENDED"), ("resume", "RUNNING")):
        results = bulk(api, action, [*runs, *odd], reason="because")
        assert all(ok for ok, _message in results[:30])
        assert results[30] == (False, "Nothing has changed: it has ended (COMPLETED)")
        assert [ok for ok, _message in results[31:]] == [False] * 3
        assert "not found: missing" in (results[31][1] or "")
        assert {api.status(instance_id) for instance_id in runs} == {status}
    assert all(ok for ok, _m in bulk(api, "raiseEvent", runs[:10], eventName="go", input="1"))
    for instance_id in runs[:10]:
        assert hub.ended(instance_id).get_output() == 1
    assert all(ok for ok, _m in bulk(api, "terminate", runs[10:], output='"x"'))
    assert api.ask("getPayloads", runs[10])["output"] == '"x"'
    shown = api.ask(
        "bulkOrchestrations",
        body={"action": "restart", "instanceIds": [done, runs[10]], "newInstanceIds": True},
    )
    for result in shown["results"]:
        assert result["newInstanceId"] not in {None, result["instanceId"]}
    rewound = bulk(api, "rewind", [done, "missing"])
    assert [ok for ok, _message in rewound] == [False, False]
    purged = bulk(api, "purge", [*runs, shown["results"][1]["newInstanceId"]])
    assert all(ok for ok, _message in purged[:30])
    assert purged[30][0] is False
    assert "terminate it first" in (purged[30][1] or "")


def test_what_was_answered_outlives_a_kill(api: Api, hub: Hub, own_stack: LocalStack) -> None:
    started = [api.start("echo", scheduledStartAt=FAR) for _ in range(5)]
    change(api, started[0], "executionSuspended")
    bulk(api, "terminate", started[1:3])
    api.ask("signalEntity", "@cell@kept", body={"operation": "set", "input": "1"})
    kill_and_start(own_stack)
    statuses = [api.status(instance_id) for instance_id in started]
    assert statuses == ["SUSPENDED", "TERMINATED", "TERMINATED", "PENDING", "PENDING"]
    hub.until(lambda: api.ask("getEntity", "@cell@kept")["state"] == "1")


def test_damage_is_told_without_details_and_stops_the_scheduler(new_stack: StackMaker) -> None:
    # Nobody but the request may meet the damage.
    with new_stack(workers=0, SCHEDULER_RETENTION_DAYS="never") as stack:
        with api_of(stack) as api:
            api.start("echo", instanceId="held")
        stack.process("scheduler").terminate()
        stack.process("scheduler").wait(20)
        stack.start_scheduler()
        file = data_of(stack) / "default.db"
        overwrite(file, 4_096, b"\xff" * (file.stat().st_size - 4_096))
        with api_of(stack) as api:
            path = "/v1/taskhubs/orchestrations/held"
            status, code, message = refusal_of(api.client.get(path, headers={HEADER: "default"}))
        assert (status, code) == (500, "INTERNAL")
        assert "malformed" not in message
        assert_stopped_by(stack, "malformed")
