"""Makes up orders, and writes orders as files that `order_files` reads.

The same seed gives the same orders, on every machine and however many are asked for.
"""

import csv
import json
import random
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final, TextIO

from services.shared.orders import FIELDS, Order

_CUSTOMERS: Final = (
    "Ada Lovelace", "Alan Turing", "Åsa Öberg", "Aoife Ní Bhriain", "Barbara Liskov",
    "Björk Guðmundsdóttir", "Chidi Okonkwo", "Dvořák & synové", "Edsger Dijkstra", "Fatma Şahin",
    "Grace Hopper", "Hồ Thị Kỷ", "İbrahim Çelik", "Jean Bartik", "José Muñoz", "Katherine Johnson",
    "Łukasz Wójcik", "Margaret Hamilton", "Müller GmbH", "Niklaus Wirth", "O'Brien, Smith & Co.",
    "Radia Perlman", "Sørensen ApS", "Théo Lefèvre", "Μαρία Παπαδοπούλου", "Ольга Ладыженская",
    "प्रिया शर्मा", "김민준", "王小明", "田中さくら",
)  # fmt: skip
_SKUS: Final = (
    "BOOK-HARDCOVER", "BOOK-PAPERBACK", "CABLE-USB-C", "CANDLE-BEESWAX", "CHAIR-OAK",
    "COFFEE-BEANS-1KG", "DESK-LAMP", "HEADPHONES", "KETTLE-STEEL", "KEYBOARD-ISO",
    "MONITOR-ARM", "MUG-BLUE", "NOTEBOOK-A5", "PEN-FINELINER", "RUCKSACK-20L", "SOAP-LAVENDER",
    "TEA-GREEN-100G", "TEAPOT-CLAY", "UMBRELLA", "WALL-CLOCK",
)  # fmt: skip
# Mostly the three; the others show that a summary keeps currencies apart.
_CURRENCIES: Final = {"EUR": 50, "USD": 25, "GBP": 15, "CHF": 5, "SEK": 5}
_QUANTITY_MAX: Final = 20
_CENTS_MIN: Final = 50
_CENTS_MAX: Final = 500_00


def generate_orders(count: int, seed: int) -> Iterator[Order]:
    """`count` orders, ORD-000001 and on; a longer run with the same seed begins with these."""
    rng = random.Random(seed)  # noqa: S311 - sample data must repeat, and guards no secret
    return (_order(number, rng) for number in range(1, count + 1))


def write_csv(orders: Iterable[Order], stream: TextIO) -> None:
    """Writes a header and a line for each order; open `stream` as UTF-8 with `newline=""`."""
    plain = csv.writer(stream, lineterminator="\n")
    # Before Python 3.13 the plain one leaves a carriage return unquoted: it would end the row.
    quoting = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(FIELDS)
    for order in orders:
        cells = [str(getattr(order, name)) for name in FIELDS]
        writer = quoting if any("\r" in cell for cell in cells) else plain
        writer.writerow(cells)


def write_jsonl(orders: Iterable[Order], stream: TextIO) -> None:
    """Writes an object on a line for each order; open `stream` as UTF-8 with `newline=""`."""
    stream.writelines(json.dumps(order.to_wire(), ensure_ascii=False) + "\n" for order in orders)


def _order(number: int, rng: random.Random) -> Order:
    return Order(
        order_id=f"ORD-{number:06}",
        customer=rng.choice(_CUSTOMERS),
        sku=rng.choice(_SKUS),
        quantity=rng.randint(1, _QUANTITY_MAX),
        unit_price=Decimal(rng.randint(_CENTS_MIN, _CENTS_MAX)).scaleb(-2),
        currency=rng.choices(tuple(_CURRENCIES), weights=tuple(_CURRENCIES.values()))[0],
    )
