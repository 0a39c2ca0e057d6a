"""`python -m services.dashboard`: serves the web pages until told to stop."""

import asyncio
import sys

from services.dashboard.errors import DashboardError
from services.dashboard.settings import DashboardSettings
from services.dashboard.usage import USAGE
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.shared.logs import configure_logging
from services.shared.standard_streams import replace_closed_streams
from services.shared.usage import answer


def main() -> int:
    """Runs the dashboard; 0 after a stop, 2 when it cannot start."""
    replace_closed_streams()
    code = answer(sys.argv[1:], USAGE)
    if code is not None:
        return code
    try:
        settings = DashboardSettings.read(Environment.of_process())
        configure_logging(level=settings.log_level, style=settings.log_format)
        from services.dashboard.server import serve  # noqa: PLC0415 - bad settings are told at once

        asyncio.run(serve(settings))
    except (SettingsError, DashboardError) as error:
        print(f"the dashboard cannot start:\n{error}", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
