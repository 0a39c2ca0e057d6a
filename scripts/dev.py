"""`make dev`: the stack without Docker in the foreground, until Ctrl-C."""

import os
import sys
from typing import Final

from scripts.foreground import Foreground, Part
from scripts.local_stack import (
    DASHBOARD_PORT,
    SCHEDULER_READY,
    StackError,
    free_port,
    own_port,
    read_workers,
)
from services.shared.connection import read_connection
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.worker.settings import read_grace_seconds

_PORT_MAX: Final = 65_535
# A worker is given more than its own grace, to send its results and to end.
_SPARE_SECONDS: Final = 5


def main() -> int:
    """Runs every part with a prefixed log; 0 after Ctrl-C, else the first one's code."""
    try:
        workers = read_workers(sys.argv[1] if len(sys.argv) > 1 else "2")
        own = Environment.of_process()
        grace_seconds = read_grace_seconds(own)
        environment = _environment(own)
    except (StackError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    scheduler = Part(name="scheduler", module="services.scheduler", environment=environment)
    others = [
        Part(
            name=f"worker-{number}",
            module="services.worker",
            environment=environment | own_port(environment, number),
        )
        for number in range(1, workers + 1)
    ]
    # Its line of readiness is the link.
    others.append(Part(name="dashboard", module="services.dashboard", environment=environment))
    # Not before it is ready: at its address another one may answer, which this one then fails on.
    grace_seconds += _SPARE_SECONDS
    stack = Foreground(scheduler, others, ready=SCHEDULER_READY, grace_seconds=grace_seconds)
    return stack.run()


def _environment(environment: Environment) -> dict[str, str]:
    """Ours, in which the others look for the scheduler where it is, and for a hub of it."""
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


if __name__ == "__main__":
    sys.exit(main())
