"""What was submitted, read back from an orchestration's input without holding its orders.

Of an order only the id is kept: a submission of 100,000 orders is 15 MB of text, and ten times that
as dictionaries.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from durabletask.client import OrchestrationState

from services.client.report import input_of
from services.shared.batches import FAN_OUT_MAX, FAN_OUT_MIN, Part
from services.shared.orders import BATCH_SIZE_MAX

_FAN_OUTS: Final = range(FAN_OUT_MIN, FAN_OUT_MAX + 1)


class _OrderId(str):
    """Stands for an order: any object of the input that holds no orders itself."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A submission as its orchestration has it: how it is cut, and the ids of its orders."""

    part: Part
    order_ids: Sequence[str]


def submitted(state: OrchestrationState) -> Submitted | None:
    """The submission that an orchestration has as its input; None for a foreign orchestration's.

    Raises `PayloadMissingError`.
    """
    try:
        found = json.loads(state.serialized_input or "", object_hook=_without_fields)
    except (ValueError, RecursionError):
        input_of(state)  # raises for the token of a payload that is missing
        return None
    match found:
        case {"orders": list(orders), "batch_size": int(size)} if (
            type(size) is int
            and 1 <= size <= BATCH_SIZE_MAX
            and all(isinstance(order, _OrderId) for order in orders)
        ):
            fan_out = found.get("fan_out")
        case _:
            return None
    if fan_out is not None and (type(fan_out) is not int or fan_out not in _FAN_OUTS):
        return None
    return Submitted(
        part=Part(
            instance_id=state.instance_id,
            orders=range(len(orders)),
            batch_size=size,
            fan_out=fan_out,
        ),
        order_ids=orders,
    )


def part_of(state: OrchestrationState) -> Part | None:
    """How the submission is cut; None for a foreign orchestration's."""
    found = submitted(state)
    return None if found is None else found.part


def _without_fields(value: dict[str, Any]) -> object:
    if "orders" in value:
        return value
    order_id = value.get("order_id", "")
    return _OrderId(order_id if isinstance(order_id, str) else "")
