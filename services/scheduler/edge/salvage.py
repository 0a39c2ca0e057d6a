"""Finds the completion token in an answer that cannot be read, so that its lease can end."""

from typing import Final

from services.scheduler.engine.limits import ACTIONS_MAX

VARINT, FIXED64, BYTES, _GROUP, _END, FIXED32 = 0, 1, 2, 3, 4, 5
_SEVEN_BITS: Final = 0x7F
_MORE: Final = 0x80
_VARINT_BYTES_MAX: Final = 10
# The token stands behind the actions. Whoever sends more of them than are taken is not looked after
# any further: everybody waits meanwhile.
FIELDS_MAX: Final = 2 * ACTIONS_MAX


def text_field(message: bytes, number: int) -> str | None:
    """A top-level text field of a serialized message, as far as that is walked and can be."""
    at = depth = fields = 0
    found = None
    try:
        while at < len(message) and fields < FIELDS_MAX:
            fields += 1
            tag, at = varint(message, at)
            kind = tag & 7
            if kind == VARINT:
                _value, at = varint(message, at)
            elif kind in (FIXED64, FIXED32):
                at += 8 if kind == FIXED64 else 4
            elif kind == BYTES:
                length, at = varint(message, at)
                if tag >> 3 == number and not depth:
                    found = message[at : at + length].decode()
                at += length
            elif kind in (_GROUP, _END):
                # Nobody sends groups; whoever reads a message skips them, and what is in them.
                depth += 1 if kind == _GROUP else -1
            else:
                return found
    except (IndexError, UnicodeDecodeError, ValueError):
        return found
    return found


def varint(message: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends; raises `IndexError`, `ValueError`."""
    value = message[at]
    if value < _MORE:
        # As most are.
        return value, at + 1
    value = 0
    for index in range(_VARINT_BYTES_MAX):
        byte = message[at + index]
        value |= (byte & _SEVEN_BITS) << (7 * index)
        if not byte & _MORE:
            return value, at + index + 1
    raise ValueError("no varint")
