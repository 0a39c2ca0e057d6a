"""A scheduler for very many calls."""

import contextlib
import random
from collections.abc import Iterator
from typing import Final, Self

from tests.fuzz.callers import CALLERS, ELSEWHERE, Caller
from tests.fuzz.scheduler import HUB, OPEN, FuzzedScheduler, Make

# A hub grows with what it is asked for; after so many calls the next one begins with nothing.
_CALLS_A_HUB: Final = 1_000
# Which task hub a call names. Names that nobody can give are in words that are no names.
_FRESH, _LATEST = "a fresh one", "the latest one"
_HUBS: Final = (
    *(HUB,) * 9, *(_FRESH,) * 6, _LATEST, _LATEST, ELSEWHERE, "../x", "", "x" * 65,
)  # fmt: skip
_OTHER_HUBS_AT: Final = 9


class RenewedScheduler:
    """A scheduler that is renewed now and then, and whenever it has done something wrong."""

    def __init__(self, make: Make = OPEN) -> None:
        self._make = make
        self._scheduler: FuzzedScheduler | None = None
        self._left = 0
        self._fresh = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.renew()

    def renew(self) -> None:
        """The next call finds nothing of what was before."""
        if self._scheduler is not None:
            scheduler, self._scheduler = self._scheduler, None
            scheduler.__exit__()

    @contextlib.contextmanager
    def scheduler(self) -> Iterator[FuzzedScheduler]:
        """The one to call now."""
        if self._left == 0:
            self.renew()
            self._left = _CALLS_A_HUB
        if self._scheduler is None:
            self._scheduler = FuzzedScheduler(make=self._make).__enter__()
        self._left -= 1
        try:
            yield self._scheduler
        except Exception:
            # What is wrong once would be found in every call that follows.
            self.renew()
            raise

    def hub_of(self, number: int, scheduler: FuzzedScheduler) -> str:
        """The task hub that a byte of a call stands for."""
        name = _HUBS[number % len(_HUBS)]
        if name == _FRESH:
            self._fresh += 1
            return f"fresh-{self._fresh}"
        return scheduler.latest_hub if name == _LATEST else name

    def caller_of(self, number: int) -> Caller:
        """Who a byte of a call stands for."""
        return CALLERS[number % len(CALLERS)]

    def mutate_head(self, dice: random.Random) -> tuple[int, int]:
        """The bytes for a task hub, mostly the one that is there, and for who calls."""
        hub = dice.randrange(_OTHER_HUBS_AT, len(_HUBS)) if dice.random() < 0.1 else 0
        is_another = self._make.asks_for_tokens and dice.random() < 0.3
        return hub, dice.randrange(len(CALLERS)) if is_another else 0
