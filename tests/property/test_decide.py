"""What every decision has in common, whatever a worker answers."""

from hypothesis import given as for_all
from hypothesis import strategies as st

from services.scheduler.engine.completion import refuse, terminate
from services.scheduler.engine.effects import AnswerParent, Decision, SendOperation, Unlock
from services.scheduler.engine.instance import Instance, fold_all
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError
from tests.property import histories
from tests.unit.engine import given
from tests.unit.engine.given import FAILURE, NOW, decided

ACCEPTED = st.lists(st.builds(given.raised, histories.TEXTS), max_size=3).map(tuple)
_KIND_OF = {
    "scheduleTask": "taskScheduled",
    "createTimer": "timerCreated",
    "createSubOrchestration": "subOrchestrationInstanceCreated",
    "sendEvent": "eventSent",
}


def kind_of(action: pb.OrchestratorAction) -> str:
    """The event that records an action."""
    kind = action.WhichOneof("orchestratorActionType") or ""
    return _KIND_OF.get(kind) or action.sendEntityMessage.WhichOneof("EntityMessageType") or ""


def left_locked(of: Instance, decision: Decision) -> set[tuple[str, str]]:
    """Section and entity of all that is locked, or asked for, and not unlocked."""
    asked = {(section, entity) for section, locked in of.sections.items() for entity in locked}
    for effect in decision.effects:
        if isinstance(effect, SendOperation) and effect.event.HasField("entityLockRequested"):
            request = effect.event.entityLockRequested
            asked |= {(request.criticalSectionId, entity) for entity in request.lockSet}
        elif isinstance(effect, Unlock):
            asked.discard((effect.section_id, effect.entity_id))
    return asked


@for_all(history=histories.HISTORIES, accepted=ACCEPTED, actions=histories.SCHEDULING)
def test_every_scheduling_event_is_appended_under_its_actions_id_in_order(
    history: list[pb.HistoryEvent],
    accepted: tuple[pb.HistoryEvent, ...],
    actions: list[pb.OrchestratorAction],
) -> None:
    decision = decided(fold_all(history), *actions, accepted=accepted)
    assert decision.history[: len(accepted)] == accepted
    appended = decision.history[len(accepted) :]
    assert [(event.eventId, event.WhichOneof("eventType")) for event in appended] == [
        (action.id, kind_of(action)) for action in actions
    ]
    assert all(event.timestamp == given.at(NOW) for event in appended)
    assert len(decision.effects) == len(actions)
    assert not decision.replaces
    assert decision.ending is None


@for_all(history=histories.HISTORIES, actions=histories.SCHEDULING)
def test_the_same_turn_comes_to_the_same_decision_and_changes_nothing_it_was_given(
    history: list[pb.HistoryEvent], actions: list[pb.OrchestratorAction]
) -> None:
    of = fold_all(history)
    before = [action.SerializeToString(deterministic=True) for action in actions]
    assert decided(of, *actions) == decided(of, *actions)
    assert of == fold_all(history)
    assert [action.SerializeToString(deterministic=True) for action in actions] == before


@for_all(history=histories.HISTORIES, actions=histories.SCHEDULING, end=histories.ENDINGS)
def test_no_critical_section_outlives_a_completion(
    history: list[pb.HistoryEvent],
    actions: list[pb.OrchestratorAction],
    end: pb.OrchestratorAction,
) -> None:
    of = fold_all(history)
    assert left_locked(of, decided(of, *actions, end)) == set()


@for_all(history=histories.HISTORIES, recurse=st.booleans())
def test_no_critical_section_outlives_a_termination_or_a_refusal(
    history: list[pb.HistoryEvent], *, recurse: bool
) -> None:
    of = fold_all(history)
    ended = terminate(of, (), None, recurse=recurse, now=NOW)
    refused = refuse(of, (), FAILURE, now=NOW)
    assert left_locked(of, ended) == left_locked(of, refused) == set()


@for_all(history=histories.HISTORIES, actions=histories.SCHEDULING, end=histories.ENDINGS)
def test_an_execution_ends_once_or_goes_on_as_the_next_one(
    history: list[pb.HistoryEvent],
    actions: list[pb.OrchestratorAction],
    end: pb.OrchestratorAction,
) -> None:
    of = fold_all([given.start(parentInstance=given.parent()), *history[1:]])
    decision = decided(of, *actions, end)
    goes_on = end.completeOrchestration.orchestrationStatus == (
        pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
    )
    completions = sum(event.HasField("executionCompleted") for event in decision.history)
    answers = sum(isinstance(effect, AnswerParent) for effect in decision.effects)
    assert completions == answers == (0 if goes_on else 1)
    assert (decision.ending is None) is goes_on
    assert bool(decision.next_execution) is goes_on


@for_all(history=histories.HISTORIES, actions=histories.SCHEDULING)
def test_what_a_decision_schedules_is_open_in_the_history_that_it_makes(
    history: list[pb.HistoryEvent], actions: list[pb.OrchestratorAction]
) -> None:
    of = fold_all(history)
    after = fold_all(decided(of, *actions).history, onto=of)
    for action in actions:
        kind = kind_of(action)
        assert kind != "taskScheduled" or action.id in after.open_tasks
        assert kind != "timerCreated" or action.id in after.open_timers
        assert kind != "subOrchestrationInstanceCreated" or action.id in after.open_children
        called = action.sendEntityMessage.entityOperationCalled.requestId
        assert kind != "entityOperationCalled" or called in after.open_calls


@for_all(
    history=histories.HISTORIES,
    actions=histories.SCHEDULING,
    end=histories.ENDINGS,
    place=st.integers(0, 12),
)
def test_no_critical_section_outlives_a_completion_wherever_among_the_actions_it_stands(
    history: list[pb.HistoryEvent],
    actions: list[pb.OrchestratorAction],
    end: pb.OrchestratorAction,
    place: int,
) -> None:
    of = fold_all(history)
    try:
        decision = decided(of, *actions[:place], end, *actions[place:])
    except BadRequestError:
        # To refuse it is as good: a refusal ends the sections too.
        return
    assert left_locked(of, decision) == set()
