"""What a turn's actions come to, one kind after the other."""

import pytest

from services.scheduler.engine import effects, events, limits
from services.scheduler.engine.effects import Decision
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, PayloadTooLargeError
from tests.unit.engine import given
from tests.unit.engine.given import EXECUTION, LATER, NOW, action, decided, event, start, text

TRACE = pb.TraceContext(traceParent="00-1-2-01", spanID="2")
TOO_LARGE = text("x" * (limits.PAYLOAD_BYTES_MAX + 1))


def schedule(name: str = "act", **fields: object) -> pb.OrchestratorAction:
    return action(1, scheduleTask=pb.ScheduleTaskAction(name=name, **fields))  # type: ignore[arg-type]  # any fields


def create(name: str = "sub", **fields: object) -> pb.OrchestratorAction:
    created = pb.CreateSubOrchestrationAction(name=name, **fields)  # type: ignore[arg-type]  # any fields
    return action(26, createSubOrchestration=created)


def send(name: str = "go", **fields: object) -> pb.OrchestratorAction:
    to = pb.OrchestrationInstance(instanceId="other")
    sent = pb.SendEventAction(**{"instance": to, "name": name, **fields})  # type: ignore[arg-type]  # any fields
    return action(4, sendEvent=sent)


def test_no_actions_record_what_the_turn_took_in_and_nothing_else() -> None:
    accepted = (events.orchestrator_started(NOW), start())
    assert decided(given.instance(start()), accepted=accepted) == Decision(history=accepted)


def test_an_activity_is_recorded_under_its_action_and_run() -> None:
    decision = decided(
        given.instance(start()),
        schedule(version=text("2.0"), input=text("0"), parentTraceContext=TRACE),
        accepted=(start(),),
    )
    scheduled = event(
        1,
        when=NOW,
        taskScheduled=pb.TaskScheduledEvent(
            name="act", version=text("2.0"), input=text("0"), parentTraceContext=TRACE
        ),
    )
    assert decision.history == (start(), scheduled)
    assert decision.effects == (effects.RunTask(event=scheduled),)
    assert decision.ending is None
    assert decision.next_execution == ()
    assert not decision.replaces


@pytest.mark.parametrize("payload", ["", "0", "false", "null", '""'])
def test_a_falsy_input_is_kept_exactly(payload: str) -> None:
    task = decided(given.instance(), schedule(input=text(payload))).history[0].taskScheduled
    assert task.HasField("input")
    assert task.input.value == payload


def test_an_absent_input_and_version_stay_absent() -> None:
    task = decided(given.instance(), schedule()).history[0].taskScheduled
    assert not task.HasField("input")
    assert not task.HasField("version")
    assert not task.HasField("parentTraceContext")


def test_an_activity_has_its_orchestrations_tags_and_its_own_win() -> None:
    of = given.instance(start(tags={"team": "a", "cost": "1"}))
    task = decided(of, schedule(tags={"team": "b", "mine": "2"})).history[0].taskScheduled
    assert dict(task.tags) == {"team": "b", "cost": "1", "mine": "2"}


def test_a_timer_is_recorded_and_set() -> None:
    fire_at = given.at(LATER)
    asked = action(3, createTimer=pb.CreateTimerAction(fireAt=fire_at))
    decision = decided(given.instance(), asked)
    assert decision.history == (event(3, when=NOW, timerCreated={"fireAt": fire_at}),)
    assert decision.effects == (effects.SetTimer(timer_id=3, fire_at=fire_at),)


def test_a_timer_without_a_time_is_refused() -> None:
    with pytest.raises(BadRequestError, match=r"^Timer 3 has no fireAt$"):
        decided(given.instance(), action(3, createTimer=pb.CreateTimerAction()))


def test_a_child_without_an_id_gets_its_parents_and_its_number_in_hexadecimal() -> None:
    decision = decided(given.instance(), create())
    created = decision.history[0].subOrchestrationInstanceCreated
    assert created.instanceId == "order-1:001a"
    (effect,) = decision.effects
    assert isinstance(effect, effects.StartInstance)
    assert effect.started.orchestrationInstance.instanceId == "order-1:001a"


def test_a_child_starts_with_what_its_action_gives_and_names_its_parent() -> None:
    of = given.instance(start(version=text("1.0"), tags={"team": "a"}))
    asked = create(
        instanceId="c1",
        version=text("2.0"),
        input=text("[]"),
        parentTraceContext=TRACE,
        tags={"mine": "1"},
    )
    decision = decided(of, asked)
    tags = {"team": "a", "mine": "1"}
    expected = pb.SubOrchestrationInstanceCreatedEvent(
        instanceId="c1",
        name="sub",
        version=text("2.0"),
        input=text("[]"),
        parentTraceContext=TRACE,
        tags=tags,
    )
    assert decision.history == (event(26, when=NOW, subOrchestrationInstanceCreated=expected),)
    begun = pb.ExecutionStartedEvent(
        name="sub",
        version=text("2.0"),
        input=text("[]"),
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId="c1", executionId=text("fresh-1")
        ),
        parentInstance=pb.ParentInstanceInfo(
            taskScheduledId=26,
            name=text("main"),
            version=text("1.0"),
            orchestrationInstance=of.started.orchestrationInstance,
        ),
        parentTraceContext=TRACE,
        tags=tags,
    )
    assert decision.effects == (effects.StartInstance(started=begun),)


def test_every_child_of_a_turn_has_an_execution_id_of_its_own() -> None:
    decision = decided(given.instance(), create(instanceId="c1"), create(instanceId="c2"))
    ids = [
        effect.started.orchestrationInstance.executionId.value
        for effect in decision.effects
        if isinstance(effect, effects.StartInstance)
    ]
    assert ids == ["fresh-1", "fresh-2"]


def test_an_event_is_recorded_as_sent_and_arrives_as_raised() -> None:
    decision = decided(given.instance(), send(data=text("")))
    sent = pb.EventSentEvent(instanceId="other", name="go", input=text(""))
    assert decision.history == (event(4, when=NOW, eventSent=sent),)
    arrives = event(when=NOW, eventRaised=pb.EventRaisedEvent(name="go", input=text("")))
    assert decision.effects == (
        effects.SendEvent(instance_id="other", execution_id=None, event=arrives),
    )


def test_an_event_without_data_arrives_without_data() -> None:
    decision = decided(given.instance(), send())
    assert not decision.history[0].eventSent.HasField("input")
    (effect,) = decision.effects
    assert isinstance(effect, effects.SendEvent)
    assert not effect.event.eventRaised.HasField("input")


def test_an_event_for_one_execution_is_for_that_one_only() -> None:
    to = pb.OrchestrationInstance(instanceId="other", executionId=text(EXECUTION))
    (effect,) = decided(given.instance(), send(instance=to)).effects
    assert isinstance(effect, effects.SendEvent)
    assert effect.execution_id == EXECUTION


@pytest.mark.parametrize("reason", [None, "", "enough"])
def test_a_termination_of_another_instance_leaves_no_trace_here(reason: str | None) -> None:
    given_reason = None if reason is None else text(reason)
    asked = pb.TerminateOrchestrationAction(instanceId="other", reason=given_reason, recurse=True)
    decision = decided(given.instance(), action(5, terminateOrchestration=asked))
    assert decision.history == ()
    assert decision.effects == (
        effects.Terminate(instance_id="other", reason=given_reason, recurse=True),
    )


def test_actions_are_carried_out_in_their_order() -> None:
    decision = decided(given.instance(), send(), schedule(), create(), given.complete())
    assert [one.WhichOneof("eventType") for one in decision.history] == [
        "eventSent",
        "taskScheduled",
        "subOrchestrationInstanceCreated",
        "executionCompleted",
    ]
    assert [type(effect) for effect in decision.effects] == [
        effects.SendEvent,
        effects.RunTask,
        effects.StartInstance,
    ]


def test_an_action_of_no_known_kind_is_refused() -> None:
    with pytest.raises(BadRequestError, match=r"^Unknown or second completing action \(id 8\)$"):
        decided(given.instance(), action(8))


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (schedule(name=""), "Activity name"),
        (create(name=""), "Sub-orchestration name"),
        (create(instanceId="@a@b"), "Instance id must not start with '@'"),
        (create(instanceId="x" * 101), "Instance id must have 1 to 100 characters"),
        (create(instanceId="ü"), "printable ASCII"),
        (send(name=""), "Event name"),
    ],
)
def test_what_breaks_a_rule_is_refused(asked: pb.OrchestratorAction, what: str) -> None:
    with pytest.raises(BadRequestError, match=what):
        decided(given.instance(), asked)


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (schedule(input=TOO_LARGE), "the input of activity 'act'"),
        (create(input=TOO_LARGE), "the input of sub-orchestration 'sub'"),
        (send(data=TOO_LARGE), "the data of event 'go'"),
        (given.complete(result=TOO_LARGE), "the result of the orchestration"),
    ],
)
def test_what_is_too_large_is_refused_by_name(asked: pb.OrchestratorAction, what: str) -> None:
    with pytest.raises(PayloadTooLargeError, match=f"{what} has 1048577 bytes"):
        decided(given.instance(), asked)


def test_a_reason_to_terminate_above_the_limit_is_refused() -> None:
    asked = pb.TerminateOrchestrationAction(instanceId="other", reason=TOO_LARGE)
    with pytest.raises(PayloadTooLargeError, match="the reason"):
        decided(given.instance(), action(5, terminateOrchestration=asked))
