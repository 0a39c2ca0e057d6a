from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask import task
from durabletask.entities import DurableEntity, EntityContext, EntityInstanceId
from durabletask.history import EntityOperationCalledEvent, EntityOperationCompletedEvent

from tests.conformance.cell import ask, cell, cell_id, value_of
from tests.conformance.hub import Hub, Steps

FALSY = pytest.mark.parametrize("falsy", [0, "", False, [], {}], ids=repr)


class Account(DurableEntity):
    """A balance."""

    def deposit(self, amount: int) -> int:
        """Adds to the balance and returns it."""
        balance = self.get_state(int, 0) + amount
        self.set_state(balance)
        return balance

    def balance(self) -> int:
        """The balance."""
        return self.get_state(int, 0)


def test_a_signal_from_a_client_changes_the_state(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(entities=[cell]):
        hub.client.signal_entity(cell_id(key), "set", {"a": [1, None]})
        hub.until(lambda: value_of(hub, key) == {"a": [1, None]})


def test_a_signal_waits_for_a_worker(hub: Hub) -> None:
    key = hub.fresh()
    for number in range(5):
        hub.client.signal_entity(cell_id(key), "append", number)
    with hub.worker(entities=[cell]):
        hub.until(lambda: value_of(hub, key) == [0, 1, 2, 3, 4])


def test_a_call_returns_what_the_operation_returns(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[ask], entities=[cell]):
        assert hub.ran(ask, input=[key, "add", 3]).get_output() == 3
        assert hub.ran(ask, input=[key, "add", 4]).get_output() == 7
    assert value_of(hub, key) == 7


@FALSY
def test_a_call_returns_a_falsy_result_exactly(hub: Hub, falsy: Any) -> None:
    def ask_twice(ctx: task.OrchestrationContext, key: str) -> Steps:
        first = yield ctx.call_entity(cell_id(key), "set", falsy)
        second = yield ctx.call_entity(cell_id(key), "get")
        return [first, second]

    with hub.worker(orchestrators=[ask_twice], entities=[cell]):
        state = hub.ran(ask_twice, input=hub.fresh())
    output = state.get_output()
    assert output == [falsy, falsy]
    assert [type(value) for value in output] == [type(falsy)] * 2


@FALSY
def test_an_entity_keeps_a_falsy_state_exactly(hub: Hub, falsy: Any) -> None:
    key = hub.fresh()
    with hub.worker(entities=[cell]):
        hub.client.signal_entity(cell_id(key), "set", falsy)
        hub.until(lambda: hub.client.get_entity(cell_id(key)) is not None)
        hub.until(lambda: value_of(hub, key) is not None)
    assert (value_of(hub, key), type(value_of(hub, key))) == (falsy, type(falsy))


def test_a_result_of_none_is_none(hub: Hub) -> None:
    with hub.worker(orchestrators=[ask], entities=[cell]):
        state = hub.ran(ask, input=[hub.fresh(), "get", None])
    assert (state.runtime_status.name, state.get_output()) == ("COMPLETED", None)


def test_an_exception_of_an_entity_reaches_its_caller(hub: Hub) -> None:
    def catch(ctx: task.OrchestrationContext, key: str) -> Steps:
        try:
            yield ctx.call_entity(cell_id(key), "fail", "no such drawer")
        except task.TaskFailedError as error:
            inner = error.details.inner_failure
            assert inner is not None
            return [str(error), inner.error_type, inner.message]

    key = hub.fresh()
    with hub.worker(orchestrators=[catch], entities=[cell]):
        text, error_type, message = hub.ran(catch, input=key).get_output(list) or []
    assert str(cell_id(key)) in text
    assert error_type.endswith("ValueError")
    assert message == "no such drawer"


def test_a_failed_operation_leaves_no_trace_in_the_state(hub: Hub) -> None:
    def around_a_failure(ctx: task.OrchestrationContext, key: str) -> Steps:
        yield ctx.call_entity(cell_id(key), "set", "kept")
        try:
            yield ctx.call_entity(cell_id(key), "fail", "oh")
        except task.TaskFailedError:
            return (yield ctx.call_entity(cell_id(key), "get"))

    key = hub.fresh()
    with hub.worker(orchestrators=[around_a_failure], entities=[cell]):
        assert hub.ran(around_a_failure, input=key).get_output() == "kept"
    assert value_of(hub, key) == "kept"


def test_a_failed_signal_does_not_stop_the_next_one(hub: Hub) -> None:
    key = hub.fresh()
    for operation, given in (("add", 1), ("fail", "oh"), ("add", 1)):
        hub.client.signal_entity(cell_id(key), operation, given)
    with hub.worker(entities=[cell]):
        hub.until(lambda: value_of(hub, key) == 2)


def test_an_uncaught_failure_of_an_entity_fails_the_caller(hub: Hub) -> None:
    with hub.worker(orchestrators=[ask], entities=[cell]):
        state = hub.ran(ask, input=[hub.fresh(), "fail", "out of paper"])
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    assert "out of paper" in state.failure_details.message


def test_an_unknown_operation_fails_the_call(hub: Hub) -> None:
    def call(ctx: task.OrchestrationContext, key: str) -> Steps:
        return (yield ctx.call_entity(EntityInstanceId("Account", key), "vanish"))

    with hub.worker(orchestrators=[call], entities=[Account]):
        state = hub.ran(call, input=hub.fresh())
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    assert "vanish" in state.failure_details.message


def test_an_entity_may_be_a_class(hub: Hub) -> None:
    def save(ctx: task.OrchestrationContext, key: str) -> Steps:
        account = EntityInstanceId("Account", key)
        yield ctx.call_entity(account, "deposit", 30)
        yield ctx.call_entity(account, "deposit", 12)
        return (yield ctx.call_entity(account, "balance"))

    with hub.worker(orchestrators=[save], entities=[Account]):
        assert hub.ran(save, input=hub.fresh()).get_output() == 42


def test_the_name_of_an_entity_has_no_case_but_its_key_has(hub: Hub) -> None:
    key = hub.fresh("Key")
    with hub.worker(entities=[cell]):
        hub.client.signal_entity(EntityInstanceId("CELL", key), "set", "upper")
        hub.client.signal_entity(EntityInstanceId("Cell", key.lower()), "set", "lower")
        hub.until(lambda: value_of(hub, key) == "upper")
        hub.until(lambda: value_of(hub, key.lower()) == "lower")
    found = hub.client.get_entity(cell_id(key))
    assert found is not None
    assert str(found.id) == f"@cell@{key}"


def test_a_delayed_signal_of_a_client_comes_in_its_time(hub: Hub) -> None:
    key, due = hub.fresh(), datetime.now(UTC) + timedelta(seconds=1)
    with hub.worker(entities=[cell]):
        hub.client.signal_entity(cell_id(key), "note_time", signal_time=due)
        assert value_of(hub, key) is None
        hub.until(lambda: value_of(hub, key))
    assert due <= datetime.fromisoformat(value_of(hub, key)) < due + timedelta(seconds=2)


def test_an_entity_that_only_waits_for_a_delayed_signal_does_not_exist_yet(hub: Hub) -> None:
    key, due = hub.fresh(), datetime.now(UTC) + timedelta(hours=1)
    hub.client.signal_entity(cell_id(key), "note_time", signal_time=due)
    assert hub.client.get_entity(cell_id(key)) is None


def test_a_delayed_signal_of_an_orchestration_comes_in_its_time(hub: Hub) -> None:
    def arrange(ctx: task.OrchestrationContext, key: str) -> str:
        due = ctx.current_utc_datetime.replace(tzinfo=UTC) + timedelta(seconds=1)
        ctx.signal_entity(cell_id(key), "note_time", signal_time=due)
        return due.isoformat()

    key = hub.fresh()
    with hub.worker(orchestrators=[arrange], entities=[cell]):
        due = datetime.fromisoformat(hub.ran(arrange, input=key).get_output(str) or "")
        hub.until(lambda: value_of(hub, key))
    assert due <= datetime.fromisoformat(value_of(hub, key)) < due + timedelta(seconds=2)


def test_an_entity_wakes_itself_later(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[ask], entities=[cell]):
        state = hub.ran(ask, input=[key, "note_time_later", 1])
        due = datetime.fromisoformat(state.get_output(str) or "")
        hub.until(lambda: value_of(hub, key))
    assert due <= datetime.fromisoformat(value_of(hub, key)) < due + timedelta(seconds=2)


def test_a_delayed_signal_does_not_hold_up_a_later_one(hub: Hub) -> None:
    key, due = hub.fresh(), datetime.now(UTC) + timedelta(seconds=1)
    with hub.worker(entities=[cell]):
        hub.client.signal_entity(cell_id(key), "append", "late", signal_time=due)
        hub.client.signal_entity(cell_id(key), "append", "now")
        hub.until(lambda: value_of(hub, key) == ["now", "late"])


def test_signals_of_one_client_keep_their_order(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(entities=[cell]):
        for number in range(100):
            hub.client.signal_entity(cell_id(key), "append", number)
        hub.until(lambda: len(value_of(hub, key) or []) == 100)
    assert value_of(hub, key) == list(range(100))


def test_signals_of_one_orchestration_keep_their_order_and_precede_its_call(hub: Hub) -> None:
    def send(ctx: task.OrchestrationContext, key: str) -> Steps:
        for number in range(100):
            ctx.signal_entity(cell_id(key), "append", number)
        return (yield ctx.call_entity(cell_id(key), "get"))

    with hub.worker(orchestrators=[send], entities=[cell]):
        assert hub.ran(send, input=hub.fresh()).get_output() == list(range(100))


def test_an_entity_signals_another(hub: Hub) -> None:
    first, second, third = hub.fresh(), hub.fresh(), hub.fresh()
    with hub.worker(entities=[cell]):
        onward = [third, "set", "arrived"]
        hub.client.signal_entity(cell_id(first), "pass_on", [second, "pass_on", onward])
        hub.until(lambda: value_of(hub, third) == "arrived")


def test_an_entity_signals_itself(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(entities=[cell]):
        hub.client.signal_entity(cell_id(key), "pass_on", [key, "set", "from me"])
        hub.until(lambda: value_of(hub, key) == "from me")


def test_a_failed_operation_sends_no_signals(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[ask], entities=[cell]):
        hub.ran(ask, input=[key, "fail", "oh"])
        assert hub.ran(ask, input=[key, "get", None]).get_output() is None


def test_an_entity_starts_an_orchestration(hub: Hub) -> None:
    def echo(_: task.OrchestrationContext, given: Any) -> Any:
        return given

    instance_id = hub.fresh()
    with hub.worker(orchestrators=[echo, ask], entities=[cell]):
        asked = hub.ran(ask, input=[hub.fresh(), "start", ["echo", instance_id, {"n": 1}]])
        state = hub.ended(instance_id)
    assert asked.get_output() == instance_id
    assert (state.name, state.get_output()) == ("echo", {"n": 1})


def test_an_entity_without_state_does_not_exist(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[ask], entities=[cell]):
        hub.ran(ask, input=[key, "set", 1])
        assert hub.client.get_entity(cell_id(key)) is not None
        hub.ran(ask, input=[key, "delete", None])
        assert hub.client.get_entity(cell_id(key)) is None


def test_a_class_has_delete_from_its_base(hub: Hub) -> None:
    account = EntityInstanceId("Account", hub.fresh())
    with hub.worker(entities=[Account]):
        hub.client.signal_entity(account, "deposit", 1)
        hub.until(lambda: hub.client.get_entity(account))
        hub.client.signal_entity(account, "delete")
        hub.until(lambda: hub.client.get_entity(account) is None)


def test_a_deleted_entity_starts_afresh(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[ask], entities=[cell]):
        hub.ran(ask, input=[key, "add", 5])
        hub.ran(ask, input=[key, "delete", None])
        assert hub.ran(ask, input=[key, "add", 1]).get_output() == 1


def test_many_entities_work_side_by_side(hub: Hub) -> None:
    def ask_all(ctx: task.OrchestrationContext, keys: list[str]) -> Steps:
        calls: list[task.Task[Any]] = [
            ctx.call_entity(cell_id(key), "add", number) for number, key in enumerate(keys)
        ]
        return (yield task.when_all(calls))

    keys = [hub.fresh() for _ in range(50)]
    with hub.worker(orchestrators=[ask_all], entities=[cell]):
        assert hub.ran(ask_all, input=keys).get_output() == list(range(50))


def test_an_entity_does_one_operation_at_a_time(hub: Hub) -> None:
    def ask_in_parallel(ctx: task.OrchestrationContext, key: str) -> Steps:
        return (yield task.when_all([ctx.call_entity(cell_id(key), "add", 1) for _ in range(5)]))

    key = hub.fresh()
    with hub.worker(orchestrators=[ask_in_parallel], entities=[cell]):
        started = [
            hub.client.schedule_new_orchestration(ask_in_parallel, input=key) for _ in range(10)
        ]
        outputs = [hub.ended(instance_id).get_output(list) or [] for instance_id in started]
    assert sorted(total for output in outputs for total in output) == list(range(1, 51))
    assert value_of(hub, key) == 50


def test_a_signal_does_not_keep_an_orchestration_waiting(hub: Hub) -> None:
    def send(ctx: task.OrchestrationContext, key: str) -> str:
        ctx.signal_entity(EntityInstanceId("nobody", key), "anything")
        return "sent"

    with hub.worker(orchestrators=[send]):
        assert hub.ran(send, input=hub.fresh()).get_output() == "sent"


def test_a_history_holds_the_call_and_its_result(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[ask], entities=[cell]):
        state = hub.ran(ask, input=[key, "add", 2])
    events = hub.client.get_orchestration_history(state.instance_id)
    called = [event for event in events if isinstance(event, EntityOperationCalledEvent)]
    completed = [event for event in events if isinstance(event, EntityOperationCompletedEvent)]
    assert [(event.operation, event.input) for event in called] == [("add", "2")]
    assert [(event.request_id, event.output) for event in completed] == [
        (called[0].request_id, "2")
    ]
    assert events.index(called[0]) < events.index(completed[0])


def test_an_entity_knows_its_own_id(hub: Hub) -> None:
    def mirror(ctx: EntityContext, _: Any) -> str:
        return str(ctx.entity_id)

    def look(ctx: task.OrchestrationContext, key: str) -> Steps:
        return (yield ctx.call_entity(EntityInstanceId("mirror", key), "look"))

    key = hub.fresh()
    with hub.worker(orchestrators=[look], entities=[mirror]):
        assert hub.ran(look, input=key).get_output() == f"@mirror@{key}"
