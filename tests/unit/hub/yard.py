"""A scheduler's hubs, its payload directory and its collector, in one process and on one loop."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from services.scheduler.clock import system_now
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.hub.collector import Collector
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.store.database import DataDirectory
from services.shared.payload_files import PayloadFiles


class Yard:
    """A scheduler's hubs with a payload directory, and a clock that a test moves."""

    def __init__(self, folder: Path, payloads: Path | None = None, *names: str) -> None:
        self.folder = folder
        self.failures: list[BaseException] = []
        self.files = PayloadFiles(payloads or folder / "payloads")
        self.ahead = timedelta()
        self.directory = DataDirectory(folder)
        self.hubs = TaskHubs(
            self.directory,
            names or ("default",),
            dynamic=True,
            on_failure=self.failures.append,
            payloads=self.files,
        )
        self.collector = Collector(self.hubs, self.files, self.directory, now=self.now)
        self.collector.prepare()

    def made(self) -> list[str]:
        """What stands in the data directory."""
        return sorted(path.name for path in self.folder.iterdir())

    def set_aside(self) -> list[Path]:
        """The files of hubs that have been deleted."""
        return sorted(self.folder.glob("*.db.deleted-*"))

    def now(self) -> datetime:
        """What the collector takes for the time."""
        return system_now() + self.ahead

    def upload(self, payload: str) -> str:
        """What a client or a worker does before it sends the token, which this gives."""
        token = self.files.write(payload.encode())
        self.date(token)
        return token

    def date(self, token: str, ahead: timedelta = timedelta()) -> None:
        """Dates a file as the test's clock does."""
        moment = (self.now() + ahead).timestamp()
        os.utime(self.files.path(token), (moment, moment))

    def has(self, token: str) -> bool:
        """Whether the file is there."""
        return self.files.path(token).exists()

    async def start(self, instance_id: str, token: str, hub: str = "default") -> None:
        """An instance whose input is a token."""
        request = pb.CreateInstanceRequest(
            instanceId=instance_id, name="main", input=StringValue(value=token)
        )
        opened = self.hubs.find(hub)
        opened.hub.start(request)
        await opened.hub.durable()

    async def purge(self, instance_id: str, hub: str = "default") -> None:
        """Ends an instance and deletes it."""
        opened = self.hubs.find(hub)
        await opened.in_steps(opened.hub.terminate(pb.TerminateRequest(instanceId=instance_id)))
        assert await opened.in_steps(opened.hub.purge([instance_id], recursive=False)) == 1
        await opened.hub.durable()

    async def sweeps(self) -> int:
        """Two looks, as they come one after the other."""
        return await self.collector.sweep() + await self.collector.sweep()

    async def close(self) -> None:
        """Stops as the scheduler does."""
        await self.collector.stop()
        self.hubs.close()
        assert self.failures == []


@asynccontextmanager
async def yard(folder: Path, payloads: Path | None = None) -> AsyncIterator[Yard]:
    """A yard for the time of a test."""
    made = Yard(folder, payloads)
    try:
        yield made
    finally:
        await made.close()
