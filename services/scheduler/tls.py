"""A certificate and its key, for both ports: `SCHEDULER_TLS_CERT` and `SCHEDULER_TLS_KEY`."""

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.scheduler.errors import SecurityError
from services.shared.environment import Environment

CERT: Final = "SCHEDULER_TLS_CERT"
KEY: Final = "SCHEDULER_TLS_KEY"
# What OpenSSL says of a key that is not the certificate's; the last where it is of another kind.
_OF_ANOTHER: Final = frozenset(
    {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files in PEM: the certificate with those that lead to its root, and its private key."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPair:
    """What was in the files: gRPC takes bytes, and the HTTP port a context."""

    cert: bytes
    key: bytes
    context: ssl.SSLContext


def read_tls_files(environment: Environment) -> TlsFiles | None:
    """Both or none; a half is left in `environment` for its `check()`."""
    cert, key = environment.path(CERT), environment.path(KEY)
    if cert is not None and key is not None:
        return TlsFiles(cert=cert, key=key)
    if cert is not None or key is not None:
        name = KEY if key is None else CERT
        environment.refuse(name, "", f"{CERT} and {KEY} are set together, or neither is")
    return None


def load(files: TlsFiles) -> TlsPair:
    """Reads and checks them; raises `SecurityError` with the setting that is to blame."""
    cert, key = _content(CERT, files.cert), _content(KEY, files.key)
    if files.key.stat().st_mode & stat.S_IRWXO:
        raise SecurityError(
            KEY, f"{files.key} is open to everybody on this machine; chmod o-rwx it"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Of the certificate alone, so that a key is not blamed for it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(
            cadata=_text(files.cert, cert)
        )
    except (ssl.SSLError, ValueError) as error:
        raise SecurityError(CERT, f"{files.cert} holds no certificate in PEM") from error
    try:
        # An empty password: a service must not stop to ask for one.
        context.load_cert_chain(files.cert, files.key, password="")
    except ssl.SSLError as error:
        if error.reason in _OF_ANOTHER:
            text = f"{files.key} is not the key of the certificate {files.cert} ({CERT})"
        else:
            text = f"{files.key} holds no private key in PEM without a password"
        raise SecurityError(KEY, text) from error
    return TlsPair(cert=cert, key=key, context=context)


def probe_context(files: TlsFiles) -> ssl.SSLContext:
    """For our own health check: trusts this one certificate, whatever it is called.

    Raises `OSError` where the file cannot be read.
    """
    context = ssl.create_default_context(cafile=str(files.cert))
    # It asks the address that it listens on, which a certificate rarely names.
    context.check_hostname = False
    # The certificate itself, where its issuer is not in the file.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _content(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SecurityError(setting, f"{path} cannot be read: {error.strerror or error}") from error


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("ascii")
    except UnicodeDecodeError as error:
        raise SecurityError(CERT, f"{path} holds no certificate in PEM") from error
