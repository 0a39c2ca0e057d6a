"""What the tests of the management API run, with a real SDK worker on a scheduler of their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from durabletask import task

from scripts.local_stack import LocalStack
from tests.conformance.cell import ask, cell
from tests.conformance.hub import Hub, Steps
from tests.conformance.test_entity_locks import hold
from tests.conformance.waiting import echo, fails, waits_for_go
from tests.e2e.management import Api
from tests.e2e.schedulers import hub_of


def double(_: task.ActivityContext, value: int) -> int:
    return value * 2


def stumble(_: task.ActivityContext, text: str) -> None:
    raise ValueError(text)


def fan_out(ctx: task.OrchestrationContext, width: int) -> Steps:
    ctx.set_custom_status({"width": width})
    return sum((yield task.when_all([ctx.call_activity(double, input=n) for n in range(width)])))


def tree(ctx: task.OrchestrationContext, depth: int) -> Steps:
    if depth == 0:
        return (yield ctx.call_activity(double, input=21))
    return (yield ctx.call_sub_orchestrator(tree, input=depth - 1))


def retries(ctx: task.OrchestrationContext, text: str) -> Steps:
    policy = task.RetryPolicy(
        first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=3
    )
    return (yield ctx.call_activity(stumble, input=text, retry_policy=policy))


ORCHESTRATORS: Final[list[Callable[..., Any]]] = [
    ask, echo, fails, fan_out, hold, retries, tree, waits_for_go,
]  # fmt: skip


@contextmanager
def served(stack: LocalStack) -> Iterator[Hub]:
    """The default task hub, with a worker that runs all of them."""
    with (
        hub_of(stack) as hub,
        hub.worker(orchestrators=ORCHESTRATORS, activities=[double, stumble], entities=[cell]),
    ):
        yield hub


def ran(api: Api, hub: Hub, name: str, given: str = "null", **fields: Any) -> str:
    """Starts an orchestration and waits for its end; gives its id."""
    instance_id = api.start(name, input=given, **fields)
    hub.ended(instance_id)
    return instance_id
