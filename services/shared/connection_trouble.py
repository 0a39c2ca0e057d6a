"""Why no connection comes about: gRPC tells of the last address of a name, and little of that.

A look of our own, taken only once gRPC has failed: it decides nothing but what a person reads.
"""

import socket
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_LOOK_SECONDS: Final = 2.0
_PORT: Final = 443
_HTTP1: Final = b"HTTP/1."
# OpenSSL's words for an answer that is no TLS record.
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


def certificate_trouble(address: str, ca: Path | None) -> str | None:
    """What is wrong with the certificate of who listens at `address`, as `ca` sees it.

    None where nothing is, where nobody listens, and where no TLS is spoken.
    """
    try:
        _shake_hands(address, ssl.create_default_context(cafile=ca))
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not accepted ({error.verify_message.rstrip('.')})"
    except OSError:
        return None
    return None


def speaks_tls(address: str) -> bool | None:
    """Whether who listens at `address` speaks TLS, with whatever certificate; None if unknown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent
    try:
        _shake_hands(address, context)
    except ssl.SSLError as error:
        return False if error.reason in _NO_TLS else None
    except OSError:
        return None
    return True


def speaks_http1(address: str) -> bool:
    """Whether who listens at `address` answers as HTTP/1 does; False where nobody listens."""
    try:
        with _connected(address) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return plain.recv(len(_HTTP1), socket.MSG_WAITALL) == _HTTP1
    except OSError:
        return False


def _shake_hands(address: str, context: ssl.SSLContext) -> None:
    """Raises `OSError`, of which `ssl.SSLError` is one."""
    context.set_alpn_protocols(["h2"])
    with (
        _connected(address) as plain,
        context.wrap_socket(plain, server_hostname=urlsplit(f"//{address}").hostname or ""),
    ):
        pass


def _connected(address: str) -> socket.socket:
    """A connection to any of the addresses of a name; raises `OSError`."""
    parts = urlsplit(f"//{address}")
    return socket.create_connection(
        (parts.hostname or "", parts.port or _PORT), timeout=_LOOK_SECONDS
    )
