"""The scheduler carries trace contexts; it neither makes nor reads them."""

from datetime import UTC, datetime

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from tests.conformance.hub import Hub
from tests.conformance.raw_worker import finishes, kinds, raw_worker, start, text


def trace(digit: str) -> pb.TraceContext:
    """A trace context, told apart by a hexadecimal digit."""
    return pb.TraceContext(
        traceParent=f"00-{digit * 32}-{digit * 16}-01",
        spanID=digit * 16,
        traceState=StringValue(value=f"vendor={digit}"),
    )


def span(digit: str) -> pb.OrchestrationTraceContext:
    """A worker's own span of an orchestration."""
    began = Timestamp()
    began.FromDatetime(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
    return pb.OrchestrationTraceContext(spanID=StringValue(value=digit * 16), spanStartTime=began)


def started(item: pb.WorkItem) -> pb.ExecutionStartedEvent:
    """The executionStarted of a first dispatch."""
    events = item.orchestratorRequest.newEvents
    return events[kinds(events).index("executionStarted")].executionStarted


def test_the_trace_context_of_a_start_reaches_the_orchestration(hub: Hub) -> None:
    name = hub.fresh("traced")
    with raw_worker(hub, orchestrations=[name]) as worker:
        start(hub, name, parentTraceContext=trace("a"))
        item = worker.item()
        assert started(item).parentTraceContext == trace("a")
        worker.decide(item, finishes(1))


def test_without_a_trace_context_there_is_none(hub: Hub) -> None:
    name = hub.fresh("untraced")
    with raw_worker(hub, orchestrations=[name]) as worker:
        start(hub, name)
        item = worker.item()
        assert not started(item).HasField("parentTraceContext")
        assert not item.orchestratorRequest.orchestrationTraceContext.HasField("spanStartTime")
        worker.decide(item, finishes(1))


def test_the_trace_context_of_an_activity_reaches_its_history_and_its_worker(hub: Hub) -> None:
    name, activity = hub.fresh("traced"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name], activities=[activity]) as worker:
        start(hub, name)
        scheduled = pb.ScheduleTaskAction(name=activity, parentTraceContext=trace("b"))
        worker.decide(worker.item(), pb.OrchestratorAction(id=1, scheduleTask=scheduled))
        request = worker.item()
        assert request.activityRequest.parentTraceContext == trace("b")
        worker.answer(request)
        item = worker.item()
        past = item.orchestratorRequest.pastEvents
        assert past[kinds(past).index("taskScheduled")].taskScheduled.parentTraceContext == trace(
            "b"
        )
        worker.decide(item, finishes(2))


def test_the_trace_context_of_a_child_reaches_it(hub: Hub) -> None:
    parent, child = hub.fresh("parent"), hub.fresh("child")
    with raw_worker(hub, orchestrations=[parent, child]) as worker:
        start(hub, parent)
        created = pb.CreateSubOrchestrationAction(
            name=child, instanceId=hub.fresh(), parentTraceContext=trace("c")
        )
        worker.decide(worker.item(), pb.OrchestratorAction(id=1, createSubOrchestration=created))
        item = worker.item()
        assert started(item).name == child
        assert started(item).parentTraceContext == trace("c")
        worker.decide(item, finishes(1))
        worker.decide(worker.item(), finishes(2))


def test_the_trace_context_of_an_entity_reaches_what_it_starts(hub: Hub) -> None:
    name, entity = hub.fresh("started"), hub.fresh("entity")
    with (
        raw_worker(hub, orchestrations=[name], entities=[entity]) as worker,
        hub.stub() as stub,
    ):
        stub.SignalEntity(pb.SignalEntityRequest(instanceId=f"@{entity}@k", name="go"))
        action = pb.StartNewOrchestrationAction(
            instanceId=hub.fresh(), name=name, parentTraceContext=trace("d")
        )
        worker.settle(
            worker.item(), "1", actions=[pb.OperationAction(startNewOrchestration=action)]
        )
        item = worker.item()
        assert started(item).parentTraceContext == trace("d")
        worker.decide(item, finishes(1))


def test_a_span_of_an_orchestration_comes_back_at_every_dispatch(hub: Hub) -> None:
    name = hub.fresh("spanned")
    with raw_worker(hub, orchestrations=[name]) as worker, hub.stub() as stub:
        instance_id = start(hub, name)
        worker.decide(worker.item(), orchestrationTraceContext=span("e"))
        for _ in range(2):
            stub.RaiseEvent(pb.RaiseEventRequest(instanceId=instance_id, name="next"))
            item = worker.item()
            returned = item.orchestratorRequest.orchestrationTraceContext
            assert returned == span("e")
            worker.decide(item, orchestrationTraceContext=returned)
        stub.RaiseEvent(pb.RaiseEventRequest(instanceId=instance_id, name="next"))
        worker.decide(worker.item(), finishes(1), orchestrationTraceContext=span("e"))


def test_the_trace_context_and_tags_outlive_a_continue_as_new(hub: Hub) -> None:
    name, tags = hub.fresh("anew"), {"team": "night shift"}
    with raw_worker(hub, orchestrations=[name]) as worker:
        start(hub, name, parentTraceContext=trace("f"), tags=tags)
        item = worker.item()
        worker.decide(item, finishes(1, "2", pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW))
        anew = worker.item()
        assert started(anew).input.value == "2"
        assert started(anew).parentTraceContext == trace("f")
        assert dict(started(anew).tags) == tags
        worker.decide(anew, finishes(1))


def test_tags_reach_orchestrations_and_activities(hub: Hub) -> None:
    name, activity = hub.fresh("tagged"), hub.fresh("activity")
    with raw_worker(hub, orchestrations=[name], activities=[activity]) as worker:
        start(hub, name, tags={"a": "1"})
        item = worker.item()
        assert dict(started(item).tags) == {"a": "1"}
        scheduled = pb.ScheduleTaskAction(name=activity, tags={"b": "2"}, input=text("0"))
        worker.decide(item, pb.OrchestratorAction(id=1, scheduleTask=scheduled))
        request = worker.item()
        assert request.activityRequest.tags["b"] == "2"
        worker.answer(request)
        worker.decide(worker.item(), finishes(2))
