"""The events that the scheduler itself writes."""

from datetime import UTC, datetime, timedelta

import pytest

from services.scheduler.engine import events
from services.scheduler.engine.protos import Timestamp, pb
from services.scheduler.engine.status import Status
from tests.unit.engine import given
from tests.unit.engine.given import FAILURE, NOW, text

WRITTEN = [
    events.orchestrator_started(NOW),
    events.execution_started(NOW, given.started()),
    events.execution_completed(NOW, Status.COMPLETED, text("0"), None),
    events.execution_terminated(NOW, text(""), recurse=True),
    events.execution_suspended(NOW, None),
    events.execution_resumed(NOW, None),
    events.execution_rewound(NOW, None),
    events.event_raised(NOW, "go", None),
    events.timer_fired(NOW, 1, given.at(NOW)),
    events.task_completed(NOW, 1, None),
    events.task_failed(NOW, 1, FAILURE),
    events.child_completed(NOW, 1, None),
    events.child_failed(NOW, 1, FAILURE),
    events.entity_signaled(NOW, "r1", "@a@1", "add", None),
    events.entity_answered(NOW, "r1", pb.OperationResult()),
    events.lock_granted(NOW, "s1"),
]


def kind_of(event: pb.HistoryEvent) -> str:
    return event.WhichOneof("eventType") or ""


@pytest.mark.parametrize("event", WRITTEN, ids=kind_of)
def test_what_schedules_nothing_has_the_id_minus_one_and_a_real_time(
    event: pb.HistoryEvent,
) -> None:
    assert event.eventId == -1
    assert event.timestamp.ToDatetime(UTC) == NOW


@pytest.mark.parametrize("value", [None, "", "0"])
def test_an_absent_payload_is_not_an_empty_one(value: str | None) -> None:
    payload = None if value is None else text(value)
    present = value is not None
    raised = events.event_raised(NOW, "go", payload).eventRaised
    done = events.task_completed(NOW, 1, payload).taskCompleted
    ended = events.execution_completed(NOW, Status.COMPLETED, payload, None).executionCompleted
    child = events.child_completed(NOW, 1, payload).subOrchestrationInstanceCompleted
    assert raised.HasField("input") is present
    assert [one.HasField("result") for one in (done, ended, child)] == [present] * 3
    assert raised.input.value == done.result.value == ended.result.value == (value or "")


@pytest.mark.parametrize("event", [WRITTEN[10], WRITTEN[12]], ids=kind_of)
def test_failure_details_are_copied_with_their_inner_ones(event: pb.HistoryEvent) -> None:
    copied = getattr(event, kind_of(event)).failureDetails
    assert copied == FAILURE
    assert copied.innerFailure.errorMessage == "deeper"


def test_a_failure_of_our_own_is_not_to_be_tried_again() -> None:
    assert events.failure("Gone", "it is gone") == pb.TaskFailureDetails(
        errorType="Gone", errorMessage="it is gone", isNonRetriable=True
    )


def test_a_rewound_child_is_told_its_parents_execution() -> None:
    rewound = events.execution_rewound(NOW, text("why"), "e1").executionRewound
    assert (rewound.reason.value, rewound.parentExecutionId.value) == ("why", "e1")
    assert not events.execution_rewound(NOW, None).executionRewound.HasField("parentExecutionId")


@pytest.mark.parametrize(
    "moment",
    [NOW, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)],
)
def test_a_time_is_kept_to_the_microsecond(moment: datetime) -> None:
    assert events.moment(events.stamp(moment)) == moment


def test_a_time_beyond_any_clock_is_the_last_there_is() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert events.moment(Timestamp(seconds=2**62)) == last
    assert events.moment(Timestamp(seconds=253_402_300_800)) == last
    assert events.moment(Timestamp(seconds=253_402_300_799)) == last - timedelta(
        microseconds=999_999
    )


def test_a_time_before_any_clock_is_the_first_there_is() -> None:
    first = datetime.min.replace(tzinfo=UTC)
    assert events.moment(Timestamp(seconds=-62_135_596_801)) == first
    assert events.moment(Timestamp(seconds=-(2**62))) == first
