"""`python -m services.scheduler`: serves task hubs on one machine until told to stop.

With a command it backs up, restores or checks what such a scheduler keeps.
"""

import sys

from services.scheduler.errors import SchedulerError, StoreFailedError
from services.scheduler.settings import SchedulerSettings
from services.scheduler.usage import COMMANDS, USAGE
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.shared.logs import configure_logging
from services.shared.standard_streams import replace_closed_streams
from services.shared.usage import answer


def main() -> int:
    """Runs the scheduler; 0 after a stop, 2 when it cannot start, or cannot go on.

    A command has exit codes of its own.
    """
    replace_closed_streams()
    if sys.argv[1:] and sys.argv[1] in COMMANDS:
        from services.scheduler import commands  # noqa: PLC0415 - a scheduler has no use for them

        return commands.run(sys.argv[1:])
    code = answer(sys.argv[1:], USAGE)
    if code is not None:
        return code
    try:
        settings = SchedulerSettings.read(Environment.of_process())
        configure_logging(level=settings.log_level, style=settings.log_format)
        from services.scheduler.app import run  # noqa: PLC0415 - bad settings are told before gRPC loads

        return run(settings)
    except StoreFailedError as error:
        print(f"the scheduler has stopped:\n{error}", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    except (SettingsError, SchedulerError) as error:
        print(f"the scheduler cannot start:\n{error}", file=sys.stderr)  # noqa: T201 - for a person
        return 2


if __name__ == "__main__":
    sys.exit(main())
