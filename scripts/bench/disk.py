"""The disk under the data: which file system it is, and what takes how much of it."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from scripts.bench.errors import BenchError
from scripts.local_stack import ROOT

# What is written there is never written to a disk.
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "devtmpfs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """Where a folder lies."""

    kind: str
    device: str
    mounted_at: str

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Reads `/proc/self/mountinfo`; raises `BenchError` when nothing there holds the folder."""
        resolved = folder.resolve()
        best: tuple[int, Self] | None = None
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            fields, _, rest = line.partition(" - ")
            mounted_at = fields.split()[4].encode().decode("unicode_escape")
            kind, device = rest.split()[:2]
            # The last one that is mounted at a place hides those before it.
            if resolved.is_relative_to(mounted_at) and len(mounted_at) >= (best or (0,))[0]:
                best = (len(mounted_at), cls(kind=kind, device=device, mounted_at=mounted_at))
        if best is None:
            raise BenchError(f"no file system is known for {folder}")
        return best[1]

    @property
    def is_in_memory(self) -> bool:
        """Whether there is no disk under it."""
        return self.kind in _IN_MEMORY


def choose_directory(named: Path | None) -> Path:
    """Where temporary data goes: the named directory, or the first usual one on a disk.

    Raises `BenchError` for one that does not exist or lies in memory: `fsync` costs nothing there.
    """
    if named is not None:
        if not named.is_dir():
            raise BenchError(f"--directory {named}: there is no such directory")
        if (found := FileSystem.of(named)).is_in_memory:
            raise BenchError(f"--directory {named} is in memory ({found.kind}): name one on a disk")
        return named
    for folder in _usual():
        if (
            folder.is_dir()
            and os.access(folder, os.W_OK)
            and not FileSystem.of(folder).is_in_memory
        ):
            return folder
    raise BenchError("all usual temporary directories are in memory: name one with --directory")


def _usual() -> Iterable[Path]:
    return (Path(tempfile.gettempdir()), Path("/var/tmp"), ROOT)  # noqa: S108 - only to make a folder of our own in


def bytes_below(folder: Path) -> int:
    """The size of all files in the folders of a folder; those that lie in itself are logs."""
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and path.parent != folder
    )
