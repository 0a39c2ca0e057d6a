"""`make dev`: the stack without Docker in the foreground, until Ctrl-C."""

import os
import shlex
import signal
import sys
from typing import Final

from honcho import manager as honcho

from scripts.local_stack import ROOT, StackError, read_workers
from services.shared.connection import read_connection
from services.shared.environment import Environment
from services.shared.errors import SettingsError

_INTERRUPTED: Final = 130
# Longer than a worker's own grace is by default.
_GRACE_SECONDS: Final = 35


def main() -> int:
    """Runs scheduler and workers with prefixed logs; 0 after Ctrl-C, else the first one's code."""
    try:
        workers = read_workers(sys.argv[1] if len(sys.argv) > 1 else "2")
        environment = _environment()
    except (StackError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    # A terminal that is closed stops the stack as Ctrl-C does; honcho does not listen to it.
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    # Its own 5 s end a worker in the middle of what it may finish.
    honcho.KILL_WAIT = _GRACE_SECONDS
    manager = honcho.Manager()
    parts = {"scheduler": "services.scheduler"}
    parts |= {f"worker-{number}": "services.worker" for number in range(1, workers + 1)}
    for name, module in parts.items():
        manager.add_process(name, _python(module), env=environment, cwd=str(ROOT))
    manager.loop()
    return 0 if manager.returncode == _INTERRUPTED else int(manager.returncode or 0)


def _environment() -> dict[str, str]:
    """Ours, in which the workers look for the scheduler where it is, and for a hub of it."""
    environment = Environment.of_process()
    connection = read_connection(environment)
    port = environment.integer("SCHEDULER_GRPC_PORT", 8080, minimum=1, maximum=65_535)
    hubs = environment.optional("DTS_TASK_HUB_NAMES") or connection.taskhub
    environment.check()
    return os.environ | {"ENDPOINT": f"http://localhost:{port}", "DTS_TASK_HUB_NAMES": hubs}


def _python(module: str) -> str:
    # `exec`, so that a signal meets the service and not a shell around it.
    return f"exec {shlex.join([sys.executable, '-m', module])}"


if __name__ == "__main__":
    sys.exit(main())
