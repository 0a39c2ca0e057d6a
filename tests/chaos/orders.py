"""Orders as a client has them, and what must become of them: the client's own arithmetic."""

import csv
import random
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from durabletask.task import ActivityContext

from services.shared.orders import Order
from services.worker.activities import OrderProcessor
from services.worker.settings import ProcessingSettings
from tests.chaos.stack import FAILURE_RATE

# What decides an order's outcome, without the time and the faults on its way.
_FATE: Final = OrderProcessor(
    ProcessingSettings(processing_ms=0, failure_rate=FAILURE_RATE, transient_failure_rate=0)
)
_CURRENCIES: Final = ("EUR", "SEK", "USD")
_FIELDS: Final = ("order_id", "customer", "sku", "quantity", "unit_price", "currency")


@dataclass(frozen=True, slots=True)
class Line:
    """One order of a file."""

    order_id: str
    quantity: int
    cents: int
    currency: str

    @property
    def fields(self) -> dict[str, str | int]:
        """As a file of orders has them."""
        return {
            "order_id": self.order_id,
            "customer": "Ada",
            "sku": "book",
            "quantity": self.quantity,
            "unit_price": f"{self.cents // 100}.{self.cents % 100:02}",
            "currency": self.currency,
        }

    @property
    def outcome(self) -> dict[str, Any]:
        """What must become of it."""
        return outcome_of(self.fields)


def outcome_of(order: dict[str, Any]) -> dict[str, Any]:
    """What must become of an order, as it stands in JSON."""
    return _FATE.process_order(ActivityContext("", 0), Order.model_validate(order))


def new_lines(dice: random.Random, name: str, count: int) -> list[Line]:
    """Orders that nobody else has."""
    return [
        Line(
            f"{name}-{number}",
            dice.randint(1, 20),
            dice.randint(1, 50_000),
            dice.choice(_CURRENCIES),
        )
        for number in range(count)
    ]


def write(path: Path, lines: list[Line]) -> None:
    """A file of orders for the command line."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, _FIELDS)
        writer.writeheader()
        writer.writerows(line.fields for line in lines)


def revenue_of(lines: list[Line], completed: set[str]) -> dict[str, str]:
    """By currency, of the orders that completed."""
    cents: Counter[str] = Counter()
    for line in lines:
        if line.order_id in completed:
            cents[line.currency] += line.quantity * line.cents
    return {name: f"{Decimal(total) / 100:.2f}" for name, total in cents.items()}
