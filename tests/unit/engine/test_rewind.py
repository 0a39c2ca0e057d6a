"""A worker's history without its failures takes the place of ours."""

import pytest

from services.scheduler.engine import effects, events
from services.scheduler.engine.effects import Decision
from services.scheduler.engine.instance import fold_all
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.engine.status import Status
from services.scheduler.errors import BadRequestError
from tests.unit.engine import given
from tests.unit.engine.given import BEFORE, FAILURE, LATER, NOW, event, start, text

NEXT = pb.OrchestrationInstance(instanceId="order-1", executionId=text("e" * 32))
RESTART = start(orchestrationInstance=NEXT)
FAILED = (
    start(),
    given.task(1),
    events.task_failed(BEFORE, 1, FAILURE),
    events.execution_completed(BEFORE, Status.FAILED, None, FAILURE),
)


def rewound(*history: pb.HistoryEvent) -> Decision:
    asked = pb.RewindOrchestrationAction(newHistory=history)
    return given.decided(
        fold_all(FAILED), given.action(-1, rewindOrchestration=asked), accepted=(FAILED[0],)
    )


def test_the_workers_history_replaces_all_of_ours() -> None:
    history = (events.orchestrator_started(BEFORE), RESTART, given.raised("go"))
    assert rewound(*history) == Decision(history=history, replaces=True)


def test_an_activity_that_is_still_open_runs_again() -> None:
    open_one = given.task(3, "still")
    done = (given.task(1), events.task_completed(BEFORE, 1, None))
    assert rewound(RESTART, *done, open_one).effects == (effects.RunTask(event=open_one),)


def test_a_timer_that_is_still_open_is_set_again() -> None:
    done = (given.timer(1), events.timer_fired(BEFORE, 1, given.at(BEFORE)))
    assert rewound(RESTART, *done, given.timer(4)).effects == (
        effects.SetTimer(timer_id=4, fire_at=given.at(LATER)),
    )


@pytest.mark.parametrize("reason", [None, text(""), text("fixed")])
def test_a_child_that_is_still_open_is_rewound_for_the_same_reason(
    reason: StringValue | None,
) -> None:
    begun = given.child(2, "c1")
    (effect,) = rewound(RESTART, begun, events.execution_rewound(BEFORE, reason)).effects
    assert isinstance(effect, effects.ResumeChild)
    assert effect.rewound == event(
        when=NOW,
        executionRewound=pb.ExecutionRewoundEvent(reason=reason, parentExecutionId=text("e" * 32)),
    )


def test_a_child_that_is_gone_can_be_created_again() -> None:
    (effect,) = rewound(RESTART, given.child(2, "c1")).effects
    assert isinstance(effect, effects.ResumeChild)
    assert effect.started == pb.ExecutionStartedEvent(
        name="sub",
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId="c1", executionId=text("fresh-1")
        ),
        parentInstance=pb.ParentInstanceInfo(
            taskScheduledId=2, name=text("main"), orchestrationInstance=NEXT
        ),
    )


def test_the_last_reason_counts() -> None:
    reasons = (
        events.execution_rewound(BEFORE, text("first")),
        events.execution_rewound(BEFORE, text("second")),
    )
    (effect,) = rewound(RESTART, given.child(2, "c1"), *reasons).effects
    assert isinstance(effect, effects.ResumeChild)
    assert effect.rewound.executionRewound.reason.value == "second"


@pytest.mark.parametrize(
    "history",
    [
        (),
        (given.task(1),),
        (start(orchestrationInstance=pb.OrchestrationInstance(instanceId="order-1")),),
        (start(orchestrationInstance={"instanceId": "other", "executionId": text("e")}),),
    ],
)
def test_a_history_of_something_else_is_refused(history: tuple[pb.HistoryEvent, ...]) -> None:
    with pytest.raises(BadRequestError, match="must start the same instance"):
        rewound(*history)


def test_a_history_that_has_ended_is_refused() -> None:
    ended = events.execution_completed(BEFORE, Status.FAILED, None, FAILURE)
    with pytest.raises(BadRequestError, match="must not have ended"):
        rewound(RESTART, ended)
