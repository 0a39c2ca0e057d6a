"""How a submission is cut into batches, how these hang in a tree, and what its parts are called.

A contract: the orchestrators split by it and the client finds the parts again by it. The cut keeps
every history below 1 MiB, where payloads above 16 KiB are kept elsewhere. Its numbers are for new
runs: with others, a run in progress would be cut in another way than its history says.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

Item = TypeVar("Item")
Order = dict[str, Any]

# How many children an orchestration of a tree has. A history holds the input and the output of each
# child, 16 KiB at most, and half a KiB of events around them: 30 stay below 1 MiB, whatever the
# orders hold. They are also what a replay costs, at every turn.
FAN_OUT: Final = 30
FAN_OUT_MIN: Final = 2
FAN_OUT_MAX: Final = 100
# How often an order is tried. Every try stands in the history of its batch: the order, and at most
# so many bytes for its schedule, its failure and the timer before the next one.
ATTEMPTS_MAX: Final = 8
_ATTEMPT_BYTES: Final = 1_000
_INLINE_BYTES_MAX: Final = 16 * 1024
# What the orders or children of one orchestration may take: the rest is for its own payloads.
_HISTORY_BYTES_MAX: Final = 900_000
# How often a batch of the most and the longest orders is cut.
BATCH_LEVELS_MAX: Final = 2
# What each level adds to an instance id. (A number of five digits needs more than 65,535 children.)
CHILD_ID_CHARS: Final = len(":0001")
# A submission with more batches is a tree.
_FLAT_BATCHES_MAX: Final = 100
# Around a child's payloads, and an outcome beside its order's own fields.
_CHILD_BYTES: Final = 1_000
_OUTCOME_BYTES: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A submission, or a contiguous part of it that an orchestration of its own processes.

    `orders` are positions in the submission, from 0. Without a `fan_out` every batch is a child of
    the submission; with one, a part of more batches than that is cut into parts.
    """

    instance_id: str
    orders: range
    batch_size: int
    fan_out: int | None
    is_batch: bool = False

    @property
    def batches(self) -> int:
        """How many batches the part has."""
        return 1 if self.is_batch else -(-len(self.orders) // self.batch_size)

    @property
    def holds_batches(self) -> bool:
        """Whether the part's children are batches."""
        return not self.is_batch and self._span == 1

    @property
    def children(self) -> Iterator["Part"]:
        """The parts that this one starts, in the order of input; a batch starts none."""
        if not self.is_batch:
            size = self._span * self.batch_size
            for number in range(1, -(-len(self.orders) // size) + 1):
                yield self._child(number, size)

    def below(self, numbers: Sequence[int]) -> "Part | None":
        """The part that these numbers lead to, one for each level; None when there is none."""
        part = self
        for number in numbers:
            size = part._span * part.batch_size
            if part.is_batch or not 0 < number <= -(-len(part.orders) // size):
                return None
            part = part._child(number, size)
        return part

    @property
    def levels(self) -> int:
        """How many levels of parts are below this one."""
        levels, left = 0 if self.is_batch else 1, self._span
        while self.fan_out is not None and left > 1:
            levels, left = levels + 1, left // self.fan_out
        return levels

    def _child(self, number: int, size: int) -> "Part":
        return Part(
            instance_id=child_instance_id(self.instance_id, number),
            orders=self.orders[(number - 1) * size : number * size],
            batch_size=self.batch_size,
            fan_out=self.fan_out,
            is_batch=size == self.batch_size,
        )

    @property
    def _span(self) -> int:
        """How many batches a child has: the fewest with which the children are not too many.

        A power of the fan-out, so that all parts but the last are full.
        """
        span = 1
        while self.fan_out is not None and span * self.fan_out < self.batches:
            span *= self.fan_out
        return span


def split(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """`items` in batches of `size`, in their order; the last one may be shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def child_instance_id(parent: str, number: int) -> str:
    """The instance id of a parent's child, numbered from 1.

    The same text that the Python SDK makes by default, so that it reads alike everywhere.
    """
    return f"{parent}:{number:04x}"


def order_bytes(order: Order) -> int:
    """How many bytes an order is as the input of its activity."""
    return len(json.dumps(order, separators=(",", ":")))


def fan_out_for(sizes: Sequence[int], batch_size: int) -> int | None:
    """The fan-out with which no history of a submission grows beyond 1 MiB; None: it needs none.

    `sizes` are the orders', in bytes.
    """
    batches = split(sizes, batch_size)
    if len(batches) > _FLAT_BATCHES_MAX:
        return FAN_OUT
    # A batch's input, and its output: every outcome, and once more those that the summary lists.
    children = len(sizes) * _OUTCOME_BYTES + len(batches) * _CHILD_BYTES + 3 * sum(sizes)
    if len(batches) > FAN_OUT and children > _HISTORY_BYTES_MAX:
        return FAN_OUT
    return FAN_OUT if any(len(_slices(batch)) > 1 for batch in batches) else None


def cut_batch(orders: Sequence[Order], fan_out: int) -> list[Sequence[Order]]:
    """What a batch gives to each of its children, `fan_out` at most; one: it needs no children.

    So that its history stays below 1 MiB even when all orders give up. The children are batches
    too, and those that need it are cut again: once, as a batch has 1,000 orders at most.
    """
    slices = _slices([order_bytes(order) for order in orders])
    groups = split(slices, max(1, -(-len(slices) // fan_out)))
    return [orders[group[0].start : group[-1].stop] for group in groups] or [orders]


def batch_levels(sizes: Sequence[int], fan_out: int | None) -> int:
    """How many levels of orchestrations are below a batch, from 0 to `BATCH_LEVELS_MAX`.

    `sizes` are its orders', in bytes.
    """
    if fan_out is None:
        return 0
    slices = len(_slices(sizes))
    return 0 if slices <= 1 else 1 if slices <= fan_out else BATCH_LEVELS_MAX


def _slices(sizes: Sequence[int]) -> list[range]:
    """Which orders of a batch one history holds each."""
    starts: list[int] = []
    filled = _HISTORY_BYTES_MAX
    for number, size in enumerate(sizes):
        worst = ATTEMPTS_MAX * (min(size, _INLINE_BYTES_MAX) + _ATTEMPT_BYTES)
        if filled + worst > _HISTORY_BYTES_MAX:
            starts.append(number)
            filled = 0
        filled += worst
    return [range(start, end) for start, end in pairwise([*starts, len(sizes)])]
