"""`python -m services.dashboard`: serves the web pages until told to stop."""

import asyncio
import sys

from services.dashboard.errors import DashboardError
from services.dashboard.settings import DashboardSettings
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.shared.logs import configure_logging

_USAGE = """\
python -m services.dashboard

Web pages over the scheduler's management API. Settings come from the environment and from .env:

  DASHBOARD_HOST            the address to listen on (127.0.0.1)
  DASHBOARD_ALLOW_INSECURE  1 allows other machines to reach it: it asks for no password (0)
  DASHBOARD_PORT            the port; 0 takes a free one (8082)
  DASHBOARD_HOSTS           more names under which browsers may ask, separated by commas
  SCHEDULER_HTTP_ENDPOINT   the scheduler's HTTP port (http://localhost:8081)
  ENDPOINT_CA               certificates (PEM) to trust, where it speaks TLS with one of your own
  ENDPOINT_TOKEN            the token for it, or with _FILE the file of the token
  TASKHUB                   the task hub shown first (default)
  LOG_LEVEL, LOG_FORMAT     debug, info, warning, error; console, json"""


def main() -> int:
    """Runs the dashboard; 0 after a stop, 2 when it cannot start."""
    if sys.argv[1:]:
        return _explain(sys.argv[1:])
    try:
        settings = DashboardSettings.read(Environment.of_process())
        configure_logging(level=settings.log_level, style=settings.log_format)
        from services.dashboard.server import serve  # noqa: PLC0415 - bad settings are told at once

        asyncio.run(serve(settings))
    except (SettingsError, DashboardError) as error:
        print(f"the dashboard cannot start:\n{error}", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    return 0


def _explain(arguments: list[str]) -> int:
    if arguments in (["--help"], ["-h"]):
        print(_USAGE)  # noqa: T201 - for a person
        return 0
    print(f"unknown argument: {arguments[0]}\n\n{_USAGE}", file=sys.stderr)  # noqa: T201 - for a person
    return 2


if __name__ == "__main__":
    sys.exit(main())
