"""`python -m tests.e2e.odd_worker ENDPOINT FOLDER`: an SDK worker, with its defaults, gone odd.

It notes every activity in FOLDER/notes as it begins and ends, one line each, and holds those that
wait until FOLDER/gate exists. SIGTERM drains it.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any, Final

from durabletask import task
from durabletask.worker import ConcurrencyOptions

from tests.conformance.hub import Steps
from tests.sdk_worker import grows, sdk_worker, swells, work_until_sigterm

_FOLDER: Final = Path(sys.argv[2]) if len(sys.argv) > 2 else Path()


def note(folder: Path, text: str) -> None:
    """Adds a line that survives the end of this process."""
    with (folder / "notes").open("a") as notes:
        notes.write(f"{text} {os.getpid()}\n")


def works(_: task.ActivityContext, given: Any) -> Any:
    """Returns its input."""
    note(_FOLDER, f"begin {given}")
    return given


def waits(_: task.ActivityContext, given: Any) -> Any:
    """Returns its input once the gate is open."""
    note(_FOLDER, f"begin {given}")
    while not (_FOLDER / "gate").exists():
        time.sleep(0.02)
    note(_FOLDER, f"end {given}")
    return given


def dies(_: task.ActivityContext, given: Any) -> Any:
    """Takes its whole process with it."""
    note(_FOLDER, f"begin {given}")
    os._exit(1)


def runs_all(ctx: task.OrchestrationContext, given: dict[str, Any]) -> Steps:
    """Runs an activity once for each of the inputs, all at once; returns their results."""
    return (
        yield task.when_all(
            [ctx.call_activity(given["activity"], input=item) for item in given["inputs"]]
        )
    )


def main() -> int:
    """Works until SIGTERM, then drains."""
    endpoint, _folder = sys.argv[1:]
    worker = sdk_worker(
        endpoint,
        concurrency_options=ConcurrencyOptions(
            maximum_concurrent_activity_work_items=16,
            maximum_concurrent_orchestration_work_items=4,
            maximum_thread_pool_workers=20,
        ),
    )
    for orchestrator in (runs_all, grows):
        worker.add_orchestrator(orchestrator)
    for activity in (works, waits, dies, swells):
        worker.add_activity(activity)
    work_until_sigterm(worker)
    return 0


if __name__ == "__main__":
    sys.exit(main())
