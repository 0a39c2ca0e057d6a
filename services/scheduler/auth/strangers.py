"""Tells of callers that are not let in, and not of each: they cost nothing, and a log is a disk."""

import logging
import time
from collections.abc import Callable
from typing import Final

from services.scheduler.errors import CallError

log = logging.getLogger(__name__)

_TELL_SECONDS: Final = 10.0


class Strangers:
    """Those of one port."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is a clock that never goes back."""
        self._seconds = seconds
        # When what is called is told of again, and how often it was not told of.
        self._told: dict[str, tuple[float, int]] = {}

    def refused(self, what: str, error: CallError, *, code: str, peer: str) -> None:
        """One more; the first one in ten seconds is told of, with how many came since.

        `what` is one of the few things that can be called.
        """
        now = self._seconds()
        again_at, untold = self._told.get(what, (now, 0))
        if now < again_at:
            self._told[what] = (again_at, untold + 1)
            return
        self._told[what] = (now + _TELL_SECONDS, 0)
        extra = {"code": code, "peer": peer, "untold": untold}
        log.info("%s refused: %s (%s, and %d before it)", what, error, peer, untold, extra=extra)
