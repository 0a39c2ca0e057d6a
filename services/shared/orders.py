"""The order contract: what an order is, and what can become of it.

Money is `Decimal` from end to end and a string in JSON. An order is validated where it enters (the
client) and where it is acted on (`process_order`); orchestrators carry the plain dicts between.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

# So that the instance ids, logs and tables that an id stands in stay readable.
ORDER_ID_CHARS_MAX: Final = 100
# A name with its address fits; a document pasted into the wrong column does not.
TEXT_CHARS_MAX: Final = 1_000
QUANTITY_MAX: Final = 1_000_000
UNIT_PRICE_MIN: Final = Decimal("0.01")
UNIT_PRICE_MAX: Final = Decimal("1000000.00")
# A batch's outcomes are one payload: at 300 bytes each, 1,000 stay well below the 1 MiB limit.
BATCH_SIZE_MAX: Final = 1_000
# The summary's size does not grow with the number of orders.
FAILURES_LISTED_MAX: Final = 100

_CENT: Final = Decimal("0.01")
_PRICE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")


def _check_text(value: str) -> str:
    # NUL ends a string in most systems downstream, and a lone surrogate cannot be sent at all.
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError
    if not value.strip():
        raise ValueError
    return value.strip()


def _read_price(value: object) -> Decimal:
    if isinstance(value, str) and _PRICE.fullmatch(value):
        return Decimal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    # Never a float: the cent that it cannot hold is somebody's money.
    if isinstance(value, Decimal) and value.is_finite():
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and -2 <= exponent <= 6:  # noqa: PLR2004 - two places, up to a million
            return value
    raise ValueError


def _to_cents(value: Decimal) -> Decimal:
    return value.quantize(_CENT)


def _check_id(value: str) -> str:
    # Ids stand in logs and tables: a line end or an escape code would break those.
    if not value.isprintable():
        raise ValueError
    return value


Text = Annotated[str, Field(strict=True, max_length=TEXT_CHARS_MAX), AfterValidator(_check_text)]
OrderId = Annotated[
    str,
    Field(strict=True, max_length=ORDER_ID_CHARS_MAX),
    AfterValidator(_check_text),
    AfterValidator(_check_id),
]
UnitPrice = Annotated[
    Decimal,
    BeforeValidator(_read_price),
    Field(ge=UNIT_PRICE_MIN, le=UNIT_PRICE_MAX),
    AfterValidator(_to_cents),
]
# pydantic matches with Rust's regex: its `$` is the very end, and it does not know `\Z`.
Currency = Annotated[str, Field(strict=True, pattern="^[A-Z]{3}$")]

# What each field must be, in the words of the messages that a person reads.
REQUIREMENTS: Final[dict[str, str]] = {
    "order_id": f"text of 1 to {ORDER_ID_CHARS_MAX} printable characters",
    "customer": f"text of 1 to {TEXT_CHARS_MAX:,} characters",
    "sku": f"text of 1 to {TEXT_CHARS_MAX:,} characters",
    "quantity": f"a whole number from 1 to {QUANTITY_MAX:,}",
    "unit_price": f"a decimal with at most 2 places from {UNIT_PRICE_MIN} to {UNIT_PRICE_MAX:,}",
    "currency": "three capital letters, such as EUR",
}


class _Contract(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_wire(self) -> dict[str, Any]:
        """The value as JSON holds it: money is a string with two places, nothing absent."""
        return self.model_dump(mode="json", exclude_none=True)


class Order(_Contract):
    """One order, as a customer placed it."""

    order_id: OrderId
    customer: Text
    sku: Text
    quantity: Annotated[int, Field(strict=True, ge=1, le=QUANTITY_MAX)]
    unit_price: UnitPrice
    currency: Currency

    @property
    def amount(self) -> Decimal:
        """What the order costs: quantity times unit price, to the cent."""
        return self.quantity * self.unit_price


FIELDS: Final = tuple(Order.model_fields)

Status = Literal["completed", "failed", "gave_up"]
Reason = Literal["out_of_stock", "payment_declined", "shipping_unavailable"]


class Outcome(_Contract):
    """What became of one order.

    `completed` has its amount and currency; `failed` (a business outcome) has its `Reason`;
    `gave_up` (its retries ran out) has the last error's message as its reason.
    """

    order_id: str
    status: Status
    amount: Decimal | None = None
    currency: str | None = None
    reason: str | None = None

    @classmethod
    def completed(cls, order: Order) -> Self:
        """The order went all its way."""
        return cls(
            order_id=order.order_id,
            status="completed",
            amount=order.amount,
            currency=order.currency,
        )

    @classmethod
    def failed(cls, order: Order, reason: Reason) -> Self:
        """The order ended on its way, for a reason of the business."""
        return cls(order_id=order.order_id, status="failed", reason=reason)


class Failure(_Contract):
    """An order that did not complete, as the summary lists it."""

    order_id: str
    reason: str


class Summary(_Contract):
    """What became of many orders.

    `revenue` maps a currency to the sum of its completed orders, a string with two places.
    `failures` are the first `FAILURES_LISTED_MAX` in the order of input; `failures_total` counts
    all of them.
    """

    orders: int
    batches: int
    by_status: dict[str, int]
    revenue: dict[str, Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]{2}$")]]
    failures: list[Failure]
    failures_total: int
