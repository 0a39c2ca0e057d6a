"""The processes of a throughput measurement: the SDK's testing backend, and a worker.

`python -m scripts.throughput_parts backend PORT | worker ENDPOINT`
"""

import signal
import sys
import threading
from collections.abc import Generator
from typing import Any

from durabletask import task
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.grpc_options import GrpcChannelOptions
from durabletask.testing import create_test_backend

Steps = Generator[task.Task[Any], Any, Any]


def no_work(_: task.ActivityContext, order: int) -> int:
    """An activity that does nothing: what is measured is everything else."""
    return order


def batch(ctx: task.OrchestrationContext, orders: list[int]) -> Steps:
    """A child: one activity for each order."""
    results = yield task.when_all([ctx.call_activity(no_work, input=order) for order in orders])
    return len(results)


def submission(ctx: task.OrchestrationContext, shape: list[int]) -> Steps:
    """The parent: `[orders, orders in a batch]`."""
    orders, size = shape
    batches = [list(range(first, min(first + size, orders))) for first in range(0, orders, size)]
    done = yield task.when_all(
        [ctx.call_sub_orchestrator(batch, input=one_batch) for one_batch in batches]
    )
    return sum(done)


def main() -> int:
    """Runs one part until SIGTERM."""
    part, where = sys.argv[1:]
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    if part == "backend":
        backend = create_test_backend(port=int(where), max_history_size=1_000_000)
        print("ready", flush=True)
        stopped.wait()
        backend.stop()
        return 0
    worker = DurableTaskSchedulerWorker(
        host_address=where,
        taskhub="default",
        token_credential=None,
        secure_channel=False,
        channel_options=GrpcChannelOptions(max_receive_message_length=-1),
    )
    for orchestrator in (submission, batch):
        worker.add_orchestrator(orchestrator)
    worker.add_activity(no_work)
    worker.start()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    print("ready", flush=True)
    stopped.wait()
    worker.stop()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    return 0


if __name__ == "__main__":
    sys.exit(main())
