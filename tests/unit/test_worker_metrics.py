"""What a turn is counted as, from its beginning until its answer has arrived, or not."""

from typing import Any

import grpc
import pytest
from durabletask import task
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.internal import orchestrator_service_pb2 as pb

from services.shared.environment import Environment
from services.worker.metrics import WorkerMetrics
from services.worker.settings import WorkerSettings
from services.worker.state import StateKeeper

TURNS = "worker_turn_duration_seconds_count"


def ends(_ctx: task.OrchestrationContext, _: object) -> str:
    """Has nothing to wait for."""
    return "done"


class Scheduler:
    """Where answers go; looks at the metrics while one is on its way."""

    def __init__(self, metrics: WorkerMetrics, *, is_away: bool) -> None:
        self._metrics = metrics
        self._is_away = is_away
        self.seen: list[float | None] = []

    def CompleteOrchestratorTask(self, _answer: Any) -> pb.CompleteTaskResponse:  # noqa: N802 - the call's name
        """Takes an answer, or loses it."""
        self.seen.append(self._metrics.registry.get_sample_value("worker_turns_in_progress"))
        if self._is_away:
            raise grpc.RpcError
        return pb.CompleteTaskResponse()


@pytest.mark.parametrize(
    ("is_away", "outcome", "undelivered"), [(False, "completed", 0), (True, "undelivered", 1)]
)
def test_a_turn_is_in_progress_until_its_answer_has_arrived_or_is_lost(
    *, is_away: bool, outcome: str, undelivered: int
) -> None:
    settings = WorkerSettings.read(Environment({}))
    metrics = WorkerMetrics(StateKeeper(None, scheduler="somewhere"), settings)
    worker = DurableTaskSchedulerWorker(
        host_address="127.0.0.1:1", taskhub="default", token_credential=None, secure_channel=False
    )
    worker.add_orchestrator(ends)
    metrics.watch_turns(worker)
    scheduler = Scheduler(metrics, is_away=is_away)
    began = pb.ExecutionStartedEvent(name="ends")
    request = pb.OrchestratorRequest(
        instanceId="one",
        newEvents=[
            pb.HistoryEvent(orchestratorStarted=pb.OrchestratorStartedEvent()),
            pb.HistoryEvent(executionStarted=began),
        ],
    )
    worker._execute_orchestrator(request, scheduler, "token")  # noqa: SLF001 - where a turn runs
    sample = metrics.registry.get_sample_value
    assert scheduler.seen == [1]
    assert sample("worker_turns_in_progress") == 0
    assert sample(TURNS, {"orchestration": "ends", "outcome": outcome}) == 1
    assert sample("worker_undelivered_answers_total") == undelivered
