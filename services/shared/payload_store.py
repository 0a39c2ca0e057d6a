"""The SDK's `PayloadStore` over the place that `PAYLOAD_STORE` names.

Adds to a place what the SDK leaves open: a memory of what was read (the SDK reads every token of a
history again at every turn), errors that a person understands, and reads that never raise (SDK
1.12.0 gives an item whose payload cannot be read back for ever).
"""

import asyncio
import logging
import threading
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from durabletask.payload import LargePayloadStorageOptions, PayloadStore

from services.shared.errors import PayloadStoreError, PayloadTooLargeError
from services.shared.payload_files import FILE_MARK, TOKEN, PayloadFiles, PayloadMissingError
from services.shared.payload_place import THRESHOLD_BYTES, BlobContainer, PayloadSettings

log = logging.getLogger(__name__)

# The reasons are for messages: whoever reads a payload asks right after the download failed.
_REASONS_MAX: Final = 1_000
# No write takes that long.
_WRITE_MAX: Final = timedelta(hours=1)
# The SDK's own check raises where nobody listens; ours is in `upload`.
_UNLIMITED: Final = 2**63 - 1


class Place(Protocol):
    """Where payloads lie. Its methods block, and any thread may call them."""

    @property
    def mark(self) -> bytes:
        """What every token of this place begins with."""

    def prepare(self) -> None:
        """Finds out whether the place can be used; raises `PayloadStoreError`."""

    def upload(self, data: bytes, instance_id: str | None) -> str:
        """Stores a payload, durably; returns its token. Raises `PayloadStoreError`."""

    def download(self, token: str) -> bytes:
        """The payload of a token of this place; raises `PayloadMissingError`."""

    def is_token(self, value: str) -> bool:
        """Whether a payload's text is a token of this place."""


class DirectoryPlace:
    """Payloads as files of a directory that all processes share."""

    mark: Final = FILE_MARK.encode()

    def __init__(self, files: PayloadFiles) -> None:
        self._files = files

    def prepare(self) -> None:
        """Makes the directory, tries a write, and clears what dead processes left half written.

        Raises `PayloadStoreError`.
        """
        try:
            self._files.prepare()
            self._files.sweep(started_before=datetime.now(UTC) - _WRITE_MAX)
        except OSError as error:
            raise self._unusable(error) from error

    def upload(self, data: bytes, instance_id: str | None) -> str:  # noqa: ARG002 - equal payloads of all instances are one file
        """Writes a file; raises `PayloadStoreError`."""
        try:
            return self._files.write(data)
        except OSError as error:
            raise self._unusable(error) from error

    def download(self, token: str) -> bytes:
        """Reads a file; raises `PayloadMissingError`."""
        return self._files.read(token)

    def is_token(self, value: str) -> bool:
        """Whether it is `file:v1:` and a digest, as a whole."""
        return TOKEN.fullmatch(value) is not None

    def _unusable(self, error: OSError) -> PayloadStoreError:
        return PayloadStoreError.unusable(self._files.directory, error.strerror or str(error))


class CachingPayloadStore(PayloadStore):
    """What workers and clients hand to the SDK.

    `download` of a payload that cannot be read returns its token: the SDK puts the text where the
    token was, our `DataConverter` raises `PayloadMissingError` where it is read, with what
    `reason` says, and an answer that carries it on unread still carries the token.

    `cache_bytes` bounds the memory of what was read.
    """

    def __init__(self, place: Place, *, bytes_max: int, cache_bytes: int) -> None:
        self._place = place
        self._bytes_max = bytes_max
        self._cache = PayloadCache(cache_bytes)
        self._reasons: OrderedDict[str, str] = OrderedDict()
        self._reasons_lock = threading.Lock()
        self._options = LargePayloadStorageOptions(
            threshold_bytes=THRESHOLD_BYTES, max_stored_payload_bytes=_UNLIMITED
        )

    @property
    def options(self) -> LargePayloadStorageOptions:
        """The threshold; the limit is ours to check."""
        return self._options

    @property
    def mark(self) -> bytes:
        """What every token of this store begins with, as it stands in a message."""
        return self._place.mark

    def prepare(self) -> None:
        """Finds out whether the store can be used; raises `PayloadStoreError`."""
        self._place.prepare()

    def upload(self, data: bytes, *, instance_id: str | None = None) -> str:
        """Stores a payload; raises `PayloadStoreError` or `PayloadTooLargeError`."""
        if len(data) > self._bytes_max:
            raise PayloadTooLargeError(len(data), self._bytes_max)
        return self._place.upload(data, instance_id)

    async def upload_async(self, data: bytes, *, instance_id: str | None = None) -> str:
        """The same, off the event loop."""
        return await asyncio.to_thread(self.upload, data, instance_id=instance_id)

    def download(self, token: str) -> bytes:
        """The payload, or the token itself where it cannot be read; never raises."""
        known = self._cache.get(token)
        if known is not None:
            return known
        try:
            data = self._place.download(token)
            # The SDK decodes it where an error would have the item given back for ever.
            data.decode()
        except PayloadMissingError as error:
            return self._missing(token, error.reason)
        except UnicodeDecodeError:
            return self._missing(token, "it is no UTF-8 text")
        self._cache.put(token, data)
        return data

    async def download_async(self, token: str) -> bytes:
        """The same, off the event loop."""
        return await asyncio.to_thread(self.download, token)

    def is_known_token(self, value: str) -> bool:
        """Whether a payload's text is a token of this store."""
        return self._place.is_token(value)

    def reason(self, token: str) -> str:
        """Why the payload of a token cannot be read here."""
        if not self._place.is_token(token):
            return "it is in another payload store than the one that PAYLOAD_STORE names here"
        return self._reasons.get(token) or "it was not there when it was asked for"

    def _missing(self, token: str, reason: str) -> bytes:
        with self._reasons_lock:
            is_news = self._reasons.get(token) != reason
            self._reasons[token] = reason
            if len(self._reasons) > _REASONS_MAX:
                self._reasons.popitem(last=False)
        # Once: an orchestration asks again at every turn.
        if is_news:
            log.error("the payload %s cannot be read: %s", token, reason)
        return token.encode()


class PayloadCache:
    """The payloads read last, at most `bytes_max` of them together."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._payloads: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return self._bytes

    def get(self, token: str) -> bytes | None:
        """The payload of `token`, if it is held."""
        with self._lock:
            data = self._payloads.get(token)
            if data is not None:
                self._payloads.move_to_end(token)
            return data

    def put(self, token: str, data: bytes) -> None:
        """Holds a payload and lets go of those that were asked for longest ago."""
        with self._lock:
            if len(data) > self._bytes_max or token in self._payloads:
                return
            self._payloads[token] = data
            self._bytes += len(data)
            while self._bytes > self._bytes_max:
                _, old = self._payloads.popitem(last=False)
                self._bytes -= len(old)


def place_of(settings: PayloadSettings) -> Place | None:
    """The place that the settings name; raises `PayloadStoreError` for one that cannot be one."""
    if settings.place is None:
        return None
    if isinstance(settings.place, BlobContainer):
        from services.shared.payload_blobs import BlobPlace  # noqa: PLC0415 - slow, and only Azure needs it

        return BlobPlace(settings.place)
    return DirectoryPlace(PayloadFiles(settings.place))
