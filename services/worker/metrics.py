"""What a worker counts for Prometheus, where WORKER_METRICS_PORT asks for it.

Without that nothing here is imported: a worker that nobody scrapes counts nothing.
"""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.worker.settings import WorkerSettings
from services.worker.state import StateKeeper

# Seconds. An order takes 50 ms by default and may take minutes; a turn takes milliseconds.
_ACTIVITY_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TURN_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_ENDED: Final = {
    pb.ORCHESTRATION_STATUS_COMPLETED: "completed",
    pb.ORCHESTRATION_STATUS_FAILED: "failed",
    pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW: "continued_as_new",
}


class WorkerMetrics:
    """One worker's metrics, in a registry of its own."""

    def __init__(self, keeper: StateKeeper, settings: WorkerSettings) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_StateCollector(keeper, settings))
        self._activity_seconds = Histogram(
            "worker_activity_duration_seconds",
            "How long activities ran, by name and by outcome: completed, or failed with an error.",
            ["activity", "outcome"],
            buckets=_ACTIVITY_BUCKETS,
            registry=registry,
        )
        self._turn_seconds = Histogram(
            "worker_turn_duration_seconds",
            "How long turns of orchestrators took with their answers, by outcome: waiting for"
            " something, the orchestration's end, or undelivered.",
            ["orchestration", "outcome"],
            buckets=_TURN_BUCKETS,
            registry=registry,
        )
        self._turns = Gauge(
            "worker_turns_in_progress", "Turns of orchestrators that run now.", registry=registry
        )
        self._undelivered = Counter(
            "worker_undelivered_answers",
            "Turns whose answer did not reach the scheduler, which hands them out again.",
            registry=registry,
        )

    def timed(self, activity: Callable[..., Any]) -> Callable[..., Any]:
        """`activity` under its own name and signature, measured."""
        name = activity.__name__
        completed = self._activity_seconds.labels(name, "completed")
        failed = self._activity_seconds.labels(name, "failed")

        @functools.wraps(activity)
        def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any activity's signature
            began = time.perf_counter()
            try:
                result = activity(*args, **kwargs)
            except BaseException:
                failed.observe(time.perf_counter() - began)
                raise
            completed.observe(time.perf_counter() - began)
            return result

        return run

    def watch_turns(self, worker: DurableTaskSchedulerWorker) -> None:
        """Measures the turns of `worker`, before its start.

        The SDK shows the beginning and the end of a turn nowhere else. It is pinned, and a test
        holds that this is where a turn runs.
        """
        execute = worker._execute_orchestrator  # noqa: SLF001 - the docstring says why

        def measured(request: pb.OrchestratorRequest, stub: Any, token: Any) -> None:  # noqa: ANN401 - the SDK's signature
            outcome = _Outcome()
            began = time.perf_counter()
            with self._turns.track_inprogress():
                execute(request, _Answers(stub, outcome), token)
            seconds = time.perf_counter() - began
            self._turn_seconds.labels(_name_of(request), outcome.told).observe(seconds)
            if outcome.told == _Outcome.UNDELIVERED:
                self._undelivered.inc()

        worker._execute_orchestrator = measured  # type: ignore[method-assign, assignment]  # noqa: SLF001 - the docstring says why


class _Outcome:
    """What became of one turn."""

    UNDELIVERED: Final = "undelivered"

    def __init__(self) -> None:
        self.told: str = self.UNDELIVERED


class _Answers:
    """The stub through which one turn is answered."""

    def __init__(self, stub: Any, outcome: _Outcome) -> None:  # noqa: ANN401 - generated without types
        self._stub = stub
        self._outcome = outcome

    def CompleteOrchestratorTask(self, answer: pb.OrchestratorResponse) -> Any:  # noqa: ANN401, N802 - the call's name and answer
        """Sends the answer, and notes what it says once it has arrived."""
        done = self._stub.CompleteOrchestratorTask(answer)
        ends = (one.completeOrchestration for one in answer.actions if _is_end(one))
        status = next((end.orchestrationStatus for end in ends), None)
        self._outcome.told = "waiting" if status is None else _ENDED.get(status, "ended")
        return done

    def AbandonTaskOrchestratorWorkItem(self, request: Any) -> Any:  # noqa: ANN401, N802 - the call's name
        """Gives the work item back."""
        done = self._stub.AbandonTaskOrchestratorWorkItem(request)
        self._outcome.told = "abandoned"
        return done


class _StateCollector(Collector):
    """What the worker knows of itself anyway."""

    def __init__(self, keeper: StateKeeper, settings: WorkerSettings) -> None:
        self._keeper = keeper
        self._settings = settings

    def collect(self) -> Iterator[Metric]:
        keeper, settings = self._keeper, self._settings
        gauges = (
            ("worker_connected", "1 while the stream of work items is open.", keeper.is_connected),
            ("worker_draining", "1 once the worker was asked to stop.", keeper.is_draining),
            ("worker_activities_in_progress", "Activities that run now.", keeper.activities),
            ("worker_activities_max", "Activities that run at once.", settings.activities_max),
            ("worker_turns_max", "Turns that run at once.", settings.orchestrations_max),
        )
        for name, meaning, value in gauges:
            yield GaugeMetricFamily(name, meaning, value=float(value))
        yield CounterMetricFamily(
            "worker_connections",
            "Streams of work items that were opened.",
            value=keeper.connections,
        )


def _is_end(action: pb.OrchestratorAction) -> bool:
    return action.HasField("completeOrchestration")


def _name_of(request: pb.OrchestratorRequest) -> str:
    for events in (request.pastEvents, request.newEvents):
        for event in events:
            if event.HasField("executionStarted"):
                return event.executionStarted.name
    return "unknown"
