"""`python -m services.worker`: runs the order orchestrations and activities until told to stop."""

import sys

from services.shared.environment import Environment
from services.shared.errors import PayloadStoreError, SchedulerUnavailableError, SettingsError
from services.shared.logs import configure_logging
from services.shared.standard_streams import replace_closed_streams
from services.shared.tracing import leave_out_opentelemetry
from services.shared.usage import answer
from services.worker.settings import WorkerSettings
from services.worker.usage import USAGE


def main() -> int:
    """Runs the worker; 0 after a stop, 2 for settings or arguments that cannot be used."""
    replace_closed_streams()
    code = answer(sys.argv[1:], USAGE)
    if code is not None:
        return code
    try:
        settings = WorkerSettings.read(Environment.of_process())
        configure_logging(level=settings.log_level, style=settings.log_format)
        leave_out_opentelemetry(settings.tracing)
        from services.worker.app import run  # noqa: PLC0415 - bad settings are told before gRPC loads

        return run(settings)
    except (SettingsError, SchedulerUnavailableError, PayloadStoreError) as error:
        print(f"the worker cannot start:\n{error}", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    except OSError as error:
        print(f"the worker cannot write WORKER_STATE_FILE: {error}", file=sys.stderr)  # noqa: T201 - for a person
        return 2


if __name__ == "__main__":
    sys.exit(main())
