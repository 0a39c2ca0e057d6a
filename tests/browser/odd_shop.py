"""`python -m tests.browser.odd_shop ENDPOINT HUB ...`: an SDK worker for all that a page can show.

Prints `ready` once it is connected to every hub; SIGTERM stops it. Orchestrators wait for events
that the tests raise: nothing here depends on how fast a machine is.
"""

import logging
import signal
import sys
import threading
from collections import Counter
from datetime import timedelta
from typing import Any, Final

from durabletask import task
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.worker import ConcurrencyOptions

from tests.conformance.hub import Steps

# What nobody may ever see run: as a name, an id, a payload, a message, a tag, an event.
HOSTILE: Final = "<script>alert(1)</script>"
HOSTILE_IMAGE: Final = '<img src=x onerror="alert(2)">'
_attempts: Counter[str] = Counter()
_QUIET: Final = logging.getLogger("tests.browser.sdk")


class StockError(Exception):
    """Nothing is left."""


class PaymentError(Exception):
    """The card was declined."""


def echoes(_: task.ActivityContext, given: Any) -> Any:
    """Returns its input."""
    return given


def declines(_: task.ActivityContext, given: Any) -> None:
    """Fails for a reason that has a reason."""
    raise PaymentError(f"declined: {given}") from StockError(f"no more of {given}")


def wavers(ctx: task.ActivityContext, failures: int) -> str:
    """Fails so often, then succeeds."""
    _attempts[ctx.orchestration_id] += 1
    if _attempts[ctx.orchestration_id] <= failures:
        raise PaymentError(f"attempt {_attempts[ctx.orchestration_id]}")
    return "in the end"


def quick(ctx: task.OrchestrationContext, given: Any) -> Any:
    """Ends at once with its input."""
    ctx.set_custom_status("was quick")
    return given


def fails(ctx: task.OrchestrationContext, given: Any) -> Steps:
    """Fails because its activity does."""
    yield ctx.call_activity(echoes, input=given)
    yield ctx.call_activity(declines, input=given)


def retries(ctx: task.OrchestrationContext, failures: int) -> Steps:
    """Completes after so many failed attempts."""
    policy = task.RetryPolicy(
        first_retry_interval=timedelta(milliseconds=50), max_number_of_attempts=failures + 1
    )
    return (yield ctx.call_activity(wavers, input=failures, retry_policy=policy))


def waits(ctx: task.OrchestrationContext, given: Any) -> Steps:
    """Waits for the event `approval`, beside a timer of an hour."""
    ctx.set_custom_status({"waiting for": "approval"})
    yield ctx.call_activity(echoes, input=given)
    approval = ctx.wait_for_external_event("approval")
    yield task.when_any([approval, ctx.create_timer(timedelta(hours=1))])
    return approval.get_result()


def reports(ctx: task.OrchestrationContext, given: Any) -> Steps:
    """Says as its custom status what it is told, until it is told `done`."""
    ctx.set_custom_status("nothing yet")
    while (word := (yield ctx.wait_for_external_event("report"))) != "done":
        ctx.set_custom_status(word)
    return given


def nests(ctx: task.OrchestrationContext, depth: int) -> Steps:
    """Has a child that has a child, so deep; a timer and an activity in each."""
    yield ctx.create_timer(timedelta(milliseconds=20))
    result = yield ctx.call_activity(echoes, input=f"level {depth}")
    if depth > 1:
        child = f"{ctx.instance_id}.{depth - 1}"
        result = yield ctx.call_sub_orchestrator(nests, input=depth - 1, instance_id=child)
    return result


def has_waiting_child(ctx: task.OrchestrationContext, given: Any) -> Steps:
    """Waits for a child that waits."""
    child = f"{ctx.instance_id}.child"
    return (yield ctx.call_sub_orchestrator(waits, input=given, instance_id=child))


def fans_out(ctx: task.OrchestrationContext, count: int) -> Steps:
    """Runs an activity so often, all at once."""
    results = yield task.when_all([ctx.call_activity(echoes, input=n) for n in range(count)])
    return len(results)


def ticks(ctx: task.OrchestrationContext, count: int) -> Steps:
    """Lets so many timers fire, all at once: a long history in a few turns."""
    yield task.when_all([ctx.create_timer(timedelta()) for _ in range(count)])
    return count


def transfers(ctx: task.OrchestrationContext, keys: list[str]) -> Steps:
    """Locks two accounts, moves one from the first to the second, and keeps them until told."""
    first, second = (EntityInstanceId("account", key) for key in keys)
    with (yield ctx.lock_entities([first, second])):
        yield ctx.call_entity(first, "add", -1)
        yield ctx.call_entity(second, "add", 1)
        ctx.set_custom_status("holds the locks")
        yield ctx.wait_for_external_event("let go")
    return "moved"


def hostile(ctx: task.OrchestrationContext, given: Any) -> Steps:
    """Says in every place that it has what no page may run."""
    ctx.set_custom_status({HOSTILE: HOSTILE_IMAGE})
    yield ctx.call_activity(HOSTILE, input=given)
    ctx.signal_entity(EntityInstanceId("account", HOSTILE), "add", 1)
    yield ctx.wait_for_external_event(HOSTILE_IMAGE)
    raise PaymentError(HOSTILE + HOSTILE_IMAGE)


def account(ctx: EntityContext, given: Any) -> Any:
    """Holds a number."""
    if ctx.operation == "add":
        ctx.set_state(ctx.get_state(default=0) + given)
    elif ctx.operation == "set":
        ctx.set_state(given)
    elif ctx.operation == "delete":
        ctx.set_state(None)
    return ctx.get_state()


def start_worker(endpoint: str, hub: str) -> DurableTaskSchedulerWorker:
    """A worker of one hub."""
    worker = DurableTaskSchedulerWorker(
        host_address=endpoint,
        taskhub=hub,
        token_credential=None,
        secure_channel=False,
        logger=_QUIET,
        concurrency_options=ConcurrencyOptions(
            maximum_concurrent_activity_work_items=20,
            maximum_concurrent_orchestration_work_items=10,
            maximum_concurrent_entity_work_items=5,
            maximum_thread_pool_workers=4,
        ),
    )
    for orchestrator in (
        quick, fails, retries, waits, reports, nests, has_waiting_child, fans_out, ticks, transfers,
    ):  # fmt: skip
        worker.add_orchestrator(orchestrator)
    for activity in (echoes, declines, wavers):
        worker.add_activity(activity)
    worker._registry.add_named_orchestrator(HOSTILE, hostile)  # noqa: SLF001 - no public way to this name
    worker._registry.add_named_activity(HOSTILE, echoes)  # noqa: SLF001 - no public way to this name
    worker.add_entity(account)
    worker.use_work_item_filters()
    worker.start()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    return worker


def main() -> int:
    """Works until SIGTERM."""
    _QUIET.setLevel(logging.ERROR)
    endpoint, *hubs = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    workers = [start_worker(endpoint, hub) for hub in hubs]
    print("ready", flush=True)  # noqa: T201 - for the test that started it
    stop.wait()
    for worker in workers:
        worker.stop()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    return 0


if __name__ == "__main__":
    sys.exit(main())
