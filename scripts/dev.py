"""`make dev`: the stack without Docker in the foreground, until Ctrl-C."""

import shlex
import sys
from typing import Final

from honcho import manager as honcho

from scripts.local_stack import ROOT

_INTERRUPTED: Final = 130
# Longer than a worker's own grace is by default.
_GRACE_SECONDS: Final = 35
_WORKERS_MAX: Final = 64


def main() -> int:
    """Runs scheduler and workers with prefixed logs; 0 after Ctrl-C, else the first one's code."""
    workers = sys.argv[1] if len(sys.argv) > 1 else "2"
    if not (workers.isdecimal() and 1 <= int(workers) <= _WORKERS_MAX):
        print(f"WORKERS must be a whole number from 1 to {_WORKERS_MAX} (got {workers!r})")
        return 2
    # Its own 5 s end a worker in the middle of what it may finish.
    honcho.KILL_WAIT = _GRACE_SECONDS
    manager = honcho.Manager()
    manager.add_process("scheduler", _python("services.scheduler"), cwd=str(ROOT))
    for number in range(1, int(workers) + 1):
        manager.add_process(f"worker-{number}", _python("services.worker"), cwd=str(ROOT))
    manager.loop()
    return 0 if manager.returncode == _INTERRUPTED else int(manager.returncode or 0)


def _python(module: str) -> str:
    # `exec`, so that a signal meets the service and not a shell around it.
    return f"exec {shlex.join([sys.executable, '-m', module])}"


if __name__ == "__main__":
    sys.exit(main())
