"""All task hubs that one scheduler serves; they never see one another."""

import contextlib
import logging
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from services.scheduler.bounds import DEFAULTS, Bounds
from services.scheduler.clock import Now, fresh_id, system_now
from services.scheduler.errors import (
    CallError,
    DataDirectoryError,
    OverloadError,
    StoppingError,
    TaskHubNotFoundError,
    WrongStateError,
)
from services.scheduler.hub.opened import OpenHub
from services.scheduler.store.database import DataDirectory
from services.scheduler.store.references import Condemned
from services.shared.payload_files import PayloadFiles

log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class TaskHubs:
    """The hubs by their names; `dynamic` makes one at its first use."""

    def __init__(  # noqa: PLR0913 - all that hubs have from outside, each named
        self,
        directory: DataDirectory,
        names: Iterable[str],
        *,
        dynamic: bool,
        on_failure: Callable[[BaseException], None],
        payloads: PayloadFiles | None = None,
        bounds: Bounds = DEFAULTS,
        now: Now = system_now,
    ) -> None:
        """Opens the named hubs, and with `dynamic` all that have a file.

        `payloads` is the payload store that their tokens are of, where it is a directory.
        """
        self.payloads = payloads
        self.bounds = bounds
        self.condemned = Condemned()
        self._directory = directory
        self._now = now
        self._named = frozenset(names)
        self._dynamic = dynamic
        self._on_failure = on_failure
        self._open: dict[str, OpenHub] = {}
        self._stopping = False
        for name in dict.fromkeys([*names, *(directory.task_hubs() if dynamic else ())]):
            self._open_hub(name)

    @property
    def opened(self) -> tuple[OpenHub, ...]:
        """Those that are open."""
        return tuple(self._open.values())

    @property
    def data_dir(self) -> Path:
        """Where the hubs' files are."""
        return self._directory.path

    def at_work(self) -> int:
        """How many work items are with workers."""
        return sum([hub.dispatcher.leases for hub in self._open.values()])

    async def durable(self) -> None:
        """Waits until all that has been done in any hub is on the disk."""
        for hub in self.opened:
            await hub.hub.durable()

    @property
    def stopping(self) -> bool:
        """Whether no new work is taken."""
        return self._stopping

    def is_open(self, name: str) -> bool:
        """Whether there is such a hub."""
        return name in self._open

    def existing(self, name: str) -> OpenHub:
        """The hub of a call that makes none; raises `TaskHubNotFoundError`."""
        hub = self._open.get(name)
        if hub is None:
            raise TaskHubNotFoundError(name)
        return hub

    async def settle(self, name: str, error: CallError) -> None:
        """Returns once what a refusal tells of is on the disk: a crash must not make it untrue."""
        hub = self._open.get(name)
        if hub is not None and error.tells_of_state:
            await hub.hub.durable()

    def find(self, name: str) -> OpenHub:
        """The hub of a call, made at its first use.

        Raises `TaskHubNotFoundError` and `OverloadError`.
        """
        self.check_findable(name)
        return self._open.get(name) or self._open_hub(name)

    def check_findable(self, name: str) -> None:
        """Makes nothing yet; raises where `find` would."""
        if name in self._open:
            return
        if not self._dynamic or not _NAME.fullmatch(name):
            raise TaskHubNotFoundError(name)
        if self._stopping:
            raise StoppingError
        bound = self.bounds.task_hubs_max
        if len(self._open) >= bound:
            raise OverloadError(
                f"Task hub {name} cannot be made, there are too many", "task_hubs_max", bound
            )

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Stops the scheduler at damage: what cannot be read is not served around."""
        try:
            yield
        except sqlite3.ProgrammingError as error:
            # The hub was deleted while the call waited; damage is never told like this.
            raise StoppingError from error
        except sqlite3.Error as error:
            self._on_failure(error)
            raise

    def create(self, name: str, *, anew: bool) -> None:
        """Makes sure that a hub exists; `anew` sets aside what it holds.

        Raises `TaskHubNotFoundError`, `WrongStateError` and `OverloadError`.
        """
        if anew and name in self._open:
            # What is set aside stays on the disk.
            self._open[name].admission.check_disk()
            self.delete(name)
        self.find(name)

    def delete(self, name: str) -> None:
        """Sets a hub's file aside; raises `TaskHubNotFoundError`, `WrongStateError`."""
        hub = self._open.get(name)
        if hub is None:
            raise TaskHubNotFoundError(name)
        if name in self._named:
            raise WrongStateError(f"Task hub {name} cannot be deleted: DTS_TASK_HUB_NAMES names it")
        del self._open[name]
        hub.close()
        self._directory.set_aside(name, f"{self._now():%Y%m%dT%H%M%S}-{fresh_id()}")
        log.info("task hub %s deleted; its file is set aside", name)

    def pause(self) -> None:
        """Takes no new work, on the way to a stop; who waits for an instance waits no longer."""
        self._stopping = True
        for hub in self.opened:
            hub.dispatcher.pause()
            hub.waiters.close()

    def close(self) -> None:
        """Closes all hubs and lets go of the data directory."""
        for hub in self.opened:
            hub.close()
        self._directory.release()

    def _open_hub(self, name: str) -> OpenHub:
        file = self._directory.file_of(name)
        try:
            hub = OpenHub(
                name,
                file,
                now=self._now,
                ids=fresh_id,
                on_failure=self._on_failure,
                condemned=self.condemned,
                bounds=self.bounds,
            )
        except sqlite3.Error as error:
            raise DataDirectoryError(f"cannot use {file}: {error}") from error
        self._open[name] = hub
        return hub
