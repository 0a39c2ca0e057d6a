"""What an orchestrator's messages to entities come to."""

from datetime import UTC, datetime

import pytest

from services.scheduler.engine import effects, limits
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, PayloadTooLargeError
from tests.unit.engine import given
from tests.unit.engine.given import EXECUTION, LATER, NOW, at, decided, entity_action, event, text


def signal(**fields: object) -> pb.EntityOperationSignaledEvent:
    whole = {"requestId": "r1", "operation": "add", "targetInstanceId": text("@counter@a")}
    return pb.EntityOperationSignaledEvent(**{**whole, **fields})  # type: ignore[arg-type]  # any fields


def call(**fields: object) -> pb.EntityOperationCalledEvent:
    whole = {"requestId": "r1", "operation": "get", "targetInstanceId": text("@counter@a")}
    return pb.EntityOperationCalledEvent(**{**whole, **fields})  # type: ignore[arg-type]  # any fields


def lock(*entities: str) -> pb.OrchestratorAction:
    request = pb.EntityLockRequestedEvent(criticalSectionId="s1", lockSet=entities, position=5)
    return entity_action(2, entityLockRequested=request)


def test_a_signal_is_recorded_and_queued() -> None:
    asked = signal(input=text("1"))
    decision = decided(given.instance(), entity_action(2, entityOperationSignaled=asked))
    assert decision.history == (event(2, when=NOW, entityOperationSignaled=asked),)
    assert decision.effects == (
        effects.SendOperation(
            entity_id="@counter@a", event=event(when=NOW, entityOperationSignaled=asked)
        ),
    )


def test_a_delayed_signal_is_queued_when_it_is_due() -> None:
    asked = signal(scheduledTime=at(LATER))
    (effect,) = decided(given.instance(), entity_action(2, entityOperationSignaled=asked)).effects
    assert isinstance(effect, effects.SendOperation)
    assert effect.due == LATER


def test_a_signal_for_a_time_beyond_any_clock_is_due_at_the_last() -> None:
    asked = signal(scheduledTime=pb.HistoryEvent(timestamp={"seconds": 10**15}).timestamp)
    (effect,) = decided(given.instance(), entity_action(2, entityOperationSignaled=asked)).effects
    assert isinstance(effect, effects.SendOperation)
    assert effect.due == datetime.max.replace(tzinfo=UTC)


def test_a_call_knows_the_way_back_whatever_the_worker_wrote() -> None:
    asked = call(parentInstanceId=text("forged"), parentExecutionId=text("forged"))
    decision = decided(given.instance(), entity_action(2, entityOperationCalled=asked))
    recorded = call(parentInstanceId=text("order-1"), parentExecutionId=text(EXECUTION))
    assert decision.history == (event(2, when=NOW, entityOperationCalled=recorded),)
    assert decision.effects == (
        effects.SendOperation(
            entity_id="@counter@a", event=event(when=NOW, entityOperationCalled=recorded)
        ),
    )


def test_a_lock_request_is_sorted_each_entity_once_and_goes_to_the_first() -> None:
    decision = decided(given.instance(), lock("@b@1", "@a@2", "@b@1", "@a@1"))
    recorded = pb.EntityLockRequestedEvent(
        criticalSectionId="s1",
        lockSet=["@a@1", "@a@2", "@b@1"],
        position=0,
        parentInstanceId=text("order-1"),
    )
    assert decision.history == (event(2, when=NOW, entityLockRequested=recorded),)
    assert decision.effects == (
        effects.SendOperation(
            entity_id="@a@1", event=event(when=NOW, entityLockRequested=recorded)
        ),
    )


def test_a_lock_request_for_nothing_is_refused() -> None:
    with pytest.raises(BadRequestError, match=r"^Lock request 2 names no entity$"):
        decided(given.instance(), lock())


def test_an_unlock_is_recorded_and_ends_the_section_at_its_entity() -> None:
    asked = pb.EntityUnlockSentEvent(criticalSectionId="s1", targetInstanceId=text("@a@1"))
    decision = decided(given.instance(), entity_action(2, entityUnlockSent=asked))
    assert decision.history == (event(2, when=NOW, entityUnlockSent=asked),)
    assert decision.effects == (effects.Unlock(entity_id="@a@1", section_id="s1"),)


def test_a_message_of_no_known_kind_is_refused() -> None:
    with pytest.raises(BadRequestError, match=r"^Unknown entity message \(action 2\)$"):
        decided(given.instance(), entity_action(2))


@pytest.mark.parametrize("entity_id", ["", "counter", "@", "@counter", "@counter@", "@@a"])
def test_what_is_no_entity_id_is_refused(entity_id: str) -> None:
    target = text(entity_id)
    for asked in (
        entity_action(2, entityOperationSignaled=signal(targetInstanceId=target)),
        entity_action(2, entityOperationCalled=call(targetInstanceId=target)),
        lock(entity_id),
    ):
        with pytest.raises(BadRequestError, match="Entity id must be @name@key"):
            decided(given.instance(), asked)


def test_an_operations_input_above_the_limit_is_refused() -> None:
    large = text("x" * (limits.PAYLOAD_BYTES_MAX + 1))
    for asked in (
        entity_action(2, entityOperationSignaled=signal(input=large)),
        entity_action(2, entityOperationCalled=call(input=large)),
    ):
        with pytest.raises(PayloadTooLargeError, match="the input of operation"):
            decided(given.instance(), asked)
