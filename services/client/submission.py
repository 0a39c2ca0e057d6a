"""What is sent for a file of orders: the payload, its size, and the id that its content gives."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from services.client.errors import BadInputError
from services.shared.batches import split
from services.shared.converter import PydanticDataConverter
from services.shared.orders import Order
from services.shared.payload_place import PayloadSettings

# The limit is 100; children's ids append to their parent's.
INSTANCE_ID_CHARS_MAX: Final = 80
# A part of every id: orders that mean something else in a later version are another submission.
SCHEMA_VERSION: Final = 1

_INSTANCE_ID: Final = re.compile(rf"(?!@)[\x20-\x7e]{{1,{INSTANCE_ID_CHARS_MAX}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Orders on their way to `main_orchestration`; `payload` is its input."""

    instance_id: str
    payload: dict[str, Any]
    batch_sizes: tuple[int, ...]

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
        wire = [order.to_wire() for order in orders]
        payload = {"orders": wire, "batch_size": batch_size}
        serialized = PydanticDataConverter().serialize(payload) or ""
        _check_size(len(serialized.encode()), payloads)
        return cls(
            instance_id=instance_id or _content_id(serialized),
            payload=payload,
            batch_sizes=tuple(len(batch) for batch in split(wire, batch_size)),
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
