"""What a run came to, as a table for a person."""

from collections.abc import Sequence
from dataclasses import dataclass, field


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
            f"{'fault':<28} {'injected':>8} {'recovered':>9} {'slowest recovery':>17}",
            *rows,
            _line("all", self.faults),
            f"starts: {starts}",
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
    return f"{name:<28} {len(faults):>8} {len(times):>9} {slowest:>17}"
