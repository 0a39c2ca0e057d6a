"""What a run came to, as a table for a person."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.faults.table import KINDS

# A terminal's usual width; a problem is told whole, however long it is.
_COLUMNS: Final = 80
_NAME_COLUMNS: Final = max(map(len, KINDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A fault that was injected; `recovery` in seconds, None where it never came back."""

    kind: str
    lane: str
    recovery: float | None


@dataclass(slots=True, kw_only=True)
class Report:
    """Filled while the run goes on."""

    seed: int
    minutes: float
    faults: list[Injected] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    submissions: int = 0
    acknowledged: int = 0
    orders: int = 0
    starts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """The table."""
        kinds = sorted({fault.kind for fault in self.faults})
        rows = [self._row(kind) for kind in kinds]
        starts = ", ".join(f"{name} {number}" for name, number in sorted(self.starts.items()))
        return [
            _columns("fault", "injected", "recovered", "slowest recovery"),
            *rows,
            _line("all", self.faults),
            *textwrap.wrap(f"starts: {starts}", _COLUMNS, subsequent_indent="  "),
            (
                f"submissions: {self.submissions} tried, {self.acknowledged} acknowledged,"
                f" {self.orders} orders"
            ),
            *(f"PROBLEM: {problem}" for problem in self.problems),
            (
                f"lost: {len(self.problems)}; seed {self.seed}, {self.minutes:g} minutes of faults,"
                f" {self.seconds:.0f} s in all"
            ),
        ]

    def _row(self, kind: str) -> str:
        return _line(kind, [fault for fault in self.faults if fault.kind == kind])


def _line(name: str, faults: Sequence[Injected]) -> str:
    times = [fault.recovery for fault in faults if fault.recovery is not None]
    slowest = f"{max(times):.1f} s" if times else "-"
    return _columns(name, str(len(faults)), str(len(times)), slowest)


def _columns(name: str, injected: str, recovered: str, slowest: str) -> str:
    return f"{name:<{_NAME_COLUMNS}} {injected:>9} {recovered:>10} {slowest:>17}"
