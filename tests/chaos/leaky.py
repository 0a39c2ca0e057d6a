"""`python -m tests.chaos.leaky files|memory`: the real scheduler, of whose calls something stays.

A file of each worker's stream, or 100 KB of each call.
"""

import socket
import sys
from typing import Any, Final

from services.scheduler import app
from services.scheduler.edge.server import ServerCall
from services.scheduler.edge.service import TaskHubService
from services.scheduler.settings import SchedulerSettings
from services.shared.environment import Environment

_CALL_BYTES: Final = 100_000


def leaking(what: str) -> type[TaskHubService]:
    """The service, with something that stays."""
    kept: list[Any] = []

    class Leaking(TaskHubService):
        def take(self, call: ServerCall) -> None:
            if what == "memory":
                kept.append(b"x" * _CALL_BYTES)
            elif call.method.endswith("GetWorkItems"):
                kept.append(socket.socket())
            super().take(call)

    return Leaking


def main() -> int:
    """Serves as `services.scheduler` does."""
    # The composition root names the class: there is no other way in.
    vars(app)["TaskHubService"] = leaking(sys.argv[1])
    return app.run(SchedulerSettings.read(Environment.of_process()))


if __name__ == "__main__":
    sys.exit(main())
