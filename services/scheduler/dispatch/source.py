"""Where a dispatcher's work comes from: what it asks of the hub above it."""

from collections.abc import Iterable
from typing import Protocol

from services.scheduler.dispatch.items import Prepared, Work
from services.scheduler.dispatch.streams import Terms


class Source(Protocol):
    """Where work comes from: the hub."""

    def prepare(self, work: Work, token: str, terms: Terms) -> Prepared | None:
        """The work item to send; None where there is nothing left to do."""

    def count_deliveries(self, works: Iterable[Work]) -> None:
        """Remembers, in their rows, that deliveries have ended their stream."""

    def pump_when_durable(self) -> None:
        """Pumps, after the commit of what is being written, if something is."""

    def give_up(self, work: Work, size: int) -> None:
        """Fails work that no worker survives."""


class NoSource:
    """Before there is a hub there is no work."""

    def prepare(self, work: Work, token: str, terms: Terms) -> Prepared | None:
        """Not to be asked."""
        raise NotImplementedError

    def count_deliveries(self, works: Iterable[Work]) -> None:
        """Not to be asked."""
        raise NotImplementedError

    def pump_when_durable(self) -> None:
        """Not to be asked."""
        raise NotImplementedError

    def give_up(self, work: Work, size: int) -> None:
        """Not to be asked."""
        raise NotImplementedError
