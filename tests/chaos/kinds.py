"""What a kind of fault is: where it hits, for how long, and what is done and undone."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.load import Load
from tests.chaos.stack import WORKERS, Stack

# Longer than gRPC's keepalive, which finds a silent peer within 15 s.
SILENT_SECONDS: Final = 17.0
# Of a fault that is over with its injection.
AT_ONCE: Final = (0.0, 0.0)
# All but the one that stays unharmed.
WORKER_LANES: Final = tuple(f"worker-{number}" for number in range(1, WORKERS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a fault finds: the stack, what is submitted, and dice of its own."""

    stack: Stack
    load: Load
    lane: str
    dice: random.Random
    # The process that an inject hit, and what is to be undone.
    pids: list[int] = field(default_factory=list)
    undo: list[Callable[[], object]] = field(default_factory=list)


Act = Callable[[Scene], None]


def nothing(_scene: Scene) -> None:
    """What has to be undone of a fault that is over at once."""


def undo(scene: Scene) -> None:
    """Takes back what an inject has left to be undone, the last first."""
    while scene.undo:
        scene.undo.pop()()


def serves(scene: Scene) -> bool:
    """Whether the part that was hit does what it is for again."""
    return scene.stack.serves(scene.lane)


def at_once(_scene: Scene) -> bool:
    """Of a fault that leaves nothing to recover from."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of fault; `seconds` bound the time from `inject` to `recover`.

    Faults of one lane come one after the other, those of different lanes at the same time.
    `is_over` tells when all is well again.
    """

    name: str
    lanes: tuple[str, ...]
    inject: Act
    recover: Act = nothing
    seconds: tuple[float, float] = AT_ONCE
    is_over: Callable[[Scene], bool] = serves
    # Whether it comes again in a run that is long enough.
    repeats: bool = True
