"""An entity that holds any value, and what asks it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from durabletask import task
from durabletask.entities import EntityContext, EntityInstanceId

from tests.conformance.hub import Hub, Steps

Operation = Callable[[EntityContext, Any], Any]


def cell(ctx: EntityContext, given: Any) -> Any:
    """Does one of the operations below; an unknown one fails."""
    return _OPERATIONS[ctx.operation](ctx, given)


def ask(ctx: task.OrchestrationContext, question: list[Any]) -> Steps:
    """Calls a cell, `[key, operation, input]`, and returns what it returns."""
    key, operation, given = question
    return (yield ctx.call_entity(cell_id(key), operation, given))


def cell_id(key: str) -> EntityInstanceId:
    """The cell of this key."""
    return EntityInstanceId("cell", key)


def value_of(hub: Hub, key: str) -> Any:
    """What a cell holds; None when there is no such cell."""
    found = hub.client.get_entity(cell_id(key))
    return None if found is None else found.get_typed_state()


def _set(ctx: EntityContext, given: Any) -> Any:
    ctx.set_state(given)
    return given


def _add(ctx: EntityContext, given: Any) -> Any:
    ctx.set_state(ctx.get_state(default=0) + given)
    return ctx.get_state()


def _append(ctx: EntityContext, given: Any) -> Any:
    ctx.set_state([*ctx.get_state(default=[]), given])
    return ctx.get_state()


def _get(ctx: EntityContext, _given: Any) -> Any:
    return ctx.get_state()


def _delete(ctx: EntityContext, _given: Any) -> None:
    ctx.set_state(None)


def _fail(ctx: EntityContext, given: Any) -> None:
    ctx.set_state("what a failed operation wrote")
    ctx.signal_entity(ctx.entity_id, "set", "what a failed operation sent")
    raise ValueError(given)


def _pass_on(ctx: EntityContext, given: Any) -> None:
    key, operation, value = given
    ctx.signal_entity(cell_id(key), operation, value)


def _start(ctx: EntityContext, given: Any) -> str:
    name, instance_id, value = given
    return ctx.schedule_new_orchestration(name, value, instance_id=instance_id)


def _note_time(ctx: EntityContext, _given: Any) -> None:
    ctx.set_state(datetime.now(UTC).isoformat())


def _note_time_later(ctx: EntityContext, seconds: float) -> str:
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    ctx.signal_entity(ctx.entity_id, "note_time", signal_time=due)
    return due.isoformat()


_OPERATIONS: Final[Mapping[str, Operation]] = {
    "add": _add,
    "append": _append,
    "delete": _delete,
    "fail": _fail,
    "get": _get,
    "note_time": _note_time,
    "note_time_later": _note_time_later,
    "pass_on": _pass_on,
    "set": _set,
    "start": _start,
}
