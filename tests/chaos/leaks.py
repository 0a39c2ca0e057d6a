"""What processes hold, before the faults and after: files, threads and memory, within bounds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.stack import Stack

_MIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one process has; memory is what is resident, in KiB."""

    files: int
    threads: int
    memory: int


# How much more a process may have after a run than before it. A pool has threads once it was busy,
# and an allocator keeps what it once had.
_MORE: Final = Holding(files=24, threads=48, memory=96 * _MIB)


def holdings(stack: Stack) -> dict[str, Holding]:
    """What every part holds now."""
    return {name: _holding(part.pid) for name, part in stack.parts.items()}


def leaks(before: Mapping[str, Holding], after: Mapping[str, Holding]) -> Iterator[str]:
    """What is out of bounds."""
    for name, held in after.items():
        for what in ("files", "threads", "memory"):
            had, has = getattr(before[name], what), getattr(held, what)
            if has > had + getattr(_MORE, what):
                yield f"{name} had {had} {what} before the faults, and has {has} after them"


def _holding(pid: int) -> Holding:
    process = Path(f"/proc/{pid}")
    status = dict(
        line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line
    )
    return Holding(
        files=len(list((process / "fd").iterdir())),
        threads=int(status["Threads"]),
        memory=int(status["VmRSS"].split()[0]),
    )
