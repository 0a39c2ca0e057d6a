"""How often a worker says that its scheduler is away: at once, and then after growing pauses.

It tries on every few seconds all the same; the line that ends an outage is that of the connection.
"""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_PAUSE_SECONDS: Final = 8.0
_PAUSE_SECONDS_MAX: Final = 300.0
# Longer than any pause between two tries: who was silent for so long was connected meanwhile.
_SILENCE_SECONDS: Final = 30.0
# Of the SDK's worker: a try that failed, and what comes with each.
_FAILED: Final = "Failed to create connection"
_AGAIN: Final = "Connection failed, retrying"
# And what it says of every stop, as if that were an error.
_OWN_DOING: Final = "Locally cancelled by application"
# Which of a name's addresses was the last one says nothing new.
_ADDRESS: Final = re.compile(r"ipv[46]:\S+")


@dataclass(slots=True, kw_only=True)
class _Outage:
    pause: float
    told: float
    seen: float


class Outages:
    """Decides for each warning whether it is to be told, by its text and the time."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._known: dict[str, _Outage] = {}

    def is_due(self, text: str) -> bool:
        """Whether `text` is new, or was not told for long enough; each pause is twice the last."""
        now, gist = self._now(), _ADDRESS.sub("", text)
        # What ended may come again.
        self._known = {
            key: outage
            for key, outage in self._known.items()
            if now - outage.seen < _SILENCE_SECONDS
        }
        outage = self._known.get(gist)
        if outage is None:
            self._known[gist] = _Outage(pause=_PAUSE_SECONDS, told=now, seen=now)
            return True
        outage.seen = now
        if now - outage.told < outage.pause:
            return False
        outage.told, outage.pause = now, min(2 * outage.pause, _PAUSE_SECONDS_MAX)
        return True


class OutageFilter(logging.Filter):
    """The same for what the SDK's worker logs, which has two lines for each try."""

    def __init__(self, outages: Outages) -> None:
        super().__init__()
        self._outages = outages

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a line that says nothing new."""
        message = record.getMessage()
        if message.startswith(_AGAIN) or _OWN_DOING in message:
            return False
        return not message.startswith(_FAILED) or self._outages.is_due(message)
