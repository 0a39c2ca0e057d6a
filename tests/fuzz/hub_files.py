"""Files of task hubs that are damaged: a check tells of it, and who opens one is refused or not."""

import random
import shutil
import sqlite3
from contextlib import closing
from typing import Final

from services.scheduler.errors import DataDirectoryError
from services.scheduler.store.check import check
from services.scheduler.store.database import open_writer
from tests.fuzz.folders import InFolder
from tests.fuzz.rpc_calls import RpcCalls

_PAGE_BYTES: Final = 4_096
# Calls that fill the hub that is damaged.
_CALLS: Final = 300


class HubFiles(InFolder):
    """A hub's file with all kinds of rows; use it as a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self._good = self._file()

    def seeds(self) -> list[bytes]:
        """One that is whole."""
        return [self._good]

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """The same pages with other bytes in them, mostly at their beginnings and ends."""
        if dice.random() < 0.05:
            return data[: dice.randrange(len(data) + 1)]
        found = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            page = dice.randrange(len(found) // _PAGE_BYTES + 1) * _PAGE_BYTES
            inside = dice.choice((0, dice.randrange(_PAGE_BYTES), -dice.randint(1, 400)))
            at = max(0, page + inside)
            piece = dice.choice((1, 1, 2, 8, 40))
            found[at : at + piece] = dice.randbytes(piece) if dice.random() < 0.7 else bytes(piece)
        return bytes(found)

    def run(self, data: bytes) -> str:
        """Checks it, and opens it as a scheduler would."""
        folder = self._folder / "data"
        folder.mkdir(mode=0o700)
        file = folder / "a.db"
        try:
            file.write_bytes(data)
            kinds = {
                found.kind.name
                for hub in check(folder, None, progress=_silent)
                for found in hub.findings
            }
            try:
                open_writer(file).close()
            except DataDirectoryError:
                kinds.add("refused")
            return ", ".join(sorted(kinds)) or "sound"
        finally:
            shutil.rmtree(folder)

    def _file(self) -> bytes:
        dice = random.Random(1)
        copy = self._folder / "copy"
        with RpcCalls() as calls:
            seeds = calls.seeds()
            for _ in range(_CALLS):
                calls.run(dice.choice(seeds))
            with (
                calls.scheduler() as scheduler,
                closing(sqlite3.connect(scheduler.file)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
        return copy.read_bytes()


def _silent(_what: str, _done: int, _total: int, /) -> None:
    """Nobody wants to know how far it is."""
