"""Large payloads as blobs of an Azure storage account, through the SDK's own blob store.

Adds to it what `CachingPayloadStore` asks of a place: errors that a person understands, and tokens
of this container only. Blobs are written once, and nothing here removes one.
"""

import contextlib
import re
import zlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient
from durabletask.extensions.azure_blob_payloads import BlobPayloadStore, BlobPayloadStoreOptions

from services.shared.errors import PayloadStoreError
from services.shared.payload_files import PayloadMissingError
from services.shared.payload_place import BLOB_MARK, BLOB_TOKEN, BlobContainer
from services.shared.secrets import without_secrets

Result = TypeVar("Result")

# Where somebody waits for a start; Azure's own patience, of 80 s, is for what runs.
_HASTE: Final[dict[str, Any]] = {
    "retry_total": 2,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 5,
}
# What a folder of blobs may be called, as it stands; others are not worth the quoting.
_FOLDER: Final = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9_@:-]{0,99}")


class BlobPlace:
    """A blob container. Raises `PayloadStoreError` for an account that cannot be one."""

    mark: Final = BLOB_MARK.encode()

    def __init__(self, container: BlobContainer) -> None:
        self._container = container
        self._store = self._told(self._new_store)

    def prepare(self) -> None:
        """Makes the container if there is none; raises `PayloadStoreError`."""
        with self._told(self._new_client) as client:
            self._told(lambda: _make(client))

    def upload(self, data: bytes, instance_id: str | None) -> str:
        """Writes a blob, in a folder of the instance; raises `PayloadStoreError`."""
        folder = instance_id if instance_id and _FOLDER.fullmatch(instance_id) else None
        return self._told(lambda: self._store.upload(data, instance_id=folder))

    def download(self, token: str) -> bytes:
        """Reads a blob; raises `PayloadMissingError`."""
        try:
            data = self._store.download(token)
        except ResourceNotFoundError:
            raise PayloadMissingError(token, "there is no such blob") from None
        except AzureError as error:
            raise PayloadMissingError(token, _first_line(error)) from error
        except (OSError, EOFError, zlib.error) as error:
            raise PayloadMissingError(token, f"the blob is damaged ({error})") from error
        if not data:
            # No bytes unzip to no bytes, and nobody stores an empty payload.
            raise PayloadMissingError(token, "the blob is damaged (it is empty)")
        return data

    def is_token(self, value: str) -> bool:
        """Whether it is `blob:v1:`, this container and a name, as a whole."""
        match = BLOB_TOKEN.fullmatch(value)
        return match is not None and match["container"] == self._container.name

    def _new_client(self) -> ContainerClient:
        name, account_url = self._container.name, self._container.account_url
        if account_url is not None:
            credential = DefaultAzureCredential()
            return ContainerClient(account_url, name, credential=credential, **_HASTE)
        connection_string = self._container.connection_string or ""
        return ContainerClient.from_connection_string(connection_string, name, **_HASTE)

    def _new_store(self) -> BlobPayloadStore:
        credential = None if self._container.account_url is None else DefaultAzureCredential()
        return BlobPayloadStore(
            BlobPayloadStoreOptions(
                container_name=self._container.name,
                account_url=self._container.account_url,
                connection_string=self._container.connection_string,
                credential=credential,
            )
        )

    def _told(self, call: Callable[[], Result]) -> Result:
        try:
            return call()
        # A bad connection string is a ValueError, and so are AZURE_ variables that contradict.
        except (AzureError, OSError, ValueError) as error:
            where = f"{self._container.account_url or 'blob container'} {self._container.name}"
            raise PayloadStoreError.unusable(where, _first_line(error)) from error


def _make(container: ContainerClient) -> None:
    if not container.exists():
        # Workers that start together all find none.
        with contextlib.suppress(ResourceExistsError):
            container.create_container()


def _first_line(error: Exception) -> str:
    return without_secrets(str(error).strip().split("\n", 1)[0])
