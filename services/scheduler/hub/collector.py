"""Removes payloads that nothing names any more, and those that nothing ever named.

It looks through the payload directory again and again, a few files at a time and on a thread of its
own: what it has not got to when the scheduler dies, it finds after a restart. A file goes when two
looks, a good while apart, have found it older than an hour and named by no hub. Both are needed: an
upload comes before what names it, and a clock that is set forward makes every file look old.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

from services.scheduler.clock import Now
from services.scheduler.errors import CensusError, ClaimError
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.store.census import Census
from services.scheduler.store.claim import Claim
from services.scheduler.store.database import DataDirectory
from services.scheduler.store.references import digest_of, token_for
from services.shared.payload_files import PayloadFiles

log = logging.getLogger(__name__)

T = TypeVar("T")
# Since its last upload. What names it is on its way for seconds, or for as long as clients retry.
AGE: Final = timedelta(hours=1)
# A file that is younger than none was dated by a clock that ran ahead.
_AHEAD: Final = timedelta(minutes=5)
# Who waited for the scheduler to come back has been served by then.
_FIRST_SECONDS: Final = 60.0
# Between one look at a file and the next,
_PAUSE_SECONDS: Final = 600.0
# and between one group of files and the next: a group takes a few milliseconds.
_GROUP: Final = 100
_GROUP_PAUSE_SECONDS: Final = 0.02
_STOP_SECONDS: Final = 2.0


class Collector:
    """Collects for the hubs of one data directory, from `run` to its cancellation and `stop`."""

    def __init__(
        self, hubs: TaskHubs, files: PayloadFiles, directory: DataDirectory, *, now: Now
    ) -> None:
        self._hubs = hubs
        self._files = files
        self._directory = directory
        self._now = now
        self._census = Census(directory.path)
        self._claim: Claim | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="collector")
        self._step: asyncio.Future[Any] | None = None
        # What the last look would have removed, and when that was uploaded.
        self._seen: dict[bytes, datetime] = {}
        self._told: set[str] = set()

    def prepare(self) -> None:
        """Makes the claim known, before the first call: nobody else collects from now on.

        Where there is no directory nobody can, and none is made: it is claimed when it is there,
        long before anything in it is an hour old.
        """
        try:
            self._is_ready()
        except (ClaimError, OSError) as error:
            self._tell(error)

    async def run(self) -> None:
        """Looks, and looks again, until it is cancelled."""
        await asyncio.sleep(_FIRST_SECONDS)
        while True:
            await self.sweep()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def stop(self) -> None:
        """Waits for what the thread is at, and lets go of the claim."""
        if self._step is not None:
            await asyncio.wait({self._step}, timeout=_STOP_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._claim is not None:
            self._claim.release()

    async def sweep(self) -> int:
        """One look at everything; gives how many payloads it has removed."""
        try:
            removed = await self._sweep()
        except (CensusError, ClaimError, OSError, sqlite3.Error) as error:
            self._tell(error)
            return 0
        except Exception:
            # What keeps files too long is no reason to serve nobody.
            log.exception("payloads are not collected")
            return 0
        if removed:
            log.info("%d payloads that nothing names any more are removed", removed)
        return removed

    async def _sweep(self) -> int:
        if not await self._on_thread(self._begin):
            return 0
        tokens = self._files.tokens()
        seen: dict[bytes, datetime] = {}
        removed = 0
        while True:
            is_last, unnamed = await self._on_thread(lambda: self._look(tokens))
            due = [digest for digest, since in unnamed.items() if self._seen.get(digest) == since]
            if due:
                removed += await self._collect(due)
            seen |= unnamed
            if is_last:
                break
            await asyncio.sleep(_GROUP_PAUSE_SECONDS)
        self._seen = seen
        return removed

    async def _collect(self, due: list[bytes]) -> int:
        """Removes payloads, except those that something names by now."""
        condemned = self._hubs.condemned
        condemned.replace(due)
        try:
            # Whatever is not on the disk now names them under the eyes of `condemned`.
            await self._hubs.durable()
            return await self._on_thread(lambda: self._remove(due))
        finally:
            condemned.replace(())

    # On the thread

    def _claimed(self) -> Claim:
        if self._claim is None:
            path = self._directory.path.absolute()
            self._claim = Claim(self._files.directory, self._directory.identity(), path)
        self._claim.take()
        return self._claim

    def _is_ready(self) -> bool:
        """Whether there is a directory; claims it."""
        if not self._files.directory.exists():
            return False
        self._files.prepare()
        self._claimed().check()
        return True

    def _begin(self) -> bool:
        is_ready = self._is_ready()
        if is_ready:
            self._files.sweep(started_before=self._now() - AGE)
        return is_ready

    def _look(self, tokens: Iterator[str]) -> tuple[bool, dict[bytes, datetime]]:
        """Whether these were the last ones, and which of the next are old and named by no hub."""
        group = list(islice(tokens, _GROUP))
        old = {}
        for token in group:
            uploaded = self._files.uploaded_at(token)
            if uploaded is not None and self._is_old(token, uploaded):
                old[digest_of(token)] = uploaded
        unnamed = self._census.unnamed(old) if old else set()
        return len(group) < _GROUP, {digest: old[digest] for digest in unnamed}

    def _is_old(self, token: str, uploaded: datetime) -> bool:
        now = self._now()
        if uploaded > now + _AHEAD:
            with suppress(FileNotFoundError):
                os.utime(self._files.path(token), (now.timestamp(), now.timestamp()))
        return uploaded < now - AGE

    def _remove(self, due: list[bytes]) -> int:
        self._claimed().check()
        return sum(
            self._hubs.condemned.remove(digest, partial(self._remove_file, digest))
            for digest in self._census.unnamed(due)
        )

    def _remove_file(self, digest: bytes) -> bool:
        return self._files.remove(token_for(digest), uploaded_before=self._now() - AGE)

    async def _on_thread(self, act: Callable[[], T]) -> T:
        step = asyncio.get_running_loop().run_in_executor(self._pool, act)
        self._step = step
        # Cancelled, it is waited for by `stop`.
        return await asyncio.shield(step)

    def _tell(self, error: Exception) -> None:
        """Once: it will be the same at every look."""
        if str(error) not in self._told:
            self._told.add(str(error))
            log.warning("payloads in %s are not collected: %s", self._files.directory, error)
