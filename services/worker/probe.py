"""The container's health check: 0 only while its worker is connected or working."""

import sys
import time

from services.shared.environment import Environment
from services.worker.state import read_state


def main() -> int:
    """Prints the verdict in one line; 0 healthy, 1 not, 2 without `WORKER_STATE_FILE`."""
    path = Environment.of_process().path("WORKER_STATE_FILE")
    if path is None:
        print("WORKER_STATE_FILE is not set: this worker keeps no state", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    try:
        healthy, verdict = read_state(path).verdict(time.monotonic())
    except (OSError, ValueError) as error:
        healthy, verdict = False, f"no state of a worker: {error}"
    print(verdict)  # noqa: T201 - the health check's output
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
