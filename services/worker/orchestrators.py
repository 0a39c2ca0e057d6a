"""The order orchestrations: fan out to batches, fan out to orders, fan in twice.

Deterministic: no clock, no randomness, no IO and no settings, because two workers may replay one
history. What may differ between runs stands in the input.
"""

from collections.abc import Generator, Sequence
from datetime import timedelta
from typing import Any, Final

from durabletask import task

from services.shared.batches import child_instance_id, split
from services.shared.orders import BATCH_SIZE_MAX
from services.worker.summary import merge, summarise

# 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 2 + 2 seconds between eight attempts: a transient fault passes, and
# an order that never succeeds is given up in about seven seconds.
_RETRIES: Final = task.RetryPolicy(
    first_retry_interval=timedelta(milliseconds=100),
    max_number_of_attempts=8,
    backoff_coefficient=2.0,
    max_retry_interval=timedelta(seconds=2),
)
# A batch's outcomes stay one small payload even when every order of it gives up.
_REASON_CHARS_MAX: Final = 200

Steps = Generator[task.Task[Any], Any, dict[str, Any]]


class SubmissionError(ValueError):
    """The input of an orchestration is not a submission of orders."""


class BatchFailedError(RuntimeError):
    """A batch's orchestration failed or was terminated, its orders' outcomes are unknown."""


def main_orchestration(ctx: task.OrchestrationContext, submission: dict[str, Any]) -> Steps:
    """Processes `{"orders": [...], "batch_size": n}`, a child for each batch; returns the summary.

    Fails with `BatchFailedError` when a child fails, after all of them have ended.
    """
    orders, batch_size = _read_submission(submission)
    batches = split(orders, batch_size)
    children: list[task.Task[Any]] = [
        ctx.call_sub_orchestrator(
            "process_order_batch",
            input={"orders": list(batch)},
            instance_id=child_instance_id(ctx.instance_id, number),
        )
        for number, batch in enumerate(batches, start=1)
    ]
    yield from _wait_for(children)
    failed = [
        f"{child_instance_id(ctx.instance_id, number)}: {_message(child)}"
        for number, child in enumerate(children, start=1)
        if child.is_failed
    ]
    if failed:
        raise BatchFailedError(f"{len(failed)} of {len(children)} batches failed; {failed[0]}")
    return merge(child.get_result()["summary"] for child in children)


def process_order_batch(ctx: task.OrchestrationContext, batch: dict[str, Any]) -> Steps:
    """Processes `{"orders": [...]}` in parallel; returns `{"summary": ..., "outcomes": [...]}`.

    An order whose retries run out is an outcome like the others, so a batch never fails for one.
    """
    orders = _read_orders(batch)
    activities: list[task.Task[Any]] = [
        ctx.call_activity("process_order", input=order, retry_policy=_RETRIES) for order in orders
    ]
    yield from _wait_for(activities)
    outcomes = [
        _outcome(order, activity) for order, activity in zip(orders, activities, strict=True)
    ]
    return {"summary": summarise(outcomes), "outcomes": outcomes}


def _wait_for(tasks: Sequence[task.Task[Any]]) -> Generator[task.Task[Any], Any, None]:
    if not tasks:
        return  # when_all over nothing never completes
    try:
        yield task.when_all(list(tasks))
    except task.TaskFailedError:
        # It waited for all and raises the first failure; the caller reads each task instead.
        return


def _outcome(order: dict[str, Any], activity: task.Task[Any]) -> dict[str, Any]:
    if not activity.is_failed:
        outcome: dict[str, Any] = activity.get_result()
        return outcome
    reason = _message(activity)[:_REASON_CHARS_MAX]
    return {"order_id": order.get("order_id", ""), "status": "gave_up", "reason": reason}


def _message(failed: task.Task[Any]) -> str:
    return failed.get_exception().details.message


def _read_submission(submission: object) -> tuple[list[dict[str, Any]], int]:
    orders = _read_orders(submission)
    batch_size = submission.get("batch_size") if isinstance(submission, dict) else None
    if type(batch_size) is not int or not 1 <= batch_size <= BATCH_SIZE_MAX:
        raise SubmissionError(f"batch_size must be a whole number from 1 to {BATCH_SIZE_MAX:,}")
    return orders, batch_size


def _read_orders(submission: object) -> list[dict[str, Any]]:
    orders = submission.get("orders") if isinstance(submission, dict) else None
    if not isinstance(orders, list) or not all(isinstance(order, dict) for order in orders):
        raise SubmissionError('the input must be an object with "orders", an array of objects')
    return orders
