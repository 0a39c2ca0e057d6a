"""How many parts a serialized message has, before it is read: each takes memory of its own.

An empty message in a list is two bytes on the wire and forty in memory, so that 64 MiB of them
would be more than a gibibyte. Messages that are not large cannot become large.
"""

from functools import cache
from typing import Any, Final

from google.protobuf.message import DecodeError

from services.scheduler.edge.salvage import BYTES, FIXED32, FIXED64, VARINT, varint

# protobuf has a class of it for each of its makes.
Descriptor = Any

# Nothing smaller is looked at; with nothing but empty parts, it would be 170 MiB.
COUNTED_BYTES_MIN: Final = 8 * 1024 * 1024
# Twenty for each of the most actions that an answer may have.
PARTS_MAX: Final = 2_000_000


def check_parts(message: bytes, descriptor: Descriptor) -> None:
    """Raises `DecodeError` for a message of a type that has more fields, at any depth."""
    if has_too_many(message, descriptor):
        raise DecodeError(f"it has more than {PARTS_MAX:,} fields")


def has_too_many(message: bytes, descriptor: Descriptor) -> bool:
    """Whether there are more than are read; False for what is no message."""
    if len(message) < COUNTED_BYTES_MIN:
        return False
    count = 0
    left = [(0, len(message), descriptor)]
    try:
        while left:
            at, end, of_type = left.pop()
            inner = _messages_in(of_type)
            while at < end:
                count += 1
                if count > PARTS_MAX:
                    return True
                tag, at = varint(message, at)
                kind = tag & 7
                if kind == BYTES:
                    length, at = varint(message, at)
                    found = inner.get(tag >> 3)
                    if found is not None and length:
                        left.append((at, min(at + length, end), found))
                    at += length
                elif kind == VARINT:
                    _, at = varint(message, at)
                elif kind in (FIXED64, FIXED32):
                    at += 8 if kind == FIXED64 else 4
    except (IndexError, ValueError):
        # Whoever reads it says what is wrong with it.
        return False
    return False


@cache
def _messages_in(of_type: Descriptor) -> dict[int, Descriptor]:
    """The types of the fields that hold messages, by the fields' numbers."""
    return {
        field.number: field.message_type
        for field in of_type.fields
        if field.message_type is not None
    }
