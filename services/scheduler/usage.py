"""What `python -m services.scheduler --help` prints."""

from collections.abc import Mapping
from typing import Final

# Each setting, its default and one line of meaning; a test holds it against the settings read.
MEANINGS: Final[Mapping[str, str]] = {
    "SCHEDULER_HOST": "the address to listen on (127.0.0.1)",
    "SCHEDULER_GRPC_PORT": "the port of the Durable Task protocol; 0 takes a free one (8080)",
    "SCHEDULER_HTTP_PORT": "the port of health, metrics and the management API (8081)",
    "SCHEDULER_HTTP_HOSTS": "further names that this port is called by, separated by commas",
    "SCHEDULER_DATA_DIR": "where it keeps its data, one file per task hub (data)",
    "PAYLOAD_STORE": "the directory of large payloads, to collect and show; or none"
    " (payloads in the data directory)",
    "RUNS_IN_CONTAINER": "set by the images: that directory is then /payloads",
    "SCHEDULER_RETENTION_DAYS": "days that finished instances are kept; 0, or never (30)",
    "DTS_TASK_HUB_NAMES": "the task hubs that it serves, separated by commas (default)",
    "DTS_USE_DYNAMIC_TASK_HUBS": "1 makes a task hub at its first use (0)",
    "LOG_LEVEL": "debug, info, warning or error (info)",
    "LOG_FORMAT": "console or json (console)",
}

_WIDTH: Final = max(map(len, MEANINGS))
USAGE: Final = (
    "usage: python -m services.scheduler [--help]\n\n"
    "Serves task hubs over the Durable Task protocol until SIGTERM or Ctrl-C.\n\n"
    "settings, from the environment or .env (defaults in brackets):\n"
    + "\n".join(f"  {name:{_WIDTH}}  {meaning}" for name, meaning in MEANINGS.items())
)
