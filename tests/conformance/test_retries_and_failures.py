from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from durabletask import history, task
from durabletask.task import RetryPolicy

from tests.conformance.histories import kinds, numbered, of
from tests.conformance.hub import Hub, Steps

AT_ONCE = timedelta(0)
THRICE = RetryPolicy(first_retry_interval=AT_ONCE, max_number_of_attempts=3)


class Refused(Exception):  # noqa: N818 - a name that a user would choose
    """Carries a detail beside its message."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Details:
    """Tells failures more than their message."""

    def get_exception_properties(self, exception: Exception) -> Mapping[str, Any] | None:
        """The code of a refusal, and a value of each kind that the protocol knows."""
        if not isinstance(exception, Refused):
            return None
        return {"code": exception.code, "text": "é", "flag": False, "none": None, "list": [1, {}]}


class Flaky:
    """An activity that fails until its n-th attempt, and remembers its attempts."""

    def __init__(self, succeeds_at: int) -> None:
        self.attempts: list[Any] = []
        self._succeeds_at = succeeds_at

    def __call__(self, _: task.ActivityContext, value: Any) -> int:
        """The number of the attempt."""
        self.attempts.append(value)
        if len(self.attempts) < self._succeeds_at:
            raise ConnectionError(f"attempt {len(self.attempts)}")
        return len(self.attempts)

    @property
    def __name__(self) -> str:
        """What a worker registers it under."""
        return "flaky"


def refuse(_: task.ActivityContext, code: int) -> None:
    raise Refused("no", code)


def call_flaky(ctx: task.OrchestrationContext, value: Any) -> Steps:
    return (yield ctx.call_activity("flaky", input=value, retry_policy=THRICE))


def test_an_orchestrators_exception_fails_it_with_all_details(hub: Hub) -> None:
    def failing(_: task.OrchestrationContext, __: object) -> None:
        raise ValueError("größer 🚀\nthan expected")

    with hub.worker(orchestrators=[failing]):
        state = hub.ran(failing)
    assert (state.runtime_status.name, state.serialized_output) == ("FAILED", None)
    details = state.failure_details
    assert details is not None
    assert (details.error_type, details.message) == (
        "builtins.ValueError",
        "größer 🚀\nthan expected",
    )
    assert details.stack_trace is not None
    assert "in failing" in details.stack_trace
    assert details.inner_failure is None
    assert details.properties is None


def test_the_history_ends_with_the_failure(hub: Hub) -> None:
    def failing(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.create_timer(AT_ONCE)
        raise ValueError("late")

    with hub.worker(orchestrators=[failing]):
        state = hub.ran(failing)
    last = hub.client.get_orchestration_history(state.instance_id)[-1]
    assert isinstance(last, history.ExecutionCompletedEvent)
    assert last.orchestration_status == state.runtime_status.value
    assert last.failure_details == state.failure_details


def test_an_exceptions_causes_are_kept(hub: Hub) -> None:
    def deepest() -> None:
        raise KeyError("deep")

    def middle_one() -> None:
        try:
            deepest()
        except KeyError as error:
            raise LookupError("middle") from error

    def failing(_: task.OrchestrationContext, __: object) -> None:
        try:
            middle_one()
        except LookupError as error:
            raise RuntimeError("outer") from error

    with hub.worker(orchestrators=[failing]):
        outer = hub.ran(failing).failure_details
    assert outer is not None
    middle = outer.inner_failure
    assert middle is not None
    deep = middle.inner_failure
    assert deep is not None
    assert [one.error_type for one in (outer, middle, deep)] == [
        "builtins.RuntimeError",
        "builtins.LookupError",
        "builtins.KeyError",
    ]
    assert (middle.message, deep.message, deep.inner_failure) == ("middle", "'deep'", None)


def test_an_activitys_failure_reaches_the_orchestrator(hub: Hub) -> None:
    def careful(ctx: task.OrchestrationContext, _: object) -> Steps:
        try:
            yield ctx.call_activity(refuse, input=7)
        except task.TaskFailedError as error:
            details = error.details
            return [details.error_type, details.message, "in refuse" in str(details.stack_trace)]

    with hub.worker(orchestrators=[careful], activities=[refuse]):
        state = hub.ran(careful)
    assert state.runtime_status.name == "COMPLETED"
    assert state.get_output() == [f"{__name__}.Refused", "no", True]
    events = hub.client.get_orchestration_history(state.instance_id)
    (failed,) = of(history.TaskFailedEvent, events)
    assert (failed.event_id, failed.task_scheduled_id) == (-1, 1)


def test_an_unhandled_activity_failure_is_the_inner_failure(hub: Hub) -> None:
    def careless(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.call_activity(refuse, input=7)

    with hub.worker(orchestrators=[careless], activities=[refuse]):
        state = hub.ran(careless)
    details = state.failure_details
    assert details is not None
    assert details.error_type == "durabletask.task.TaskFailedError"
    assert details.inner_failure is not None
    assert details.inner_failure.error_type == f"{__name__}.Refused"
    assert details.inner_failure.message == "no"


def test_custom_properties_of_an_exception_are_kept(hub: Hub) -> None:
    def child(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.call_activity(refuse, input=7)

    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.call_sub_orchestrator(child)

    with hub.worker(
        orchestrators=[parent, child],
        activities=[refuse],
        exception_properties_provider=Details(),
    ):
        of_parent = hub.ran(parent).failure_details
    assert of_parent is not None
    of_child = of_parent.inner_failure
    assert of_child is not None
    of_activity = of_child.inner_failure
    assert of_activity is not None
    assert of_activity.properties == {
        "code": 7.0,
        "text": "é",
        "flag": False,
        "none": None,
        "list": [1.0, {}],
    }


def test_an_exception_without_a_message_is_a_failure_too(hub: Hub) -> None:
    def silent(_: task.ActivityContext, __: object) -> None:
        raise ValueError

    def careful(ctx: task.OrchestrationContext, _: object) -> Steps:
        try:
            yield ctx.call_activity(silent)
        except task.TaskFailedError as error:
            return [error.details.error_type, error.details.message]

    with hub.worker(orchestrators=[careful], activities=[silent]):
        assert hub.ran(careful).get_output() == ["builtins.ValueError", ""]


def test_an_orchestrator_without_registration_fails(hub: Hub) -> None:
    with hub.worker():
        state = hub.ran("nobody")
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    assert state.failure_details.error_type == "durabletask.worker.OrchestratorNotRegisteredError"
    assert "'nobody'" in state.failure_details.message


def test_an_activity_without_registration_fails(hub: Hub) -> None:
    def careful(ctx: task.OrchestrationContext, _: object) -> Steps:
        try:
            yield ctx.call_activity("nobody")
        except task.TaskFailedError as error:
            return error.details.error_type

    with hub.worker(orchestrators=[careful]):
        state = hub.ran(careful)
    assert state.get_output() == "durabletask.worker.ActivityNotRegisteredError"


def test_all_of_a_fan_out_end_before_its_failure_is_told(hub: Hub) -> None:
    def sometimes(_: task.ActivityContext, number: int) -> int:
        if number == 1:
            raise ValueError("one")
        return number

    def fan_out(ctx: task.OrchestrationContext, _: object) -> Steps:
        tasks: list[task.Task[int]] = [
            ctx.call_activity(sometimes, input=number) for number in range(4)
        ]
        try:
            yield task.when_all(tasks)
        except task.TaskFailedError as error:
            return [error.details.message, [one.is_failed for one in tasks]]

    with hub.worker(orchestrators=[fan_out], activities=[sometimes]):
        assert hub.ran(fan_out).get_output() == ["one", [False, True, False, False]]


@pytest.mark.parametrize("other", ["another activity", "a timer", "nothing"])
def test_an_orchestrator_that_changes_its_mind_fails(hub: Hub, other: str) -> None:
    turns: list[int] = []

    def fickle(ctx: task.OrchestrationContext, _: object) -> Steps:
        turns.append(len(turns))
        if len(turns) == 1:
            yield ctx.call_activity(refuse, input=1)
        elif other == "another activity":
            yield ctx.call_activity("other")
        elif other == "a timer":
            yield ctx.create_timer(timedelta(hours=1))
        else:
            yield ctx.wait_for_external_event("never")

    with hub.worker(orchestrators=[fickle], activities=[refuse]):
        state = hub.ran(fickle)
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    assert state.failure_details.error_type == "durabletask.task.NonDeterminismError"


def test_an_output_that_is_not_json_fails_the_orchestration(hub: Hub) -> None:
    def strange(_: task.OrchestrationContext, __: object) -> Any:
        return {1, 2}

    with hub.worker(orchestrators=[strange]):
        state = hub.ran(strange)
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    assert state.failure_details.error_type.endswith("JsonEncodeOutputException")


@pytest.mark.parametrize("value", [{"order": 1}, None], ids=repr)
def test_an_activity_is_tried_again_until_it_succeeds(hub: Hub, value: Any) -> None:
    flaky = Flaky(succeeds_at=3)
    with hub.worker(orchestrators=[call_flaky], activities=[flaky]):
        state = hub.ran(call_flaky, input=value)
    assert (state.runtime_status.name, state.get_output()) == ("COMPLETED", 3)
    assert flaky.attempts == [value, value, value]


def test_a_retry_is_scheduled_again_under_its_first_number(hub: Hub) -> None:
    with hub.worker(orchestrators=[call_flaky], activities=[Flaky(succeeds_at=3)]):
        state = hub.ran(call_flaky)
    events = hub.client.get_orchestration_history(state.instance_id)
    happened = [one for one in numbered(events) if one[0].startswith(("Task", "Timer"))]
    assert happened == [
        ("TaskScheduled", 1),
        ("TaskFailed", 1),
        ("TimerCreated", 2),
        ("TimerFired", 2),
        ("TaskScheduled", 1),
        ("TaskFailed", 1),
        ("TimerCreated", 3),
        ("TimerFired", 3),
        ("TaskScheduled", 1),
        ("TaskCompleted", 1),
    ]


def test_the_last_failure_is_told_when_the_attempts_are_used_up(hub: Hub) -> None:
    flaky = Flaky(succeeds_at=9)
    with hub.worker(orchestrators=[call_flaky], activities=[flaky]):
        details = hub.ran(call_flaky).failure_details
    assert len(flaky.attempts) == 3
    assert details is not None
    assert details.inner_failure is not None
    assert details.inner_failure.message == "attempt 3"
    assert details.inner_failure.error_type == "builtins.ConnectionError"


def test_one_attempt_is_no_retry(hub: Hub) -> None:
    flaky = Flaky(succeeds_at=2)
    once = RetryPolicy(first_retry_interval=AT_ONCE, max_number_of_attempts=1)

    def orchestrator(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.call_activity("flaky", retry_policy=once)

    with hub.worker(orchestrators=[orchestrator], activities=[flaky]):
        state = hub.ran(orchestrator)
    assert (state.runtime_status.name, len(flaky.attempts)) == ("FAILED", 1)
    assert "TimerCreated" not in kinds(hub.client.get_orchestration_history(state.instance_id))


def test_retries_wait_longer_each_time_up_to_their_bound(hub: Hub) -> None:
    policy = RetryPolicy(
        first_retry_interval=timedelta(seconds=0.1),
        max_number_of_attempts=4,
        backoff_coefficient=2,
        max_retry_interval=timedelta(seconds=0.3),
    )

    def orchestrator(ctx: task.OrchestrationContext, _: object) -> Steps:
        return (yield ctx.call_activity("flaky", retry_policy=policy))

    with hub.worker(orchestrators=[orchestrator], activities=[Flaky(succeeds_at=4)]):
        state = hub.ran(orchestrator)
    events = hub.client.get_orchestration_history(state.instance_id)
    now, waits = events[0].timestamp, []
    for event in events:
        if isinstance(event, history.OrchestratorStartedEvent):
            now = event.timestamp
        elif isinstance(event, history.TimerCreatedEvent):
            waits.append((event.fire_at - now).total_seconds())
    assert waits == pytest.approx([0.1, 0.2, 0.3])


def test_retries_run_side_by_side(hub: Hub) -> None:
    left: dict[int, int] = dict.fromkeys(range(5), 2)

    def flaky(_: task.ActivityContext, number: int) -> int:
        left[number] -= 1
        if left[number]:
            raise ConnectionError(str(number))
        return number

    def fan_out(ctx: task.OrchestrationContext, _: object) -> Steps:
        return (
            yield task.when_all(
                [ctx.call_activity(flaky, input=one, retry_policy=THRICE) for one in range(5)]
            )
        )

    with hub.worker(orchestrators=[fan_out], activities=[flaky]):
        assert hub.ran(fan_out).get_output() == [0, 1, 2, 3, 4]
    assert set(left.values()) == {0}
