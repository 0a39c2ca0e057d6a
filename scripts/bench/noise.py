"""What else the machine does: without it a figure cannot be told from the weather."""

import os
import time
from dataclasses import dataclass, field
from typing import Any, Final

from scripts.bench.processes import MachineTime
from scripts.bench.samples import Spread

_SPINS: Final = 400_000
# Above these, differences of a few per cent say nothing.
_SPIN_WIDTH_MAX: Final = 0.10
_OTHERS_MAX: Final = 0.05


@dataclass(slots=True)
class Noise:
    """Looks taken before each run, and what others used of the machine during it.

    `spins` are the seconds of always the same computation; `others` and `stolen` are shares of all
    cores, from 0 to 1.
    """

    spins: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    stolen: list[float] = field(default_factory=list)

    def look(self) -> None:
        """Computes something, always the same, and notes how long that took."""
        begun = time.perf_counter()
        total = 0
        for number in range(_SPINS):
            total += number * number
        self.spins.append(time.perf_counter() - begun)
        self.loads.append(os.getloadavg()[0])

    def note(self, before: MachineTime, seconds: float, ours: float) -> float:
        """Notes and returns what others used since `before`: all but `ours`, CPU seconds."""
        now = MachineTime.now()
        cores = (os.cpu_count() or 1) * seconds
        # The kernel counts the two in different ways; what is a little below nothing is nothing.
        self.others.append(max(0.0, now.busy - before.busy - ours) / cores)
        self.stolen.append((now.stolen - before.stolen) / cores)
        return self.others[-1]

    @property
    def verdict(self) -> str:
        """In words, what to think of the figures."""
        if not self.spins:
            return "nothing was looked at"
        found = []
        if (width := Spread.of(self.spins).width) > _SPIN_WIDTH_MAX:
            found.append(f"the time of the same computation varied by {width:.0%} of its median")
        if self.others and (most := max(self.others)) > _OTHERS_MAX:
            found.append(f"others used up to {most:.0%} of the machine")
        if not found:
            return "quiet: figures can be compared"
        return f"noisy: {' and '.join(found)}; differences of a few per cent say nothing"

    def as_document(self) -> dict[str, Any]:
        """For JSON: milliseconds and per cent."""

        def spread(values: list[float], factor: float) -> dict[str, float] | None:
            if not values:
                return None
            found = Spread.of([factor * value for value in values])
            return {"median": found.value, "min": found.low, "max": found.high}

        return {
            "verdict": self.verdict,
            "spinMilliseconds": spread(self.spins, 1e3),
            "loadAverage": spread(self.loads, 1),
            "othersCpuPercent": spread(self.others, 100),
            "stolenCpuPercent": spread(self.stolen, 100),
        }
