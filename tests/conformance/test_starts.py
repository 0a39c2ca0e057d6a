import re
from datetime import UTC, datetime, timedelta
from typing import Any

from durabletask import task
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from tests.conformance.hub import Hub, Steps
from tests.conformance.readings import execution_of, start_of, state_of, status_of
from tests.conformance.waiting import GO, echo, fails, waits_for_go

DELAY = timedelta(seconds=0.8)
LONG = timedelta(hours=1)
SKEW = timedelta(seconds=1)


def tells_the_time(ctx: task.OrchestrationContext, _: None) -> str:
    return ctx.current_utc_datetime.isoformat()


def tells_its_version(ctx: task.OrchestrationContext, _: None) -> str | None:
    return ctx.version


def of_child(hub: Hub, **options: Any) -> pb.OrchestrationState:
    """The state of a child that was started so, after its end."""
    child_id = hub.fresh()

    def parent(ctx: task.OrchestrationContext, _: None) -> Steps:
        return (yield ctx.call_sub_orchestrator(echo, instance_id=child_id, **options))

    with hub.worker(orchestrators=[parent, echo]):
        parent_id = hub.ran(parent).instance_id
    state = state_of(hub, child_id)
    assert state.parentInstanceId.value == parent_id
    return state


def test_the_state_tells_of_an_orchestration_from_its_start_to_its_end(hub: Hub) -> None:
    instance_id = hub.fresh()
    hub.client.schedule_new_orchestration(waits_for_go, instance_id=instance_id, input="in")
    pending = state_of(hub, instance_id)
    assert pending.instanceId == instance_id
    assert pending.name == "waits_for_go"
    assert pending.orchestrationStatus == pb.ORCHESTRATION_STATUS_PENDING
    assert pending.input.value == '"in"'
    with hub.worker(orchestrators=[waits_for_go]):
        hub.client.wait_for_orchestration_start(instance_id)
        running = state_of(hub, instance_id)
        hub.client.raise_orchestration_event(instance_id, GO, data="out")
        hub.ended(instance_id)
    completed = state_of(hub, instance_id)
    assert running.orchestrationStatus == pb.ORCHESTRATION_STATUS_RUNNING
    assert completed.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
    assert completed.output.value == '"out"'
    assert pending.createdTimestamp == running.createdTimestamp == completed.createdTimestamp


def test_the_state_tells_when_the_orchestration_was_created_changed_and_ended(hub: Hub) -> None:
    # The clocks of two processes need not agree to the microsecond.
    begin = datetime.now(UTC) - SKEW
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo).instance_id
    end = datetime.now(UTC) + SKEW
    state = state_of(hub, instance_id)
    created, updated, completed = (
        stamp.ToDatetime(UTC)
        for stamp in (state.createdTimestamp, state.lastUpdatedTimestamp, state.completedTimestamp)
    )
    assert begin < created < completed < end
    assert created < updated < end


def test_what_has_not_ended_has_no_time_of_its_end(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(waits_for_go)
    state = state_of(hub, instance_id)
    assert not state.HasField("completedTimestamp")
    assert not state.HasField("output")
    assert not state.HasField("failureDetails")
    hub.client.terminate_orchestration(instance_id)


def test_the_state_names_the_execution(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo).instance_id
    execution_id = state_of(hub, instance_id).executionId.value
    assert re.fullmatch(r"[0-9a-f]{32}", execution_id)
    assert execution_of(hub, instance_id) == execution_id


def test_the_state_holds_tags_and_version(hub: Hub) -> None:
    tags = {"region": "north", "empty": "", "nämé": "välue"}
    with hub.worker(orchestrators=[tells_its_version]):
        state = hub.ran(tells_its_version, tags=tags, version="2.1.0")
    assert state.get_output() == "2.1.0"
    read = state_of(hub, state.instance_id)
    assert dict(read.tags) == tags
    assert read.version.value == "2.1.0"
    start = start_of(hub, state.instance_id)
    assert start.tags == tags
    assert start.version == "2.1.0"


def test_an_orchestration_without_tags_and_version_has_none(hub: Hub) -> None:
    with hub.worker(orchestrators=[tells_its_version]):
        state = hub.ran(tells_its_version)
    assert state.get_output() is None
    read = state_of(hub, state.instance_id)
    assert dict(read.tags) == {}
    assert read.version.value == ""


def test_the_state_of_a_child_names_its_parent(hub: Hub) -> None:
    state = of_child(hub, input=0)
    assert state.name == "echo"
    assert (state.input.value, state.output.value) == ("0", "0")


def test_the_state_of_a_child_holds_its_version(hub: Hub) -> None:
    assert of_child(hub, version="4.2").version.value == "4.2"


def test_the_custom_status_stands_in_the_state_while_the_orchestration_runs(hub: Hub) -> None:
    def speaks_up(ctx: task.OrchestrationContext, _: None) -> Steps:
        ctx.set_custom_status({"step": 1})
        yield ctx.wait_for_external_event(GO)
        ctx.set_custom_status("")

    with hub.worker(orchestrators=[speaks_up]):
        instance_id = hub.client.schedule_new_orchestration(speaks_up)
        running = hub.client.wait_for_orchestration_start(instance_id, fetch_payloads=True)
        assert running is not None
        assert running.get_custom_status() == {"step": 1}
        hub.client.raise_orchestration_event(instance_id, GO)
        assert hub.ended(instance_id).serialized_custom_status == '""'


def test_inputs_and_outputs_are_told_only_when_asked(hub: Hub) -> None:
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.ran(echo, input="told").instance_id
    without = hub.client.get_orchestration_state(instance_id, fetch_payloads=False)
    assert without is not None
    assert (without.serialized_input, without.serialized_output) == (None, None)
    state = hub.client.get_orchestration_state(instance_id)
    assert state is not None
    assert (state.get_input(), state.get_output()) == ("told", "told")


def test_the_state_tells_why_an_orchestration_failed(hub: Hub) -> None:
    with hub.worker(orchestrators=[fails]):
        state = hub.ran(fails, input="no luck")
    assert state.failure_details is not None
    assert state.failure_details.message == "no luck"
    assert state.failure_details.error_type == "builtins.ValueError"
    assert "raise ValueError(text)" in (state.failure_details.stack_trace or "")


def test_a_missing_orchestration_has_no_state(hub: Hub) -> None:
    assert hub.client.get_orchestration_state(hub.fresh("missing")) is None


def test_an_orchestration_that_starts_later_waits_for_its_time(hub: Hub) -> None:
    start_at = datetime.now(UTC) + LONG
    with hub.worker(orchestrators=[echo]):
        instance_id = hub.client.schedule_new_orchestration(echo, start_at=start_at)
        hub.ran(echo)
        assert status_of(hub, instance_id) == "PENDING"
        assert state_of(hub, instance_id).scheduledStartTimestamp.ToDatetime(UTC) == start_at
        hub.client.terminate_orchestration(instance_id)
        assert hub.ended(instance_id).runtime_status.name == "TERMINATED"


def test_an_orchestration_that_starts_later_runs_at_its_time(hub: Hub) -> None:
    start_at = datetime.now(UTC) + DELAY
    with hub.worker(orchestrators=[tells_the_time]):
        instance_id = hub.client.schedule_new_orchestration(tells_the_time, start_at=start_at)
        assert status_of(hub, instance_id) == "PENDING"
        state = hub.ended(instance_id)
    begun = datetime.fromisoformat(state.get_output(str) or "")
    assert begun.replace(tzinfo=UTC) >= start_at
    assert state.created_at.replace(tzinfo=UTC) < start_at
    assert state.last_updated_at.replace(tzinfo=UTC) >= start_at


def test_an_orchestration_whose_time_is_past_runs_at_once(hub: Hub) -> None:
    with hub.worker(orchestrators=[tells_the_time]):
        state = hub.ran(tells_the_time, start_at=datetime.now(UTC) - LONG)
    begun = datetime.fromisoformat(state.get_output(str) or "")
    assert begun.replace(tzinfo=UTC) >= state.created_at.replace(tzinfo=UTC)


def test_an_orchestration_that_starts_later_keeps_the_events_before(hub: Hub) -> None:
    start_at = datetime.now(UTC) + DELAY
    with hub.worker(orchestrators=[waits_for_go]):
        instance_id = hub.client.schedule_new_orchestration(waits_for_go, start_at=start_at)
        hub.client.raise_orchestration_event(instance_id, GO, data="early")
        state = hub.ended(instance_id)
    assert state.get_output() == "early"
    assert state.last_updated_at.replace(tzinfo=UTC) >= start_at


def test_a_start_far_beyond_the_calendar_of_the_machine_waits(hub: Hub) -> None:
    instance_id = hub.fresh()
    with hub.stub() as stub:
        stub.StartInstance(
            pb.CreateInstanceRequest(
                instanceId=instance_id,
                name="echo",
                scheduledStartTimestamp=Timestamp(seconds=253_402_300_799),
            )
        )
    assert status_of(hub, instance_id) == "PENDING"
    hub.client.terminate_orchestration(instance_id)


def test_an_input_on_the_wire_is_kept_as_it_is(hub: Hub) -> None:
    raw = ' {"b": 1,  "a": [null, 1e3], "é": "\\u00e9"} '
    instance_id = hub.fresh()
    with hub.stub() as stub:
        stub.StartInstance(
            pb.CreateInstanceRequest(
                instanceId=instance_id, name="waits_for_go", input=StringValue(value=raw)
            )
        )
    assert state_of(hub, instance_id).input.value == raw
    hub.client.terminate_orchestration(instance_id)
