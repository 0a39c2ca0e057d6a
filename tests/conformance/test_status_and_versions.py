import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask import history, task
from durabletask.azuremanaged.client import DurableTaskSchedulerClient
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.worker import VersionFailureStrategy, VersioningOptions, VersionMatchStrategy

from tests.conformance.histories import execution_id, kinds, numbered, of
from tests.conformance.hub import SECONDS_MAX, Hub, Steps

STRICT = VersionMatchStrategy.STRICT
CURRENT_OR_OLDER = VersionMatchStrategy.CURRENT_OR_OLDER
ANY = VersionMatchStrategy.NONE


def echo(_: task.ActivityContext, value: Any) -> Any:
    return value


def version_of(ctx: task.OrchestrationContext, _: object) -> list[str | None]:
    return [ctx.version]


def versioned(
    worker: DurableTaskSchedulerWorker,
    version: str | None,
    strategy: VersionMatchStrategy,
    *,
    default: str | None = None,
    failure: VersionFailureStrategy = VersionFailureStrategy.FAIL,
) -> None:
    worker.use_versioning(VersioningOptions(version, default, strategy, failure))


def test_a_history_holds_just_what_happened(hub: Hub) -> None:
    def child(_: task.OrchestrationContext, __: object) -> None:
        return None

    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.call_activity(echo, input=1)
        yield ctx.create_timer(timedelta(0))
        yield ctx.call_sub_orchestrator(child)
        return "end"

    with hub.worker(orchestrators=[parent, child], activities=[echo]):
        state = hub.ran(parent, input="start")
    events = hub.client.get_orchestration_history(state.instance_id)
    assert numbered(events) == [
        ("OrchestratorStarted", -1),
        ("ExecutionStarted", -1),
        ("TaskScheduled", 1),
        ("OrchestratorStarted", -1),
        ("TaskCompleted", 1),
        ("TimerCreated", 2),
        ("OrchestratorStarted", -1),
        ("TimerFired", 2),
        ("SubOrchestrationInstanceCreated", 3),
        ("OrchestratorStarted", -1),
        ("SubOrchestrationInstanceCompleted", 3),
        ("ExecutionCompleted", -1),
    ]


def test_every_event_of_a_history_has_a_real_time(hub: Hub) -> None:
    def orchestrator(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.call_activity(echo)
        yield ctx.create_timer(timedelta(0))
        yield ctx.wait_for_external_event("go")

    with hub.worker(orchestrators=[orchestrator], activities=[echo]):
        instance_id = hub.client.schedule_new_orchestration(orchestrator)
        hub.client.raise_orchestration_event(instance_id, "go")
        hub.ended(instance_id)
    now = datetime.now(UTC)
    times = [one.timestamp for one in hub.client.get_orchestration_history(instance_id)]
    assert [one for one in times if abs(now - one) > timedelta(minutes=5)] == []


def test_a_history_starts_and_ends_with_what_the_orchestration_was_given_and_gave(hub: Hub) -> None:
    def orchestrator(ctx: task.OrchestrationContext, value: Any) -> Steps:
        return [(yield ctx.call_activity(echo, input=value))]

    with hub.worker(orchestrators=[orchestrator], activities=[echo]):
        state = hub.ran(orchestrator, input="in")
    events = hub.client.get_orchestration_history(state.instance_id)
    (started,) = of(history.ExecutionStartedEvent, events)
    (scheduled,) = of(history.TaskScheduledEvent, events)
    (finished,) = of(history.TaskCompletedEvent, events)
    (completed,) = of(history.ExecutionCompletedEvent, events)
    assert started.orchestration_instance is not None
    assert started.orchestration_instance.instance_id == state.instance_id
    assert (started.name, started.input, started.parent_instance) == ("orchestrator", '"in"', None)
    assert (scheduled.name, scheduled.input, finished.result) == ("echo", '"in"', '"in"')
    assert (completed.orchestration_status, completed.result, completed.failure_details) == (
        pb.ORCHESTRATION_STATUS_COMPLETED,
        '["in"]',
        None,
    )


def test_a_history_can_be_read_while_the_orchestration_runs(hub: Hub) -> None:
    def orchestrator(ctx: task.OrchestrationContext, _: object) -> Steps:
        ctx.set_custom_status("waits")
        ctx.call_activity("held")
        yield ctx.wait_for_external_event("go")

    gate = threading.Event()

    def held(_: task.ActivityContext, __: object) -> None:
        gate.wait(SECONDS_MAX)

    with hub.worker(orchestrators=[orchestrator], activities=[held]):
        instance_id = hub.client.schedule_new_orchestration(orchestrator)
        try:
            hub.until_status(instance_id, "waits")
            events = hub.client.get_orchestration_history(instance_id)
            hub.client.raise_orchestration_event(instance_id, "go")
            hub.ended(instance_id)
        finally:
            gate.set()
    assert kinds(events) == ["OrchestratorStarted", "ExecutionStarted", "TaskScheduled"]
    assert hub.client.get_orchestration_history(instance_id)[:3] == events


def test_the_state_on_the_wire_names_its_execution_and_its_end(hub: Hub) -> None:
    with hub.worker(orchestrators=[version_of]), hub.stub() as stub:
        instance_id = hub.ran(version_of, version="1.2.3").instance_id
        state = stub.GetInstance(pb.GetInstanceRequest(instanceId=instance_id)).orchestrationState
    events = hub.client.get_orchestration_history(instance_id)
    assert state.executionId.value == execution_id(events)
    assert state.version.value == "1.2.3"
    assert state.createdTimestamp.ToDatetime() <= state.completedTimestamp.ToDatetime()


@pytest.mark.parametrize("status", [0, "", False, [], {}, {"done": 1}, "größe 🚀"], ids=repr)
def test_a_custom_status_is_kept_exactly(hub: Hub, status: Any) -> None:
    def orchestrator(ctx: task.OrchestrationContext, _: object) -> Steps:
        ctx.set_custom_status(status)
        yield ctx.call_activity(echo)

    with hub.worker(orchestrators=[orchestrator], activities=[echo]):
        told = hub.ran(orchestrator).get_custom_status()
    # Told apart by their text, because to Python 0 and False are equal.
    assert repr(told) == repr(status)


def test_a_custom_status_changes_over_time_and_outlives_the_end(hub: Hub) -> None:
    def orchestrator(ctx: task.OrchestrationContext, _: object) -> Steps:
        for step in range(3):
            ctx.set_custom_status({"step": step})
            yield ctx.wait_for_external_event("next")

    with hub.worker(orchestrators=[orchestrator]):
        instance_id = hub.client.schedule_new_orchestration(orchestrator)
        for step in range(3):
            state = hub.until_status(instance_id, {"step": step})
            assert state.runtime_status.name == "RUNNING"
            hub.client.raise_orchestration_event(instance_id, "next")
        state = hub.ended(instance_id)
    assert (state.runtime_status.name, state.get_custom_status()) == ("COMPLETED", {"step": 2})


def test_a_custom_status_can_be_taken_back(hub: Hub) -> None:
    def orchestrator(ctx: task.OrchestrationContext, _: object) -> Steps:
        ctx.set_custom_status("busy")
        yield ctx.wait_for_external_event("go")
        ctx.set_custom_status(None)

    with hub.worker(orchestrators=[orchestrator]):
        instance_id = hub.client.schedule_new_orchestration(orchestrator)
        hub.until_status(instance_id, "busy")
        hub.client.raise_orchestration_event(instance_id, "go")
        assert hub.ended(instance_id).serialized_custom_status is None


def test_a_custom_status_outlives_a_failure(hub: Hub) -> None:
    def orchestrator(ctx: task.OrchestrationContext, _: object) -> Steps:
        ctx.set_custom_status("at the brink")
        yield ctx.create_timer(timedelta(0))
        raise ValueError("over it")

    with hub.worker(orchestrators=[orchestrator]):
        state = hub.ran(orchestrator)
    assert (state.runtime_status.name, state.get_custom_status()) == ("FAILED", "at the brink")


def test_tags_of_an_orchestration_are_kept(hub: Hub) -> None:
    tags = {"team": "orders", "größe": ""}
    with hub.worker(orchestrators=[version_of]), hub.stub() as stub:
        instance_id = hub.ran(version_of, tags=tags).instance_id
        state = stub.GetInstance(pb.GetInstanceRequest(instanceId=instance_id)).orchestrationState
    assert dict(state.tags) == tags
    events = hub.client.get_orchestration_history(instance_id)
    assert of(history.ExecutionStartedEvent, events)[0].tags == tags


def test_tags_of_an_activity_are_kept_through_its_retries(hub: Hub) -> None:
    attempts: list[int] = []

    def flaky(_: task.ActivityContext, __: object) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise ConnectionError("once")

    def orchestrator(ctx: task.OrchestrationContext, _: object) -> Steps:
        policy = task.RetryPolicy(first_retry_interval=timedelta(0), max_number_of_attempts=2)
        yield ctx.call_activity(flaky, tags={"size": "größer"}, retry_policy=policy)
        yield ctx.call_activity(flaky)

    with hub.worker(orchestrators=[orchestrator], activities=[flaky]):
        state = hub.ran(orchestrator)
    events = hub.client.get_orchestration_history(state.instance_id)
    tagged = [one.tags for one in of(history.TaskScheduledEvent, events)]
    assert tagged == [{"size": "größer"}, {"size": "größer"}, None]


@pytest.mark.parametrize("version", ["1.0", "2.0-beta", "grün", None])
def test_an_orchestration_knows_its_version(hub: Hub, version: str | None) -> None:
    with hub.worker(orchestrators=[version_of]):
        state = hub.ran(version_of, version=version)
    assert state.get_output() == [version]
    events = hub.client.get_orchestration_history(state.instance_id)
    assert of(history.ExecutionStartedEvent, events)[0].version == version


def test_a_client_may_have_a_default_version(hub: Hub) -> None:
    with (
        hub.worker(orchestrators=[version_of]),
        DurableTaskSchedulerClient(
            host_address=hub.address,
            taskhub=hub.name,
            token_credential=None,
            secure_channel=False,
            default_version="1.5",
        ) as client,
    ):
        ids = [
            client.schedule_new_orchestration(version_of, version=version)
            for version in (None, "1.6")
        ]
        assert [hub.ended(one).get_output() for one in ids] == [["1.5"], ["1.6"]]


@pytest.mark.parametrize(
    ("default", "given", "expected"), [("2.0", None, "2.0"), ("2.0", "3.0", "3.0"), (None,) * 3]
)
def test_a_child_has_its_own_version_or_the_workers_default(
    hub: Hub, default: str | None, given: str | None, expected: str | None
) -> None:
    def parent(ctx: task.OrchestrationContext, _: object) -> Steps:
        return [ctx.version, *(yield ctx.call_sub_orchestrator(version_of, version=given))]

    with hub.worker(
        orchestrators=[parent, version_of],
        configure=lambda worker: versioned(worker, "1.0", ANY, default=default),
    ):
        state = hub.ran(parent, version="1.0")
    assert state.get_output() == ["1.0", expected]
    events = hub.client.get_orchestration_history(state.instance_id)
    (created,) = of(history.SubOrchestrationInstanceCreatedEvent, events)
    assert created.version == expected


@pytest.mark.parametrize(
    ("strategy", "version", "runs"),
    [
        (STRICT, "1.10", True),
        (STRICT, "1.9", False),
        (STRICT, None, False),
        (CURRENT_OR_OLDER, "1.10", True),
        (CURRENT_OR_OLDER, "1.9", True),
        (CURRENT_OR_OLDER, None, True),
        (CURRENT_OR_OLDER, "1.11", False),
        (ANY, "9.9", True),
    ],
)
def test_a_worker_fails_the_versions_that_it_does_not_serve(
    hub: Hub, strategy: VersionMatchStrategy, version: str | None, *, runs: bool
) -> None:
    with hub.worker(
        orchestrators=[version_of],
        configure=lambda worker: versioned(worker, "1.10", strategy),
    ):
        state = hub.ran(version_of, version=version)
    if runs:
        assert (state.runtime_status.name, state.get_output()) == ("COMPLETED", [version])
    else:
        assert state.runtime_status.name == "FAILED"
        assert state.failure_details is not None
        assert state.failure_details.error_type == "VersionMismatch"
        assert f"'{version}'" in state.failure_details.message


def test_a_failure_that_no_retry_can_mend_says_so_on_the_wire(hub: Hub) -> None:
    with (
        hub.worker(
            orchestrators=[version_of],
            configure=lambda worker: versioned(worker, "1.0", STRICT),
        ),
        hub.stub() as stub,
    ):
        instance_id = hub.ran(version_of, version="2.0").instance_id
        answer = stub.GetInstance(
            pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        )
    assert answer.orchestrationState.failureDetails.isNonRetriable is True


class Refusals(logging.Handler):
    """Tells when a worker gives an orchestration back."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.seen = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Looks at what the worker logs: nothing else shows it."""
        if record.getMessage().startswith("Abandoning orchestration"):
            self.seen.set()


def test_a_version_that_one_worker_rejects_waits_for_another(hub: Hub) -> None:
    refusals = Refusals()
    logger = logging.getLogger(hub.fresh("conformance.rejecting"))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(refusals)

    def serve(worker: DurableTaskSchedulerWorker, version: str) -> None:
        versioned(worker, version, STRICT, failure=VersionFailureStrategy.REJECT)

    with hub.worker(
        orchestrators=[version_of], configure=lambda worker: serve(worker, "1.0"), logger=logger
    ):
        instance_id = hub.client.schedule_new_orchestration(version_of, version="2.0")
        assert refusals.seen.wait(SECONDS_MAX)
        assert hub.ran(version_of, version="1.0").get_output() == ["1.0"]
        with pytest.raises(TimeoutError):
            hub.client.wait_for_orchestration_completion(instance_id, timeout=0.2)
    with hub.worker(orchestrators=[version_of], configure=lambda worker: serve(worker, "2.0")):
        assert hub.ended(instance_id).get_output() == ["2.0"]
