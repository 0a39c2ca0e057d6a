"""A container's health check: healthy only while `GET /healthz` answers 204."""

import http.client
import ssl
from typing import Final

_SECONDS: Final = 3.0
_EVERY_INTERFACE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound


def check(host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
    """Prints the verdict in one line; 0 healthy, 1 not. `host` is what the service listens on."""
    asked = "localhost" if host in _EVERY_INTERFACE else host
    connection = (
        http.client.HTTPConnection(asked, port, timeout=_SECONDS)
        if tls is None
        else http.client.HTTPSConnection(asked, port, timeout=_SECONDS, context=tls)
    )
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer from {asked}:{port}: {error}")  # noqa: T201 - the health check's output
        return 1
    finally:
        connection.close()
    print(f"/healthz answers {status}")  # noqa: T201 - the health check's output
    return 0 if status == http.client.NO_CONTENT else 1
