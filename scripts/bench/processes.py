"""What the kernel knows of processes: CPU time, memory, descent. Reads Linux's `/proc`."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CLOCK_TICKS: Final[int] = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024
# Idle and waiting for the disk, of the fields of a line of /proc/stat, and time that the fields
# before them hold already.
_IDLE_FIELDS: Final = (3, 4)
_STEAL_FIELD: Final = 7
_FIELDS: Final = 8


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used in all its threads, in the kernel's own resolution.

    `/proc/PID/stat` counts in ticks of 10 ms. Raises `OSError` for a process that is gone.
    """
    # The kernel's number for the CPU clock of another process, as clock_getcpuclockid(3) makes it.
    return time.clock_gettime((~pid << 3) | 2)


def cpu_seconds_of(pids: Iterable[int]) -> float:
    """The CPU time of several processes; of one that is gone, none."""
    total = 0.0
    for pid in pids:
        try:
            total += cpu_seconds(pid)
        except OSError:
            continue
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineTime:
    """What the machine's cores have done since it started, in seconds over all of them.

    `stolen` is what the host of a virtual machine gave to others.
    """

    busy: float
    stolen: float

    @classmethod
    def now(cls) -> "MachineTime":
        """Reads `/proc/stat`."""
        line = Path("/proc/stat").read_text().split("\n", 1)[0]
        ticks = [int(field) for field in line.split()[1 : _FIELDS + 1]]
        busy = sum(ticks) - sum(ticks[field] for field in _IDLE_FIELDS)
        return cls(busy=busy / _CLOCK_TICKS, stolen=ticks[_STEAL_FIELD] / _CLOCK_TICKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The resident memory of a process in bytes: now, and at its highest so far."""

    now: int
    peak: int

    @classmethod
    def of(cls, pid: int) -> "Memory":
        """Reads `/proc/PID/status`; raises `OSError` for a process that is gone."""
        fields = dict(
            line.split(":", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith("Vm")
        )
        return cls(now=_bytes_of(fields["VmRSS"]), peak=_bytes_of(fields["VmHWM"]))


def descendants(pid: int) -> set[int]:
    """The processes that a process started, and those that they started, as far as they run."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.add(child)
            waiting.append(child)
    return found


def _bytes_of(text: str) -> int:
    return int(text.split(maxsplit=1)[0]) * _KIB
