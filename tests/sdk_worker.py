"""A worker of the SDK with its defaults, as others have one, and what is too much for those.

Tests run such programs as processes of their own, which SIGTERM drains.
"""

import signal
import threading
from typing import Any, Final

from durabletask import task
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker

from tests.conformance.hub import Steps

# What carries the default client's receive limit of 4 MiB away, in payloads that are allowed.
LARGE_PARTS: Final = 6
_PART_BYTES: Final = 1_000_000


def swells(_: task.ActivityContext, __: Any) -> str:
    """Returns a payload that is allowed, but large."""
    return "x" * _PART_BYTES


def grows(ctx: task.OrchestrationContext, _: Any) -> Steps:
    """Collects more in its history than a default client receives at once."""
    for number in range(LARGE_PARTS):
        yield ctx.call_activity(swells, input=number)
    return "never seen"


def sdk_worker(endpoint: str, **options: Any) -> DurableTaskSchedulerWorker:
    """A worker of the task hub `default` with nothing registered."""
    return DurableTaskSchedulerWorker(
        host_address=endpoint,
        taskhub="default",
        token_credential=None,
        secure_channel=False,
        **options,
    )


def work_until_sigterm(worker: DurableTaskSchedulerWorker) -> None:
    """Works, and drains when it is asked to stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker.start()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    stop.wait()
    worker.stop()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
