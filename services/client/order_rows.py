"""From the rows of a file to orders: one check for every format.

A bad row is data, not an exception: what to do about it is for the caller to decide. An order id
may stand once in a file, also when its first row is bad: nobody knows which of the two was meant.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.client.order_problems import RowProblem, listed, shown
from services.shared.orders import FIELDS, REQUIREMENTS, Order

_ALL_FIELDS: Final = set(FIELDS)
_PREPOSITIONS: Final = {"line": "on", "order": "in"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row as its file holds it, unchecked. `number` counts `unit`s from 1.

    `problems` were met while the row was read; `fields` is None when it has none to tell apart.
    """

    unit: Literal["line", "order"]
    number: int
    fields: Mapping[str, object] | None
    problems: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The row's place, such as "line 3"."""
        return f"{self.unit} {self.number}"


def check_rows(rows: Iterable[Row]) -> tuple[tuple[Order, ...], tuple[RowProblem, ...]]:
    """The orders among `rows` and what is wrong with the others, both in the order of input."""
    orders: list[Order] = []
    bad: list[RowProblem] = []
    places: dict[str, str] = {}
    for row in rows:
        order, found = (None, ()) if row.fields is None else _check(row.fields)
        problems = (*row.problems, *found, *_repeated_id(row, places))
        if order is None or problems:
            message = "; ".join(problems)
            bad.append(RowProblem(where=row.where, message=message, number=row.number))
        else:
            orders.append(order)
    return tuple(orders), tuple(bad)


def _check(fields: Mapping[str, object]) -> tuple[Order | None, tuple[str, ...]]:
    unknown = [name for name in fields if name not in FIELDS]
    problems = (f"unknown fields: {listed(unknown)}",) if unknown else ()
    try:
        # Without the unknown ones: pydantic loses the name of a key that is no valid Unicode.
        order = Order.model_validate({name: fields[name] for name in FIELDS if name in fields})
        # Half of an order's memory would be a set of its own of the same six names.
        order = Order.model_construct(_ALL_FIELDS, **order.__dict__)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        return None, (*problems, *(_message(detail, fields) for detail in details))
    return order, problems


def _message(detail: ErrorDetails, fields: Mapping[str, object]) -> str:
    name = str(detail["loc"][0])
    if name not in fields:
        return f"{name} is missing"
    return f"{name} must be {REQUIREMENTS[name]} (got {shown(fields[name])})"


def _repeated_id(row: Row, places: dict[str, str]) -> tuple[str, ...]:
    order_id = row.fields.get("order_id") if row.fields is not None else None
    if not isinstance(order_id, str) or not order_id.strip():
        return ()
    # Stripped as the model strips it: "A1 " is A1 again.
    order_id = order_id.strip()
    if order_id in places:
        return (f"order_id {shown(order_id)} stands already {places[order_id]}",)
    places[order_id] = f"{_PREPOSITIONS[row.unit]} {row.where}"
    return ()
