from typing import Any

import pytest
from durabletask import task
from durabletask.history import (
    EntityLockGrantedEvent,
    EntityLockRequestedEvent,
    EntityUnlockSentEvent,
)
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.conformance.cell import ask, cell, cell_id, value_of
from tests.conformance.hub import Hub, Steps


def locked(ctx: task.OrchestrationContext, keys: list[str]) -> task.CompletableTask[Any]:
    """The lock over the cells of these keys."""
    return ctx.lock_entities([cell_id(key) for key in keys])


def hold(ctx: task.OrchestrationContext, keys: list[str]) -> Steps:
    """Holds the cells until it is told to let go, then stays until it is told to end."""
    ctx.set_custom_status("asks")
    with (yield locked(ctx, keys)):
        ctx.set_custom_status("holds")
        yield ctx.wait_for_external_event("let go")
    ctx.set_custom_status("has let go")
    yield ctx.wait_for_external_event("end")


def enter(ctx: task.OrchestrationContext, keys: list[str]) -> Steps:
    """Holds the cells for a moment."""
    with (yield locked(ctx, keys)):
        return "was in"


def complete_inside(ctx: task.OrchestrationContext, keys: list[str]) -> Steps:
    """Ends without leaving its critical section."""
    yield locked(ctx, keys)
    return "done"


def fail_inside(ctx: task.OrchestrationContext, keys: list[str]) -> Steps:
    """Fails without leaving its critical section."""
    yield locked(ctx, keys)
    raise ValueError(keys)


def fail_in_a_call(ctx: task.OrchestrationContext, keys: list[str]) -> Steps:
    """Fails in its critical section, because a cell does."""
    with (yield locked(ctx, keys)):
        yield ctx.call_entity(cell_id(keys[0]), "fail", "oh")


def begin_anew_inside(ctx: task.OrchestrationContext, keys: list[str]) -> Steps:
    """Continues as new without leaving its critical section, and enters it again."""
    yield locked(ctx, keys[:1])
    if len(keys) > 1:
        ctx.continue_as_new(keys[:1])


def start(hub: Hub, keys: list[str], *, until: str) -> str:
    """Starts `hold` and gives its id once its custom status is so."""
    instance_id = hub.client.schedule_new_orchestration(hold, input=keys)
    await_status(hub, instance_id, until)
    return instance_id


def await_status(hub: Hub, instance_id: str, status: str) -> None:
    """Returns once the custom status is so."""

    def has_status() -> bool:
        state = hub.client.get_orchestration_state(instance_id)
        return state is not None and state.get_custom_status() == status

    hub.until(has_status)


def let_go(hub: Hub, instance_id: str) -> None:
    """Ends a `hold`."""
    hub.client.raise_orchestration_event(instance_id, "let go")
    hub.client.raise_orchestration_event(instance_id, "end")
    assert hub.ended(instance_id).runtime_status.name == "COMPLETED"


def holder_of(hub: Hub, key: str) -> str:
    """Who holds the cell; empty when nobody does."""
    with hub.stub() as stub:
        answer = stub.GetEntity(pb.GetEntityRequest(instanceId=str(cell_id(key))))
    return str(answer.entity.lockedBy.value)


def test_locks_keep_read_and_write_together(hub: Hub) -> None:
    def transfer(ctx: task.OrchestrationContext, keys: list[str]) -> Steps:
        giver, taker = (cell_id(key) for key in keys)
        with (yield ctx.lock_entities([giver, taker])):
            before = yield ctx.call_entity(giver, "get")
            yield ctx.call_entity(giver, "set", (before or 0) - 1)
            before = yield ctx.call_entity(taker, "get")
            yield ctx.call_entity(taker, "set", (before or 0) + 1)

    giver, taker = hub.fresh("a"), hub.fresh("b")
    with hub.worker(orchestrators=[transfer], entities=[cell]):
        started = [
            hub.client.schedule_new_orchestration(transfer, input=[giver, taker]) for _ in range(10)
        ]
        ends = {hub.ended(instance_id).runtime_status.name for instance_id in started}
    assert ends == {"COMPLETED"}
    assert (value_of(hub, giver), value_of(hub, taker)) == (-10, 10)


def test_locks_in_opposite_order_do_not_deadlock(hub: Hub) -> None:
    first, second = hub.fresh("a"), hub.fresh("b")
    with hub.worker(orchestrators=[enter], entities=[cell]):
        started = [
            hub.client.schedule_new_orchestration(enter, input=keys)
            for keys in ([first, second], [second, first]) * 10
        ]
        assert {hub.ended(it).get_output() for it in started} == {"was in"}


def test_a_lock_names_each_entity_once_and_sorted(hub: Hub) -> None:
    first, second = hub.fresh("a"), hub.fresh("b")
    with hub.worker(orchestrators=[enter], entities=[cell]):
        state = hub.ran(enter, input=[second, first, second])
    events = hub.client.get_orchestration_history(state.instance_id)
    requested = next(event for event in events if isinstance(event, EntityLockRequestedEvent))
    assert list(requested.lock_set) == [str(cell_id(first)), str(cell_id(second))]


def test_a_history_holds_request_grant_and_release_of_a_lock(hub: Hub) -> None:
    keys = [hub.fresh("a"), hub.fresh("b")]
    with hub.worker(orchestrators=[enter], entities=[cell]):
        state = hub.ran(enter, input=keys)
    events = [
        event
        for event in hub.client.get_orchestration_history(state.instance_id)
        if isinstance(
            event, EntityLockRequestedEvent | EntityLockGrantedEvent | EntityUnlockSentEvent
        )
    ]
    assert [type(event) for event in events] == [
        EntityLockRequestedEvent,
        EntityLockGrantedEvent,
        EntityUnlockSentEvent,
        EntityUnlockSentEvent,
    ]
    assert len({event.critical_section_id for event in events}) == 1
    assert [event.target_instance_id for event in events[2:]] == [  # type: ignore[union-attr]  # checked above
        str(cell_id(key)) for key in keys
    ]


def test_a_lock_ends_with_its_section_and_not_with_its_orchestration(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[hold, enter], entities=[cell]):
        holder = start(hub, [key], until="holds")
        waiting = hub.client.schedule_new_orchestration(enter, input=[key])
        hub.client.raise_orchestration_event(holder, "let go")
        assert hub.ended(waiting).get_output() == "was in"
        state = hub.client.get_orchestration_state(holder)
        assert state is not None
        assert state.runtime_status.name == "RUNNING"
        hub.client.raise_orchestration_event(holder, "end")
        hub.ended(holder)


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (complete_inside, "COMPLETED"),
        (fail_inside, "FAILED"),
        (fail_in_a_call, "FAILED"),
        (begin_anew_inside, "COMPLETED"),
    ],
)
def test_a_lock_ends_with_its_orchestration(hub: Hub, ending: Any, status: str) -> None:
    keys = [hub.fresh("a"), hub.fresh("b")]
    with hub.worker(orchestrators=[ending, enter], entities=[cell]):
        assert hub.ran(ending, input=keys).runtime_status.name == status
        assert hub.ran(enter, input=keys).get_output() == "was in"
    assert [holder_of(hub, key) for key in keys] == ["", ""]


def test_a_lock_ends_when_its_holder_is_terminated(hub: Hub) -> None:
    keys = [hub.fresh("a"), hub.fresh("b")]
    with hub.worker(orchestrators=[hold, enter], entities=[cell]):
        holder = start(hub, keys, until="holds")
        waiting = hub.client.schedule_new_orchestration(enter, input=keys)
        hub.client.terminate_orchestration(holder)
        assert hub.ended(holder).runtime_status.name == "TERMINATED"
        assert hub.ended(waiting).get_output() == "was in"


def test_who_is_terminated_while_it_waits_does_not_get_the_lock(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[hold, enter], entities=[cell]):
        holder = start(hub, [key], until="holds")
        waiting = start(hub, [key], until="asks")
        hub.client.terminate_orchestration(waiting)
        assert hub.ended(waiting).runtime_status.name == "TERMINATED"
        let_go(hub, holder)
        assert hub.ran(enter, input=[key]).get_output() == "was in"


def test_who_asks_first_is_first_in_line(hub: Hub) -> None:
    def note(ctx: task.OrchestrationContext, given: list[str]) -> Steps:
        key, log, name = given
        ctx.set_custom_status("asks")
        with (yield locked(ctx, [key])):
            yield ctx.call_entity(cell_id(key), "get")
            ctx.signal_entity(cell_id(log), "append", name)

    key, log = hub.fresh(), hub.fresh()
    with hub.worker(orchestrators=[hold, note, ask], entities=[cell]):
        holder = start(hub, [key], until="holds")
        line = []
        for name in ("first", "second", "third"):
            line.append(hub.client.schedule_new_orchestration(note, input=[key, log, name]))
            await_status(hub, line[-1], "asks")
        let_go(hub, holder)
        assert {hub.ended(it).runtime_status.name for it in line} == {"COMPLETED"}
        assert hub.ran(ask, input=[log, "get", None]).get_output() == ["first", "second", "third"]


def test_a_signal_from_elsewhere_waits_for_the_end_of_the_section(hub: Hub) -> None:
    def look_twice(ctx: task.OrchestrationContext, key: str) -> Steps:
        with (yield locked(ctx, [key])):
            before = yield ctx.call_entity(cell_id(key), "add", 1)
            ctx.set_custom_status("holds")
            yield ctx.wait_for_external_event("look")
            after = yield ctx.call_entity(cell_id(key), "get")
        return [before, after]

    key = hub.fresh()
    with hub.worker(orchestrators=[look_twice], entities=[cell]):
        holder = hub.client.schedule_new_orchestration(look_twice, input=key)
        await_status(hub, holder, "holds")
        hub.client.signal_entity(cell_id(key), "add", 10)
        hub.client.raise_orchestration_event(holder, "look")
        assert hub.ended(holder).get_output() == [1, 1]
        hub.until(lambda: value_of(hub, key) == 11)


def test_a_call_from_elsewhere_waits_for_the_end_of_the_section(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[hold, ask], entities=[cell]):
        holder = start(hub, [key], until="holds")
        caller = hub.client.schedule_new_orchestration(ask, input=[key, "add", 1])
        # An entity that nobody holds answers meanwhile: the caller had its turn.
        assert hub.ran(ask, input=[hub.fresh(), "add", 2]).get_output() == 2
        state = hub.client.wait_for_orchestration_start(caller)
        assert state is not None
        assert state.runtime_status.name == "RUNNING"
        let_go(hub, holder)
        assert hub.ended(caller).get_output() == 1


def test_the_metadata_of_a_locked_entity_names_its_holder(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[hold, ask], entities=[cell]):
        hub.ran(ask, input=[key, "add", 1])
        assert holder_of(hub, key) == ""
        holder = start(hub, [key], until="holds")
        assert holder_of(hub, key) == holder
        let_go(hub, holder)
        assert holder_of(hub, key) == ""


def test_a_lock_makes_no_state(hub: Hub) -> None:
    key = hub.fresh()
    with hub.worker(orchestrators=[enter], entities=[cell]):
        hub.ran(enter, input=[key])
    assert hub.client.get_entity(cell_id(key)) is None


def test_one_section_may_follow_another(hub: Hub) -> None:
    def enter_thrice(ctx: task.OrchestrationContext, keys: list[str]) -> Steps:
        totals = []
        for part in (keys, keys[:1], keys[1:]):
            with (yield locked(ctx, part)):
                totals.append((yield ctx.call_entity(cell_id(part[0]), "add", 1)))
        return totals

    with hub.worker(orchestrators=[enter_thrice], entities=[cell]):
        state = hub.ran(enter_thrice, input=[hub.fresh("a"), hub.fresh("b")])
    assert state.get_output() == [1, 2, 1]
