"""What a row of the targets table came to: readings with their targets, or why there are none."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from scripts.bench.samples import Spread

Comparison = Literal[">=", "<=", "<"]
_HOLDS: Final = {
    ">=": lambda value, bound: value >= bound,
    "<=": lambda value, bound: value <= bound,
    "<": lambda value, bound: value < bound,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a reading must be to meet its target."""

    comparison: Comparison
    bound: float

    def is_met_by(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return bool(_HOLDS[self.comparison](value, self.bound))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measured value of a row. `detail` tells what it is made of; `unit` is "" for a ratio."""

    label: str
    spread: Spread
    target: Target
    unit: str = ""
    detail: str = ""

    @property
    def met(self) -> bool:
        """Whether the middle value meets the target: the range shows how sure that is."""
        return self.target.is_met_by(self.spread.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A row that was measured. `series` are the raw figures, for the plots and for machines."""

    readings: tuple[Reading, ...]
    series: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """A row that could not be measured."""

    why: str


Result = Measured | NotMeasured
