"""What a scheduler refuses, and how: a status and a text, and then it goes on serving."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from tests.conformance.hub import Hub
from tests.conformance.raw_worker import (
    METHODS,
    answer_to_nothing,
    finishes,
    kinds,
    raw_worker,
    schedules,
    start,
    text,
)

PAYLOAD_BYTES_MAX: Final = 1_048_576
YEAR: Final = 365.0 * 24 * 3600
OK: Final = grpc.StatusCode.OK
INVALID: Final = grpc.StatusCode.INVALID_ARGUMENT


def json_of(size: int, character: str = "x") -> str:
    """A JSON string of so many bytes."""
    return f'"{character * ((size - 2) // len(character.encode()))}"'


def code_of(call: Callable[[], Any]) -> grpc.StatusCode:
    """The status that a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return OK


def failure_of(hub: Hub, instance_id: str) -> tuple[str, str, str]:
    """How an instance ended, and its failure's type and text."""
    state = hub.ended(instance_id)
    assert state.failure_details is not None
    return (
        state.runtime_status.name,
        state.failure_details.error_type,
        state.failure_details.message,
    )


@pytest.mark.parametrize(
    "bad", ["x" * 101, "@cell@key", "@x", "line\nbreak", "tab\t", "ümlaut", "\x7f"], ids=ascii
)
def test_a_bad_instance_id_is_refused(hub: Hub, bad: str) -> None:
    with hub.stub() as stub:
        request = pb.CreateInstanceRequest(name=hub.fresh(), instanceId=bad)
        assert code_of(lambda: stub.StartInstance(request)) == INVALID


@pytest.mark.parametrize("shape", ["{:x<100}", "{} with space ~!#$%^&*()/?'\"\\<>", "{}@x"])
def test_a_good_instance_id_is_kept_as_it_is(hub: Hub, shape: str) -> None:
    instance_id = shape.format(hub.fresh())
    assert start(hub, hub.fresh(), instance_id) == instance_id
    state = hub.client.get_orchestration_state(instance_id)
    assert state is not None
    assert (state.instance_id, state.runtime_status.name) == (instance_id, "PENDING")


@pytest.mark.parametrize("bad", ["plain", "@only-name", "@@key", "@name@"])
def test_a_bad_entity_id_is_refused(hub: Hub, bad: str) -> None:
    with hub.stub() as stub:
        request = pb.SignalEntityRequest(instanceId=bad, name="op")
        assert code_of(lambda: stub.SignalEntity(request)) == INVALID


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        (
            "QueryInstances",
            pb.QueryInstancesRequest(query=pb.InstanceQuery(maxInstanceCount=-1)),
        ),
        (
            "QueryEntities",
            pb.QueryEntitiesRequest(query=pb.EntityQuery(pageSize=Int32Value(value=-1))),
        ),
        ("ListInstanceIds", pb.ListInstanceIdsRequest(pageSize=-1)),
    ],
)
def test_a_negative_page_size_is_refused(hub: Hub, method: str, request_: object) -> None:
    with hub.stub() as stub:
        assert code_of(lambda: getattr(stub, method)(request_)) == INVALID


@pytest.mark.parametrize("count", [500, 501])
def test_a_batch_has_no_more_than_500_ids(hub: Hub, count: int) -> None:
    batch = pb.InstanceBatch(instanceIds=[hub.fresh() for _ in range(count)])
    expected = OK if count <= 500 else INVALID
    purge = pb.PurgeInstancesRequest(instanceBatch=batch)
    skip = pb.SkipGracefulOrchestrationTerminationsRequest(instanceBatch=batch)
    with hub.stub() as stub:
        assert code_of(lambda: stub.PurgeInstances(purge)) == expected
        assert code_of(lambda: stub.SkipGracefulOrchestrationTerminations(skip)) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (json_of(PAYLOAD_BYTES_MAX), OK),
        (json_of(PAYLOAD_BYTES_MAX) + " ", INVALID),
        (json_of(PAYLOAD_BYTES_MAX + 2, "é"), INVALID),
        (json_of(5 * PAYLOAD_BYTES_MAX), INVALID),
    ],
    ids=["largest", "a byte more", "few characters of many bytes", "five times"],
)
def test_an_input_has_no_more_than_1_mib(hub: Hub, payload: str, expected: grpc.StatusCode) -> None:
    instance_id = hub.fresh()
    with hub.stub() as stub:
        request = pb.CreateInstanceRequest(
            name=hub.fresh(), instanceId=instance_id, input=StringValue(value=payload)
        )
        assert code_of(lambda: stub.StartInstance(request)) == expected
        answer = stub.GetInstance(pb.GetInstanceRequest(instanceId=instance_id))
    assert answer.exists == (expected == OK)


@pytest.mark.parametrize("size", [PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX + 1])
def test_an_event_and_a_reason_have_no_more_than_1_mib(hub: Hub, size: int) -> None:
    expected = OK if size <= PAYLOAD_BYTES_MAX else INVALID
    payload = StringValue(value=json_of(size))
    instance_id = start(hub, hub.fresh())
    raised = pb.RaiseEventRequest(instanceId=instance_id, name="e", input=payload)
    terminated = pb.TerminateRequest(instanceId=instance_id, output=payload)
    with hub.stub() as stub:
        assert code_of(lambda: stub.RaiseEvent(raised)) == expected
        assert code_of(lambda: stub.TerminateInstance(terminated)) == expected


def test_too_large_a_result_fails_its_activity(hub: Hub) -> None:
    name, activity = hub.fresh("large"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name], activities=[activity]) as worker:
        start(hub, name)
        worker.decide(worker.item(), schedules(1, activity))
        task = worker.item()
        worker.answer(task, json_of(PAYLOAD_BYTES_MAX) + " ")
        item = worker.item()
        event = item.orchestratorRequest.newEvents[-1]
        assert kinds([event]) == ["taskFailed"]
        assert event.taskFailed.taskScheduledId == 1
        assert event.taskFailed.failureDetails.errorType == "PayloadTooLarge"
        assert event.taskFailed.failureDetails.errorMessage
        worker.decide(item, finishes(2))


def test_the_largest_result_reaches_the_orchestration(hub: Hub) -> None:
    name, activity = hub.fresh("large"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name], activities=[activity]) as worker:
        start(hub, name)
        worker.decide(worker.item(), schedules(1, activity))
        worker.answer(worker.item(), json_of(PAYLOAD_BYTES_MAX))
        item = worker.item()
        completed = item.orchestratorRequest.newEvents[-1].taskCompleted
        assert completed.result.value == json_of(PAYLOAD_BYTES_MAX)
        worker.decide(item, finishes(2))


@pytest.mark.parametrize("where", ["custom status", "output"])
def test_what_is_too_large_in_a_decision_fails_the_orchestration(hub: Hub, where: str) -> None:
    name, large = hub.fresh("large"), json_of(PAYLOAD_BYTES_MAX) + " "
    with raw_worker(hub, orchestrations=[name]) as worker:
        instance_id = start(hub, name)
        item = worker.item()
        # The worker only logs a refusal: what counts is that nobody waits for ever.
        answer = code_of(
            (lambda: worker.decide(item, customStatus=text(large)))
            if where == "custom status"
            else (lambda: worker.decide(item, finishes(1, large)))
        )
        status, error_type, message = failure_of(hub, instance_id)
    assert answer in {OK, INVALID}
    assert (status, error_type) == ("FAILED", "PayloadTooLarge")
    assert message


@pytest.mark.parametrize(
    "action",
    [
        pb.OrchestratorAction(id=1),
        pb.OrchestratorAction.FromString(b"\x08\x01\x9a\x06\x00"),
        pb.OrchestratorAction(id=1, sendEntityMessage=pb.SendEntityMessageAction()),
        finishes(1, status=pb.ORCHESTRATION_STATUS_RUNNING),
    ],
    ids=["none", "from the future", "no entity message", "an end that is none"],
)
def test_a_bad_action_fails_its_orchestration_with_a_text(
    hub: Hub, action: pb.OrchestratorAction
) -> None:
    name = hub.fresh("bad")
    with raw_worker(hub, orchestrations=[name]) as worker:
        instance_id = start(hub, name)
        worker.decide(worker.item(), action)
        status, error_type, message = failure_of(hub, instance_id)
    assert status == "FAILED"
    assert error_type
    assert message


def test_malformed_bytes_are_refused_and_the_scheduler_lives_on(hub: Hub) -> None:
    codes = {}
    with grpc.insecure_channel(hub.address) as channel:
        for method in METHODS:
            # A group that never ends: no message of the service begins like that.
            call = bare_call(channel, method)
            codes[method.name] = code_of(
                partial(call, b"\x0b", metadata=(("taskhub", hub.name),), timeout=5)
            )
    refused = {INVALID, grpc.StatusCode.INTERNAL}
    assert {name: code for name, code in codes.items() if code not in refused} == {}
    with hub.stub() as stub:
        stub.Hello(Empty(), timeout=5)


def bare_call(channel: grpc.Channel, method: Any) -> Callable[..., Any]:
    """A method that takes bytes as they are; of a stream, all there is."""
    path = f"/TaskHubSidecarService/{method.name}"
    if not method.server_streaming:
        return channel.unary_unary(path, None, None)
    stream = channel.unary_stream(path, None, None)
    return lambda *given, **options: list(stream(*given, **options))


def test_too_much_metadata_is_refused_and_the_scheduler_lives_on(hub: Hub) -> None:
    with hub.stub() as stub:
        metadata = (("x-long", "y" * 1_000_000),)
        code = code_of(lambda: stub.Hello(Empty(), metadata=metadata, timeout=5))
    assert code not in {OK, grpc.StatusCode.DEADLINE_EXCEEDED}
    with hub.stub() as stub:
        stub.Hello(Empty(), timeout=5)


def test_every_method_of_the_service_is_implemented(
    hub: Hub, request: pytest.FixtureRequest
) -> None:
    # A hub that others use is neither made nor deleted.
    shared = bool(request.config.getoption("--endpoint"))
    methods = [method for method in METHODS if not (shared and "TaskHub" in method.name)]
    codes = {}
    with hub.stub() as stub:
        for method in methods:
            codes[method.name] = code_of(partial(answer_to_nothing, stub, method, seconds=0.3))
    broken = {
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
    }
    assert {name: code for name, code in codes.items() if code in broken} == {}


@pytest.mark.parametrize("seconds", [None, 10 * YEAR, 200 * YEAR], ids=str)
def test_a_deadline_may_be_absent_or_absurdly_far(hub: Hub, seconds: float | None) -> None:
    name = hub.fresh("patient")
    with raw_worker(hub, orchestrations=[name]) as worker, hub.stub() as stub:
        request = pb.GetInstanceRequest(instanceId=start(hub, name), getInputsAndOutputs=True)
        waiting = stub.WaitForInstanceCompletion.future(request, timeout=seconds)
        worker.decide(worker.item(), finishes(1, '"at last"'))
        answer = waiting.result(timeout=5)
    assert answer.orchestrationState.output.value == '"at last"'
    assert answer.orchestrationState.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED


def test_a_deadline_that_passes_is_told_as_such(hub: Hub) -> None:
    instance_id = start(hub, hub.fresh())
    with hub.stub() as stub:
        request = pb.GetInstanceRequest(instanceId=instance_id)
        code = code_of(lambda: stub.WaitForInstanceCompletion(request, timeout=0.3))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
