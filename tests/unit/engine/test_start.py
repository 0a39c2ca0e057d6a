"""How an orchestration begins, and what becomes of one that had its id before."""

from datetime import timedelta
from itertools import chain, combinations
from typing import Any

import pytest

from services.scheduler.engine import limits, start
from services.scheduler.engine.protos import Timestamp, pb
from services.scheduler.engine.status import Status
from services.scheduler.errors import BadRequestError, InstanceExistsError, PayloadTooLargeError
from tests.unit.engine import given
from tests.unit.engine.given import EXECUTION, LATER, NOW, at, text

ACTIVE = {Status.PENDING, Status.RUNNING, Status.SUSPENDED}
EVERY_SET = list(chain.from_iterable(combinations(Status, size) for size in range(len(Status) + 1)))
TRACE = pb.TraceContext(traceParent="00-1-2-01")


def begun(**fields: Any) -> pb.ExecutionStartedEvent:
    whole = {"instanceId": "order-1", "name": "main", **fields}
    return start.started_by(pb.CreateInstanceRequest(**whole), EXECUTION)


def policy(*statuses: int) -> pb.OrchestrationIdReusePolicy:
    return pb.OrchestrationIdReusePolicy(replaceableStatus=statuses)  # type: ignore[arg-type]  # the stubs want the enum's wrapper


def test_a_start_carries_what_the_client_gave() -> None:
    given_all = {
        "version": text("1.0"),
        "input": text(""),
        "tags": {"team": "a"},
        "parentTraceContext": TRACE,
        "scheduledStartTimestamp": at(LATER),
    }
    assert begun(**given_all) == given.started(**given_all)


def test_what_the_client_did_not_give_stays_absent() -> None:
    assert begun() == given.started()


def test_a_start_at_the_epoch_is_a_start_now() -> None:
    assert not begun(scheduledStartTimestamp=Timestamp()).HasField("scheduledStartTimestamp")


@pytest.mark.parametrize(
    "fields",
    [
        {"instanceId": ""},
        {"instanceId": "@a@b"},
        {"instanceId": "x" * 101},
        {"name": ""},
        {"tags": {"a": "x" * limits.TAGS_BYTES_MAX}},
    ],
)
def test_what_cannot_start_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        begun(**fields)


def test_an_input_above_the_limit_is_refused() -> None:
    with pytest.raises(PayloadTooLargeError, match="the input of orchestration 'main'"):
        begun(input=text("x" * (limits.PAYLOAD_BYTES_MAX + 1)))


def test_a_start_is_due_at_once_unless_it_is_scheduled_for_later() -> None:
    assert start.start_time(given.started(), NOW) is None
    for due, expected in ((LATER, LATER), (NOW, None), (NOW - timedelta(days=1), None)):
        assert start.start_time(given.started(scheduledStartTimestamp=at(due)), NOW) == expected


def test_a_restart_keeps_name_input_version_tags_and_trace_and_nothing_else() -> None:
    kept = {
        "version": text("1.0"),
        "input": text("0"),
        "tags": {"team": "a"},
        "parentTraceContext": TRACE,
    }
    before = given.started(**kept, parentInstance=given.parent(), scheduledStartTimestamp=at(LATER))
    instance = pb.OrchestrationInstance(instanceId="order-2", executionId=text("fresh"))
    expected = given.started(**kept, orchestrationInstance=instance)
    assert start.restarted(before, "order-2", "fresh") == expected


@pytest.mark.parametrize("existing", Status)
def test_without_a_policy_an_id_is_never_reused(existing: Status) -> None:
    for asked in (None, policy()):
        with pytest.raises(InstanceExistsError, match=rf"order-1 \({existing.name}\)$"):
            start.check_reuse("order-1", existing, asked)


@pytest.mark.parametrize("statuses", EVERY_SET, ids=lambda chosen: "-".join(s.name for s in chosen))
def test_a_policy_allows_exactly_the_statuses_that_it_names(statuses: tuple[Status, ...]) -> None:
    if ACTIVE & set(statuses) and Status.TERMINATED not in statuses:
        text_of_the_service = (
            "^Invalid reusable statuses: cannot exclude 'Terminated' while also allowing reuse of"
            " running instances$"
        )
        with pytest.raises(BadRequestError, match=text_of_the_service):
            start.replaceable_statuses(policy(*statuses))
        return
    allowed = set()
    for existing in Status:
        try:
            start.check_reuse("order-1", existing, policy(*statuses))
        except InstanceExistsError:
            continue
        allowed.add(existing)
    assert allowed == set(statuses)


def test_a_policy_may_name_a_status_that_no_instance_has() -> None:
    asked = policy(Status.COMPLETED, pb.ORCHESTRATION_STATUS_CANCELED)
    assert start.replaceable_statuses(asked) == {Status.COMPLETED}


@pytest.mark.parametrize("number", [pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW, 8, 99, -1])
def test_a_policy_with_an_unknown_status_is_refused(number: int) -> None:
    with pytest.raises(BadRequestError, match=f"unknown status {number}"):
        start.replaceable_statuses(policy(Status.COMPLETED, number))
