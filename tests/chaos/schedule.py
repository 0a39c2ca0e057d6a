"""Which fault comes when: a pure function of the seed and the length of the run."""

import random
from dataclasses import dataclass
from typing import Final

from tests.chaos.faults.table import KINDS, LANES

# The first fault finds work in progress.
_BEGIN_SECONDS: Final = (1.0, 3.0)
_GAP_SECONDS: Final = (0.5, 2.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One fault: from `at` on, for `seconds`, both in seconds of the run."""

    kind: str
    lane: str
    at: float
    seconds: float


def schedule(seed: int, run_seconds: float) -> tuple[Planned, ...]:
    """The faults of a run, lane by lane; all of them end within it."""
    return tuple(planned for lane in LANES for planned in _lane(lane, seed, run_seconds))


def _lane(lane: str, seed: int, run_seconds: float) -> list[Planned]:
    """Deals the lane's kinds out like cards: each once, in any order, before one comes again."""
    dice = random.Random(f"{seed} {lane}")
    kinds = [kind for kind in KINDS.values() if lane in kind.lanes]
    planned: list[Planned] = []
    deck: list[str] = []
    at = dice.uniform(*_BEGIN_SECONDS)
    while True:
        if not deck:
            again = [kind.name for kind in kinds if kind.repeats or not planned]
            deck = dice.sample(again, len(again))
        fitting = [name for name in deck if at + KINDS[name].seconds[1] <= run_seconds]
        if not fitting:
            return planned
        deck.remove(fitting[0])
        seconds = dice.uniform(*KINDS[fitting[0]].seconds)
        planned.append(Planned(kind=fitting[0], lane=lane, at=at, seconds=seconds))
        at += seconds + dice.uniform(*_GAP_SECONDS)
