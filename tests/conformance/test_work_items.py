"""What stands in work items, and what their answers do, on the bare wire."""

import re
import time

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from tests.conformance.hub import Hub
from tests.conformance.raw_worker import finishes, kinds, raw_worker, schedules, start


def ended(hub: Hub, instance_id: str) -> tuple[str, str | None]:
    """How an instance ended: its status and its output."""
    state = hub.ended(instance_id)
    return state.runtime_status.name, state.serialized_output


def test_a_first_dispatch_holds_what_began_the_orchestration(hub: Hub) -> None:
    name = hub.fresh("first")
    with raw_worker(hub, orchestrations=[name]) as worker:
        instance_id = start(hub, name, input=StringValue(value="[1]"))
        item = worker.item()
        request = item.orchestratorRequest
        begun = request.newEvents[1].executionStarted
        assert request.instanceId == instance_id
        assert kinds(request.newEvents) == ["orchestratorStarted", "executionStarted"]
        assert list(request.pastEvents) == []
        assert (begun.name, begun.input.value) == (name, "[1]")
        assert begun.orchestrationInstance.instanceId == instance_id
        worker.decide(item, finishes(1))


def test_an_execution_has_an_id_of_32_hex_digits(hub: Hub) -> None:
    name = hub.fresh("id")
    with raw_worker(hub, orchestrations=[name]) as worker:
        start(hub, name)
        item = worker.item()
        request = item.orchestratorRequest
        execution_id = request.newEvents[1].executionStarted.orchestrationInstance.executionId
        assert re.fullmatch("[0-9a-f]{32}", execution_id.value)
        assert request.executionId.value == execution_id.value
        worker.decide(item, finishes(1))


def test_a_second_dispatch_holds_what_was_sent_then_what_was_decided(hub: Hub) -> None:
    name, activity = hub.fresh("second"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name], activities=[activity]) as worker:
        start(hub, name)
        first = worker.item()
        worker.decide(first, schedules(1, activity, '"a"'), schedules(2, activity))
        tasks = worker.items(2)
        assert [(it.activityRequest.taskId, it.activityRequest.input.value) for it in tasks] == [
            (1, '"a"'),
            (2, ""),
        ]
        worker.answer(tasks[0], '"A"')
        second = worker.item().orchestratorRequest
        sent = list(first.orchestratorRequest.newEvents)
        assert list(second.pastEvents[: len(sent)]) == sent
        decided = list(second.pastEvents[len(sent) :])
        assert kinds(decided) == ["taskScheduled", "taskScheduled"]
        assert [event.eventId for event in decided] == [1, 2]
        assert [event.taskScheduled.name for event in decided] == [activity, activity]
        assert kinds(second.newEvents) == ["orchestratorStarted", "taskCompleted"]
        completed = second.newEvents[1]
        assert completed.eventId == -1
        assert completed.taskCompleted.taskScheduledId == 1
        assert completed.taskCompleted.result.value == '"A"'


def test_every_event_has_a_real_time(hub: Hub) -> None:
    name, activity = hub.fresh("timed"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name], activities=[activity]) as worker:
        began = time.time()
        start(hub, name)
        worker.decide(worker.item(), schedules(1, activity))
        worker.answer(worker.item())
        item = worker.item()
        request = item.orchestratorRequest
        times = [
            event.timestamp.ToMilliseconds() / 1000
            for event in [*request.pastEvents, *request.newEvents]
        ]
        # The scheduler may run on another machine, whose clock is a bit off.
        assert began - 5 <= min(times) <= max(times) <= time.time() + 5
        worker.decide(item, finishes(2))


def test_what_arrives_during_a_dispatch_comes_at_the_next(hub: Hub) -> None:
    name = hub.fresh("busy")
    with raw_worker(hub, orchestrations=[name]) as worker, hub.stub() as stub:
        instance_id = start(hub, name)
        item = worker.item()
        for event in ("one", "two"):
            stub.RaiseEvent(pb.RaiseEventRequest(instanceId=instance_id, name=event))
        assert worker.rest() == []
        worker.decide(item)
        item = worker.item()
        events = item.orchestratorRequest.newEvents
        assert kinds(events) == ["orchestratorStarted", "eventRaised", "eventRaised"]
        assert [event.eventRaised.name for event in events[1:]] == ["one", "two"]
        worker.decide(item, finishes(1))


def test_every_work_item_has_a_completion_token_of_its_own(hub: Hub) -> None:
    name = hub.fresh("token")
    with raw_worker(hub, orchestrations=[name]) as worker:
        for _ in range(5):
            start(hub, name)
        items = worker.items(5)
        assert len({item.completionToken for item in items} - {""}) == 5
        for item in items:
            worker.decide(item, finishes(1))


def test_a_repeated_completion_of_an_orchestration_changes_nothing(hub: Hub) -> None:
    name, activity = hub.fresh("twice"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name], activities=[activity]) as worker:
        instance_id = start(hub, name)
        first = worker.item()
        worker.decide(first, schedules(1, activity))
        worker.decide(first, schedules(1, activity))
        worker.decide(first, finishes(1, '"stale"'))
        task = worker.item()
        assert worker.rest() == []
        worker.answer(task, "1")
        item = worker.item()
        assert kinds(item.orchestratorRequest.pastEvents).count("taskScheduled") == 1
        worker.decide(first, finishes(2, '"stale"'))
        worker.decide(item, finishes(2, '"fresh"'))
        assert ended(hub, instance_id) == ("COMPLETED", '"fresh"')


def test_a_repeated_result_of_an_activity_changes_nothing(hub: Hub) -> None:
    name, activity = hub.fresh("twice"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name], activities=[activity]) as worker:
        start(hub, name)
        worker.decide(worker.item(), schedules(1, activity), schedules(2, activity))
        one, two = worker.items(2)
        worker.answer(one, '"first"')
        item = worker.item()
        worker.answer(one, '"second"')
        worker.decide(item)
        worker.answer(two, '"other"')
        item = worker.item()
        request = item.orchestratorRequest
        results = [
            event.taskCompleted.result.value
            for event in [*request.pastEvents, *request.newEvents]
            if event.HasField("taskCompleted")
        ]
        assert results == ['"first"', '"other"']
        worker.decide(item, finishes(3))
        assert worker.rest() == []


def test_an_entity_gets_what_waits_for_it_in_one_batch_and_in_order(hub: Hub) -> None:
    entity = hub.fresh("e")
    with hub.stub() as stub:
        for number in range(5):
            stub.SignalEntity(
                pb.SignalEntityRequest(
                    instanceId=f"@{entity}@k", name=f"op-{number}", requestId=hub.fresh()
                )
            )
    with raw_worker(hub, entities=[entity]) as worker:
        item = worker.item()
        request = item.entityRequestV2
        assert (request.instanceId, request.HasField("entityState")) == (f"@{entity}@k", False)
        assert [it.entityOperationSignaled.operation for it in request.operationRequests] == [
            f"op-{number}" for number in range(5)
        ]
        worker.settle(item, '"state"')
        assert worker.rest() == []


def test_a_call_of_an_entity_tells_who_calls(hub: Hub) -> None:
    name, entity = hub.fresh("caller"), hub.fresh("e")
    with raw_worker(hub, orchestrations=[name], entities=[entity]) as worker:
        instance_id = start(hub, name)
        item = worker.item()
        begun = item.orchestratorRequest.newEvents[1].executionStarted
        called = pb.EntityOperationCalledEvent(
            requestId="request-1",
            operation="op",
            targetInstanceId=StringValue(value=f"@{entity}@k"),
            parentInstanceId=StringValue(value=instance_id),
        )
        message = pb.SendEntityMessageAction(entityOperationCalled=called)
        worker.decide(item, pb.OrchestratorAction(id=1, sendEntityMessage=message))
        batch = worker.item()
        (operation,) = batch.entityRequestV2.operationRequests
        call = operation.entityOperationCalled
        assert (call.requestId, call.parentInstanceId.value) == ("request-1", instance_id)
        assert call.parentExecutionId == begun.orchestrationInstance.executionId
        worker.settle(batch, "1", result='"hello"')
        item = worker.item()
        answer = item.orchestratorRequest.newEvents[-1].entityOperationCompleted
        assert (answer.requestId, answer.output.value) == ("request-1", '"hello"')
        worker.decide(item, finishes(2))
