"""`python -m tests.chaos.odd_programs ENDPOINT poison|growth|VERSION`: SDK workers gone odd.

`poison` has an activity that ends its process, `growth` one whose results make a work item too
large for a client with the SDK's defaults, and a VERSION takes that version and older ones.
"""

import os
import sys
from datetime import timedelta
from typing import Any, Final

from durabletask import task
from durabletask.grpc_options import GrpcWorkerResiliencyOptions
from durabletask.worker import VersionFailureStrategy, VersioningOptions, VersionMatchStrategy

from tests.conformance.hub import Steps
from tests.sdk_worker import grows, sdk_worker, swells, work_until_sigterm

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


def steps(_: task.ActivityContext, given: int) -> int:
    """Returns its input."""
    return given


def poisoned(ctx: task.OrchestrationContext, _: Any) -> Steps:
    """Never gets an answer."""
    return (yield ctx.call_activity(dies))


def versioned(ctx: task.OrchestrationContext, _: Any) -> Steps:
    """Goes step by step; its second version goes one step further."""
    done: list[int] = []
    for number in range(1, STEPS[ctx.version or "1.0.0"] + 1):
        done.append((yield ctx.call_activity(steps, input=number)))
        # Time for the other version to come while it goes on.
        yield ctx.create_timer(_PAUSE)
    return done


_PROGRAMS: Final = {"poison": (poisoned, dies), "growth": (grows, swells)}


def main() -> int:
    """Works until SIGTERM, then drains."""
    endpoint, what = sys.argv[1:]
    worker = sdk_worker(endpoint, resiliency_options=_RESILIENCY)
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
    work_until_sigterm(worker)
    return 0


if __name__ == "__main__":
    sys.exit(main())
