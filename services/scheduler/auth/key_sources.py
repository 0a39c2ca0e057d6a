"""Where the signing keys come from: a JWKS file, or the address of one.

A fetch happens on a thread of its own and never on the loop: keys that are known go on to be used,
however long the server takes to answer, or not to.
"""

import asyncio
import logging
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, Protocol
from urllib.error import HTTPError, URLError

from services.scheduler.auth.keys import BadKeysError, KeySet
from services.scheduler.auth.secret_files import (
    BYTES_MAX,
    FileRefusedError,
    FileUnreadableError,
    Mark,
    mark_of,
    read_public,
)

log = logging.getLogger(__name__)

# Keys are looked at again so often, so that one that is taken back stops to count.
REFRESH_SECONDS: Final = 900.0
# Nobody can have them fetched more often than this, with whatever tokens.
REFETCH_SECONDS: Final = 10.0
# No keys are better than keys that nobody could have taken back for a day.
STALE_SECONDS_MAX: Final = 86_400.0
FETCH_SECONDS: Final = 5.0
# Names are looked up, and headers read, without a bound of their own: nobody waits for that.
WAIT_SECONDS: Final = 8.0
_CHUNK_BYTES: Final = 16_384


class KeySource(Protocol):
    """Keys that may change."""

    @property
    def keys(self) -> KeySet | None:
        """Those that are known now, None where there are none to rely on."""

    @property
    def may_renew(self) -> bool:
        """Whether `renewed` could bring others."""

    @property
    def is_away(self) -> bool:
        """Whether it could not be asked the last time: what it does not know, it might."""

    async def renewed(self) -> None:
        """Waits until it has been looked for others, a few seconds at most; never raises."""


class KeyFile:
    """Keys of a file. Raises `FileRefusedError`, `BadKeysError` for one that is bad at first."""

    def __init__(self, path: Path, algorithms: frozenset[str]) -> None:
        self._path = path
        self._algorithms = algorithms
        self._mark: Mark | None = mark_of(path)
        self._keys: KeySet | None = KeySet.of(read_public(path), algorithms)

    @property
    def keys(self) -> KeySet | None:
        """Read again when the file is another one; none from one that is bad."""
        mark = None
        try:
            mark = mark_of(self._path)
            if mark != self._mark:
                self._keys = KeySet.of(read_public(self._path), self._algorithms)
                log.info("signing keys read again from %s", self._path)
        except (FileRefusedError, BadKeysError) as error:
            if self._keys is not None:
                text = "nobody is let in: SCHEDULER_JWT_JWKS: %s: %s"
                log.error(text, self._path, error)  # noqa: TRY400 - it is the file, not our code
            self._keys = None
            if isinstance(error, FileUnreadableError):
                # Of no use to remember: what fails may be this machine, and not the file.
                mark = None
        self._mark = mark
        return self._keys

    @property
    def may_renew(self) -> bool:
        """Never: it is looked at with every call."""
        return False

    @property
    def is_away(self) -> bool:
        """Never: without the file there are no keys."""
        return False

    async def renewed(self) -> None:
        """There is nothing to wait for."""


class KeyAddress:
    """Keys of an address; they are fetched when they are wanted, and now and then."""

    def __init__(
        self,
        url: str,
        algorithms: frozenset[str],
        *,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds` is a clock that never goes back."""
        self._url = url
        self._algorithms = algorithms
        self._seconds = seconds
        self._keys: KeySet | None = None
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetch: asyncio.Future[None] | None = None
        self._is_away = False

    @property
    def is_away(self) -> bool:
        """Whether the last fetch brought none."""
        return self._is_away

    @property
    def keys(self) -> KeySet | None:
        """Those fetched last; looks for others behind the caller's back when they are old."""
        if self._fetched_at is None:
            return None
        age = self._seconds() - self._fetched_at
        if age > REFRESH_SECONDS and self.may_renew and self._fetch is None:
            self._begin()
        return self._keys if age < STALE_SECONDS_MAX else None

    @property
    def may_renew(self) -> bool:
        """Whether it is fetched now, or was not a moment ago."""
        if self._fetch is not None or self._tried_at is None:
            return True
        return self._seconds() - self._tried_at >= REFETCH_SECONDS

    async def renewed(self) -> None:
        """All who ask meanwhile wait for one fetch."""
        if self._fetch is None:
            if not self.may_renew:
                return
            self._begin()
        if self._fetch is not None:
            await asyncio.wait([self._fetch], timeout=WAIT_SECONDS)

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._tried_at = self._seconds()
        self._fetch = loop.create_future()

        def fetch() -> None:
            try:
                outcome: KeySet | Exception = KeySet.of(fetched(self._url), self._algorithms)
            except Exception as error:  # noqa: BLE001 - whoever waits must hear, whatever it was
                outcome = error
            try:
                loop.call_soon_threadsafe(self._done, outcome)
            except RuntimeError:
                # The loop has ended meanwhile.
                log.debug("signing keys came after the end")

        # A daemon: a server that does not answer must not keep a scheduler from stopping.
        thread = threading.Thread(target=fetch, name="jwks", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # There are as many as the system allows: as good as a server that does not answer.
            self._done(error)

    def _done(self, outcome: KeySet | Exception) -> None:
        self._is_away = not isinstance(outcome, KeySet)
        if isinstance(outcome, KeySet):
            self._keys, self._fetched_at = outcome, self._seconds()
        else:
            # Some say nothing but what they are.
            told = str(outcome) or type(outcome).__name__
            log.warning("no signing keys from SCHEDULER_JWT_JWKS=%s: %s", self._url, told)
        future, self._fetch = self._fetch, None
        if future is not None and not future.done():
            future.set_result(None)


class _HttpsProxies(urllib.request.ProxyHandler):
    """Those of the environment, for what is encrypted to its end."""

    def __init__(self) -> None:
        proxies = urllib.request.getproxies()
        super().__init__({"https": proxies["https"]} if "https" in proxies else {})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from where they were said to be, or not at all."""

    def redirect_request(  # noqa: PLR0913, PLR0917 - urllib's signature
        self,
        req: urllib.request.Request,  # noqa: ARG002 - urllib's signature
        fp: IO[bytes],
        code: int,
        msg: str,  # noqa: ARG002 - urllib's signature
        headers: Any,  # noqa: ANN401, ARG002 - urllib's signature
        newurl: str,  # noqa: ARG002 - urllib's signature
    ) -> None:
        """Refuses."""
        fp.close()
        raise URLError(f"it answered with a redirect ({code})")


def fetched(url: str) -> bytes:
    """A document of at most a mebibyte, within a few seconds.

    Raises `OSError`, `ValueError`, and `HTTPException` for what is no HTTP.
    """
    opener = urllib.request.build_opener(
        _NoRedirects(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        # Without TLS a proxy could give out keys of its own; the settings allow this machine only.
        _HttpsProxies(),
    )
    deadline = time.monotonic() + FETCH_SECONDS
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the settings allow http and https only
    try:
        response = opener.open(request, timeout=FETCH_SECONDS)
    except HTTPError as error:
        error.close()
        raise OSError(f"it answered {error.code}") from None
    with response:
        content = bytearray()
        # One that sends a byte a second would hold whoever waits for it all day.
        while chunk := response.read1(_CHUNK_BYTES):
            content += chunk
            if len(content) > BYTES_MAX:
                raise ValueError(f"it has more than {BYTES_MAX} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError("it took too long")
    return bytes(content)
