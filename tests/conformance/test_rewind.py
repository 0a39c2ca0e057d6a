import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from durabletask import history, task

from tests.conformance.hub import Hub, Steps
from tests.conformance.readings import (
    execution_of,
    kinds_of,
    refused,
    start_of,
    state_of,
    status_of,
)
from tests.conformance.waiting import GO, echo, waits_for_go

EXECUTION_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(slots=True)
class Flaky:
    """An activity `flaky` that fails its first runs for an input, and counts all of them."""

    failures: dict[str, int]
    runs: Counter[str] = field(default_factory=Counter)

    @property
    def activity(self) -> Callable[[task.ActivityContext, str], str]:
        """What a worker registers."""

        def flaky(_: task.ActivityContext, text: str) -> str:
            self.runs[text] += 1
            if self.runs[text] <= self.failures.get(text, 0):
                raise RuntimeError(f"{text} failed")
            return text.upper()

        return flaky


def calls_it(ctx: task.OrchestrationContext, text: str) -> Steps:
    return (yield ctx.call_activity("flaky", input=text))


def calls_a_child(ctx: task.OrchestrationContext, child_ids: list[str]) -> Steps:
    """The ids name a child, its child, and so on: the last calls the activity."""
    first, *others = child_ids
    if others:
        return (yield ctx.call_sub_orchestrator(calls_a_child, instance_id=first, input=others))
    return (yield ctx.call_sub_orchestrator(calls_it, instance_id=first, input="deep"))


def failed(hub: Hub, orchestrator: Callable[..., Any], **options: Any) -> str:
    state = hub.ran(orchestrator, **options)
    assert state.runtime_status.name == "FAILED"
    return state.instance_id


def rewound(hub: Hub, instance_id: str, reason: str | None = None) -> Any:
    """The instance's output, once it has ended well after the rewind."""
    hub.client.rewind_orchestration(instance_id, reason=reason)
    state = hub.ended(instance_id)
    assert state.runtime_status.name == "COMPLETED"
    assert state.failure_details is None
    return state.get_output()


def test_a_rewound_orchestration_runs_the_failed_activity_again(hub: Hub) -> None:
    flaky = Flaky({"b": 1})

    def calls_three(ctx: task.OrchestrationContext, _: None) -> Steps:
        first = yield ctx.call_activity("flaky", input="a")
        second = yield ctx.call_activity("flaky", input="b")
        third = yield ctx.call_activity("flaky", input="c")
        return first + second + third

    with hub.worker(orchestrators=[calls_three], activities=[flaky.activity]):
        instance_id = failed(hub, calls_three)
        assert rewound(hub, instance_id) == "ABC"
    assert flaky.runs == {"a": 1, "b": 2, "c": 1}


def test_a_rewind_of_a_fan_out_runs_only_what_failed(hub: Hub) -> None:
    flaky = Flaky({"b": 1, "d": 1})

    def fans_out(ctx: task.OrchestrationContext, texts: list[str]) -> Steps:
        return (yield task.when_all([ctx.call_activity("flaky", input=text) for text in texts]))

    with hub.worker(orchestrators=[fans_out], activities=[flaky.activity]):
        instance_id = failed(hub, fans_out, input=list("abcd"))
        assert rewound(hub, instance_id) == list("ABCD")
    assert flaky.runs == {"a": 1, "b": 2, "c": 1, "d": 2}


def test_the_history_after_a_rewind_tells_of_no_failure(hub: Hub) -> None:
    flaky = Flaky({"text": 1})
    with hub.worker(orchestrators=[calls_it], activities=[flaky.activity]):
        instance_id = failed(hub, calls_it, input="text")
        assert "TaskFailed" in kinds_of(hub, instance_id)
        rewound(hub, instance_id, "try again")
    counts = Counter(kinds_of(hub, instance_id))
    assert counts["TaskFailed"] == 0
    assert counts["TaskScheduled"] == counts["TaskCompleted"] == 1
    assert counts["ExecutionStarted"] == counts["ExecutionCompleted"] == 1
    assert [
        event.reason
        for event in hub.client.get_orchestration_history(instance_id)
        if isinstance(event, history.ExecutionRewoundEvent)
    ] == ["try again"]


def test_a_rewound_orchestration_is_another_execution_of_the_same_instance(hub: Hub) -> None:
    flaky = Flaky({"text": 1})
    with hub.worker(orchestrators=[calls_it], activities=[flaky.activity]):
        instance_id = failed(hub, calls_it, input="text", tags={"kept": "yes"}, version="3.1")
        before, created = execution_of(hub, instance_id), state_of(hub, instance_id)
        rewound(hub, instance_id)
    after = execution_of(hub, instance_id)
    assert after != before
    assert EXECUTION_ID.fullmatch(after)
    state = state_of(hub, instance_id)
    assert state.executionId.value == after
    assert state.createdTimestamp == created.createdTimestamp
    assert state.input == created.input
    assert state.version.value == "3.1"
    assert dict(state.tags) == {"kept": "yes"}


def test_an_orchestration_that_failed_by_itself_can_be_rewound(hub: Hub) -> None:
    faults = ["a bug"]

    def has_a_bug(ctx: task.OrchestrationContext, _: None) -> Steps:
        got = yield ctx.wait_for_external_event(GO)
        if faults:
            raise ValueError(faults[0])
        return got

    with hub.worker(orchestrators=[has_a_bug]):
        instance_id = hub.client.schedule_new_orchestration(has_a_bug)
        hub.client.raise_orchestration_event(instance_id, GO, data="kept")
        assert hub.ended(instance_id).runtime_status.name == "FAILED"
        faults.clear()
        assert rewound(hub, instance_id) == "kept"


def test_a_rewind_that_fails_again_can_be_rewound_again(hub: Hub) -> None:
    flaky = Flaky({"text": 2})
    with hub.worker(orchestrators=[calls_it], activities=[flaky.activity]):
        instance_id = failed(hub, calls_it, input="text")
        hub.client.rewind_orchestration(instance_id, reason="first")
        again = hub.ended(instance_id)
        assert again.runtime_status.name == "FAILED"
        assert again.failure_details is not None
        assert "text failed" in again.failure_details.message
        assert rewound(hub, instance_id, "second") == "TEXT"
    assert flaky.runs == {"text": 3}
    counts = Counter(kinds_of(hub, instance_id))
    assert counts["ExecutionRewound"] == 2
    assert counts["TaskScheduled"] == counts["TaskCompleted"] == 1


def test_a_rewind_without_a_worker_waits_for_one(hub: Hub) -> None:
    flaky = Flaky({"text": 1})
    with hub.worker(orchestrators=[calls_it], activities=[flaky.activity]):
        instance_id = failed(hub, calls_it, input="text")
    hub.client.rewind_orchestration(instance_id)
    assert status_of(hub, instance_id) in {"PENDING", "RUNNING"}
    with hub.worker(orchestrators=[calls_it], activities=[flaky.activity]):
        assert hub.ended(instance_id).get_output() == "TEXT"


def test_a_rewind_reaches_failed_children_and_their_children(hub: Hub) -> None:
    flaky = Flaky({"deep": 1})
    child_id, grandchild_id = hub.fresh(), hub.fresh()
    with hub.worker(orchestrators=[calls_a_child, calls_it], activities=[flaky.activity]):
        instance_id = failed(hub, calls_a_child, input=[child_id, grandchild_id])
        family = (instance_id, child_id, grandchild_id)
        assert {status_of(hub, member) for member in family} == {"FAILED"}
        before = {execution_of(hub, member) for member in family}
        assert rewound(hub, instance_id) == "DEEP"
        assert [hub.ended(member).get_output() for member in family] == ["DEEP"] * 3
    assert flaky.runs == {"deep": 2}
    assert before.isdisjoint(execution_of(hub, member) for member in family)
    for member in (instance_id, child_id):
        counts = Counter(kinds_of(hub, member))
        assert counts["SubOrchestrationInstanceFailed"] == 0
        assert counts["SubOrchestrationInstanceCreated"] == 1
        assert counts["SubOrchestrationInstanceCompleted"] == 1


def test_a_rewound_child_knows_the_new_execution_of_its_parent(hub: Hub) -> None:
    flaky = Flaky({"deep": 1})
    child_id = hub.fresh()
    with hub.worker(orchestrators=[calls_a_child, calls_it], activities=[flaky.activity]):
        instance_id = failed(hub, calls_a_child, input=[child_id])
        rewound(hub, instance_id)
    [rewind] = [
        event
        for event in hub.client.get_orchestration_history(child_id)
        if isinstance(event, history.ExecutionRewoundEvent)
    ]
    parent = start_of(hub, child_id).parent_instance
    assert parent is not None
    assert parent.orchestration_instance == history.OrchestrationInstance(
        instance_id, execution_of(hub, instance_id)
    )
    assert rewind.parent_execution_id == execution_of(hub, instance_id)


def test_a_rewind_leaves_children_that_ended_well(hub: Hub) -> None:
    flaky = Flaky({"bad": 1})
    good_id, bad_id = hub.fresh("good"), hub.fresh("bad")

    def has_two_children(ctx: task.OrchestrationContext, _: None) -> Steps:
        good = ctx.call_sub_orchestrator(calls_it, instance_id=good_id, input="good")
        bad = ctx.call_sub_orchestrator(calls_it, instance_id=bad_id, input="bad")
        return (yield task.when_all([good, bad]))

    with hub.worker(orchestrators=[has_two_children, calls_it], activities=[flaky.activity]):
        instance_id = failed(hub, has_two_children)
        hub.ended(good_id)
        before = state_of(hub, good_id)
        assert rewound(hub, instance_id) == ["GOOD", "BAD"]
    assert flaky.runs == {"good": 1, "bad": 2}
    assert state_of(hub, good_id) == before


def test_a_rewind_creates_a_purged_child_again(hub: Hub) -> None:
    flaky = Flaky({"deep": 1})
    child_id = hub.fresh()
    with hub.worker(orchestrators=[calls_a_child, calls_it], activities=[flaky.activity]):
        instance_id = failed(hub, calls_a_child, input=[child_id])
        assert hub.client.purge_orchestration(child_id).deleted_instance_count == 1
        assert rewound(hub, instance_id) == "DEEP"
        child = hub.ended(child_id)
    assert child.get_output() == "DEEP"
    assert child.get_input() == "deep"
    assert "ExecutionRewound" not in kinds_of(hub, child_id)
    assert flaky.runs == {"deep": 2}


def test_a_child_is_rewound_alone_when_it_is_asked_for_alone(hub: Hub) -> None:
    flaky = Flaky({"deep": 1})
    child_id = hub.fresh()
    with hub.worker(orchestrators=[calls_a_child, calls_it, echo], activities=[flaky.activity]):
        instance_id = failed(hub, calls_a_child, input=[child_id])
        before = state_of(hub, instance_id)
        assert rewound(hub, child_id) == "DEEP"
        hub.ran(echo)
    assert state_of(hub, instance_id) == before


@pytest.mark.parametrize("status", ["COMPLETED", "TERMINATED", "RUNNING", "SUSPENDED"])
def test_only_what_failed_can_be_rewound(hub: Hub, status: str) -> None:
    with hub.worker(orchestrators=[waits_for_go, echo]):
        instance_id = hub.client.schedule_new_orchestration(waits_for_go)
        hub.client.wait_for_orchestration_start(instance_id)
        if status == "COMPLETED":
            hub.client.raise_orchestration_event(instance_id, GO)
        elif status == "TERMINATED":
            hub.client.terminate_orchestration(instance_id)
        elif status == "SUSPENDED":
            hub.client.suspend_orchestration(instance_id)
        hub.until_it_is(status, instance_id)
        with refused(grpc.StatusCode.FAILED_PRECONDITION):
            hub.client.rewind_orchestration(instance_id)
        hub.ran(echo)
        assert status_of(hub, instance_id) == status
        hub.client.terminate_orchestration(instance_id)
        hub.ended(instance_id)


def test_a_missing_orchestration_cannot_be_rewound(hub: Hub) -> None:
    with refused(grpc.StatusCode.NOT_FOUND):
        hub.client.rewind_orchestration(hub.fresh("missing"))
