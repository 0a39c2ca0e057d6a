"""What is sent for a file of orders: the payload, its size, and the id that its content gives."""

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from services.client.errors import BadInputError
from services.shared.batches import (
    BATCH_LEVELS_MAX,
    CHILD_ID_CHARS,
    Part,
    batch_levels,
    fan_out_for,
    split,
)
from services.shared.converter import PydanticDataConverter
from services.shared.json_text import JsonText
from services.shared.orders import Order
from services.shared.payload_place import PayloadSettings

# The limit for the ids of sub-orchestrations, which append to their parent's, and what is left.
CHILD_INSTANCE_ID_CHARS_MAX: Final = 100
INSTANCE_ID_CHARS_MAX: Final = 80
# A part of every id: orders that mean something else in a later version are another submission.
SCHEMA_VERSION: Final = 1

_CONVERTER: Final = PydanticDataConverter()
# An input without the field is no tree.
_FLAT: Final = {"fan_out": None}
_INSTANCE_ID: Final = re.compile(rf"(?!@)[\x20-\x7e]{{1,{INSTANCE_ID_CHARS_MAX}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Orders on their way to `main_orchestration`; `payload` is its input."""

    instance_id: str
    payload: JsonText
    part: Part

    @classmethod
    def of(
        cls,
        orders: Sequence[Order],
        *,
        batch_size: int,
        instance_id: str | None,
        payloads: PayloadSettings,
    ) -> Self:
        """The submission of `orders`; raises `BadInputError` when it is too large to send."""
        # As text, order by order: as dictionaries they would take five times as much.
        texts = [_CONVERTER.serialize(order.to_wire()) or "" for order in orders]
        sizes = [len(text) for text in texts]
        content = f'{{"orders":[{",".join(texts)}],"batch_size":{batch_size}'
        fan_out = fan_out_for(sizes, batch_size)
        # Of the content alone: the same orders are the same run, in whatever tree they hang.
        part = Part(
            instance_id=instance_id or _content_id(content + "}"),
            orders=range(len(orders)),
            batch_size=batch_size,
            fan_out=fan_out,
        )
        check_depth(part, sizes)
        tree = "" if fan_out is None else f',"fan_out":{fan_out}'
        payload = JsonText(f"{content}{tree}}}")
        _check_size(len(payload.text), payloads)  # all of it is ASCII
        return cls(instance_id=part.instance_id, payload=payload, part=part)

    def is_like(self, other: object) -> bool:
        """Whether another input has these orders in these batches, in whatever tree they hang."""
        return isinstance(other, dict) and other | _FLAT == json.loads(self.payload.text) | _FLAT


def check_depth(part: Part, sizes: Sequence[int]) -> None:
    """Raises `BadInputError` when the ids of the deepest parts would be too long.

    `sizes` are the orders', in bytes.
    """
    room = (CHILD_INSTANCE_ID_CHARS_MAX - len(part.instance_id)) // CHILD_ID_CHARS
    if part.levels + BATCH_LEVELS_MAX <= room:
        return
    levels = part.levels + max(
        batch_levels(batch, part.fan_out) for batch in split(sizes, part.batch_size)
    )
    if levels > room:
        raise BadInputError(
            f"{part.batches:,} batches need {levels} levels of sub-orchestrations, each with"
            f" {CHILD_ID_CHARS} more characters in its instance id, and"
            f" {CHILD_INSTANCE_ID_CHARS_MAX} is the limit: choose an --instance-id of at most"
            f" {CHILD_INSTANCE_ID_CHARS_MAX - levels * CHILD_ID_CHARS} characters, or a larger"
            " --batch-size"
        )


def _check_size(size: int, payloads: PayloadSettings) -> None:
    limit = payloads.payload_bytes_max
    if size > limit:
        raise BadInputError(
            f"the submission is {size:,} bytes and the limit for one payload is {limit:,} bytes;"
            f" {payloads.advice}, or split the file into {-(-size // limit)} or more"
            " and submit each"
        )


def _content_id(serialized: str) -> str:
    content = f"{SCHEMA_VERSION}:{serialized}".encode()
    return f"orders-{hashlib.sha256(content).hexdigest()[:20]}"


def fresh_instance_id() -> str:
    """An id that no submission had before."""
    return f"orders-{secrets.token_hex(10)}"


def check_instance_id(instance_id: str) -> str:
    """The id as it is; raises `BadInputError` for one that cannot be used."""
    if _INSTANCE_ID.fullmatch(instance_id) is None:
        raise BadInputError(
            f"--instance-id must be 1 to {INSTANCE_ID_CHARS_MAX} printable ASCII characters and"
            f" must not start with @ (got {instance_id!r})"
        )
    return instance_id
