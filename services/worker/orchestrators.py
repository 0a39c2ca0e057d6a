"""The order orchestrations: fan out to batches, fan out to orders, fan in twice.

Many batches are a tree: `services.shared.batches` says how it is cut.

Deterministic: no clock, no randomness, no IO and no settings, because two workers may replay one
history. What may differ between runs stands in the input.
"""

from collections.abc import Generator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from durabletask import task

from services.shared.batches import (
    ATTEMPTS_MAX,
    FAN_OUT_MAX,
    FAN_OUT_MIN,
    Part,
    child_instance_id,
    cut_batch,
)
from services.shared.json_text import JsonText, NoOrdersError, OrdersText
from services.shared.orders import BATCH_SIZE_MAX
from services.worker.summary import merge, summarise

# 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 2 + 2 seconds between eight attempts: a transient fault passes, and
# an order that never succeeds is given up in about seven seconds.
_RETRIES: Final = task.RetryPolicy(
    first_retry_interval=timedelta(milliseconds=100),
    max_number_of_attempts=ATTEMPTS_MAX,
    backoff_coefficient=2.0,
    max_retry_interval=timedelta(seconds=2),
)
# A batch's outcomes stay one small payload even when every order of it gives up.
_REASON_CHARS_MAX: Final = 200
# Each level of a tree puts an instance id before the message of the one below.
_MESSAGE_CHARS_MAX: Final = 2_000

_NO_ORDERS: Final = 'the input must be an object with "orders", an array of objects'

Steps = Generator[task.Task[Any], Any, dict[str, Any]]


class SubmissionError(ValueError):
    """The input of an orchestration is not a submission of orders."""


class BatchFailedError(RuntimeError):
    """A batch's orchestration failed or was terminated, its orders' outcomes are unknown."""


def main_orchestration(ctx: task.OrchestrationContext, submission: JsonText | None) -> Steps:
    """Processes `{"orders": [...], "batch_size": n}`, a child for each batch; returns the summary.

    With `"fan_out": n` too, more batches than that are given to other `main_orchestration`s.
    Fails with `BatchFailedError` when a child fails, after all of them have ended.
    """
    orders = _read_submission(submission)
    part = _part(ctx.instance_id, orders)
    children = list(part.children)
    tasks = [_start(ctx, child, orders) for child in children]
    yield from _wait_for(tasks)
    what = "batches" if part.holds_batches else "parts"
    _check(what, [child.instance_id for child in children], tasks)
    results = (running.get_result() for running in tasks)
    return merge(result["summary"] if part.holds_batches else result for result in results)


def _start(ctx: task.OrchestrationContext, child: Part, orders: OrdersText) -> task.Task[Any]:
    fields: dict[str, Any] = {}
    if not child.is_batch:
        fields["batch_size"] = child.batch_size
    if child.fan_out is not None:
        fields["fan_out"] = child.fan_out
    return ctx.call_sub_orchestrator(
        "process_order_batch" if child.is_batch else "main_orchestration",
        input=orders.cut(child.orders, fields),
        instance_id=child.instance_id,
    )


def process_order_batch(ctx: task.OrchestrationContext, batch: dict[str, Any]) -> Steps:
    """Processes `{"orders": [...]}` in parallel; returns `{"summary": ..., "outcomes": [...]}`.

    An order whose retries run out is an outcome like the others, so a batch never fails for one.
    With `"fan_out": n` too, a batch of more than one history should hold is given to others.
    """
    orders = _read_orders(batch)
    fan_out = _read_fan_out(batch)
    if fan_out is not None and len(slices := cut_batch(orders, fan_out)) > 1:
        outcomes = yield from _share(ctx, slices, fan_out)
        return {"summary": summarise(outcomes), "outcomes": outcomes}
    activities: list[task.Task[Any]] = [
        ctx.call_activity("process_order", input=order, retry_policy=_RETRIES) for order in orders
    ]
    yield from _wait_for(activities)
    outcomes = [
        _outcome(order, activity) for order, activity in zip(orders, activities, strict=True)
    ]
    return {"summary": summarise(outcomes), "outcomes": outcomes}


def _share(
    ctx: task.OrchestrationContext, slices: Sequence[Sequence[dict[str, Any]]], fan_out: int
) -> Generator[task.Task[Any], Any, list[dict[str, Any]]]:
    """The outcomes of a batch whose slices other orchestrations process."""
    ids = [child_instance_id(ctx.instance_id, number) for number in range(1, len(slices) + 1)]
    tasks: list[task.Task[Any]] = [
        ctx.call_sub_orchestrator(
            "process_order_batch",
            input={"orders": list(orders), "fan_out": fan_out},
            instance_id=instance_id,
        )
        for instance_id, orders in zip(ids, slices, strict=True)
    ]
    yield from _wait_for(tasks)
    _check("slices", ids, tasks)
    return [outcome for running in tasks for outcome in running.get_result()["outcomes"]]


def _check(what: str, ids: Sequence[str], tasks: Sequence[task.Task[Any]]) -> None:
    """Raises `BatchFailedError` with the first failure among orchestrations that have ended."""
    failed = [
        f"{instance_id}: {_message(running)[:_MESSAGE_CHARS_MAX]}"
        for instance_id, running in zip(ids, tasks, strict=True)
        if running.is_failed
    ]
    if failed:
        raise BatchFailedError(f"{len(failed)} of {len(tasks)} {what} failed; {failed[0]}")


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


def _read_submission(submission: JsonText | None) -> OrdersText:
    try:
        return OrdersText("" if submission is None else submission.text)
    except NoOrdersError:
        raise SubmissionError(_NO_ORDERS) from None


def _part(instance_id: str, submission: OrdersText) -> Part:
    batch_size = submission.fields.get("batch_size")
    if type(batch_size) is not int or not 1 <= batch_size <= BATCH_SIZE_MAX:
        raise SubmissionError(f"batch_size must be a whole number from 1 to {BATCH_SIZE_MAX:,}")
    return Part(
        instance_id=instance_id,
        orders=range(len(submission)),
        batch_size=batch_size,
        fan_out=_read_fan_out(submission.fields),
    )


def _read_fan_out(fields: Mapping[str, Any]) -> int | None:
    fan_out = fields.get("fan_out")
    if fan_out is None or (type(fan_out) is int and FAN_OUT_MIN <= fan_out <= FAN_OUT_MAX):
        return fan_out
    raise SubmissionError(f"fan_out must be a whole number from {FAN_OUT_MIN} to {FAN_OUT_MAX}")


def _read_orders(submission: object) -> list[dict[str, Any]]:
    orders = submission.get("orders") if isinstance(submission, dict) else None
    if not isinstance(orders, list) or not all(isinstance(order, dict) for order in orders):
        raise SubmissionError(_NO_ORDERS)
    return orders
