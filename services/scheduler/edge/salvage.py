"""Finds the completion token in an answer that cannot be read, so that its lease can end."""

from typing import Final

_VARINT, _FIXED64, _BYTES, _GROUP, _END, _FIXED32 = 0, 1, 2, 3, 4, 5
_SEVEN_BITS: Final = 0x7F
_MORE: Final = 0x80
_VARINT_BYTES_MAX: Final = 10


def text_field(message: bytes, number: int) -> str | None:
    """A top-level text field of a serialized message, as far as that can be walked."""
    at = depth = 0
    found = None
    try:
        while at < len(message):
            tag, at = _varint(message, at)
            kind = tag & 7
            if kind == _VARINT:
                _value, at = _varint(message, at)
            elif kind in (_FIXED64, _FIXED32):
                at += 8 if kind == _FIXED64 else 4
            elif kind == _BYTES:
                length, at = _varint(message, at)
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


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(_VARINT_BYTES_MAX):
        byte = message[at + index]
        value |= (byte & _SEVEN_BITS) << (7 * index)
        if not byte & _MORE:
            return value, at + index + 1
    raise ValueError("no varint")
