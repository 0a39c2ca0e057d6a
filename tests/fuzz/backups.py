"""Backups that are restored: whole ones are, and of all others nothing stays."""

import contextlib
import io
import json
import random
import shutil
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from services.scheduler.errors import BackupError
from services.scheduler.store.backup import Backup
from services.scheduler.store.database import open_writer
from services.scheduler.store.restore import Restore
from services.shared.payload_files import PayloadFiles
from tests.fuzz.documents import other_document
from tests.fuzz.folders import InFolder
from tests.fuzz.torn import torn
from tests.fuzz.violation import Violation

_BLOCK_BYTES: Final = tarfile.BLOCKSIZE
# Of a member's content: JSON, and of a hub its first pages.
_TORN_BYTES: Final = 2_000
# Where a header says what it is.
_MAGIC: Final = b"ustar"
_MAGIC_AT: Final = 257
_NAMES: Final = (
    "hubs/a.db", "hubs/b.db", "hubs/../a.db", "hubs/.db", "/etc/passwd", "../a", "backup.json",
    "contents.json", f"payloads/{'0' * 64}", "payloads/../x", "x" * 300, "é\n\x1b[2J", "",
)  # fmt: skip
_KINDS: Final = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, b"x", b"L")


class Backups(InFolder):
    """Archives of two task hubs; use it as a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self._good = self._backup()

    def seeds(self) -> list[bytes]:
        """One that is whole."""
        return [self._good]

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Other members, other JSON in them, or other bytes: mostly those of headers."""
        kind = dice.random()
        if kind < 0.1:
            return data[: dice.randrange(len(data) + 1)]
        if kind < 0.6:
            # What is broken already has no members to change.
            with contextlib.suppress(tarfile.TarError, ValueError, RecursionError):
                return _rebuilt(data, dice)
        start = dice.randrange(len(data) + 1)
        if dice.random() < 0.8:
            start = dice.choice(list(_headers(data)) or [start])
        end = start + _BLOCK_BYTES
        return data[:start] + torn(data[start:end], dice) + data[end:]

    def run(self, data: bytes) -> str:
        """Restores it into an empty data directory."""
        target = self._folder / "restored"
        payloads = PayloadFiles(self._folder / "restored-payloads")
        try:
            restored = Restore(target, payloads, progress=_silent).read(io.BytesIO(data), "it")
        except BackupError as error:
            left = sorted(path.name for path in target.iterdir()) if target.exists() else []
            if set(left) - {"scheduler.lock", "directory.id"}:
                raise Violation(f"of a refused backup there stays {left}") from error
            return str(error)[:50]
        else:
            for hub in restored.hubs:
                open_writer(target / f"{hub}.db").close()
            return f"{len(restored.hubs)} task hubs"
        finally:
            shutil.rmtree(target, ignore_errors=True)
            shutil.rmtree(payloads.directory, ignore_errors=True)

    def _backup(self) -> bytes:
        data = self._folder / "data"
        data.mkdir()
        payloads = PayloadFiles(self._folder / "payloads")
        payloads.prepare()
        for hub in "ab":
            open_writer(data / f"{hub}.db").close()
        stream = io.BytesIO()
        scratch = self._folder / "scratch"
        scratch.mkdir()
        Backup(data, payloads, progress=_silent).write(stream, scratch, datetime.now(UTC))
        return stream.getvalue()


def _silent(_what: str, _done: int, _total: int, /) -> None:
    """Nobody wants to know how far it is."""


def _headers(data: bytes) -> Iterator[int]:
    """Where members begin."""
    at = data.find(_MAGIC)
    while at >= 0:
        yield max(0, at - _MAGIC_AT)
        at = data.find(_MAGIC, at + 1)


def members_of(data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    """The members of an archive, and what is in them; raises `TarError`."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        streams = [(m, tar.extractfile(m) if m.isreg() else None) for m in tar.getmembers()]
        return [(m, b"" if stream is None else stream.read()) for m, stream in streams]


def archive_of(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """An archive of these members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _rebuilt(data: bytes, dice: random.Random) -> bytes:
    """Another archive of these members, one of them changed; raises `TarError`, `ValueError`."""
    members = members_of(data)
    at = dice.randrange(len(members))
    info, content = members[at]
    kind = dice.randrange(6)
    if kind == 0:
        del members[at]
    elif kind == 1:
        members.insert(dice.randrange(len(members) + 1), members[at])
    elif kind == 2:
        info.name = dice.choice(_NAMES)
    elif kind == 3:
        info.type = dice.choice(_KINDS)
        info.linkname = dice.choice(_NAMES)
    elif kind == 4:
        members[at] = (info, torn(content[:_TORN_BYTES], dice) + content[_TORN_BYTES:])
    else:
        at = dice.choice((0, len(members) - 1))
        info, content = members[at]
        members[at] = (info, json.dumps(other_document(json.loads(content), dice)).encode())
    return archive_of(members)
