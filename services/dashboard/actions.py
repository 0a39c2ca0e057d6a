"""What may be done with an orchestration in which status, and why not otherwise.

The scheduler decides; this is what a person is told before they ask.
"""

from dataclasses import dataclass
from typing import Final

from services.dashboard.statuses import ENDED, FAILED, SUSPENDED, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button. `reason` says why it cannot be pressed now; `is_destructive` ones ask first."""

    key: str
    label: str
    is_destructive: bool = False
    reason: str | None = None


_LABELS: Final = {
    "suspend": "Suspend",
    "resume": "Resume",
    "raiseEvent": "Raise event",
    "restart": "Restart",
    "rewind": "Rewind",
    "terminate": "Terminate",
    "purge": "Purge",
    "startLike": "Start one like this",
}
_DESTRUCTIVE: Final = frozenset({"terminate", "purge"})


def _reason(key: str, status: Status) -> str | None:
    ended = status.key in ENDED
    if key in {"suspend", "raiseEvent", "terminate"} and ended:
        return f"It has ended: {status.word.lower()}"
    if key == "suspend" and status == SUSPENDED:
        return "It is suspended already"
    if key == "resume" and status != SUSPENDED:
        return "It is not suspended"
    if key == "rewind" and status != FAILED:
        return "Only a failed orchestration can be rewound"
    if key == "purge" and not ended:
        return "It has not ended: terminate it first"
    return None


def actions_for(status: Status) -> list[Action]:
    """All actions, in the order in which they stand."""
    return [
        Action(
            key=key, label=label, is_destructive=key in _DESTRUCTIVE, reason=_reason(key, status)
        )
        for key, label in _LABELS.items()
    ]
