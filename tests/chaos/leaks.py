"""What processes hold: files, threads and memory, within bounds.

Before the faults and after, where most processes are others by then, and so only much is told of;
and before one exercise and after it, where little is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.stack import UNHARMED, Stack

_MIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one process has; memory is what is resident, in KiB."""

    pid: int
    files: int
    threads: int
    memory: int


# How much more a part may have after a run than before it, by what is counted. A pool has threads
# once it was busy, and an allocator keeps what it once had.
_MORE: Final = {"files": 24, "threads": 48, "memory": 96 * _MIB}
# Of a process that has lived through it: there is nothing that another one did.
_MORE_OF_ONE: Final = {"files": 8, "threads": 24, "memory": 48 * _MIB}
# Of one that has done once more what it had done before: see `exercise`, and how often it does each
# thing. A pool may have had another thread, and an allocator another arena.
_MORE_BY_EXERCISE: Final = {"files": 10, "threads": 10, "memory": 10 * _MIB}
# A worker has a thread for each item at the most, and starts one where none is idle just then. It
# is given hundreds of items by an exercise: what each left would be more.
_MORE_BY_EXERCISE_OF_A_WORKER: Final = _MORE_BY_EXERCISE | {"threads": 40}


def holdings(stack: Stack) -> dict[str, Holding]:
    """What every part holds now."""
    return {name: holding(part.pid) for name, part in stack.parts.items()}


def leaks(before: Mapping[str, Holding], after: Mapping[str, Holding]) -> Iterator[str]:
    """What is out of bounds; the one that no fault hit has to be the process that it was."""
    if UNHARMED in after and after[UNHARMED].pid != before[UNHARMED].pid:
        yield f"{UNHARMED} has ended, and no fault hit it"
    for name, held in after.items():
        lived = held.pid == before[name].pid
        for text in _more(before[name], held, _MORE_OF_ONE if lived else _MORE):
            yield f"{name} {text} the faults"


def gathered(before: Mapping[str, Holding], after: Mapping[str, Holding]) -> Iterator[str]:
    """What has stayed of an exercise with processes that have been through one already."""
    for name, held in after.items():
        if held.pid != before[name].pid:
            yield f"{name} has ended, and no fault hit it"
        is_worker = name.startswith("worker-")
        bounds = _MORE_BY_EXERCISE_OF_A_WORKER if is_worker else _MORE_BY_EXERCISE
        for text in _more(before[name], held, bounds):
            yield f"{name} {text} an exercise"


def _more(before: Holding, after: Holding, bounds: Mapping[str, int]) -> Iterator[str]:
    for what, more in bounds.items():
        had, has = getattr(before, what), getattr(after, what)
        if has > had + more:
            yield f"had {had} {what}, and has {has} after"


def holding(pid: int) -> Holding:
    """What a process holds now."""
    process = Path(f"/proc/{pid}")
    status = dict(
        line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line
    )
    return Holding(
        pid=pid,
        files=len(list((process / "fd").iterdir())),
        threads=int(status["Threads"]),
        memory=int(status["VmRSS"].split()[0]),
    )
