"""The container's health check: 0 only while `GET /healthz` answers 204."""

import http.client
import sys
from typing import Final

from services.dashboard.settings import DashboardSettings
from services.shared.environment import Environment
from services.shared.errors import SettingsError

_SECONDS: Final = 3.0
_EVERY_INTERFACE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound


def main() -> int:
    """Prints the verdict in one line; 0 healthy, 1 not."""
    try:
        settings = DashboardSettings.read(Environment.of_process())
    except SettingsError as error:
        print(error)  # noqa: T201 - the health check's output
        return 1
    host = "localhost" if settings.host in _EVERY_INTERFACE else settings.host
    connection = http.client.HTTPConnection(host, settings.port, timeout=_SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer from {host}:{settings.port}: {error}")  # noqa: T201 - the health check's output
        return 1
    finally:
        connection.close()
    print(f"/healthz answers {status}")  # noqa: T201 - the health check's output
    return 0 if status == http.client.NO_CONTENT else 1


if __name__ == "__main__":
    sys.exit(main())
