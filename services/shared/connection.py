"""Where the scheduler is: `ENDPOINT` and `TASKHUB` decide, and how to be let in there.

Owns their syntax and their defaults. Imports neither gRPC nor the SDK, so that a command that only
prints its help stays instant; `services.shared.sdk` turns a `Connection` into theirs.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from services.shared.bearer import TokenSource, read_ca, read_token
from services.shared.environment import Environment

ENDPOINT_ON_HOST: Final = "http://localhost:8080"
ENDPOINT_IN_CONTAINER: Final = "http://scheduler:8080"
_TASKHUB_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_ENDPOINT_ALLOWED: Final = (
    "http://HOST:PORT for the emulator or the embedded scheduler (http://localhost:8080),"
    " https://HOST for Azure (https://my-scheduler-abc123.westus2.durabletask.io)"
)
_DOMAIN_OF_AZURE: Final = ".durabletask.io"
_LOOPBACK_ADVICE: Final = (
    "inside a container this address is the container itself; leave ENDPOINT unset"
    f" (then it is {ENDPOINT_IN_CONTAINER}), or use http://host.docker.internal:8080"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A scheduler and a task hub in it.

    `secure` means TLS. `address` is what gRPC dials: `host:port`, or `host` alone over TLS (port
    443). `ca` is what a certificate is checked against, None for the usual authorities.
    """

    endpoint: str
    address: str
    secure: bool
    taskhub: str
    ca: Path | None = None
    token: TokenSource | None = None

    @property
    def is_azure(self) -> bool:
        """Whether it takes a sign-in with `azure-identity`: over TLS, unless how is said otherwise.

        No HTTP proxy is asked for any other. Nothing of Azure is on this machine.
        """
        is_own = self.ca is not None or self.token is not None or self.is_on_this_machine
        return self.secure and not is_own

    @property
    def has_name_of_azure(self) -> bool:
        """Whether its name is one that the managed service gives."""
        return (urlsplit(self.endpoint).hostname or "").endswith(_DOMAIN_OF_AZURE)

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the endpoint is a loopback address, or a name that means one."""
        return is_loopback(urlsplit(self.endpoint).hostname or "")


def read_connection(environment: Environment) -> Connection:
    """Reads `ENDPOINT` and `TASKHUB`; bad ones are left in `environment` for its `check()`.

    `RUNS_IN_CONTAINER` is set by our images: there the default is the compose service, and an
    address of the container itself is refused.
    """
    in_container = environment.flag("RUNS_IN_CONTAINER")
    default = ENDPOINT_IN_CONTAINER if in_container else ENDPOINT_ON_HOST
    endpoint = environment.optional("ENDPOINT") or default
    taskhub = environment.text(
        "TASKHUB",
        "default",
        pattern=_TASKHUB_PATTERN,
        allowed="a task hub's name, such as default (letters, digits, - and _, at most 64)",
    )
    problem = _problem_with(endpoint, in_container=in_container)
    if problem is not None:
        environment.refuse("ENDPOINT", endpoint, problem)
        endpoint = default
    parts = urlsplit(endpoint)
    ca = read_ca(environment)
    if ca is not None:
        # The SDK opens its channels itself, and says nothing of whom they trust.
        environment.tell_grpc("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(ca.absolute()))
    return Connection(
        endpoint=f"{parts.scheme}://{parts.netloc}",
        address=parts.netloc,
        secure=parts.scheme == "https",
        taskhub=taskhub,
        ca=ca,
        token=read_token(environment),
    )


def _problem_with(endpoint: str, *, in_container: bool) -> str | None:
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return _ENDPOINT_ALLOWED
    # gRPC would dial port 443 for an http:// address without a port.
    port_is_usable = port != 0 and (port is not None or parts.scheme == "https")
    if parts.scheme not in {"http", "https"} or not port_is_usable or not _is_bare(parts):
        return _ENDPOINT_ALLOWED
    if in_container and is_loopback(parts.hostname or ""):
        return _LOOPBACK_ADVICE
    return None


def _is_bare(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    printable = host.isascii() and host.isprintable() and " " not in host
    extras = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    return bool(host) and printable and not extras and not parts.netloc.endswith(":")


def is_loopback(host: str) -> bool:
    """Whether an address, or a name, can only mean this machine to whoever dials it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.rstrip(".")
        return name == "localhost" or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return address.is_loopback or address.is_unspecified


def is_exposed(host: str) -> bool:
    """Whether somebody on another machine could reach what listens on an address, or a name."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") != "localhost"
