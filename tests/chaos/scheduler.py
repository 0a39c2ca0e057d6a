"""`python -m tests.chaos.scheduler SECONDS PAUSE`: the real scheduler as faults need it.

A second composition root: it hands the scheduler a clock that runs SECONDS ahead, has suspects wait
for PAUSE seconds first and twice as long each time, and does what its standard input says, one
command a line: `clock SECONDS`, `disk fails`, `disk turns read-only`.
"""

import argparse
import errno
import logging
import sys
import threading
from datetime import UTC, datetime, timedelta

from services.scheduler.app import run
from services.scheduler.dispatch import suspects
from services.scheduler.errors import SchedulerError, StoreFailedError
from services.scheduler.settings import SchedulerSettings
from services.shared.environment import Environment
from services.shared.logs import configure_logging
from tests.chaos.refusals import CHANGES, FLUSHES, refuse

log = logging.getLogger(__name__)


class ShiftedClock:
    """The wall clock, set wrong by so much."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def set_to(self, seconds: float) -> None:
        """Sets it ahead of the true time, or behind it."""
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC) + self._ahead


def obey(clock: ShiftedClock) -> None:
    """Does what standard input says until it ends."""
    for line in sys.stdin:
        match line.split():
            case ["clock", seconds]:
                clock.set_to(float(seconds))
            case ["disk", "fails"]:
                refuse(FLUSHES, errno.EIO)
            case ["disk", "turns", "read-only"]:
                refuse(CHANGES, errno.EROFS)
            case words:
                raise ValueError(f"an unknown command: {words}")
        log.warning("done: %s", line.strip())


def main() -> int:
    """Serves as `services.scheduler` does; the same exit codes."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.scheduler", description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("pause", type=float)
    options = parser.parse_args()
    # Final for the product: a run of seconds cannot wait as long as a worker should be given.
    setattr(suspects, "_SECONDS", options.pause)  # noqa: B010 - nobody else may set it
    clock = ShiftedClock(options.seconds)
    settings = SchedulerSettings.read(Environment.of_process())
    configure_logging(level=settings.log_level, style=settings.log_format)
    threading.Thread(target=obey, args=(clock,), daemon=True).start()
    try:
        return run(settings, clock.now)
    except StoreFailedError as error:
        print(f"the scheduler has stopped:\n{error}", file=sys.stderr)
    except SchedulerError as error:
        print(f"the scheduler cannot start:\n{error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
