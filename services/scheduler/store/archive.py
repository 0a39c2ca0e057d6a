"""The file of a backup: a tar archive that tells whether it is whole.

`backup.json` is first and says which format it is, hubs' files and payloads follow, and
`contents.json` is last, with the size and the SHA-256 of each hub's file. What ends before it is no
backup. It is written and read as a stream, from front to back.
"""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from services.scheduler.errors import BackupError

FORMAT: Final = 1

_HEAD: Final = "backup.json"
_CONTENTS: Final = "contents.json"
# What the scheduler takes for a task hub's name, and so what can be restored.
HUB_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_HUB: Final = re.compile(rf"hubs/(?P<name>{HUB_NAME.pattern})\.db")
_PAYLOAD: Final = re.compile(r"payloads/(?P<name>[0-9a-f]{64})")
# Far above what a list of hubs and of missing payloads comes to.
_JSON_BYTES_MAX: Final = 256 * 1024 * 1024
_PIECE_BYTES: Final = 1024 * 1024


class ArchiveWriter:
    """Writes an archive; without `finish` it is none. Its methods raise `OSError`."""

    def __init__(self, stream: IO[bytes], about: Mapping[str, Any]) -> None:
        self._tar = tarfile.TarFile(fileobj=_Counting(stream), mode="w")  # type: ignore[arg-type]  # it tells and writes
        self._hubs: list[dict[str, Any]] = []
        self._payloads = 0
        self._add_json(_HEAD, {"format": FORMAT, **about})

    def add_hub(self, name: str, file: Path, about: Mapping[str, Any]) -> None:
        """A hub's file, which nobody writes to any more."""
        with file.open("rb") as opened:
            reading = _Hashing(opened)
            size = file.stat().st_size
            self._add(f"hubs/{name}.db", size, reading)
        digest = reading.sha256.hexdigest()
        self._hubs.append({"name": name, "bytes": size, "sha256": digest, **about})

    def add_payload(self, digest: bytes, data: bytes) -> None:
        """A payload of the payload store."""
        self._add(f"payloads/{digest.hex()}", len(data), io.BytesIO(data))
        self._payloads += 1

    def finish(self, **about: Any) -> None:  # noqa: ANN401 - what JSON holds
        """Says that all is there."""
        self._add_json(_CONTENTS, {"hubs": self._hubs, "payloads": self._payloads, **about})
        self._tar.close()

    def _add_json(self, name: str, document: Mapping[str, Any]) -> None:
        data = f"{json.dumps(document, indent=2)}\n".encode()
        self._add(name, len(data), io.BytesIO(data))

    def _add(self, name: str, size: int, stream: Any) -> None:  # noqa: ANN401 - whatever has a read
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        self._tar.addfile(member, stream)


class _Counting:
    """Writes to what may be a pipe, which cannot tell how far it is."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._written = 0

    def write(self, data: bytes) -> int:
        self._stream.write(data)
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written


class _Hashing:
    """Reads a file, and knows the SHA-256 of what it has read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self.sha256.update(piece)
        return piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A hub's file or a payload; to be read before the next one is asked for."""

    is_hub: bool
    # Of a hub, or 64 hex digits.
    name: str
    archive: str
    stream: IO[bytes]

    def read(self, size: int = -1) -> bytes:
        """Some of its bytes, or all that are left; raises `BackupError` where they are not."""
        try:
            return self.stream.read(size)
        except tarfile.TarError as error:
            raise _cut_off(self.archive, error) from error

    def write_to(self, file: Path) -> str:
        """Writes it to a new file, for its owner alone; gives its SHA-256. Raises `OSError`."""
        sha256 = hashlib.sha256()
        with file.open("xb") as opened:
            file.chmod(0o600)
            while piece := self.read(_PIECE_BYTES):
                sha256.update(piece)
                opened.write(piece)
        return sha256.hexdigest()


class ArchiveReader:
    """Reads an archive from front to back; raises `BackupError` at what is none, or not whole."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        """`name` is what people are told."""
        self._stream = stream
        self._name = name
        # What was said at the end of it, once all of it was read.
        self.contents: Mapping[str, Any] = {}

    def members(self) -> Iterator[Member]:
        """What is in it, one after the other."""
        try:
            with tarfile.open(fileobj=self._stream, mode="r|") as tar:
                yield from self._members(tar)
        except tarfile.TarError as error:
            raise _cut_off(self._name, error) from error

    def _members(self, tar: tarfile.TarFile) -> Iterator[Member]:
        is_first = True
        for member in tar:
            stream = tar.extractfile(member) if member.isreg() else None
            if stream is None or bool(self.contents) or is_first != (member.name == _HEAD):
                raise BackupError(f"{self._name} is no backup: {member.name!r} does not belong")
            if is_first:
                self._check_format(self._json(stream))
                is_first = False
            elif member.name == _CONTENTS:
                self.contents = self._json(stream)
            else:
                yield self._member(member.name, stream)
        if not self.contents:
            raise BackupError(f"{self._name} is not whole: it ends before its contents are told")

    def _member(self, name: str, stream: IO[bytes]) -> Member:
        for is_hub, pattern in ((True, _HUB), (False, _PAYLOAD)):
            match = pattern.fullmatch(name)
            if match is not None:
                return Member(is_hub=is_hub, name=match["name"], archive=self._name, stream=stream)
        raise BackupError(f"{self._name} is no backup: {name!r} does not belong")

    def _json(self, stream: IO[bytes]) -> Mapping[str, Any]:
        try:
            document = json.loads(stream.read(_JSON_BYTES_MAX))
        except (ValueError, RecursionError) as error:
            raise BackupError(f"{self._name} is damaged: {error}") from error
        if not isinstance(document, dict) or not document:
            raise BackupError(f"{self._name} is damaged: what it says of itself is no object")
        return document

    def _check_format(self, head: Mapping[str, Any]) -> None:
        if head.get("format") != FORMAT:
            raise BackupError(
                f"a newer version of the scheduler made {self._name}"
                f" (format {head.get('format')!r}, this one knows {FORMAT})"
            )


def _cut_off(name: str, error: tarfile.TarError) -> BackupError:
    return BackupError(f"{name} is damaged, or no backup: {error}")
