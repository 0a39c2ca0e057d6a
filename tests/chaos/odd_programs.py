"""`python -m tests.chaos.odd_programs ENDPOINT poison|growth|VERSION`: SDK workers gone odd.

`poison` has an activity that ends its process, `growth` one whose results make a work item too
large for a client with the SDK's defaults, and a VERSION takes that version and older ones.
"""

import os
import signal
import sys
import threading
from datetime import timedelta
from typing import Any, Final

from durabletask import task
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.grpc_options import GrpcWorkerResiliencyOptions
from durabletask.worker import VersionFailureStrategy, VersioningOptions, VersionMatchStrategy

from tests.conformance.hub import Steps

_PART_BYTES: Final = 1_000_000
# What carries the default client's receive limit of 4 MiB away.
_PARTS: Final = 6
# How many steps each version has.
STEPS: Final = {"1.0.0": 6, "2.0.0": 7}
_PAUSE: Final = timedelta(milliseconds=300)
# The SDK's own pause before it connects again is up to half a minute.
_RESILIENCY: Final = GrpcWorkerResiliencyOptions(
    reconnect_backoff_base_seconds=0.1, reconnect_backoff_cap_seconds=1.0
)


def dies(_: task.ActivityContext, __: Any) -> Any:
    """Takes its whole process with it."""
    os._exit(1)


def swells(_: task.ActivityContext, __: Any) -> str:
    """Returns a payload that is allowed, but large."""
    return "x" * _PART_BYTES


def steps(_: task.ActivityContext, given: int) -> int:
    """Returns its input."""
    return given


def poisoned(ctx: task.OrchestrationContext, _: Any) -> Steps:
    """Never gets an answer."""
    return (yield ctx.call_activity(dies))


def overgrown(ctx: task.OrchestrationContext, _: Any) -> Steps:
    """Collects more in its history than a default client receives at once."""
    for number in range(_PARTS):
        yield ctx.call_activity(swells, input=number)
    return "never seen"


def versioned(ctx: task.OrchestrationContext, _: Any) -> Steps:
    """Goes step by step; its second version goes one step further."""
    done: list[int] = []
    for number in range(1, STEPS[ctx.version or "1.0.0"] + 1):
        done.append((yield ctx.call_activity(steps, input=number)))
        # Time for the other version to come while it goes on.
        yield ctx.create_timer(_PAUSE)
    return done


_PROGRAMS: Final = {"poison": (poisoned, dies), "growth": (overgrown, swells)}


def main() -> int:
    """Works until SIGTERM, then drains."""
    endpoint, what = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker = DurableTaskSchedulerWorker(
        host_address=endpoint,
        taskhub="default",
        token_credential=None,
        secure_channel=False,
        resiliency_options=_RESILIENCY,
    )
    orchestrator, activity = _PROGRAMS.get(what, (versioned, steps))
    worker.add_orchestrator(orchestrator)
    worker.add_activity(activity)
    if what not in _PROGRAMS:
        worker.use_versioning(
            VersioningOptions(
                version=what,
                match_strategy=VersionMatchStrategy.CURRENT_OR_OLDER,
                failure_strategy=VersionFailureStrategy.REJECT,
            )
        )
    worker.use_work_item_filters()
    worker.start()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    stop.wait()
    worker.stop()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    return 0


if __name__ == "__main__":
    sys.exit(main())
