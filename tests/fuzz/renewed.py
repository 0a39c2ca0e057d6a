"""A scheduler for very many calls."""

from typing import Final, Self

from tests.fuzz.scheduler import FuzzedScheduler

# A hub grows with what it is asked for; after so many calls the next one begins with nothing.
_CALLS_A_HUB: Final = 1_000


class RenewedScheduler:
    """A scheduler that is renewed now and then."""

    def __init__(self) -> None:
        self._scheduler: FuzzedScheduler | None = None
        self._left = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.renew()

    def renew(self) -> None:
        """The next call finds nothing of what was before."""
        if self._scheduler is not None:
            scheduler, self._scheduler = self._scheduler, None
            scheduler.__exit__()

    def scheduler(self) -> FuzzedScheduler:
        """The one to call now."""
        if self._left == 0:
            self.renew()
            self._left = _CALLS_A_HUB
        if self._scheduler is None:
            self._scheduler = FuzzedScheduler().__enter__()
        self._left -= 1
        return self._scheduler
