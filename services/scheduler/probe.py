"""The container's health check: 0 only while `GET /healthz` answers 204."""

import sys

from services.scheduler.settings import SchedulerSettings
from services.scheduler.tls import probe_context
from services.shared import health
from services.shared.environment import Environment
from services.shared.errors import SettingsError


def main() -> int:
    """Prints the verdict in one line; 0 healthy, 1 not."""
    try:
        settings = SchedulerSettings.read(Environment.of_process())
        # The answer needs no token, with whatever SCHEDULER_AUTH.
        tls = None if settings.tls is None else probe_context(settings.tls)
    except (SettingsError, OSError) as error:
        print(error)  # noqa: T201 - the health check's output
        return 1
    return health.check(settings.host, settings.http_port, tls)


if __name__ == "__main__":
    sys.exit(main())
