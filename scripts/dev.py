"""`make dev`: the stack without Docker in the foreground, until Ctrl-C."""

import os
import shlex
import signal
import sys
from typing import Final

from honcho import manager as honcho

from scripts.local_stack import DASHBOARD_PORT, ROOT, StackError, free_port, own_port, read_workers
from services.shared.connection import read_connection
from services.shared.environment import Environment
from services.shared.errors import SettingsError

_INTERRUPTED: Final = 130
_PORT_MAX: Final = 65_535
# Longer than a worker's own grace is by default.
_GRACE_SECONDS: Final = 35


def main() -> int:
    """Runs every part with a prefixed log; 0 after Ctrl-C, else the first one's code."""
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
    parts = [("scheduler", "services.scheduler", environment)]
    for number in range(1, workers + 1):
        own = environment | own_port(environment, number)
        parts.append((f"worker-{number}", "services.worker", own))
    # Its line of readiness is the link.
    parts.append(("dashboard", "services.dashboard", environment))
    for name, module, variables in parts:
        manager.add_process(name, _python(module), env=variables, cwd=str(ROOT))
    manager.loop()
    return 0 if manager.returncode == _INTERRUPTED else int(manager.returncode or 0)


def _environment() -> dict[str, str]:
    """Ours, in which the others look for the scheduler where it is, and for a hub of it."""
    environment = Environment.of_process()
    connection = read_connection(environment)
    grpc_port = environment.integer("SCHEDULER_GRPC_PORT", 8080, minimum=1, maximum=_PORT_MAX)
    http_port = environment.integer("SCHEDULER_HTTP_PORT", 8081, minimum=0, maximum=_PORT_MAX)
    # A port that nobody asked for is no reason to stop.
    dashboard_port = environment.optional("DASHBOARD_PORT") or str(free_port(DASHBOARD_PORT))
    hubs = environment.optional("DTS_TASK_HUB_NAMES") or connection.taskhub
    # What stands in .env for the scheduler is for the others too: ENDPOINT_CA, ENDPOINT_TOKEN.
    scheme = "http" if environment.optional("SCHEDULER_TLS_CERT") is None else "https"
    environment.check()
    http_port = http_port or free_port(0)
    return os.environ | {
        "ENDPOINT": f"{scheme}://localhost:{grpc_port}",
        "SCHEDULER_HTTP_PORT": str(http_port),
        "SCHEDULER_HTTP_ENDPOINT": f"{scheme}://localhost:{http_port}",
        "DASHBOARD_PORT": dashboard_port,
        "DTS_TASK_HUB_NAMES": hubs,
    }


def _python(module: str) -> str:
    # `exec`, so that a signal meets the service and not a shell around it.
    return f"exec {shlex.join([sys.executable, '-m', module])}"


if __name__ == "__main__":
    sys.exit(main())
