"""The arithmetic: medians with their ranges, and ratios of runs that alternated."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

_PER_CENT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A middle value, with the lowest and the highest of `count` that it stands for."""

    value: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The median, the least and the greatest; raises `ValueError` for none."""
        if not values:
            raise ValueError("no values to tell the middle of")
        return cls(
            value=statistics.median(values), low=min(values), high=max(values), count=len(values)
        )

    @classmethod
    def of_ratio(cls, values: Sequence[float], others: Sequence[float]) -> Self:
        """The ratio of the medians; its range is that of the ratios within each round.

        Runs of a round are neighbours in time, so a machine that was slow for a while was slow for
        both of them.
        """
        if len(values) != len(others):
            raise ValueError(f"{len(values)} values cannot be compared with {len(others)}")
        ratios = [value / other for value, other in zip(values, others, strict=True)]
        return cls(
            value=statistics.median(values) / statistics.median(others),
            low=min(ratios),
            high=max(ratios),
            count=len(ratios),
        )

    @property
    def width(self) -> float:
        """How far apart lowest and highest are, as a share of the middle value."""
        return (self.high - self.low) / abs(self.value) if self.value else 0.0


def percentile(values: Sequence[float], per_cent: float) -> float:
    """The smallest value that so many per cent of all do not exceed (the nearest rank)."""
    if not values or not 0 < per_cent <= _PER_CENT:
        raise ValueError(f"no percentile {per_cent:g} of {len(values)} values")
    rank = -(-len(values) * per_cent // _PER_CENT)
    return sorted(values)[int(rank) - 1]
