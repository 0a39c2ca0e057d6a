"""Where large payloads are kept: `PAYLOAD_STORE` and `PAYLOAD_STORE_BYTES_MAX`.

Owns their syntax and their defaults. Clients, workers and the scheduler read the same variable, so
that all of them look in the same place. Imports neither the SDK nor Azure's packages.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from services.shared.connection import Connection
from services.shared.environment import Environment

# Above it a payload is stored, and its token sent in its place. Small enough that no history of
# a hundred of them comes near a megabyte; a smaller one costs less in place than a file would.
THRESHOLD_BYTES: Final = 16 * 1024
# The limit of the service and of the emulator for a payload in place.
INLINE_BYTES_MAX: Final = 1024 * 1024
BYTES_MAX: Final = 100 * 1024 * 1024
# A payload is in memory a few times over where it is read.
_BYTES_MAX_MAX: Final = 1024 * 1024 * 1024
BLOB_MARK: Final = "blob:v1:"
BLOB_TOKEN: Final = re.compile(
    BLOB_MARK + r"(?P<container>[a-z0-9][a-z0-9-]{1,61}[a-z0-9]):(?P<name>[^\x00-\x1f\x7f]{1,1024})"
)

_CHECKOUT: Final = Path(__file__).resolve().parents[2]
# A volume that the containers share.
_IN_CONTAINER: Final = Path("/payloads")
_CONTAINER: Final = re.compile(r"[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]")
# Which account, and what proves that it may be used: without, the account would be asked in vain.
_NEEDED: Final = ({"accountname", "blobendpoint"}, {"accountkey", "sharedaccesssignature"})
# An address or a home that was not understood, and no directory beside the checkout's own.
_MISTYPED: Final = re.compile(r"^~|[:=]|\.(blob|core)\.")
_ALLOWED: Final = (
    "it must be none, a directory (./ or / before a name with : or =), an Azure Blob container"
    " (https://ACCOUNT.blob.core.windows.net/CONTAINER, where ACCOUNT is lower-case letters and"
    " digits and CONTAINER 3 to 63 of those and single hyphens), or a storage account's connection"
    " string with ;Container=CONTAINER at its end"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobContainer:
    """A container of an Azure storage account.

    Either `account_url`, with a sign-in as for an Azure endpoint, or `connection_string`, which
    holds a secret.
    """

    name: str
    account_url: str | None = None
    connection_string: str | None = field(default=None, repr=False)


Place = Path | BlobContainer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadSettings:
    """Where a client or a worker keeps large payloads (None: nowhere), and how large one may be."""

    place: Place
    bytes_max: int

    @property
    def payload_bytes_max(self) -> int:
        """The limit for one payload, in place or stored."""
        return INLINE_BYTES_MAX if self.place is None else self.bytes_max

    @property
    def advice(self) -> str:
        """Which setting allows larger payloads."""
        if self.place is None:
            return "PAYLOAD_STORE (now none) names a store for larger ones"
        return "PAYLOAD_STORE_BYTES_MAX allows larger ones"


def read_payload_settings(environment: Environment, connection: Connection) -> PayloadSettings:
    """Reads both variables; bad ones are left in `environment` for its `check()`.

    Without `PAYLOAD_STORE` it is the directory of a scheduler on this machine (in its data, where
    we read that to be), or of the same compose project; no other could read what we write there.
    """
    in_container = environment.flag("RUNS_IN_CONTAINER")
    data = environment.optional("SCHEDULER_DATA_DIR") or "data"
    is_shared = not connection.is_azure and (in_container or connection.is_on_this_machine)
    directory = _IN_CONTAINER if in_container else _CHECKOUT / data / "payloads"
    return PayloadSettings(
        place=_read_place(environment, directory if is_shared else None),
        bytes_max=environment.integer(
            "PAYLOAD_STORE_BYTES_MAX", BYTES_MAX, minimum=INLINE_BYTES_MAX, maximum=_BYTES_MAX_MAX
        ),
    )


def read_payload_place(environment: Environment, on_host: Path) -> Place:
    """Where the clients and workers of a scheduler on this machine keep large payloads.

    For the scheduler itself, which has its own default outside of containers; a bad value is left
    in `environment` for its `check()`.
    """
    in_container = environment.flag("RUNS_IN_CONTAINER")
    return _read_place(environment, _IN_CONTAINER if in_container else on_host)


def _read_place(environment: Environment, default: Path | None) -> Place:
    text = environment.optional("PAYLOAD_STORE")
    if text is None:
        return default
    if text.lower() == "none":
        return None
    place = _place(text)
    if place is None:
        # A signature in an address is a secret as much as a key is, and has many parts.
        environment.refuse("PAYLOAD_STORE", text.partition("?")[0], _ALLOWED)
        return default
    return place


def _place(text: str) -> Place:
    """The place that a text names; None where it names none."""
    if re.match(r"(?i)[a-z][a-z0-9.+-]*://", text):
        return _container_at(text)
    if ";" in text:
        return _container_of(text)
    if "\0" in text or (not text.startswith(("/", ".")) and _MISTYPED.search(text)):
        return None
    # From the checkout on, as `.env` itself: processes with other working directories share it.
    return _CHECKOUT / text


def _container_at(url: str) -> BlobContainer | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    account, _, name = parts.path.strip("/").rpartition("/")
    has_extras = parts.query or parts.fragment or parts.username is not None
    if parts.scheme != "https" or not parts.hostname or has_extras or "/" in account:
        return None
    if _CONTAINER.fullmatch(name) is None:
        return None
    account_url = f"https://{parts.netloc}" + (f"/{account}" if account else "")
    return BlobContainer(name=name, account_url=account_url)


def _container_of(connection_string: str) -> BlobContainer | None:
    parts = [part for part in connection_string.split(";") if part.strip()]
    named = [part for part in parts if part.strip().lower().startswith("container=")]
    name = named[0].partition("=")[2].strip() if len(named) == 1 else ""
    rest = [part for part in parts if part not in named]
    keys = {part.partition("=")[0].strip().lower() for part in rest if "=" in part}
    if _CONTAINER.fullmatch(name) is None or not all(keys & needed for needed in _NEEDED):
        return None
    return BlobContainer(name=name, connection_string=";".join(rest))
