"""What `python -m services.dashboard --help` prints."""

from collections.abc import Mapping
from typing import Final

from services.shared.usage import settings_text

# Each setting, its default and one line of meaning; a test holds it against the settings read.
MEANINGS: Final[Mapping[str, str]] = {
    "DASHBOARD_HOST": "the address to listen on (127.0.0.1)",
    "DASHBOARD_ALLOW_INSECURE": "1 allows other machines to reach it: it asks for no password (0)",
    "DASHBOARD_PORT": "the port; 0 takes a free one (8082)",
    "DASHBOARD_HOSTS": "more names that browsers may ask it by, separated by commas",
    "SCHEDULER_HTTP_ENDPOINT": "the scheduler's HTTP port (http://localhost:8081)",
    "ENDPOINT_CA": "the certificates to trust (PEM), where it speaks TLS with one of your own",
    "ENDPOINT_TOKEN": "the token for it",
    "ENDPOINT_TOKEN_FILE": "the file of the token, which may change",
    "TASKHUB": "the task hub shown first (default)",
    "LOG_LEVEL": "debug, info, warning or error (info)",
    "LOG_FORMAT": "console or json (console)",
}

USAGE: Final = (
    "usage: python -m services.dashboard [--help]\n\n"
    "Serves web pages over the scheduler's management API until SIGTERM or Ctrl-C.\n\n"
    + settings_text(MEANINGS)
)
