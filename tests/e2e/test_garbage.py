"""A worker's answer that is no message: its token is found in it, and the work does not hang."""

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import Message

from scripts.bench.processes import Memory
from tests.conformance.raw_worker import raw_worker, schedules, start
from tests.e2e.conftest import StackMaker
from tests.e2e.schedulers import hub_of, metric

MIB = 1024 * 1024
TIMES = 3
# A field that promises more than there is.
CUT_OFF = b"\x0a\x7f"
METHODS = {
    "activityRequest": ("CompleteActivityTask", pb.ActivityResponse),
    "orchestratorRequest": ("CompleteOrchestratorTask", pb.OrchestratorResponse),
}


@pytest.mark.parametrize("kind", METHODS)
def test_work_whose_answer_cannot_be_read_comes_again_and_fails_the_third_time(
    new_stack: StackMaker, kind: str
) -> None:
    name, message = METHODS[kind]
    with (
        new_stack(workers=0) as stack,
        hub_of(stack) as hub,
        raw_worker(hub, orchestrations=["garbled"], activities=["part"]) as worker,
        grpc.insecure_channel(f"127.0.0.1:{stack.grpc_port}") as channel,
    ):
        send = channel.unary_unary(f"/TaskHubSidecarService/{name}", bytes, bytes)
        instance_id = start(hub, "garbled")
        if kind == "activityRequest":
            worker.decide(worker.item(), schedules(1, "part"))
        for _ in range(TIMES):
            item = worker.item(5)
            assert item.HasField(kind)
            answer = message(completionToken=item.completionToken).SerializeToString() + CUT_OFF
            with pytest.raises(grpc.RpcError) as refused:
                send(answer, metadata=(("taskhub", "default"),), timeout=10)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        if kind == "activityRequest":
            failed = worker.item(5).orchestratorRequest.newEvents[-1].taskFailed.failureDetails
            assert failed.errorType == "UnreadableAnswer"
        else:
            state = hub.ended(instance_id)
            assert state.failure_details is not None
            assert state.failure_details.error_type == "UnreadableAnswer"


@pytest.mark.parametrize("results", [0, 2])
def test_a_batch_whose_answer_has_not_its_results_comes_again_and_fails_the_third_time(
    new_stack: StackMaker, results: int
) -> None:
    with (
        new_stack(workers=0) as stack,
        hub_of(stack) as hub,
        hub.stub() as stub,
        raw_worker(hub, entities=["garbled"]) as worker,
    ):
        stub.SignalEntity(pb.SignalEntityRequest(instanceId="@garbled@key", name="set"), timeout=10)
        success = pb.OperationResult(success=pb.OperationResultSuccess())
        for _ in range(TIMES):
            item = worker.item(5)
            assert len(item.entityRequestV2.operationRequests) == 1
            answer = pb.EntityBatchResult(
                results=[success] * results, completionToken=item.completionToken
            )
            stub.CompleteEntityTask(answer, timeout=10)
        assert worker.rest() == []
        assert metric(stack, "scheduler_work_items_given_up_total", kind="entity") == 1
        assert metric(stack, "scheduler_work_items_waiting") == 0


@pytest.mark.parametrize(
    ("method", "message", "field"),
    [
        ("StartInstance", pb.CreateInstanceRequest, "tags"),
        ("CompleteOrchestratorTask", pb.OrchestratorResponse, "actions"),
        ("CompleteEntityTask", pb.EntityBatchResult, "results"),
    ],
)
def test_a_request_that_would_be_twenty_times_as_large_in_memory_is_refused_unread(
    new_stack: StackMaker, method: str, message: type[Message], field: str
) -> None:
    tag = message.DESCRIPTOR.fields_by_name[field].number << 3 | 2
    # Nothing but empty ones.
    sent = bytes((tag, 0)) * (30 * MIB)
    options = (("grpc.max_send_message_length", -1),)
    with (
        new_stack(workers=0) as stack,
        grpc.insecure_channel(f"127.0.0.1:{stack.grpc_port}", options) as channel,
    ):
        send = channel.unary_unary(f"/TaskHubSidecarService/{method}", bytes, bytes)
        with pytest.raises(grpc.RpcError) as refused:
            send(sent, metadata=(("taskhub", "default"),), timeout=60)
        assert "it has more than 2,000,000 fields" in str(refused.value.details())
        # What it was before, and what was sent twice.
        assert Memory.of(stack.process("scheduler").pid).peak < 400 * MIB
