"""What the bench's workers run: a submission of orders in batches, and orders that do nothing.

The same two levels as the real ones: a child for each batch, an activity for each order, and, above
100 batches, submissions of slices, so that no history grows with the number of orders.
"""

import time
from collections.abc import Callable, Generator
from typing import Any, Final

from durabletask import task
from durabletask.worker import TaskHubGrpcWorker

BATCHES_MAX: Final = 100
NAP_SECONDS: Final = 0.05

Steps = Generator[task.Task[Any], Any, Any]
Shape = dict[str, Any]
Activity = Callable[..., Any]


def shape_of(orders: int, batch_size: int, activity: str = "no_work") -> Shape:
    """The input of `submission`: how many orders, in batches of how many, and what each does."""
    return {"first": 0, "orders": orders, "batch_size": batch_size, "activity": activity}


def no_work(_: task.ActivityContext, order: int) -> int:
    """An activity that does nothing: what is measured is everything else."""
    return order


def nap(_: task.ActivityContext, order: int) -> int:
    """An activity that waits for somebody else, as most do."""
    time.sleep(NAP_SECONDS)
    return order


def batch(ctx: task.OrchestrationContext, given: Shape) -> Steps:
    """A child: one activity for each order."""
    tasks: list[task.Task[Any]] = [
        ctx.call_activity(given["activity"], input=order) for order in given["orders"]
    ]
    results = yield task.when_all(tasks)
    return len(results)


def submission(ctx: task.OrchestrationContext, shape: Shape) -> Steps:
    """The parent; returns how many orders have been processed."""
    first, size, activity = shape["first"], shape["batch_size"], shape["activity"]
    last = first + shape["orders"]
    slice_size = size * BATCHES_MAX
    children: list[task.Task[Any]]
    if shape["orders"] > slice_size:
        children = [
            ctx.call_sub_orchestrator(
                submission,
                input=shape | {"first": at, "orders": min(slice_size, last - at)},
            )
            for at in range(first, last, slice_size)
        ]
    else:
        children = [
            ctx.call_sub_orchestrator(
                batch,
                input={"activity": activity, "orders": list(range(at, min(at + size, last)))},
            )
            for at in range(first, last, size)
        ]
    done = yield task.when_all(children)
    return sum(done)


def register(
    worker: TaskHubGrpcWorker, wrapped: Callable[[Activity], Activity] = lambda activity: activity
) -> None:
    """Teaches a worker all of it; `wrapped` is what it runs in the place of an activity."""
    for orchestrator in (submission, batch):
        worker.add_orchestrator(orchestrator)
    for activity in (no_work, nap):
        worker.add_activity(wrapped(activity))
