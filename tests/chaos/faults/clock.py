"""The scheduler's clock, set wrong by an hour and right again.

A timer is due at a time, so what was set while the clock ran ahead is due an hour later. The hour
passes at the end of a run, see `let_the_hour_pass`.
"""

from typing import Final

from tests.chaos.kinds import Kind, Scene
from tests.chaos.stack import Stack

_HOUR: Final = 3_600.0
_LANE: Final = ("scheduler",)


def _forward(scene: Scene) -> None:
    scene.stack.set_clock(_HOUR)


def _back(scene: Scene) -> None:
    scene.stack.set_clock(-_HOUR)


def _right(scene: Scene) -> None:
    scene.stack.set_clock(0.0)


def let_the_hour_pass(stack: Stack) -> None:
    """An hour and a minute go by: what was set while the clock ran ahead comes due."""
    stack.set_clock(_HOUR + 60.0)


KINDS: Final = (
    Kind(
        name="clock an hour ahead", lanes=_LANE, inject=_forward, recover=_right, seconds=(2.0, 4.0)
    ),
    Kind(
        name="clock an hour behind", lanes=_LANE, inject=_back, recover=_right, seconds=(2.0, 4.0)
    ),
)
